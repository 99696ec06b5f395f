/**
 * Frames of a stream of values, the raw data behind its head: a byte that says what it is, the length of the text in four
 * bytes, and the text of a value. The last frame is the result or the error. docs/streams-of-values.md.
 */
import { failure } from "../../errors.ts";

export const ITEM = 1;
export const RESULT = 2;
export const ERROR = 3;

export interface ItemFrame {
  readonly kind: number;
  readonly text: string;
}

const HEADER_BYTES = 5;
/** A reader keeps a buffer of at most this size for the next frame. */
const KEPT_BYTES = 16 * 1024;
const encoder = new TextEncoder();

export function encodeFrame(kind: number, text: string): Uint8Array {
  const payload = encoder.encode(text);
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  frame[0] = kind;
  new DataView(frame.buffer).setUint32(1, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** One buffer of several. */
export function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Reads frames from chunks with any borders. Holds at most the frame that is incomplete; nothing is allocated from an
 *  announced length. */
export class FrameReader {
  readonly #most: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** the incomplete frame: a copy, as parts that arrive byte by byte would hold many times as much */
  #held = new Uint8Array(0);
  #bytes = 0;
  /** of the incomplete frame, with its header */
  #needed = HEADER_BYTES;
  /** of the current chunk, that which was not looked at */
  #rest: Uint8Array | undefined;

  /** @param most bytes of a text */
  constructor(most: number) {
    this.#most = most;
  }

  /** Whether it is between two frames. */
  get isEmpty(): boolean {
    return this.#bytes === 0 && this.#rest === undefined;
  }

  /** After `next` has returned undefined. */
  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#rest = chunk;
  }

  /** The next whole frame; undefined if that takes another chunk. @throws HbiError of what cannot be a frame */
  next(): ItemFrame | undefined {
    for (;;) {
      const rest = this.#rest;
      if (rest === undefined) return undefined;
      const missing = this.#needed - this.#bytes;
      if (rest.length < missing) {
        this.#hold(rest);
        this.#rest = undefined;
        return undefined;
      }
      this.#hold(rest.subarray(0, missing));
      this.#rest = rest.length === missing ? undefined : rest.subarray(missing);
      const bytes = this.#held.subarray(0, this.#needed);
      if (this.#needed === HEADER_BYTES) this.#needed += this.#lengthIn(bytes);
      if (this.#bytes < this.#needed) continue;
      const frame = { kind: bytes[0] as number, text: this.#textOf(bytes) }; // it has a header
      this.#bytes = 0;
      this.#needed = HEADER_BYTES;
      if (this.#held.length > KEPT_BYTES) this.#held = new Uint8Array(0);
      return frame;
    }
  }

  /** Grows to twice the size, so that a frame in many parts is copied twice on average. */
  #hold(part: Uint8Array): void {
    const bytes = this.#bytes + part.length;
    if (bytes > this.#held.length) {
      const larger = new Uint8Array(Math.max(bytes, 2 * this.#held.length));
      larger.set(this.#held.subarray(0, this.#bytes));
      this.#held = larger;
    }
    this.#held.set(part, this.#bytes);
    this.#bytes = bytes;
  }

  #lengthIn(header: Uint8Array): number {
    const kind = header[0] as number; // likewise
    if (kind < ITEM || kind > ERROR) throw failure("bad_answer", `a stream of values has no frame ${kind}`);
    const length = new DataView(header.buffer, header.byteOffset).getUint32(1);
    if (length > this.#most) {
      throw failure("packet_too_big", `an item of ${length} bytes, at most ${this.#most} (maxPacketBytes)`);
    }
    return length;
  }

  #textOf(bytes: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes.subarray(HEADER_BYTES));
    } catch {
      throw failure("bad_answer", "an item is not UTF-8");
    }
  }
}
