/**
 * Waits: every promise that this library hands out for something that the peer must do. Each one settles: by its event, its
 * deadline, its signal, or the end of the connection.
 */
import { Chain, type Chained } from "../chain.ts";
import { afterHearing, type Clock, type Timer } from "../clock.ts";
import { failure, HbiError, withoutStack } from "../errors.ts";

export interface WaitOptions {
  /** Gives up when it aborts: the wait rejects with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
  /** Gives up after so long: `deadline_exceeded`. `Infinity` waits as long as the connection lives. */
  readonly timeoutMs?: number | undefined;
}

/** What a wait says of itself when it fails. */
export interface WaitHints {
  /** the error of a deadline, when more is known than that time is over */
  readonly onTimeout?: () => HbiError;
  /** It is not a caller's deadline: the peer has so long in which it could be heard. */
  readonly isHearing?: boolean;
}

interface Failing {
  fail(error: HbiError): void;
}

export class Wait<T> implements Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly promise: Promise<T>;
  #resolve: (value: T) => void = ignore;
  #reject: (error: HbiError) => void = ignore;
  #isSettled = false;
  #timer: Timer | undefined;
  #signal: AbortSignal | undefined;
  readonly #group: Chain<Chained & Failing>;

  constructor(
    group: Chain<Chained & Failing>,
    clock: Clock,
    timeoutMs: number,
    options: WaitOptions,
    hints: WaitHints,
  ) {
    this.#group = group;
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A caller that never looks at the promise must not bring its process down when the connection is lost.
    this.promise.catch(ignore);
    const { signal } = options;
    if (signal?.aborted === true) {
      this.#abort(signal);
      return;
    }
    group.add(this);
    if (signal !== undefined) {
      this.#signal = signal;
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      const late = (): void => this.fail(hints.onTimeout?.() ?? failure("timeout"));
      this.#timer = hints.isHearing === true ? afterHearing(clock, timeoutMs, late) : clock.after(timeoutMs, late);
    }
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  settle(value: T): void {
    if (this.#finish()) this.#resolve(value);
  }

  fail(error: HbiError): void {
    if (this.#finish()) this.#reject(error);
  }

  #onAbort = (): void => {
    if (this.#signal !== undefined) this.#abort(this.#signal);
  };

  #abort(signal: AbortSignal): void {
    this.fail(failure("cancelled", undefined, { cause: signal.reason }));
  }

  #finish(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#timer?.cancel();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#group.remove(this);
    return true;
  }
}

export class Waits {
  readonly #pending = new Chain<Chained & Failing>();
  readonly #clock: Clock;
  readonly #defaultTimeoutMs: number;
  #lost: HbiError | undefined;

  constructor(clock: Clock, defaultTimeoutMs: number) {
    this.#clock = clock;
    this.#defaultTimeoutMs = defaultTimeoutMs;
  }

  get size(): number {
    return this.#pending.size;
  }

  start<T>(options: WaitOptions = {}, hints: WaitHints = {}): Wait<T> {
    const timeoutMs = checkTimeout(options.timeoutMs) ?? this.#defaultTimeoutMs;
    const wait = new Wait<T>(this.#pending, this.#clock, timeoutMs, options, hints);
    if (this.#lost !== undefined) wait.fail(this.#lost);
    return wait;
  }

  /** Fails what is pending and all that is started from now on. */
  loseAll(error: HbiError): void {
    this.#lost ??= error;
    for (const wait of this.#pending.toArray()) wait.fail(error);
  }
}

/** @throws HbiError invalid_argument for what is not a positive time */
export function checkTimeout(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs !== undefined && !(timeoutMs > 0)) throw failure("bad_option", "timeoutMs must be positive");
  return timeoutMs;
}

/** The error of a lost connection, for one of its calls. Thousands may be lost together: the stack is that of the connection's end. */
export function withLanded(error: HbiError, mayHaveLanded: boolean): HbiError {
  const { code, message, details, reason, cause } = error;
  const options = { ...(reason ? { reason } : {}), cause: cause ?? error, mayHaveLanded };
  return withoutStack(() => new HbiError(code, message, details, options));
}

/** Raw data is bounded by the deadline of its conversation and the peer's progress, not by that of a call. */
export function rawOptions(options: WaitOptions): WaitOptions {
  return { ...options, timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY };
}

/** For every promise that a caller may drop and a peer can make fail: its rejection must not end the process as unhandled. A caller that
 *  awaits it is told all the same. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** For what is settled by nobody yet, and for failures that somebody else is told of. */
export function ignore(): void {}
