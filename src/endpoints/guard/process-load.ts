/**
 * ProcessLoad: what the connections of a process share: places for scripts and the bytes of these, what waits for peers that do not read, the
 * turns of the event loop. Connections are given one; those of a process have the same by default. docs/errors-and-limits.md, "What is held".
 */
import { Chain } from "../../chain.ts";
import type { Clock } from "../../clock.ts";
import type { Limits } from "../../limits.ts";
import type { Account } from "./account.ts";
import { Scheduler } from "./scheduler.ts";
import { UnsentLoad } from "./unsent-load.ts";

export class ProcessLoad {
  /** hosted scripts, and the bytes of these, of those that wait, and of their conversations */
  places = 0;
  bytes = 0;
  /** what waits for peers that do not read */
  readonly unsent = new UnsentLoad();
  /** places that have become free, and nobody was told of yet */
  #free = 0;
  #isTelling = false;
  /** told, and their turn to look has not come yet */
  readonly #told = new Set<Account>();
  readonly #waiting = new Chain<Account>();
  /** Connections with the same clock share an event loop. */
  readonly #schedulers = new WeakMap<Clock, Scheduler>();

  schedulerOf(clock: Clock): Scheduler {
    let scheduler = this.#schedulers.get(clock);
    if (scheduler === undefined) {
      scheduler = new Scheduler(clock);
      this.#schedulers.set(clock, scheduler);
    }
    return scheduler;
  }

  hasRoom(bytes: number, { maxProcessInFlightBytes }: Limits): boolean {
    return this.bytes + bytes <= maxProcessInFlightBytes;
  }

  takePlace(account: Account, bytes: number, limits: Limits): boolean {
    this.#told.delete(account);
    const isFree = this.places < limits.maxProcessInFlight && this.hasRoom(bytes, limits);
    if (!isFree && account.places > 0) {
      if (account.chain === undefined) this.#waiting.add(account);
      return false;
    }
    this.places += 1;
    this.bytes += bytes;
    this.#waiting.remove(account);
    return true;
  }

  givePlace(bytes: number): void {
    this.places -= 1;
    this.bytes -= bytes;
    this.#tell();
  }

  /** Tells the next one. A loop, not a recursion: what it begins may have ended by the time it returns. */
  #tell(): void {
    this.#free += 1;
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (; this.#free > 0; this.#free -= 1) {
      const account = this.#waiting.shift();
      if (account === undefined) continue;
      this.#told.add(account);
      account.tell();
    }
    this.#isTelling = false;
  }

  /** It waits no more. What it was told of and has not taken is the next one's. */
  forget(account: Account): void {
    this.#waiting.remove(account);
    if (this.#told.delete(account)) this.#tell();
  }
}

/** That of this process, unless a connection is given another. */
export const processLoad = new ProcessLoad();
