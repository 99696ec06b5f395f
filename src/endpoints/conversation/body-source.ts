/**
 * Sources of raw data to send: a buffer unchanged, anything else as a feed of chunks. A feed asks its source for one
 * chunk at a time and closes it once: at its end, or as soon as nothing more of it is sent. docs/streaming.md.
 */
import { failure, type HbiError } from "../../errors.ts";
import { insteadOfBytes, kindOf } from "../../parser/kinds.ts";
import { asBytes, type Buffers } from "../lane/buffers.ts";
import { markHandled } from "../waits.ts";

/** Raw data to send: a buffer, chunks of it, a web stream, a blob. */
export type BodySource =
  | ArrayBufferView
  | Iterable<ArrayBufferView>
  | AsyncIterable<ArrayBufferView>
  | ReadableStream<Uint8Array>
  | Blob;

/** A function is called each time the call is sent, so that a call with a stream can be repeated. */
export type BodyGiven = BodySource | (() => BodySource);

/** The declared length, or a check of how much a source of unknown length has given, which throws if that is too much. */
export type Measure = number | ((given: number) => void);

/** The source in the form that a conversation sends, exactly `length` bytes: a host waits for all declared bytes and
 *  would read more as packets.
 *  @throws HbiError invalid_argument for a buffer or blob of another length */
export function exactly(source: BodySource, length: Measure): ArrayBufferView | Feed {
  if (ArrayBuffer.isView(source)) {
    checkWhole(source.byteLength, length);
    return source;
  }
  if (isBlob(source)) {
    checkWhole(source.size, length);
    return new Feed(source.stream(), length);
  }
  const isStream = typeof source === "object" && source !== null && "getReader" in source;
  if (!(isStream || isIterable(source))) throw failure("bad_option", `the body ${insteadOfBytes(source)}`); // JavaScript let it be passed
  return new Feed(source, length);
}

/** An iterable of other things is refused at once, in words that name it. */
function isIterable(source: unknown): boolean {
  if (typeof source !== "object" || source === null || OF_OTHER_THINGS.has(kindOf(source))) return false;
  return Symbol.asyncIterator in source || Symbol.iterator in source;
}

const OF_OTHER_THINGS: ReadonlySet<string> = new Set(["FormData", "Headers", "Map", "URLSearchParams"]);

/** Some platforms have no Blob. */
export function isBlob(source: unknown): source is Blob {
  return typeof Blob === "function" && source instanceof Blob;
}

/** The length of what is available as a whole. Undefined for a source, which has to be read. */
export function sizeOf(source: BodyGiven | undefined): number | undefined {
  if (source === undefined || typeof source === "function") return undefined;
  if (ArrayBuffer.isView(source)) return source.byteLength;
  return isBlob(source) ? source.size : undefined;
}

function checkWhole(given: number, length: Measure): void {
  if (typeof length === "number") checkLength(given, length);
  else length(given);
}

function checkLength(given: number, declared: number): void {
  if (given !== declared) throw failure("body_mismatch", `${given} bytes given, ${declared} declared`);
}

type Chunks = Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;
type Step = IteratorResult<ArrayBufferView, undefined>;

const END: Step = { done: true, value: undefined };

export class Feed implements AsyncIterableIterator<ArrayBufferView> {
  readonly #source: Chunks | ReadableStream<Uint8Array>;
  readonly #length: Measure | undefined;
  #iterator: AsyncIterator<ArrayBufferView> | Iterator<ArrayBufferView> | undefined;
  #given = 0;
  #isClosed = false;
  #stopped: HbiError | undefined;
  /** of the chunk that is awaited */
  #reject: ((error: HbiError) => void) | undefined;

  constructor(source: Chunks | ReadableStream<Uint8Array>, length?: Measure) {
    this.#source = source;
    this.#length = length;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    if (this.#stopped !== undefined) return markHandled(Promise.reject(this.#stopped));
    if (this.#isClosed) return Promise.resolve(END);
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#step().then(resolve, reject);
    });
  }

  async #step(): Promise<Step> {
    let step: IteratorResult<ArrayBufferView>;
    try {
      this.#iterator ??= iteratorOf(this.#source);
      step = await this.#iterator.next();
    } catch (thrown) {
      this.#isClosed = true; // what throws has ended
      throw thrown;
    }
    if (step.done === true) {
      this.#isClosed = true;
      if (typeof this.#length === "number" && this.#stopped === undefined) checkLength(this.#given, this.#length);
      return END;
    }
    try {
      const value = await step.value; // an iterable that is not asynchronous may hold promises
      this.#given += asBytes(value).byteLength;
      if (typeof this.#length === "function") this.#length(this.#given);
      else if (this.#length !== undefined && this.#given > this.#length)
        throw failure("body_mismatch", `more than the ${this.#length} bytes declared`);
      return { done: false, value };
    } catch (thrown) {
      this.#close();
      throw thrown;
    }
  }

  /** The rest is not wanted. */
  async return(): Promise<Step> {
    this.#close();
    return END;
  }

  /** The same, also while a chunk is awaited, which may never come. */
  stop(error: HbiError): void {
    if (this.#isClosed) return;
    this.#stopped = error;
    this.#reject?.(error);
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // A Node stream ends at once only when it is destroyed.
    if (this.#iterator === undefined || "destroy" in this.#source) release(this.#source);
    else quietly(() => this.#iterator?.return?.());
  }
}

/** Buffers that are sent one by one, and can be stopped. @throws HbiError invalid_argument for anything else */
export function feedOf(buffers: Chunks): Feed | FirstChunk {
  if (buffers instanceof Feed || buffers instanceof FirstChunk) return buffers;
  if (!isIterable(buffers)) throw failure("bad_option", `the raw data ${insteadOfBytes(buffers)}`);
  return new Feed(buffers);
}

function iteratorOf(
  source: Chunks | ReadableStream<Uint8Array>,
): AsyncIterator<ArrayBufferView> | Iterator<ArrayBufferView> {
  if (Symbol.asyncIterator in source && !("getReader" in source)) return source[Symbol.asyncIterator]();
  if (!("getReader" in source)) return (source as Iterable<ArrayBufferView>)[Symbol.iterator](); // neither of the others
  const reader = source.getReader(); // some browsers do not make it iterable
  return {
    next: () => reader.read() as Promise<IteratorResult<ArrayBufferView>>, // of that shape
    return: async () => {
      await reader.cancel();
      return END;
    },
  };
}

/** Up to this size a body is read before anything of its call is sent. */
const MAX_COLLECTED_BYTES = 64 * 1024;

/** A source of which exactly `length` bytes are sent, or all: a buffer unchanged, others as they come. A short source of a
 *  declared length is read completely first, so that its failure affects only its own call.
 *  @throws HbiError invalid_argument for a buffer or blob of another length */
export function bodyFrom(source: BodySource, length: Measure): ArrayBufferView | Pending {
  const body = exactly(source, length);
  if (ArrayBuffer.isView(body)) return body;
  return typeof length === "number" && length <= MAX_COLLECTED_BYTES
    ? new Collected(body, length)
    : new FirstChunk(body);
}

/** A body whose data is not complete yet. */
export interface Pending {
  /** Settles when its call may be sent, or its source has failed. */
  readonly ready: Promise<unknown>;
  /** What is sent after that. The source is not read before this is. */
  readonly content: ArrayBufferView | AsyncIterableIterator<ArrayBufferView>;
  /** the number of chunks taken from the source */
  readonly chunks: number;
  /** Whether the source has been asked for a chunk. */
  readonly isAwaited: boolean;
  /** Nothing more of it is sent. */
  stop(error: HbiError): void;
}

class Collected implements Pending {
  readonly ready: Promise<void>;
  readonly content: Uint8Array;
  readonly chunks = 0;
  readonly isAwaited = false;
  readonly #feed: Feed;

  constructor(feed: Feed, length: number) {
    this.content = new Uint8Array(length);
    this.#feed = feed;
    this.ready = markHandled(this.#collect());
  }

  async #collect(): Promise<void> {
    let at = 0;
    for await (const view of this.#feed) {
      this.content.set(asBytes(view), at);
      at += view.byteLength;
    }
  }

  stop(error: HbiError): void {
    this.#feed.stop(error);
  }
}

/** A body whose first chunk is requested before anything of its call is sent, so that an early failure affects only its
 *  own call. */
class FirstChunk implements Pending, AsyncIterableIterator<ArrayBufferView> {
  readonly ready: Promise<unknown>;
  readonly content = this;
  readonly #feed: Feed;
  #first: Promise<Step> | undefined;
  chunks = 0;
  isAwaited = true;

  constructor(feed: Feed) {
    this.#feed = feed;
    this.#first = this.#asked();
    this.ready = this.#first;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    const first = this.#first;
    this.#first = undefined;
    this.chunks += 1;
    return first ?? this.#asked();
  }

  #asked(): Promise<Step> {
    this.isAwaited = true;
    const given = (): void => {
      this.isAwaited = false;
    };
    const step = this.#feed.next();
    step.then(given, given); // possibly unused for a while
    return step;
  }

  return(): Promise<Step> {
    return this.#feed.return();
  }

  stop(error: HbiError): void {
    this.#feed.stop(error);
  }
}

/** A stream may fail while it waits to be read. The failure is reported when it is read, and must not end the
 *  process. */
export function keepFromFailingUnheard(source: BodyGiven | Buffers | null | undefined): void {
  if (typeof source === "object" && source !== null && "on" in source && typeof source.on === "function")
    source.on("error", () => undefined);
}

/** Releases a source that will not be sent: an open file, a generator, a web stream. Exceptions are ignored. */
export function release(source: BodyGiven | undefined): void {
  if (typeof source !== "object" || source === null || ArrayBuffer.isView(source)) return;
  quietly(() => {
    keepFromFailingUnheard(source);
    const end = ENDS.map((name): unknown => Reflect.get(source, name)).find((method) => typeof method === "function");
    return typeof end === "function" ? end.call(source) : undefined;
  });
}

function quietly(end: () => unknown): void {
  try {
    markHandled(Promise.resolve(end()));
  } catch {
    // it is discarded in any case
  }
}

/** The methods that end a Node stream, a web stream and a generator. */
const ENDS = ["destroy", "cancel", "return"] as const;
