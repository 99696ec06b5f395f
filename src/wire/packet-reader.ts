/**
 * PacketReader: takes bytes, returns packets or raw data. Never waits, never touches a transport.
 *
 * Chunks are kept and read in place. Memory for a packet grows as its bytes arrive, never from an announced length. The
 * cost of a byte does not depend on how the peer splits the stream. docs/protocol.md, section 2.
 */
import { failure, type HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { foreignProtocol } from "./foreign-protocol.ts";
import { DIRECTIVES, type Directive, MAX_ERR_BYTES, MAX_ID_BYTES, MAX_LANES_BYTES, type Packet } from "./packet.ts";

const OPEN = 0x5b;
const HASH = 0x23;
const CLOSE = 0x5d;
const ZERO = 0x30;
const NINE = 0x39;
const MAX_LENGTH_DIGITS = 9;
/** measured overhead of holding a chunk: its view and its buffer cost more than a small chunk's bytes */
export const CHUNK_COST_BYTES = 256;
/** Up to the first bound, characters are concatenated one by one; up to the second, ASCII is decoded as Latin-1; a
 *  TextDecoder reads the rest. */
const TINY_TEXT_BYTES = 6;
const SMALL_TEXT_BYTES = 128;

const SPENT = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type ReaderPhase = "idle" | "header" | "payload";

export class PacketReader {
  /** of code and objects; may change between packets */
  maxPacketBytes: number;
  #chunks: Uint8Array[] = [];
  /** when each chunk arrived */
  #times: number[] = [];
  #arrivedMs = 0;
  /** index of the current chunk, and the position in it */
  #head = 0;
  #at = 0;
  #heldBytes = 0;
  #consumedBytes = 0;
  #packetCount = 0;
  #error: HbiError | undefined;
  #isHttp = false;
  // length of the current incomplete header
  #headerBytes = 0;
  #length = 0;
  #digits = 0;
  #isPastHash = false;
  #name = "";
  // the current payload
  #directive: Directive | undefined;
  #missing = 0;
  #payload: Uint8Array | undefined;
  #filled = 0;

  constructor(limits: Limits) {
    this.maxPacketBytes = limits.maxPacketBytes;
  }

  /** Adds received bytes, without copying them. */
  push(chunk: Uint8Array, nowMs = 0): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#times.push(nowMs);
    this.#heldBytes += chunk.length;
  }

  /** The number of bytes held and not consumed. */
  get bufferedBytes(): number {
    return this.#heldBytes + CHUNK_COST_BYTES * (this.#chunks.length - this.#head);
  }

  /** The same, including the incomplete payload. */
  get heldBytes(): number {
    return this.bufferedBytes + this.#filled;
  }

  get consumedBytes(): number {
    return this.#consumedBytes;
  }

  /** When the most recently consumed bytes arrived. */
  get arrivedMs(): number {
    return this.#arrivedMs;
  }

  /** Whether the peer has sent an HTTP request. */
  get isHttp(): boolean {
    return this.#isHttp;
  }

  get packetCount(): number {
    return this.#packetCount;
  }

  get phase(): ReaderPhase {
    if (this.#directive !== undefined) return "payload";
    return this.#headerBytes > 0 ? "header" : "idle";
  }

  get payloadMissingBytes(): number {
    return this.#missing;
  }

  /** The next complete packet; undefined if more bytes are needed.
   *  @throws HbiError bad_frame, packet_too_big, bad_utf8: at once and at every later call */
  next(): Packet | undefined {
    if (this.#error !== undefined) throw this.#error;
    if (this.#directive === undefined && !this.#readHeader()) return undefined;
    return this.#readPayload();
  }

  /** Up to `maxBytes` of raw data, as a view of a received chunk; undefined if there is none. */
  raw(maxBytes: number): Uint8Array | undefined {
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined || maxBytes <= 0) return undefined;
    const end = Math.min(chunk.length, this.#at + maxBytes);
    const view = chunk.subarray(this.#at, end);
    this.#advance(chunk, end);
    return view;
  }

  /** Copies available raw data into `target`; returns the number of bytes. */
  rawInto(target: Uint8Array): number {
    let filled = 0;
    while (filled < target.length) {
      const view = this.raw(target.length - filled);
      if (view === undefined) break;
      target.set(view, filled);
      filled += view.length;
    }
    return filled;
  }

  #advance(chunk: Uint8Array, to: number): void {
    this.#heldBytes -= to - this.#at;
    this.#consumedBytes += to - this.#at;
    this.#at = to;
    this.#arrivedMs = this.#times[this.#head] as number; // one per chunk
    if (to < chunk.length) return;
    // A consumed chunk is released at once; the arrays are trimmed when half of them is consumed.
    this.#chunks[this.#head] = SPENT;
    this.#at = 0;
    this.#head += 1;
    if (this.#head * 2 < this.#chunks.length) return;
    this.#chunks.splice(0, this.#head);
    this.#times.splice(0, this.#head);
    this.#head = 0;
  }

  /** What was received behind the packets that were read, which is not read here. */
  takeRest(): Uint8Array[] {
    const rest: Uint8Array[] = [];
    for (let view = this.raw(Number.POSITIVE_INFINITY); view !== undefined; view = this.raw(Number.POSITIVE_INFINITY)) {
      rest.push(view);
    }
    this.#consumedBytes -= rest.reduce((bytes, view) => bytes + view.length, 0);
    return rest;
  }

  /** Drops everything; nothing more is read. */
  clear(): void {
    this.#chunks = [];
    this.#times = [];
    this.#head = 0;
    this.#at = 0;
    this.#heldBytes = 0;
    this.#payload = undefined;
    this.#filled = 0;
  }

  /** True if a header is complete. Refuses at the first impossible byte, so a header has at most 24 bytes. */
  #readHeader(): boolean {
    for (;;) {
      const chunk = this.#chunks[this.#head];
      if (chunk === undefined) return false;
      if (this.#headerBytes === 0 && this.#readWholeHeader(chunk)) return true;
      for (let i = this.#at; i < chunk.length; i++) {
        if (this.#takeHeaderByte(chunk[i] as number)) {
          this.#advance(chunk, i + 1);
          return true;
        }
      }
      this.#advance(chunk, chunk.length);
    }
  }

  /** Reads a valid and complete header in one pass. False for anything else, which the bytewise path then handles or
   *  refuses. */
  #readWholeHeader(chunk: Uint8Array): boolean {
    let at = this.#at;
    if (chunk[at] !== OPEN) return false;
    let length = 0;
    let byte = 0;
    for (at += 1; ; at++) {
      byte = chunk[at] ?? 0;
      if (byte < ZERO || byte > NINE) break;
      if (length === 0 && at > this.#at + 1) return false; // a leading zero
      length = length * 10 + byte - ZERO;
    }
    const digits = at - this.#at - 1;
    if (byte !== HASH || digits === 0 || digits > MAX_LENGTH_DIGITS) return false;
    const directive = directiveAt(chunk, at + 1);
    if (directive === undefined || length > this.#maxLength(directive)) return false;
    this.#directive = directive;
    this.#missing = length;
    this.#filled = 0;
    this.#advance(chunk, at + directive.length + 2);
    return true;
  }

  #takeHeaderByte(byte: number): boolean {
    this.#headerBytes += 1;
    if (this.#headerBytes === 1) {
      if (byte !== OPEN) throw this.#fail(failure("bad_frame", this.#foreign()));
      return false;
    }
    if (!this.#isPastHash) {
      if (byte === HASH && this.#digits > 0) this.#isPastHash = true;
      else if (byte < ZERO || byte > NINE || this.#digits === MAX_LENGTH_DIGITS || this.#isLeadingZero()) {
        throw this.#fail(failure("bad_frame", "length"));
      } else {
        this.#length = this.#length * 10 + byte - ZERO;
        this.#digits += 1;
      }
      return false;
    }
    if (byte !== CLOSE) {
      this.#name += String.fromCharCode(byte);
      if (!DIRECTIVES.some((directive) => directive.startsWith(this.#name))) {
        throw this.#fail(failure("bad_frame", "directive"));
      }
      return false;
    }
    this.#beginPayload();
    return true;
  }

  /** What the stream is instead, if it begins like another protocol. */
  #foreign(): string | undefined {
    if (this.#packetCount > 0 || this.#consumedBytes > 0) return undefined;
    const foreign = foreignProtocol(this.#chunks[this.#head] ?? SPENT);
    this.#isHttp = foreign?.kind === "http";
    return foreign?.words;
  }

  #tooBig(directive: Directive): HbiError {
    const most = this.#maxLength(directive);
    return failure(
      "packet_too_big",
      `${this.#length} bytes, ${most === this.maxPacketBytes ? "maxPacketBytes is" : "at most"} ${most}`,
    );
  }

  #isLeadingZero(): boolean {
    return this.#digits > 0 && this.#length === 0;
  }

  #beginPayload(): void {
    const directive = DIRECTIVES.find((candidate) => candidate === this.#name);
    if (directive === undefined) throw this.#fail(failure("bad_frame", "directive"));
    if (this.#length > this.#maxLength(directive)) throw this.#fail(this.#tooBig(directive));
    this.#directive = directive;
    this.#missing = this.#length;
    this.#filled = 0;
    this.#headerBytes = 0;
    this.#length = 0;
    this.#digits = 0;
    this.#isPastHash = false;
    this.#name = "";
  }

  #maxLength(directive: Directive): number {
    switch (directive) {
      case "":
      case "co_recv":
      case "co_send":
        return this.maxPacketBytes;
      case "err":
        return MAX_ERR_BYTES;
      case "co_begin":
      case "co_end":
      case "co_ack_begin":
      case "co_ack_end":
        return MAX_ID_BYTES;
      case "lanes":
        return MAX_LANES_BYTES;
    }
  }

  #readPayload(): Packet | undefined {
    const chunk = this.#chunks[this.#head];
    if (this.#missing > 0) {
      if (chunk === undefined) return undefined;
      if (this.#filled === 0 && chunk.length - this.#at >= this.#missing) {
        const end = this.#at + this.#missing;
        const text = this.#decode(chunk, this.#at, end);
        this.#advance(chunk, end);
        return this.#finish(text);
      }
      this.#collect();
      if (this.#missing > 0) return undefined;
    }
    return this.#finish(this.#filled === 0 ? "" : this.#decode(this.#payload as Uint8Array, 0, this.#filled));
  }

  /** Collects a payload that arrives in pieces, doubling its buffer. */
  #collect(): void {
    while (this.#missing > 0) {
      const view = this.raw(this.#missing);
      if (view === undefined) return;
      const needed = this.#filled + view.length;
      if (this.#payload === undefined || this.#payload.length < needed) {
        const grown = new Uint8Array(Math.max(needed, Math.min(this.#filled * 2, needed + this.#missing)));
        if (this.#payload !== undefined) grown.set(this.#payload.subarray(0, this.#filled));
        this.#payload = grown;
      }
      this.#payload.set(view, this.#filled);
      this.#filled = needed;
      this.#missing -= view.length;
    }
  }

  #finish(text: string): Packet {
    const directive = this.#directive as Directive; // of the current payload
    this.#directive = undefined;
    this.#payload = undefined;
    this.#filled = 0;
    this.#missing = 0;
    this.#packetCount += 1;
    return { directive, text };
  }

  #decode(bytes: Uint8Array, start: number, end: number): string {
    if (end - start <= SMALL_TEXT_BYTES && isAscii(bytes, start, end)) {
      if (end - start <= TINY_TEXT_BYTES) return tinyText(bytes, start, end);
      if (latin1Slice !== undefined) return latin1Slice.call(bytes, start, end);
    }
    try {
      return decoder.decode(bytes.subarray(start, end));
    } catch (cause) {
      throw this.#fail(failure("bad_utf8", undefined, { cause }));
    }
  }

  #fail(error: HbiError): HbiError {
    this.#error = error;
    return error;
  }
}

/** The directive at this position including its bracket; undefined for `err`, for an invalid directive, and for an
 *  incomplete one. */
function directiveAt(bytes: Uint8Array, at: number): Directive | undefined {
  if (bytes[at] === CLOSE) return "";
  const letter = bytes[at + 3];
  const candidate = letter === LETTER_A ? BY_LETTER.get(bytes[at + 7] ?? 0)?.[1] : BY_LETTER.get(letter ?? 0)?.[0];
  if (candidate === undefined || bytes[at + candidate.length] !== CLOSE) return undefined;
  for (let i = 0; i < candidate.length; i++) if (bytes[at + i] !== candidate.charCodeAt(i)) return undefined;
  return candidate;
}

const LETTER_A = 0x61;

/** Directives by the letter after `co_`, and after `co_ack_`. */
const BY_LETTER: ReadonlyMap<number, readonly [Directive | undefined, Directive | undefined]> = new Map([
  [0x62, ["co_begin", "co_ack_begin"]],
  [0x65, ["co_end", "co_ack_end"]],
  [0x72, ["co_recv", undefined]],
  [0x73, ["co_send", undefined]],
]);

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] as number) >= 0x80) return false;
  return true;
}

function tinyText(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}

/** In Node and Bun: twice as fast as a TextDecoder for short text. */
const latin1Slice: ((this: Uint8Array, start: number, end: number) => string) | undefined = (
  globalThis as { Buffer?: { prototype?: { latin1Slice?: (start: number, end: number) => string } } }
).Buffer?.prototype?.latin1Slice;
