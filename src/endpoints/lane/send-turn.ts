/**
 * SendTurn: one conversation writes at a time, first come, first served. docs/protocol.md, "one sender per direction".
 */
import { Chain, type Chained } from "../../chain.ts";
import type { Account } from "../guard/account.ts";

export interface TurnTaker extends Chained {
  /** for error messages: "conversation 101" */
  readonly label: string;
  /** The turn is yours until you release it; you may do so at once. */
  granted(): void;
  /** The connection has ended before: for a taker that nobody else tells. */
  dropped?(): void;
}

/** What is written to. */
export interface Writable {
  readonly isCongested: boolean;
}

export class SendTurn {
  readonly #wire: Writable;
  readonly #account: Account;
  readonly #waiting = new Chain<TurnTaker>();
  #holder: TurnTaker | undefined;
  #isGranting = false;
  #isClosed = false;

  /** @param wire while its peer does not keep up nobody gets the turn, so that no more is queued than half of `maxSendBufferBytes` and what
   *  one conversation writes */
  constructor(wire: Writable, account: Account) {
    this.#wire = wire;
    this.#account = account;
  }

  get holder(): TurnTaker | undefined {
    return this.#holder;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isIdle(): boolean {
    return this.#holder === undefined && this.#waiting.size === 0;
  }

  request(taker: TurnTaker): void {
    this.#account.sendTurns += 1;
    const { isCongested } = this.#wire; // first: it asks the transport, which may fail and end the connection
    const isNext = this.#holder === undefined && this.#waiting.size === 0 && !this.#isGranting && !this.#isClosed;
    if (!isNext || isCongested) {
      this.#waiting.add(taker);
      this.grant();
      return;
    }
    this.#isGranting = true; // nobody is before it: no queue is made for the most frequent case
    this.#holder = taker;
    taker.granted();
    this.#isGranting = false;
    if (this.#waiting.size > 0) this.grant();
  }

  /** Leaves the queue. */
  withdraw(taker: TurnTaker): void {
    if (this.#waiting.remove(taker)) this.#account.sendTurns -= 1;
  }

  release(taker: TurnTaker): void {
    if (this.#holder !== taker) return;
    this.#holder = undefined;
    this.#account.sendTurns -= 1;
    if (this.#waiting.size > 0) this.grant();
  }

  /** The connection is over: nobody gets it any more. */
  close(): void {
    this.#isClosed = true;
    this.#account.sendTurns -= this.#waiting.size;
    for (let taker = this.#waiting.shift(); taker !== undefined; taker = this.#waiting.shift()) taker.dropped?.();
  }

  /** Looks again whether somebody may write. A loop, not a recursion: thousands of whole brackets may be waiting, each of which
   *  releases at once. */
  grant(): void {
    if (this.#isGranting || this.#isClosed) return;
    this.#isGranting = true;
    while (this.#holder === undefined && this.#waiting.size > 0 && !this.#wire.isCongested) {
      this.#holder = this.#waiting.shift();
      this.#holder?.granted();
    }
    this.#isGranting = false;
  }
}
