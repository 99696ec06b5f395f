/**
 * Budgets: what one connection may cost beside its conversations: refused scripts, cancellations, pings, and, where a server
 * says so, calls and bytes a second. Each bucket is made when something is first taken from it. docs/errors-and-limits.md.
 */
import type { Clock } from "../clock.ts";
import { FAILURES, failure, type HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export class Budgets {
  readonly #clock: Clock;
  readonly #limits: Limits;
  #failures: TokenBucket | undefined;
  #cancels: TokenBucket | undefined;
  #pings: TokenBucket | undefined;
  #calls: TokenBucket | undefined;
  #bytes: TokenBucket | undefined;
  /** failures of a peer that has not authenticated: none of them is forgiven */
  #strangerFailures = 0;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A conversation has failed: the error that ends the connection, when it is the peer's fault and one too many. Of a stranger each
   *  one counts. */
  failed({ reason }: HbiError, isStranger: boolean): HbiError | undefined {
    const { maxFailures, failuresPerSecond, strangerFailures } = this.#limits;
    if (isStranger) {
      this.#strangerFailures += 1; // whatever `authenticate` throws is one more guess
      return this.#strangerFailures > strangerFailures ? failure("too_many_errors") : undefined;
    }
    if (reason === undefined || FAILURES[reason].fault !== "peer") return undefined;
    this.#failures ??= this.#bucket(maxFailures, failuresPerSecond);
    return this.#failures.take() ? undefined : failure("too_many_errors");
  }

  /** The peer has given up one of its calls. */
  cancelled(): HbiError | undefined {
    this.#cancels ??= this.#bucket(this.#limits.maxCancels, this.#limits.cancelsPerSecond);
    return this.#cancels.take() ? undefined : failure("rate_exceeded", "cancellations");
  }

  pinged(): HbiError | undefined {
    this.#pings ??= this.#bucket(this.#limits.maxPings, this.#limits.pingsPerMinute / 60);
    return this.#pings.take() ? undefined : failure("rate_exceeded", "pings");
  }

  /** Before a conversation of the peer begins: 0 when it may, else the milliseconds until it may. */
  beginWaitMs(): number {
    const { callsPerSecond } = this.#limits;
    if (callsPerSecond === Number.POSITIVE_INFINITY) return 0;
    this.#calls ??= this.#bucket(callsPerSecond, callsPerSecond);
    return this.#calls.take() ? 0 : this.#calls.waitMs(1);
  }

  /** So many bytes have come: the milliseconds for which no more should. */
  receivedWaitMs(bytes: number): number {
    const { receivedBytesPerSecond } = this.#limits;
    if (receivedBytesPerSecond === Number.POSITIVE_INFINITY) return 0;
    this.#bytes ??= this.#bucket(receivedBytesPerSecond, receivedBytesPerSecond);
    this.#bytes.charge(bytes);
    return this.#bytes.waitMs(0);
  }

  #bucket(capacity: number, perSecond: number): TokenBucket {
    return new TokenBucket(this.#clock, capacity, perSecond);
  }
}
