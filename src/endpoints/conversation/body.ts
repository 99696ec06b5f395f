/**
 * Body: the raw data behind a call or a result, read as it arrives, with backpressure; and the sources that can be sent
 * as one. docs/streaming.md.
 */
import type { Clock, Timer } from "../../clock.ts";
import { failure, HbiError, ownError } from "../../errors.ts";
import { insteadOfBytes } from "../../parser/kinds.ts";
import { ledTo } from "../failing.ts";
import { asBytes, type Buffers } from "../lane/raw-intake.ts";
import { markHandled, type WaitOptions } from "../waits.ts";

/** Raw data to send: a buffer, chunks of it, a web stream, a blob. */
export type BodySource =
  | ArrayBufferView
  | Iterable<ArrayBufferView>
  | AsyncIterable<ArrayBufferView>
  | ReadableStream<Uint8Array>
  | Blob;

/** A function is called each time the call is sent, so that a call with a stream can be repeated. */
export type BodyGiven = BodySource | (() => BodySource);

/** The conversation to which the raw data belongs. */
export interface RawSource {
  readonly unreadBytes: number;
  recvData(into: ArrayBufferView, options?: WaitOptions): Promise<void>;
  recvChunks(byteLength?: number, options?: WaitOptions): AsyncGenerator<Uint8Array, void, void>;
  discardData(): void;
}

/** While its side drains, a body that nobody reads is dropped after this time. */
const DRAIN_MS = 1_000;
/** Up to this size a body is read into one buffer; a larger one grows as it arrives, because nothing is allocated from
 *  an announced length. */
const MAX_EAGER_BYTES = 64 * 1024;

export interface BodyEnd {
  readonly clock: Clock;
  /** if nobody reads for this long, the rest is dropped, because the wire waits behind it */
  readonly idleTimeoutMs: number;
  /** aborts when its side drains, which must not wait for a reader that may never come */
  readonly draining: AbortSignal | undefined;
  /** called when the body was read or dropped */
  readonly onEnd: () => void;
}

/** Raw data of a declared length. Read it or `discard` it: the peer's next packet is behind it. */
export class Body implements AsyncIterable<Uint8Array> {
  /** the declared length in bytes */
  readonly length: number;
  readonly #source: RawSource;
  readonly #end: BodyEnd | undefined;
  /** the method to which it belongs */
  readonly #of: string | undefined;
  #timer: Timer | undefined;
  #onDraining: (() => void) | undefined;
  #isReading = false;
  #isEnded = false;
  #failure: HbiError | undefined;
  #isTouched = false;

  constructor(source: RawSource, length: number, of?: string, end?: BodyEnd) {
    this.#of = of;
    this.#source = source;
    this.length = length;
    this.#end = end;
    if (length === 0) this.#finish();
    else this.#watch();
  }

  /** The number of unread bytes. */
  get unreadBytes(): number {
    return this.#isEnded ? 0 : this.#source.unreadBytes;
  }

  /** Whether it was read or discarded, at least in part. */
  get isTouched(): boolean {
    return this.#isTouched;
  }

  /** The unread bytes in the chunks of the wire, without a copy. Leaving the loop drops the rest. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    if (this.length === 0) return;
    this.#begin();
    try {
      yield* this.#source.recvChunks(this.unreadBytes);
    } catch (thrown) {
      throw this.#told(thrown);
    } finally {
      this.#finish();
    }
  }

  /** All unread bytes in one buffer. */
  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return markHandled(this.#bytes());
  }

  async #bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const { unreadBytes } = this;
    if (unreadBytes <= MAX_EAGER_BYTES) {
      const all = new Uint8Array(unreadBytes);
      await this.readInto(all);
      return all;
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this) {
      chunks.push(chunk);
      length += chunk.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** Fills the buffer with the next bytes. @throws HbiError out_of_range if fewer bytes remain */
  readInto(buffer: ArrayBufferView): Promise<void> {
    return markHandled(this.#readInto(buffer));
  }

  async #readInto(buffer: ArrayBufferView): Promise<void> {
    if (this.length > 0) this.#begin();
    if (buffer.byteLength > this.unreadBytes) {
      this.#isReading = false;
      const what = `${buffer.byteLength} raw bytes requested, ${this.unreadBytes} are left`;
      throw new HbiError("out_of_range", this.#of === undefined ? what : `${this.#of}: ${what}`);
    }
    if (this.length === 0) return;
    try {
      await this.#source.recvData(buffer);
    } catch (thrown) {
      this.#finish();
      throw this.#told(thrown);
    }
    this.#isReading = false;
    if (this.#source.unreadBytes === 0) this.#finish();
    else this.#watch();
  }

  /** Declares that the rest will not be read: it is skipped as it arrives. */
  discard(): void {
    this.#isTouched = true;
    this.#finish();
  }

  /** The connection is lost, and the unread data with it. */
  lose(error: HbiError): void {
    if (this.#isEnded) return;
    this.#failure = error;
    this.#finish();
  }

  /** With the name of the method, and the stack of who reads. */
  #told(thrown: unknown): unknown {
    const own = ownError(thrown);
    return own === undefined || this.#of === undefined ? thrown : ledTo(own, this.#of);
  }

  #begin(): void {
    const of = this.#of;
    if (this.#failure !== undefined) throw this.#told(this.#failure);
    if (this.#isEnded) throw failure("wrong_stage", "the body has been read or discarded", { of });
    if (this.#isReading) throw failure("wrong_stage", "the body is already being read", { of });
    this.#isReading = true;
    this.#isTouched = true;
    this.#timer?.cancel();
  }

  #watch(): void {
    const end = this.#end;
    if (end === undefined) return;
    const { clock, draining, idleTimeoutMs } = end;
    if (draining?.aborted === true) {
      this.#endAfter(clock, DRAIN_MS);
      return;
    }
    this.#endAfter(clock, idleTimeoutMs);
    if (this.#onDraining !== undefined) return;
    this.#onDraining = () => {
      if (!this.#isReading) this.#endAfter(clock, DRAIN_MS);
    };
    draining?.addEventListener("abort", this.#onDraining, { once: true });
  }

  #endAfter(clock: Clock, ms: number): void {
    this.#timer?.cancel();
    this.#timer = clock.after(ms, () => {
      this.#failure = failure("timeout", "nobody read the body");
      this.#finish();
    });
  }

  #finish(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isReading = false;
    this.#timer?.cancel();
    if (this.#onDraining !== undefined) this.#end?.draining?.removeEventListener("abort", this.#onDraining);
    if (this.#source.unreadBytes > 0) this.#source.discardData();
    this.#end?.onEnd();
  }
}

/** The source in the form that a conversation sends, exactly `length` bytes: a host waits for all declared bytes and
 *  would read more as packets.
 *  @throws HbiError invalid_argument for a buffer or blob of another length */
export function exactly(source: BodySource, length: number): ArrayBufferView | AsyncIterable<ArrayBufferView> {
  if (ArrayBuffer.isView(source)) {
    checkLength(source.byteLength, length);
    return source;
  }
  if (isBlob(source)) {
    checkLength(source.size, length);
    return counted(chunksOf(source.stream()), length);
  }
  if (typeof source !== "object" || source === null) throw notABody(source);
  if ("getReader" in source) return counted(chunksOf(source), length);
  if (!(Symbol.asyncIterator in source || Symbol.iterator in source)) throw notABody(source);
  return counted(source, length);
}

/** What is no source of raw data, though JavaScript let it be passed. */
function notABody(source: unknown): HbiError {
  return failure("bad_option", `the body ${insteadOfBytes(source)}`);
}

/** Some platforms have no Blob. */
function isBlob(source: BodySource): source is Blob {
  return typeof Blob === "function" && source instanceof Blob;
}

function checkLength(given: number, declared: number): void {
  if (given !== declared) throw failure("body_mismatch", `${given} bytes given, ${declared} declared`);
}

async function* counted(
  source: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>,
  length: number,
): AsyncGenerator<ArrayBufferView, void, void> {
  let given = 0;
  for await (const view of source) {
    const { byteLength } = asBytes(view);
    if (given + byteLength > length) throw failure("body_mismatch", `more than the ${length} bytes declared`);
    given += byteLength;
    yield view;
  }
  checkLength(given, length);
}

/** Up to this size a body is read before anything of its call is sent. */
const MAX_COLLECTED_BYTES = 64 * 1024;

/** A source of which exactly `length` bytes are sent: a buffer unchanged, others as they come. A short source is read
 *  completely first, so that its failure affects only its own call.
 *  @throws HbiError invalid_argument for a buffer or blob of another length */
export function bodyFrom(source: BodySource, length: number): ArrayBufferView | Pending {
  const body = exactly(source, length);
  if (ArrayBuffer.isView(body)) return body;
  return length <= MAX_COLLECTED_BYTES ? new Collected(body, length) : new FirstChunk(body);
}

/** A body whose data is not complete yet. */
export interface Pending {
  /** Settles when its call may be sent, or its source has failed. */
  readonly ready: Promise<unknown>;
  /** What is sent after that. The source is not read before this is. */
  readonly content: ArrayBufferView | AsyncIterable<ArrayBufferView>;
  /** the number of chunks taken from the source */
  readonly chunks: number;
  /** Whether the source has been asked for a chunk. */
  readonly isAwaited: boolean;
}

class Collected implements Pending {
  readonly ready: Promise<void>;
  readonly content: Uint8Array;
  readonly chunks = 0;
  readonly isAwaited = false;

  constructor(body: AsyncIterable<ArrayBufferView>, length: number) {
    this.content = new Uint8Array(length);
    this.ready = markHandled(this.#collect(body));
  }

  async #collect(body: AsyncIterable<ArrayBufferView>): Promise<void> {
    let at = 0;
    for await (const view of body) {
      this.content.set(asBytes(view), at);
      at += view.byteLength;
    }
  }
}

/** A body whose first chunk is requested before anything of its call is sent, so that an early failure affects only its
 *  own call. */
class FirstChunk implements Pending, AsyncIterable<ArrayBufferView> {
  readonly ready: Promise<unknown>;
  readonly content = this;
  readonly #chunks: AsyncIterator<ArrayBufferView>;
  readonly #first: Promise<IteratorResult<ArrayBufferView>>;
  chunks = 0;
  isAwaited = true;

  constructor(body: AsyncIterable<ArrayBufferView>) {
    this.#chunks = body[Symbol.asyncIterator]();
    this.#first = markHandled(this.#chunks.next());
    this.ready = this.#first;
    const given = (): void => {
      this.isAwaited = false;
    };
    this.#first.then(given, given); // possibly unused for a while
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ArrayBufferView, void, void> {
    try {
      for (let chunk = await this.#first; chunk.done !== true; chunk = await this.#chunks.next()) {
        this.chunks += 1;
        this.isAwaited = false;
        yield chunk.value;
        this.isAwaited = true;
      }
    } finally {
      await this.#chunks.return?.();
    }
  }
}

/** A web stream as chunks; some browsers do not make it iterable. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream.getReader();
  let isDone = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    isDone = true;
  } finally {
    if (!isDone) await reader.cancel();
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
  try {
    keepFromFailingUnheard(source);
    const end = END.map((name): unknown => Reflect.get(source, name)).find((method) => typeof method === "function");
    if (typeof end === "function") markHandled(Promise.resolve(end.call(source)));
  } catch {
    // it is discarded in any case
  }
}

/** The methods that end a Node stream, a web stream and a generator. */
const END = ["destroy", "cancel", "return"] as const;
