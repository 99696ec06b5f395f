/**
 * Budgets: what one connection may cost beyond its conversations: malformed scripts and, if the server sets them, calls
 * and bytes per second. An honest peer never exhausts the budget of malformed scripts; the other two only delay. Each
 * bucket is created on first use. docs/errors-and-limits.md.
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
  /** failures before authentication, which are never forgiven */
  #preAuthFailures = 0;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A script of the peer was refused before it ran. Returns the error that ends the connection if no honest peer sends
   *  such a script and the budget is exhausted. */
  refused({ reason }: HbiError): HbiError | undefined {
    if (reason === undefined || FAILURES[reason].fault !== "peer") return undefined;
    this.#failures ??= new TokenBucket(this.#clock, this.#limits.maxFailures, this.#limits.failuresPerSecond);
    return this.#failures.take() ? undefined : failure("too_many_errors");
  }

  /** A request before authentication has failed, or `authenticate` has thrown: possibly a guess. */
  preAuthFailed(): HbiError | undefined {
    this.#preAuthFailures += 1;
    return this.#preAuthFailures > this.#limits.strangerFailures ? failure("too_many_errors") : undefined;
  }

  /** Counts calls of the peer. */
  called(count: number): void {
    const { callsPerSecond } = this.#limits;
    if (callsPerSecond === Number.POSITIVE_INFINITY) return;
    this.#calls ??= new TokenBucket(this.#clock, callsPerSecond, callsPerSecond);
    this.#calls.charge(count);
  }

  /** Milliseconds until the peer may make another call; 0 means now. */
  get callWaitMs(): number {
    return this.#calls?.waitMs(1) ?? 0;
  }

  /** Counts received bytes; returns the milliseconds for which reading should pause. */
  receivedWaitMs(bytes: number): number {
    const { receivedBytesPerSecond } = this.#limits;
    if (receivedBytesPerSecond === Number.POSITIVE_INFINITY) return 0;
    this.#bytes ??= new TokenBucket(this.#clock, receivedBytesPerSecond, receivedBytesPerSecond);
    this.#bytes.charge(bytes);
    return this.#bytes.waitMs(0);
  }
}
