/**
 * Budgets: what one connection may cost beside its conversations: malformed scripts and, where a server says so, calls and bytes a
 * second. A peer that means well comes to the end of none of them but the latter, which only delay. Each bucket is made when something
 * is first taken from it. docs/errors-and-limits.md.
 */
import type { Clock } from "../../clock.ts";
import { FAILURES, failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export class Budgets {
  readonly #clock: Clock;
  readonly #limits: Limits;
  #failures: TokenBucket | undefined;
  #calls: TokenBucket | undefined;
  #bytes: TokenBucket | undefined;
  /** failures of a peer that has not authenticated: none of them is forgiven */
  #preAuthFailures = 0;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A script of the peer was refused, before anything of it ran: the error that ends the connection, when no honest peer would have sent it
   *  and it is one too many. */
  refused({ reason }: HbiError): HbiError | undefined {
    if (reason === undefined || FAILURES[reason].fault !== "peer") return undefined;
    this.#failures ??= new TokenBucket(this.#clock, this.#limits.maxFailures, this.#limits.failuresPerSecond);
    return this.#failures.take() ? undefined : failure("too_many_errors");
  }

  /** A request of a peer that has not authenticated has failed, also by what `authenticate` throws: one more guess. */
  preAuthFailed(): HbiError | undefined {
    this.#preAuthFailures += 1;
    return this.#preAuthFailures > this.#limits.strangerFailures ? failure("too_many_errors") : undefined;
  }

  /** The peer has made so many calls. */
  called(count: number): void {
    const { callsPerSecond } = this.#limits;
    if (callsPerSecond === Number.POSITIVE_INFINITY) return;
    this.#calls ??= new TokenBucket(this.#clock, callsPerSecond, callsPerSecond);
    this.#calls.charge(count);
  }

  /** Milliseconds until the peer may make another call; 0: now. */
  get callWaitMs(): number {
    return this.#calls?.waitMs(1) ?? 0;
  }

  /** So many bytes have come: the milliseconds for which no more should. */
  receivedWaitMs(bytes: number): number {
    const { receivedBytesPerSecond } = this.#limits;
    if (receivedBytesPerSecond === Number.POSITIVE_INFINITY) return 0;
    this.#bytes ??= new TokenBucket(this.#clock, receivedBytesPerSecond, receivedBytesPerSecond);
    this.#bytes.charge(bytes);
    return this.#bytes.waitMs(0);
  }
}
