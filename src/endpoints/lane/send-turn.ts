/**
 * SendTurn: one conversation writes at a time, in order of arrival. docs/protocol.md, section 4.
 */
import { Chain, type Chained } from "../../chain.ts";
import { failure, type HbiError } from "../../errors.ts";
import type { Account } from "../guard/account.ts";

export interface TurnTaker extends Chained {
  /** for error messages: "conversation 101" */
  readonly label: string;
  /** The turn is granted until it is released, which may happen at once. */
  granted(): void;
  /** Settles when it can write. Nothing that is sent later can hasten this, so others wait for it for `PATIENCE_MS`. */
  readonly awaited?: Promise<unknown> | undefined;
  /** The connection has ended; called for takers that learn of it in no other way. */
  dropped?(): void;
}

export const PATIENCE_MS = 1_000;

/** The target of writes. */
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

  /** @param wire while its peer does not keep up, the turn is not granted, so that at most half of `maxSendBufferBytes`
   *  and the data of one conversation are queued */
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
    const isNext = this.#holder === undefined && this.#waiting.size === 0 && !this.#isGranting;
    const mustWait = !isNext || this.#wire.isCongested;
    // Checked last: the wire calls the transport, which may fail and end the connection.
    if (this.#isClosed) {
      this.#account.sendTurns -= 1;
      taker.dropped?.();
      return;
    }
    if (mustWait) {
      this.#waiting.add(taker);
      this.grant();
      return;
    }
    this.#isGranting = true; // no queue is created in the most frequent case, without others before it
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

  /** The connection has ended; the turn is not granted any more. */
  close(): void {
    this.#isClosed = true;
    this.#account.sendTurns -= this.#waiting.size;
    for (let taker = this.#waiting.shift(); taker !== undefined; taker = this.#waiting.shift()) taker.dropped?.();
  }

  /** Grants the turn if possible. A loop instead of a recursion, because thousands of complete brackets may wait, each
   *  of which releases the turn at once. */
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

/** The error of a wait for the send turn. */
export function turnHeld(turn: SendTurn): HbiError {
  const holder = turn.holder?.label ?? "too many unanswered conversations";
  return failure("turn_held", `held by ${holder}; a handler that holds it must not wait for this connection`);
}
