/**
 * header: bytes into the packet reader, whole and in pieces. The same packets, raw data and refusal, however they are cut; nothing
 * is reserved that has not arrived.
 */
import fc from "fast-check";
import { type LimitOptions, resolveLimits } from "../../src/index.ts";
import { DIRECTIVES, encodePacket } from "../../src/wire/packet.ts";
import { CHUNK_COST_BYTES, PacketReader } from "../../src/wire/packet-reader.ts";
import { checkError } from "../engine/guards.ts";
import { joined } from "../engine/mutation.ts";
import { must, type Target, Violation } from "../engine/target.ts";

const SETTINGS: readonly LimitOptions[] = [{}, { maxPacketBytes: 20 }];
const LIMITS = SETTINGS.map((options) => resolveLimits(options));
const DEFAULTS = resolveLimits();
const encoder = new TextEncoder();

export const header: Target = {
  name: "header",
  about: "bytes into the packet reader: the same packets and the same refusal, whole and in any pieces",
  words: ["[", "]", "#", "0", "9", "[0#]", "[3#co_begin]101", "[999999999#]", "[1#err]", "\ufeff", "co_ack_", "[01#]"],
  baseMs: 50,
  share: 42,
  inputs: fc
    .array(fc.oneof({ weight: 5, arbitrary: packets() }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }) }), {
      maxLength: 6,
    })
    .map((parts) => joined(...parts)),
  readOnce(input) {
    const reader = new PacketReader(DEFAULTS);
    const reading = new Reading(reader, input, undefined);
    for (let at = 0; at < input.length && !reading.isRefused; at++) {
      reader.push(input.subarray(at, at + 1)); // the most that it can cost
      reading.goOn();
    }
  },
  run(input) {
    const ways = SIZES.map((sizeAt) => pieces(input, sizeAt));
    for (const limits of LIMITS) {
      const whole = readWhole(new PacketReader(limits), input);
      for (const chunks of ways) read(new PacketReader(limits), input, chunks, whole);
      readLate(new PacketReader(limits), input, ways[0] ?? [], whole);
    }
  },
};

/** How long a piece is that begins there. The first: byte by byte. */
const SIZES: readonly ((at: number) => number)[] = [() => 1, (at) => 1 + (at % 7), (at) => 1 + ((at * 31) % 100)];

function pieces(input: Uint8Array, sizeAt: (at: number) => number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < input.length; ) {
    const chunk = input.subarray(at, at + sizeAt(at));
    chunks.push(chunk);
    at += chunk.length;
  }
  return chunks;
}

function readWhole(reader: PacketReader, input: Uint8Array): Reading {
  const reading = new Reading(reader, input, undefined);
  if (input.length > 0) {
    reader.push(input);
    reading.goOn();
    checkHeld(reader, input.length, 1);
  }
  return reading;
}

/** Read as it arrives: the same. */
function read(reader: PacketReader, input: Uint8Array, chunks: readonly Uint8Array[], whole: Reading): void {
  const reading = new Reading(reader, input, whole);
  let arrived = 0;
  for (const [before, chunk] of chunks.entries()) {
    if (reading.isRefused) break;
    arrived += chunk.length;
    reader.push(chunk);
    reading.goOn();
    checkHeld(reader, arrived, before + 1);
  }
  reading.end();
}

/** Read when all of it has arrived byte by byte: the same. */
function readLate(reader: PacketReader, input: Uint8Array, bytes: readonly Uint8Array[], whole: Reading): void {
  for (const byte of bytes) reader.push(byte);
  const reading = new Reading(reader, input, whole);
  if (input.length > 0) reading.goOn();
  reading.end();
}

function checkHeld(reader: PacketReader, arrived: number, chunks: number): void {
  must(
    reader.bufferedBytes <= arrived + CHUNK_COST_BYTES * chunks,
    () => `${reader.bufferedBytes} bytes are held of ${arrived} in ${chunks} chunks`,
  );
}

/** Takes packets, and behind a script as much raw data as its length says. What is taken whole is what is there, written again;
 *  in pieces it is the same, at the same place. */
class Reading {
  isRefused = false;
  readonly #reader: PacketReader;
  readonly #input: Uint8Array;
  /** the same, read whole */
  readonly #whole: Reading | undefined;
  readonly #seen: string[] = [];
  /** where each packet ends */
  readonly #ends: number[] = [];
  #at = 0;
  #rawLeft = 0;

  constructor(reader: PacketReader, input: Uint8Array, whole: Reading | undefined) {
    this.#reader = reader;
    this.#input = input;
    this.#whole = whole;
  }

  goOn(): void {
    try {
      while (this.#takeRaw() || this.#takePacket());
    } catch (thrown) {
      if (thrown instanceof Violation) throw thrown;
      checkError(thrown);
      this.isRefused = true;
      this.#saw(`${thrown.reason} ${thrown.message}`);
    }
  }

  #takeRaw(): boolean {
    const view = this.#rawLeft > 0 ? this.#reader.raw(this.#rawLeft) : undefined;
    if (view === undefined) return false;
    this.#rawLeft -= view.length;
    this.#was(view);
    return true;
  }

  #takePacket(): boolean {
    const packet = this.#rawLeft > 0 ? undefined : this.#reader.next();
    if (packet === undefined) return false;
    const { directive, text } = packet;
    this.#saw(`${directive} ${text}`);
    const end = this.#whole === undefined ? undefined : this.#whole.#ends[this.#seen.length - 1];
    if (end === undefined) this.#was(encoder.encode(encodePacket(directive, text)));
    else this.#at = end; // the same packet was compared there
    this.#ends.push(this.#at);
    if (directive === "") this.#rawLeft = text.length % 5;
    return true;
  }

  #saw(what: string): void {
    const at = this.#seen.push(what) - 1;
    if (this.#whole !== undefined && what !== this.#whole.#seen[at]) this.#differs();
  }

  #was(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== this.#input[this.#at]) {
        throw new Violation(`read as ${this.#seen.at(-1)}, but other bytes are at ${this.#at}`);
      }
      this.#at += 1;
    }
  }

  /** As it was read whole. */
  end(): void {
    if (this.#whole === undefined) return;
    const isSame = this.#seen.length === this.#whole.#seen.length && this.#last === this.#whole.#last;
    if (!isSame) this.#differs();
  }

  get #last(): string {
    return `${this.#at} ${this.#rawLeft} ${this.isRefused ? "refused" : this.#reader.phase}`;
  }

  #differs(): never {
    throw new Violation(`whole: ${this.#whole}\nin pieces: ${this}`);
  }

  toString(): string {
    return JSON.stringify([...this.#seen, this.#last]);
  }
}

function packets(): fc.Arbitrary<Uint8Array> {
  const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: "binary", maxLength: 4 }), fc.constant(""));
  const off = fc.oneof(
    { weight: 9, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -2, max: 300 }) },
  );
  return fc
    .tuple(fc.constantFrom(...DIRECTIVES), text, off, fc.uint8Array({ maxLength: 4 }))
    .map(([directive, payload, more, raw]) => {
      const bytes = encoder.encode(payload);
      const head = encoder.encode(`[${Math.max(bytes.length + more, 0)}#${directive}]`);
      return directive === "" ? joined(head, bytes, raw.subarray(0, payload.length % 5)) : joined(head, bytes);
    });
}
