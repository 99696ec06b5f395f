/**
 * Yielding: answers with a stream of values. What the handler yields is written as frames behind the head of the answer,
 * as fast as the other side reads. docs/streams-of-values.md.
 */
import { asHbiError, failure, type HbiError, ownError } from "../../errors.ts";
import { MAX_DEPTH } from "../../limits.ts";
import { repr } from "../../parser/repr.ts";
import { errorText } from "../../registry/error-text.ts";
import { STREAM_HEAD } from "../../registry/method.ts";
import { raised } from "../../registry/raised-error.ts";
import { validate } from "../../registry/validate.ts";
import { Feed } from "../conversation/body-source.ts";
import { ERROR, encodeFrame, ITEM, joined, RESULT } from "../conversation/item-frames.ts";
import { conversingNow } from "../session/conversing.ts";
import type { HoCo } from "../session/ho-co.ts";
import { markHandled } from "../waits.ts";
import type { Yielding, YieldingCall } from "./service-env.ts";

/** Small items are sent together up to this size, if they are there at once. */
const WRITE_BYTES = 16 * 1024;
/** What a generator that waits for nothing takes to its next item, in turns of the queue of promises. */
const TURNS = 6;

export const yielding: Yielding = async (of, begin) => {
  const { HoCo } = conversingNow();
  const { co } = of.call;
  if (!(co instanceof HoCo)) throw failure("wrong_stage", `${of.name} yields values, inside an answer`);
  const items = new YieldedItems(of, co);
  // The handler runs within the interceptors, which wait for its end.
  const result = markHandled(Promise.resolve(begin((returned) => items.from(returned))));
  result.then(
    (value) => items.ended({ value }),
    (thrown: unknown) => items.ended({ thrown }),
  );
  try {
    await items.begun;
    await co.startSend(); // otherwise what is small would be collected
    await co.sendObj(repr(STREAM_HEAD));
    await co.sendData(new Feed(items));
  } finally {
    items.stop();
  }
};

type Outcome = { readonly value: unknown } | { readonly thrown: unknown };
type Step = IteratorResult<unknown, unknown>;
type Chunk = IteratorResult<Uint8Array, undefined>;
const END: Chunk = { done: true, value: undefined };

class YieldedItems implements AsyncIterableIterator<Uint8Array> {
  readonly #of: YieldingCall;
  readonly #co: HoCo;
  /** Resolves when the handler has returned its iterable. @throws what it, or what is around it, throws before that */
  readonly begun: Promise<void>;
  #isBegun = false;
  #begin: () => void = () => undefined;
  #refuse: (thrown: unknown) => void = () => undefined;
  #iterator: AsyncIterator<unknown, unknown> | undefined;
  /** settles what the interceptors wait for */
  #settle: (returned: unknown) => void = () => undefined;
  #fail: (thrown: unknown) => void = () => undefined;
  /** Resolves when the interceptors have ended. */
  readonly #outcome: Promise<Outcome>;
  #tell: (outcome: Outcome) => void = () => undefined;
  /** the item that is awaited */
  #step: Promise<Step> | undefined;
  #arrived: Step | undefined;
  #isOver = false;
  /** nobody reads any more, and there is nobody to tell */
  #isStopped = false;

  constructor(of: YieldingCall, co: HoCo) {
    this.#of = of;
    this.#co = co;
    this.begun = markHandled(
      new Promise((resolve, reject) => {
        this.#begin = resolve;
        this.#refuse = reject;
      }),
    );
    this.#outcome = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The handler has returned. Resolves to its result when everything was yielded. */
  async from(returned: unknown): Promise<unknown> {
    const iterable: unknown = await returned;
    if (typeof iterable !== "object" || iterable === null || !(Symbol.asyncIterator in iterable)) {
      throw failure("bad_result", "it must return an async iterable", { of: this.#of.name });
    }
    if (this.#isBegun) throw failure("bad_result", "it was run twice", { of: this.#of.name });
    const iterator = (iterable as AsyncIterable<unknown, unknown>)[Symbol.asyncIterator](); // as just seen
    this.#iterator = iterator;
    const end = markHandled(
      new Promise<unknown>((resolve, reject) => {
        this.#settle = resolve;
        this.#fail = reject;
      }),
    );
    this.#isBegun = true;
    if (this.#isOver) this.stop();
    this.#begin();
    return end;
  }

  /** The interceptors have ended. */
  ended(outcome: Outcome): void {
    if (!this.#isBegun) {
      this.#refuse(
        "thrown" in outcome
          ? outcome.thrown
          : failure("bad_result", "an interceptor answered for it", { of: this.#of.name }),
      );
    }
    this.#tell(outcome);
  }

  async next(): Promise<Chunk> {
    if (this.#isOver) return END;
    const parts: Uint8Array[] = [];
    let bytes = 0;
    try {
      while (bytes < WRITE_BYTES) {
        const step = await this.#asked(bytes === 0);
        if (step === undefined) break;
        const frame = step.done === true ? undefined : this.#frameOf(await step.value);
        if (frame === undefined) {
          this.#isOver = true;
          this.#iterator = undefined; // it has ended by itself
          this.#settle(step.value);
          break;
        }
        parts.push(frame);
        bytes += frame.length;
      }
    } catch (thrown) {
      this.#close();
      this.#fail(thrown);
    }
    if (this.#isStopped) return END;
    if (this.#isOver) {
      const last = this.#last(await this.#outcome);
      parts.push(last);
      bytes += last.length;
    }
    return { done: false, value: joined(parts, bytes) };
  }

  /** The next item; undefined if it is not there yet and nobody waits. */
  async #asked(isAwaited: boolean): Promise<Step | undefined> {
    if (this.#step === undefined) {
      this.#step = markHandled(Promise.resolve((this.#iterator as AsyncIterator<unknown, unknown>).next())); // it has begun
      const keep = (step: Step): void => {
        this.#arrived = step;
      };
      this.#step.then(keep, () => {
        this.#iterator = undefined; // what throws has ended
      });
    }
    for (let turn = 0; !isAwaited && this.#iterator !== undefined && this.#arrived === undefined; turn++) {
      if (turn === TURNS) return undefined;
      await undefined;
    }
    const step = await this.#step;
    this.#step = undefined;
    this.#arrived = undefined;
    return step;
  }

  /** @throws HbiError bad_result, result_too_big */
  #frameOf(item: unknown): Uint8Array {
    const { name, method } = this.#of;
    const valid = validate(method.streams?.yields as never, item, "bad_result", `${name}: an item`); // it has them
    return this.#written(ITEM, valid);
  }

  #written(kind: number, value: unknown): Uint8Array {
    const { name, method, env } = this.#of;
    const { accepted } = this.#co;
    let text: string;
    try {
      text = repr(value, "json", MAX_DEPTH, env.writer, accepted.readsRich);
    } catch (cause) {
      throw failure("bad_result", ownError(cause)?.message, { of: name, cause }); // the caller has made no mistake
    }
    accepted.checkResult(text, name, method);
    return encodeFrame(kind, text);
  }

  /** The last frame: the result, or why there is none. */
  #last(outcome: Outcome): Uint8Array {
    const { name, method } = this.#of;
    let thrown: unknown;
    try {
      if ("value" in outcome) {
        const result = method.streams?.result;
        return this.#written(RESULT, result === undefined ? null : validate(result, outcome.value, "bad_result", name));
      }
      thrown = outcome.thrown;
    } catch (refused) {
      thrown = refused;
    }
    const error: HbiError = asHbiError(raised(thrown, name, method));
    this.#co.failedWithin(error);
    return encodeFrame(ERROR, errorText(error, undefined, this.#co.hearsErrors));
  }

  async return(): Promise<Chunk> {
    this.stop();
    return END;
  }

  /** Nothing more of it is sent. */
  stop(): void {
    this.#isStopped = true;
    this.#fail(failure("cancelled")); // unless it has ended
    this.#close();
  }

  /** The iterator is ended once. What it throws then is nobody's. */
  #close(): void {
    this.#isOver = true;
    const iterator = this.#iterator;
    this.#iterator = undefined;
    try {
      if (iterator?.return !== undefined) markHandled(Promise.resolve(iterator.return()));
    } catch {
      // as above
    }
  }
}
