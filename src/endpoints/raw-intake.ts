/**
 * RawIntake: the raw data of one conversation on its way from the wire to whoever asked for it. Holds views of received
 * chunks up to a bound, copies once when a buffer is filled, and not at all when chunks are handed on.
 */
import { failure, type HbiError } from "../errors.ts";
import type { PacketReader } from "../wire/packet-reader.ts";
import type { Wait } from "./waits.ts";

interface Fill {
  readonly target: Uint8Array;
  filled: number;
  readonly wait: Wait<void>;
}

interface Next {
  readonly maxBytes: number;
  readonly wait: Wait<Uint8Array>;
}

const SPENT = new Uint8Array(0);
/** For the many that never queue anything; nothing is ever put into it. */
const NONE: Uint8Array[] = [];

/** What a queued chunk costs beside its bytes, so that a body in drips is bounded as well. */
const CHUNK_COST_BYTES = 64;

export class RawIntake {
  /** bytes of the present body that are still on the wire */
  #left = 0;
  /** bytes to throw away before anything else is read */
  #skip = 0;
  #queue: Uint8Array[] = NONE;
  /** index of the first chunk not yet read: shifting would make a dripped body quadratic */
  #head = 0;
  #queuedBytes = 0;
  #fill: Fill | undefined;
  #next: Next | undefined;
  #takenBytes = 0;
  readonly #maxQueuedBytes: number;

  constructor(maxQueuedBytes: number) {
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  /** Bytes of the present body that nobody has read. */
  get unreadBytes(): number {
    return this.#left + this.#queuedBytes;
  }

  /** Bytes on the wire that come before the next packet. */
  get pendingBytes(): number {
    return this.#left + this.#skip;
  }

  /** Raw bytes taken from the wire so far, read or thrown away. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  get wantsBytes(): boolean {
    if (this.#skip > 0) return true;
    return this.#left > 0 && (this.#fill !== undefined || this.#next !== undefined || this.#hasRoom);
  }

  get #hasRoom(): boolean {
    return this.#queuedBytes + CHUNK_COST_BYTES * (this.#queue.length - this.#head) < this.#maxQueuedBytes;
  }

  /** The next `bytes` of the wire are raw data of this conversation. */
  announce(bytes: number): void {
    this.#left += bytes;
  }

  /** Throws away what is unread of the present body, and `more` bytes behind it. */
  discard(more = 0): void {
    this.#skip += this.#left + more;
    this.#left = 0;
    this.#queue = NONE;
    this.#head = 0;
    this.#queuedBytes = 0;
  }

  /** Moves what the reader has towards whoever waits; false when it has nothing. */
  take(reader: PacketReader): boolean {
    if (this.#skip > 0) return this.#takeSkipped(reader);
    const fill = this.#fill;
    if (fill !== undefined) {
      const room = Math.min(fill.target.length - fill.filled, this.#left);
      const taken = reader.rawInto(fill.target.subarray(fill.filled, fill.filled + room));
      this.#took(taken);
      fill.filled += taken;
      if (fill.filled === fill.target.length) {
        this.#fill = undefined;
        fill.wait.settle();
      }
      return taken > 0;
    }
    const next = this.#next;
    const chunk = reader.raw(next === undefined ? this.#left : Math.min(this.#left, next.maxBytes));
    if (chunk === undefined) return false;
    this.#took(chunk.length);
    if (next !== undefined) {
      this.#next = undefined;
      next.wait.settle(chunk);
    } else {
      if (this.#queue === NONE) this.#queue = [];
      this.#queue.push(chunk);
      this.#queuedBytes += chunk.length;
    }
    return true;
  }

  /** Fills `target` from what is queued; the number of bytes. */
  fillNow(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length) {
      const chunk = this.nextNow(target.length - filled);
      if (chunk === undefined) break;
      target.set(chunk, filled);
      filled += chunk.length;
    }
    return filled;
  }

  /** Fills the rest of `target` as it arrives; it must not be longer than what is unread. */
  fillLater(target: Uint8Array, filled: number, wait: Wait<void>): void {
    this.#fill = { target, filled, wait };
    wait.promise.catch(() => {
      if (this.#fill?.wait === wait) this.#fill = undefined;
    });
  }

  /** A queued chunk of at most `maxBytes`. */
  nextNow(maxBytes: number): Uint8Array | undefined {
    const head = this.#queue[this.#head];
    if (head === undefined) return undefined;
    const chunk = head.length <= maxBytes ? head : head.subarray(0, maxBytes);
    if (chunk === head) this.#dropHead();
    else this.#queue[this.#head] = head.subarray(maxBytes);
    this.#queuedBytes -= chunk.length;
    return chunk;
  }

  /** The next chunk as it arrives. */
  nextLater(maxBytes: number, wait: Wait<Uint8Array>): void {
    this.#next = { maxBytes, wait };
    wait.promise.catch(() => {
      if (this.#next?.wait === wait) this.#next = undefined;
    });
  }

  /** Whoever waits is told. */
  fail(error: HbiError): void {
    this.#fill?.wait.fail(error);
    this.#next?.wait.fail(error);
    this.#fill = undefined;
    this.#next = undefined;
  }

  /** What was read is let go at once; the array itself is cut when half of it is spent. */
  #dropHead(): void {
    this.#queue[this.#head] = SPENT;
    this.#head += 1;
    if (this.#head * 2 < this.#queue.length) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  #takeSkipped(reader: PacketReader): boolean {
    const chunk = reader.raw(this.#skip);
    if (chunk === undefined) return false;
    this.#skip -= chunk.length;
    this.#takenBytes += chunk.length;
    return true;
  }

  #took(bytes: number): void {
    this.#left -= bytes;
    this.#takenBytes += bytes;
  }
}

/** Any view as its bytes: a `Float64Array` is filled as it is. @throws HbiError invalid_argument for what is not a view */
export function asBytes(view: ArrayBufferView): Uint8Array {
  if (view instanceof Uint8Array) return view;
  if (!ArrayBuffer.isView(view)) throw failure("bad_option", "raw data goes from and into an ArrayBufferView");
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export type Buffers = ArrayBufferView | Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;
