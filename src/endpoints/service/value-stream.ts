/**
 * ValueStream: a call whose method yields values, as its caller uses it. What reads the items is loaded on demand.
 * docs/streams-of-values.md.
 */

import type { Timer } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import { heed, heedNoMore } from "../heed.ts";
import { checkTimeout, markHandled } from "../waits.ts";
import type { Caller } from "./caller.ts";
import type { ItemReader, ItemStep } from "./item-reader.ts";
import type { Sending } from "./outgoing.ts";

/** A stream of values of a peer. Read it in one loop; leaving the loop cancels the handler. */
export interface ValueStream<T, R> extends AsyncIterable<T, void, undefined>, AsyncDisposable {
  /** The result, which follows the last item: the loop must be read to its end.
   *  @throws HbiError as the loop does; cancelled if it was left */
  readonly result: Promise<R>;
  /** The items in order. May be called once.
   *  @throws HbiError of the handler, or of a refused item; unavailable after a lost connection */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined>;
  /** Nothing more is wanted: the handler is cancelled. A loop that waits ends with `cancelled`. */
  cancel(): void;
}

export function streamOf(caller: Caller, sending: Sending): ValueStream<unknown, unknown> {
  return new CalledStream(caller, sending);
}

class CalledStream implements ValueStream<unknown, unknown> {
  readonly result: Promise<unknown>;
  #resolve: (result: unknown) => void = () => undefined;
  #rejectResult: (error: HbiError) => void = () => undefined;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #reader: Promise<ItemReader>;
  #opened: ItemReader | undefined;
  /** of the item that is awaited */
  #reject: ((error: HbiError) => void) | undefined;
  #timer: Timer | undefined;
  #failure: HbiError | undefined;
  #isOver = false;
  #isRead = false;

  constructor(caller: Caller, { name, method, params, options }: Sending) {
    this.result = markHandled(
      new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#rejectResult = reject;
      }),
    );
    const { signal } = options ?? {};
    const own = { ...options, signal: this.#abort.signal, timeoutMs: Number.POSITIVE_INFINITY };
    const { clock, limits } = caller;
    try {
      const timeoutMs = checkTimeout(options?.timeoutMs);
      if (signal instanceof AbortSignal && !signal.aborted) heed(signal, this.#onAbort);
      const ms = timeoutMs ?? limits.callTimeoutMs; // without a timeout, only its beginning has one
      if (ms !== Number.POSITIVE_INFINITY) {
        this.#timer = clock.after(ms, () => {
          if (timeoutMs !== undefined || this.#opened === undefined)
            this.#fail(failure("timeout", `after ${ms} ms`, { of: name }));
        });
      }
    } catch (thrown) {
      this.#fail(asHbiError(thrown));
    }
    if (signal instanceof AbortSignal) {
      this.#signal = signal;
      if (signal.aborted) this.#fail(failure("cancelled", undefined, { cause: signal.reason }));
    }
    this.#reader = markHandled(caller.call(name, method, params, own) as Promise<ItemReader>); // for such a method
    this.#reader.then(
      (reader) => {
        this.#opened = reader;
        if (options?.timeoutMs === undefined) this.#timer?.cancel();
        if (this.#isOver) reader.stop();
      },
      (thrown) => this.#fail(asHbiError(thrown)),
    );
  }

  [Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    const items = this.#items();
    const leave = items.return.bind(items);
    // A generator that has not begun would end without running anything, and one that waits would go on waiting.
    items.return = (value) => {
      this.cancel();
      return leave(value);
    };
    return items;
  }

  async *#items(): AsyncGenerator<unknown, void, undefined> {
    if (this.#isRead) throw failure("wrong_stage", "the stream is read already");
    this.#isRead = true;
    try {
      for (;;) {
        const step = await this.#next();
        if ("result" in step) {
          this.#end();
          this.#resolve(step.result);
          return;
        }
        yield step.item;
      }
    } finally {
      this.cancel();
    }
  }

  #next(): Promise<ItemStep> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#reject = reject;
      const late = (thrown: unknown): void => this.#fail(asHbiError(thrown));
      if (this.#opened === undefined) this.#reader.then((reader) => reader.next()).then(resolve, late);
      else this.#opened.next().then(resolve, late);
    });
  }

  cancel(): void {
    this.#fail(failure("cancelled"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
  }

  readonly #onAbort = (): void => this.#fail(failure("cancelled", undefined, { cause: this.#signal?.reason }));

  #fail(error: HbiError): void {
    if (this.#isOver) return;
    this.#end();
    this.#failure = error;
    this.#abort.abort(error);
    this.#opened?.stop();
    this.#reject?.(error);
    this.#rejectResult(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    if (this.#signal !== undefined) heedNoMore(this.#signal, this.#onAbort);
  }
}
