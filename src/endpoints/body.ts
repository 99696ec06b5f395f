/**
 * Body: the raw data that follows a call or a result, read as it arrives, with backpressure; and what may be given as one.
 * docs/streaming.md.
 */
import type { Clock, Timer } from "../clock.ts";
import { failure, HbiError } from "../errors.ts";
import { asBytes } from "./raw-intake.ts";
import type { WaitOptions } from "./waits.ts";

/** Raw data to send: a buffer, chunks of it, a web stream, a blob. */
export type BodySource =
  | ArrayBufferView
  | Iterable<ArrayBufferView>
  | AsyncIterable<ArrayBufferView>
  | ReadableStream<Uint8Array>
  | Blob;

/** A function makes it anew each time that it is sent, so that a call with a stream can be repeated. */
export type BodyGiven = BodySource | (() => BodySource);

/** The conversation that the raw data belongs to. */
export interface RawSource {
  readonly unreadBytes: number;
  recvData(into: ArrayBufferView, options?: WaitOptions): Promise<void>;
  recvChunks(byteLength?: number, options?: WaitOptions): AsyncGenerator<Uint8Array, void, void>;
  discardData(): void;
}

/** Up to here a body is read into one buffer; a larger one grows as it arrives, as an announcement alone reserves nothing. */
const MAX_EAGER_BYTES = 64 * 1024;

export interface BodyEnd {
  readonly clock: Clock;
  /** nobody has read for so long: the rest is dropped, as the wire waits behind it */
  readonly idleTimeoutMs: number;
  /** it was read, or dropped */
  readonly onEnd: () => void;
}

/** Raw data of a declared length. Read it, or `discard` it: the next packet of the peer stands behind it. */
export class Body implements AsyncIterable<Uint8Array> {
  /** bytes in all, as declared */
  readonly length: number;
  readonly #source: RawSource;
  readonly #end: BodyEnd | undefined;
  #timer: Timer | undefined;
  #isReading = false;
  #isEnded = false;
  #failure: HbiError | undefined;
  #isTouched = false;

  constructor(source: RawSource, length: number, end?: BodyEnd) {
    this.#source = source;
    this.length = length;
    this.#end = end;
    if (length === 0) this.#finish();
    else this.#watch();
  }

  /** Bytes that nobody has read yet. */
  get unreadBytes(): number {
    return this.#isEnded ? 0 : this.#source.unreadBytes;
  }

  /** Whether anybody has read or discarded it. */
  get isTouched(): boolean {
    return this.#isTouched;
  }

  /** What is unread, in the wire's own chunks and without a copy. Leaving the loop drops the rest. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    if (this.length === 0) return;
    this.#begin();
    try {
      yield* this.#source.recvChunks(this.unreadBytes);
    } finally {
      this.#finish();
    }
  }

  /** All that is unread, in one buffer. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
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

  /** Fills the buffer with the next bytes. @throws HbiError out_of_range when it is longer than what is unread */
  async readInto(buffer: ArrayBufferView): Promise<void> {
    if (this.length > 0) this.#begin();
    if (buffer.byteLength > this.unreadBytes) {
      this.#isReading = false;
      throw new HbiError("out_of_range", `${buffer.byteLength} raw bytes asked for, ${this.unreadBytes} are left`);
    }
    if (this.length === 0) return;
    try {
      await this.#source.recvData(buffer);
    } catch (thrown) {
      this.#finish();
      throw thrown;
    }
    this.#isReading = false;
    if (this.#source.unreadBytes === 0) this.#finish();
    else this.#watch();
  }

  /** Says that nobody will read it: it is skipped as it arrives. */
  discard(): void {
    this.#isTouched = true;
    this.#finish();
  }

  /** The connection is gone, and what was not read with it. */
  lose(error: HbiError): void {
    if (this.#isEnded) return;
    this.#failure = error;
    this.#finish();
  }

  #begin(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isEnded) throw failure("wrong_stage", "the body has been read or discarded");
    if (this.#isReading) throw failure("wrong_stage", "the body is being read already");
    this.#isReading = true;
    this.#isTouched = true;
    this.#timer?.cancel();
  }

  #watch(): void {
    const end = this.#end;
    if (end === undefined) return;
    this.#timer = end.clock.after(end.idleTimeoutMs, () => {
      this.#failure = failure("timeout", "nobody read the body");
      this.#finish();
    });
  }

  #finish(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#isReading = false;
    this.#timer?.cancel();
    if (this.#source.unreadBytes > 0) this.#source.discardData();
    this.#end?.onEnd();
  }
}

/** The source as what a conversation sends, exactly `length` bytes of it: a host waits for every one that was declared, and
 *  would take more as packets. @throws HbiError invalid_argument for a buffer or a blob of another length */
export function exactly(source: BodySource, length: number): ArrayBufferView | AsyncIterable<ArrayBufferView> {
  if (ArrayBuffer.isView(source)) {
    checkLength(source.byteLength, length);
    return source;
  }
  if (isBlob(source)) {
    checkLength(source.size, length);
    return counted(chunksOf(source.stream()), length);
  }
  if (typeof source !== "object" || source === null) throw failure("bad_option", "no body, where one is declared");
  return counted("getReader" in source ? chunksOf(source) : source, length);
}

/** Not every platform has them. */
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

/** The body once its first chunk is there: what fails before it does so before anything of the call is on the wire. */
export async function begun(
  body: ArrayBufferView | AsyncIterable<ArrayBufferView>,
): Promise<ArrayBufferView | AsyncIterable<ArrayBufferView>> {
  if (ArrayBuffer.isView(body)) return body;
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  return (async function* () {
    try {
      for (let chunk = first; chunk.done !== true; chunk = await chunks.next()) yield chunk.value;
    } finally {
      await chunks.return?.();
    }
  })();
}

/** A web stream in chunks: not every browser makes it iterable. */
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

/** A stream that has to wait before anybody reads it may fail meanwhile: that is told when it is read, and ends no process. */
export function keepFromFailingUnheard(source: BodyGiven | undefined): void {
  if (typeof source === "object" && "on" in source && typeof source.on === "function")
    source.on("error", () => undefined);
}

/** Lets go of what will not be sent: an open file, a generator, a web stream. */
export function release(source: BodyGiven | undefined): void {
  if (typeof source !== "object" || source === null || ArrayBuffer.isView(source)) return;
  keepFromFailingUnheard(source);
  const end = END.map((name): unknown => Reflect.get(source, name)).find((method) => typeof method === "function");
  if (typeof end === "function") void Promise.resolve(end.call(source)).catch(() => undefined); // nobody uses it any more
}

/** How a stream of Node, a web stream and a generator are ended. */
const END = ["destroy", "cancel", "return"] as const;
