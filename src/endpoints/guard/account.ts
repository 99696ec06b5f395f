/**
 * Account: everything that one peer makes this side hold, by what it is, and the places and turns that it takes. Whatever is held
 * is entered here when it is taken and crossed out when it is given back: when all is quiet, all of it is zero.
 * docs/errors-and-limits.md, "What is held".
 */
import type { Chained } from "../../chain.ts";
import type { Limits } from "../../limits.ts";
import type { ProcessLoad } from "./process-load.ts";

/** What is held, in bytes. Each entry costs at least something, so that nothing is free that has no content. */
export interface HeldBytes {
  /** received and not looked at */
  received: number;
  /** objects and raw data of conversations that nobody has asked for */
  unread: number;
  /** scripts whose handlers are at work */
  scripts: number;
  /** scripts that wait for a place */
  waiting: number;
  /** answers that are built up */
  answers: number;
  /** written and not taken by the platform */
  unsent: number;
  /** posted conversations that wait to be sent */
  posts: number;
}

/** What is held, in numbers. */
export interface HeldPlaces {
  /** hosted conversations: begun, and the handler or the answer has not ended */
  hosted: number;
  /** those of them that have a place: their scripts may run */
  places: number;
  /** posted conversations without an answer */
  posted: number;
  /** conversations that have the send turn or wait for it */
  sendTurns: number;
  /** conversations that read */
  readTurns: number;
}

export type Held = Readonly<HeldBytes & HeldPlaces>;

/** What an entry costs beside its content, as measured: a text; a hosted conversation, of which a peer can begin many that say nothing; one
 *  that this side has posted. */
export const ENTRY_COST_BYTES = 64;
const HOSTED_COST_BYTES = 2_048;
const POSTED_COST_BYTES = 1_024;

/** Of one connection. */
export class Account implements HeldBytes, HeldPlaces, Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  received = 0;
  unread = 0;
  scripts = 0;
  waiting = 0;
  answers = 0;
  unsent = 0;
  posts = 0;
  hosted = 0;
  places = 0;
  posted = 0;
  sendTurns = 0;
  readTurns = 0;
  readonly #limits: Limits;
  readonly #load: ProcessLoad;
  readonly #placeFree: () => void;

  /** @param placeFree there may be room now for a script for which there was none */
  constructor(limits: Limits, load: ProcessLoad, placeFree: () => void) {
    this.#limits = limits;
    this.#load = load;
    this.#placeFree = placeFree;
  }

  get held(): Held {
    const { received, unread, scripts, waiting, answers, unsent, posts } = this;
    const { hosted, places, posted, sendTurns, readTurns } = this;
    return { received, unread, scripts, waiting, answers, unsent, posts, hosted, places, posted, sendTurns, readTurns };
  }

  /** All of it in bytes, with what the conversations cost: no less than a quarter of what the heap has of it. */
  get bytes(): number {
    const { received, unread, scripts, waiting, answers, unsent, posts, hosted, posted } = this;
    const content = received + unread + scripts + waiting + answers + unsent + posts;
    return content + hosted * HOSTED_COST_BYTES + posted * POSTED_COST_BYTES;
  }

  /** A conversation of the peer has begun: it counts in the process, place or not. */
  beginHosted(): void {
    this.hosted += 1;
    this.#load.bytes += HOSTED_COST_BYTES;
  }

  endHosted(): void {
    this.hosted -= 1;
    this.#load.bytes -= HOSTED_COST_BYTES;
  }

  /** Takes a place for a script of so many bytes; false: there is none now, and `placeFree` will be called when there may be. Who has
   *  none in the process always gets one, so that no connection can take them all. */
  takePlace(bytes: number, most: number): boolean {
    const { maxInFlightBytes } = this.#limits;
    if (this.places >= most || (this.places > 0 && this.scripts + bytes > maxInFlightBytes)) return false;
    if (!this.#load.takePlace(this, bytes, this.#limits)) return false;
    this.places += 1;
    this.scripts += bytes;
    return true;
  }

  /** Another script of the same conversation is so much longer. */
  resizePlace(bytes: number): void {
    this.scripts += bytes;
    this.#load.bytes += bytes;
  }

  givePlace(bytes: number): void {
    this.places -= 1;
    this.scripts -= bytes;
    this.#load.givePlace(bytes);
  }

  /** Whether a script that waits may be held as well. */
  mayWait(bytes: number): boolean {
    return this.#load.hasRoom(bytes, this.#limits);
  }

  /** It waits, or, negative, waits no more. */
  wait(bytes: number): void {
    this.waiting += bytes;
    this.#load.bytes += bytes;
  }

  /** For the process alone. */
  tell(): void {
    this.#placeFree();
  }

  /** The connection is over: it waits for no place any more. */
  close(): void {
    this.#load.forget(this);
  }
}
