/**
 * Waits: every promise that this library returns for something that the peer must do. Each one settles: by its event,
 * its deadline, its signal, or the end of the connection.
 */
import { Chain, type Chained } from "../chain.ts";
import { afterHearing, type Clock, type Timer } from "../clock.ts";
import { asHbiError, changed, failure, type HbiError } from "../errors.ts";
import { aSignal, aTime, checkOptions, type OptionsOf } from "../options.ts";
import { heed, heedNoMore } from "./heed.ts";

export interface WaitOptions {
  /** Cancels the wait: it rejects with `cancelled`. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the wait with `deadline_exceeded`. `Infinity` waits until the connection ends. */
  readonly timeoutMs?: number | undefined;
}

export const WAIT_OPTIONS: OptionsOf<WaitOptions> = { signal: aSignal, timeoutMs: aTime };

/** @throws HbiError invalid_argument */
export function checkWait(options: WaitOptions): void {
  checkOptions(options, "this call", WAIT_OPTIONS);
}

/** Details for the error of a failing wait. */
export interface WaitHints {
  /** the error at the deadline, if a more specific one is known */
  readonly onTimeout?: () => HbiError;
  /** The deadline concerns the peer, not a caller: time in which this side could not read does not count. */
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
    // An ignored promise must not end the process when the connection is lost.
    this.promise.catch(ignore);
    const { signal } = options;
    if (signal?.aborted === true) {
      this.#abort(signal);
      return;
    }
    group.add(this);
    if (signal !== undefined) {
      this.#signal = signal;
      heed(signal, this.#onAbort);
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
    if (this.#signal !== undefined) heedNoMore(this.#signal, this.#onAbort);
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

  /** What a promise gives, within the wait. */
  async until<T>(promise: Promise<T>, options: WaitOptions): Promise<T> {
    checkWait(options);
    const wait = this.start<T>(options);
    promise.then(
      (value) => wait.settle(value),
      (thrown) => wait.fail(asHbiError(thrown)),
    );
    return await wait.promise;
  }

  /** Fails all pending waits, and those that begin later. */
  loseAll(error: HbiError): void {
    this.#lost ??= error;
    for (const wait of this.#pending.toArray()) wait.fail(error);
  }
}

/** @throws HbiError invalid_argument unless it is a positive time */
export function checkTimeout(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs !== undefined) aTime(timeoutMs, "timeoutMs", "");
  return timeoutMs;
}

/** The error of a lost connection for one of its calls. Thousands may be lost together, so they share the stack of the
 *  connection's end. */
export function withLanded(error: HbiError, mayHaveLanded: boolean): HbiError {
  return changed(error, { cause: error.cause ?? error, mayHaveLanded });
}

/** Raw data is bounded by the deadline of its conversation and by the peer's progress, not by the deadline of a
 *  call. */
export function rawOptions(options: WaitOptions): WaitOptions {
  return { ...options, timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY };
}

/** For promises that a caller may ignore and a peer can reject: the rejection must not be reported as unhandled. A
 *  caller that awaits the promise still receives it. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** The same for what `run` does; what it throws at once rejects as well. */
export function handled<T>(run: () => Promise<T>): Promise<T> {
  return markHandled(run());
}

/** For a promise without consequences, and for failures that are reported elsewhere. */
export function ignore(): void {}
