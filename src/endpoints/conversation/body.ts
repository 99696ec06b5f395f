/**
 * Body: the raw data behind a call or a result, read as it arrives, with backpressure. docs/streaming.md.
 */
import type { Clock, Timer } from "../../clock.ts";
import { failure, HbiError, ownError } from "../../errors.ts";
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
    });
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
      if (this.#source.unreadBytes === 0) this.#finish();
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
