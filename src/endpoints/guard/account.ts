/**
 * Account: everything that one peer makes this side hold, by kind, and the slots and turns that it occupies. Everything
 * is entered when it is taken and removed when it is released; when nothing is in progress, all of it is zero.
 * docs/errors-and-limits.md, "What is held".
 */
import type { Chained } from "../../chain.ts";
import type { Limits } from "../../limits.ts";
import type { ProcessLoad } from "./process-load.ts";

/** What is held, in bytes. Each entry has an overhead, so that empty entries are not free. */
export interface HeldBytes {
  /** received and not processed */
  received: number;
  /** objects and raw data of conversations that nobody has requested */
  unread: number;
  /** scripts whose handlers are running */
  scripts: number;
  /** scripts that wait for a slot */
  waiting: number;
  /** answers that are collected */
  answers: number;
  /** written and not taken by the platform */
  unsent: number;
  /** posted conversations that wait to be sent */
  posts: number;
}

/** What is held, in numbers. */
export interface HeldPlaces {
  /** hosted conversations whose handler or answer has not ended */
  hosted: number;
  /** those of them that have a slot: their scripts may run */
  places: number;
  /** posted conversations without an answer */
  posted: number;
  /** conversations that have the send turn or wait for it */
  sendTurns: number;
  /** conversations that read */
  readTurns: number;
}

export type Held = Readonly<HeldBytes & HeldPlaces>;

/** The measured overhead of an entry: a text; a hosted conversation, of which a peer can begin many empty ones; a
 *  conversation posted by this side. */
export const ENTRY_COST_BYTES = 64;
const HOSTED_COST_BYTES = 2_048;
const POSTED_COST_BYTES = 1_024;

/** The account of one connection. */
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

  /** @param placeFree called when a slot may be available for a script that waits */
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

  /** All of it in bytes, including the overhead of conversations: at least a quarter of what it takes on the heap. */
  get bytes(): number {
    const { received, unread, scripts, waiting, answers, unsent, posts, hosted, posted } = this;
    const content = received + unread + scripts + waiting + answers + unsent + posts;
    return content + hosted * HOSTED_COST_BYTES + posted * POSTED_COST_BYTES;
  }

  /** A conversation of the peer has begun. It counts for the process, with or without a slot. */
  beginHosted(): void {
    this.hosted += 1;
    this.#load.bytes += HOSTED_COST_BYTES;
  }

  endHosted(): void {
    this.hosted -= 1;
    this.#load.bytes -= HOSTED_COST_BYTES;
  }

  /** Takes a slot for a script of this many bytes. False if there is none; `placeFree` is then called when there may be
   *  one. A connection without a slot always gets one, so no connection can starve the others. */
  takePlace(bytes: number, most: number): boolean {
    const { maxInFlightBytes } = this.#limits;
    if (this.places >= most || (this.places > 0 && this.scripts + bytes > maxInFlightBytes)) return false;
    if (!this.#load.takePlace(this, bytes, this.#limits)) return false;
    this.places += 1;
    this.scripts += bytes;
    return true;
  }

  /** Another script of the same conversation adds this many bytes. */
  resizePlace(bytes: number): void {
    this.scripts += bytes;
    this.#load.bytes += bytes;
  }

  givePlace(bytes: number): void {
    this.places -= 1;
    this.scripts -= bytes;
    this.#load.givePlace(bytes);
  }

  /** Whether a waiting script may be held in addition. */
  mayWait(bytes: number): boolean {
    return this.#load.hasRoom(bytes, this.#limits);
  }

  /** Adds bytes that wait; a negative number removes them. */
  wait(bytes: number): void {
    this.waiting += bytes;
    this.#load.bytes += bytes;
  }

  /** Called by the process only. */
  tell(): void {
    this.#placeFree();
  }

  /** The connection has ended and no longer waits for a slot. */
  close(): void {
    this.#load.forget(this);
  }
}
