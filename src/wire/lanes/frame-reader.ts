/**
 * FrameReader: takes the bytes of a connection with several lanes, and returns the data of each lane as it arrives, and
 * control frames when they are complete. docs/lanes.md.
 */
import { failure } from "../../errors.ts";

const OPEN = 0x5b;
const HASH = 0x23;
const CLOSE = 0x5d;
const ZERO = 0x30;
const NINE = 0x39;

/** Data of a lane in one frame. */
export const MAX_FRAME_BYTES = 64 * 1024;
/** The payload of a control frame. */
export const MAX_CONTROL_BYTES = 64;
/** Lanes are numbered up to this. */
export const MAX_LANE = 2 ** 31 - 1;

export const CONTROLS = ["credit", "open", "end", "reset"] as const;
export type Control = (typeof CONTROLS)[number];

const MAX_LENGTH_DIGITS = 5;
/** The longest name: the number of a lane has at most ten digits. */
const MAX_NAME_CHARS = 10;
const LANE = /^(?:0|[1-9]\d{0,9})$/;

export interface FrameSink {
  /** A part of a lane's data, as a view of a received chunk. */
  onFrameData(lane: number, view: Uint8Array): void;
  onControl(control: Control, text: string): void;
}

export class FrameReader {
  readonly #sink: FrameSink;
  /** the header as far as it has arrived; undefined inside a payload */
  #header: string | undefined = "";
  #lane = 0;
  #control: Control | undefined;
  #missing = 0;
  #text = "";

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether a frame has begun and is not complete. */
  get isInFrame(): boolean {
    return this.#header !== "";
  }

  /** @throws HbiError bad_frame; nothing can be read after that */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#header !== undefined) {
        at = this.#readHeader(chunk, at);
        continue;
      }
      const end = Math.min(at + this.#missing, chunk.length);
      const view = chunk.subarray(at, end);
      this.#missing -= end - at;
      at = end;
      if (this.#missing === 0) this.#header = "";
      if (this.#control === undefined) this.#sink.onFrameData(this.#lane, view);
      else this.#collect(this.#control, view);
    }
  }

  /** Reads the complete header of a lane's data in one pass; 0 for anything else. */
  #readDataHeader(chunk: Uint8Array, from: number): number {
    if (chunk[from] !== OPEN) return 0;
    let at = from + 1;
    let length = 0;
    for (; isDigit(chunk[at]) && at - from <= MAX_LENGTH_DIGITS; at++)
      length = length * 10 + (chunk[at] as number) - ZERO;
    if (chunk[at] !== HASH || chunk[from + 1] === ZERO || length > MAX_FRAME_BYTES || at === from + 1) return 0;
    at += 1;
    const first = at;
    let lane = 0;
    for (; isDigit(chunk[at]) && at - first < MAX_NAME_CHARS; at++) lane = lane * 10 + (chunk[at] as number) - ZERO;
    if (chunk[at] !== CLOSE || at === first || (chunk[first] === ZERO && at > first + 1) || lane > MAX_LANE) return 0;
    this.#lane = lane;
    this.#control = undefined;
    this.#missing = length;
    this.#header = undefined;
    return at + 1;
  }

  /** Refuses at the first impossible byte. Returns the position behind what was read. */
  #readHeader(chunk: Uint8Array, from: number): number {
    if (this.#header === "") {
      const at = this.#readDataHeader(chunk, from);
      if (at > 0) return at;
    }
    let header = this.#header ?? "";
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] as number; // below the length
      const isLength = !header.includes("#");
      if (byte === CLOSE && !isLength) {
        this.#begin(header);
        return at + 1;
      }
      const isWrong =
        header === ""
          ? byte !== OPEN
          : isLength
            ? !(isDigit(byte) && header.length <= MAX_LENGTH_DIGITS) && !(byte === HASH && header.length > 1)
            : header.length - header.indexOf("#") > MAX_NAME_CHARS;
      if (isWrong) throw failure("bad_frame", "of a lane: header");
      header += String.fromCharCode(byte);
    }
    this.#header = header;
    return chunk.length;
  }

  #begin(header: string): void {
    const hash = header.indexOf("#");
    const length = Number(header.slice(1, hash));
    const name = header.slice(hash + 1);
    this.#control = CONTROLS.find((control) => control === name);
    if (this.#control === undefined) {
      if (!LANE.test(name) || Number(name) > MAX_LANE) throw failure("bad_frame", "of a lane: unknown kind");
      this.#lane = Number(name);
    }
    const most = this.#control === undefined ? MAX_FRAME_BYTES : MAX_CONTROL_BYTES;
    if (length < 1 || length > most || header[1] === "0") throw failure("bad_frame", "of a lane: length");
    this.#missing = length;
    this.#header = undefined;
    this.#text = "";
  }

  #collect(control: Control, view: Uint8Array): void {
    for (const byte of view) {
      if (byte < 0x20 || byte > 0x7e) throw failure("bad_frame", "of a lane: printable ASCII expected");
      this.#text += String.fromCharCode(byte);
    }
    if (this.#missing === 0) this.#sink.onControl(control, this.#text);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
