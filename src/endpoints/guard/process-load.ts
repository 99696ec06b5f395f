/**
 * ProcessLoad: what the connections of a process share: slots for scripts and the bytes of these, unsent bytes, and the
 * turns of the event loop. It is passed to each connection; by default, all connections of a process share one.
 * docs/errors-and-limits.md, "What is held".
 */
import { Chain } from "../../chain.ts";
import type { Clock } from "../../clock.ts";
import type { Limits } from "../../limits.ts";
import type { Account } from "./account.ts";
import { Scheduler } from "./scheduler.ts";
import { UnsentLoad } from "./unsent-load.ts";

export class ProcessLoad {
  /** the number of slots in use, and the bytes of their scripts, of waiting scripts, and of their conversations */
  places = 0;
  bytes = 0;
  /** what waits for peers that do not read */
  readonly unsent = new UnsentLoad();
  /** freed slots that have not been offered yet */
  #free = 0;
  #isTelling = false;
  /** accounts that were offered a slot and have not reacted yet */
  readonly #told = new Set<Account>();
  readonly #waiting = new Chain<Account>();
  /** connections with the same clock share an event loop */
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

  /** Offers a slot to the next account. A loop instead of a recursion, because what it begins may end before it
   *  returns. */
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

  /** It no longer waits. A slot that it was offered and has not taken goes to the next account. */
  forget(account: Account): void {
    this.#waiting.remove(account);
    if (this.#told.delete(account)) this.#tell();
  }
}

/** The default for all connections of this process. */
export const processLoad = new ProcessLoad();
