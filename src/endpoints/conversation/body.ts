/**
 * Body: the raw data behind a call or a result, read as it arrives, with backpressure. docs/streaming.md.
 */
import type { Clock, Timer } from "../../clock.ts";
import { failure, HbiError, ownError } from "../../errors.ts";
import { TO_THE_END } from "../../limits.ts";
import { aFunction, aString, checkOptions, type OptionsOf } from "../../options.ts";
import { ledTo } from "../failing.ts";
import { handled, type WaitOptions } from "../waits.ts";

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

export interface BlobOptions {
  /** the media type of the blob, such as "image/png". Default: "" */
  readonly type?: string | undefined;
  /** Called as data arrives, with the number of bytes that have, also those that were read before if the length is declared. What it throws
   *  ends the reading. */
  readonly onProgress?: ((receivedBytes: number) => void) | undefined;
}

const BLOB_OPTIONS: OptionsOf<BlobOptions> = { type: aString, onProgress: aFunction };

/** A browser may keep a blob on its disk, but not the chunks of which it is made. */
const BLOB_PART_BYTES = 1024 * 1024;

/** Raw data whose length nobody knows before its end. Read it or `discard` it. If it is cut short, reading fails. */
export interface OpenBody extends AsyncIterable<Uint8Array> {
  /** Whether it was read or discarded, at least in part. */
  readonly isTouched: boolean;
  /** The unread bytes in the chunks of the wire, without a copy. Leaving the loop drops the rest. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void>;
  /** All unread bytes in one buffer. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** All unread bytes as a blob. */
  blob(options?: BlobOptions): Promise<Blob>;
  /** The unread bytes as a web stream. Cancelling it drops the rest. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Fills the buffer with the next bytes. @throws HbiError out_of_range if fewer bytes remain */
  readInto(buffer: ArrayBufferView): Promise<void>;
  /** Declares that the rest will not be read: it is not sent any more, or skipped as it arrives. */
  discard(): void;
}

/** Raw data of a declared length. Read it or `discard` it: the peer's next packet is behind it. */
export class Body implements OpenBody {
  /** the declared length in bytes; `Infinity` if it is unknown */
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

  /** The number of unread bytes; `Infinity` while it is unknown. */
  get unreadBytes(): number {
    return this.#isEnded ? 0 : this.#source.unreadBytes;
  }

  /** Whether its length is known: otherwise, only reading shows its end. */
  get #isCounted(): boolean {
    return this.length !== TO_THE_END;
  }

  /** Whether it was read or discarded, at least in part. */
  get isTouched(): boolean {
    return this.#isTouched;
  }

  /** The unread bytes in the chunks of the wire, without a copy. Leaving the loop drops the rest. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    const chunks = this.#chunks();
    const leave = chunks.return.bind(chunks);
    // A generator that has not begun would end without running anything, and leave the data where it is.
    chunks.return = (value) => {
      if (!this.#isReading) this.discard();
      return leave(value);
    };
    return chunks;
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, void> {
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
    return handled(async () => {
      const { unreadBytes } = this;
      if (unreadBytes <= MAX_EAGER_BYTES && this.#isCounted) {
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
    });
  }

  /** All unread bytes as a blob, which need not fit into memory in a browser: `URL.createObjectURL` shows it, and a link
   *  with `download` saves it. @throws HbiError invalid_argument; as reading does */
  blob(options: BlobOptions = {}): Promise<Blob> {
    return handled(async () => {
      checkOptions(options, "blob", BLOB_OPTIONS);
      const { type = "", onProgress } = options;
      const parts: Blob[] = [];
      let chunks: Uint8Array<ArrayBuffer>[] = [];
      let bytes = 0;
      let received = Number.isFinite(this.length) ? this.length - this.unreadBytes : 0;
      for await (const chunk of this) {
        received += chunk.length;
        chunks.push(chunk as Uint8Array<ArrayBuffer>); // what arrives is never shared
        bytes += chunk.length;
        if (bytes >= BLOB_PART_BYTES) {
          parts.push(new Blob(chunks));
          chunks = [];
          bytes = 0;
        }
        onProgress?.(received);
      }
      return new Blob([...parts, ...chunks], { type });
    });
  }

  /** The unread bytes as a web stream, for `new Response(body.stream())` and other consumers of streams. Nothing is taken from the
   *  peer before it is read; cancelling it drops the rest. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const chunks = this[Symbol.asyncIterator]();
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        async pull(controller) {
          const { done, value } = await chunks.next();
          if (done === true) controller.close();
          else controller.enqueue(value as Uint8Array<ArrayBuffer>); // what arrives is never shared
        },
        cancel: () => chunks.return().then(() => undefined),
      },
      { highWaterMark: 0 },
    );
  }

  /** Fills the buffer with the next bytes. @throws HbiError out_of_range if fewer bytes remain */
  readInto(buffer: ArrayBufferView): Promise<void> {
    return handled(async () => {
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
      if (this.#source.unreadBytes === 0 && this.#isCounted) this.#finish();
      else this.#watch();
    });
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
