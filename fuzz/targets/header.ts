/**
 * header: bytes into the packet reader, whole and in pieces. The same packets, raw data and refusal, however they are cut; nothing
 * is reserved that has not arrived.
 */
import fc from "fast-check";
import { type LimitOptions, resolveLimits } from "../../src/index.ts";
import { DIRECTIVES, encodePacket } from "../../src/wire/packet.ts";
import { PacketReader } from "../../src/wire/packet-reader.ts";
import { checkError } from "../engine/guards.ts";
import { joined } from "../engine/mutation.ts";
import { must, type Target, Violation } from "../engine/target.ts";

const SETTINGS: readonly LimitOptions[] = [{}, { maxPacketBytes: 20 }];
const LIMITS = SETTINGS.map((options) => resolveLimits(options));

export const header: Target = {
  name: "header",
  about: "bytes into the packet reader: the same packets and the same refusal, whole and in any pieces",
  words: ["[", "]", "#", "0", "9", "[0#]", "[3#co_begin]101", "[999999999#]", "[1#err]", "\ufeff", "co_ack_", "[01#]"],
  isText: true,
  baseMs: 50,
  inputs: fc
    .array(fc.oneof({ weight: 5, arbitrary: packets() }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }) }), {
      maxLength: 6,
    })
    .map((parts) => joined(...parts)),
  run(input) {
    for (const limits of LIMITS) {
      const whole = read(new PacketReader(limits), input, () => input.length);
      for (const size of [() => 1, (at: number) => 1 + (at % 7), (at: number) => 1 + ((at * 31) % 100)]) {
        const cut = read(new PacketReader(limits), input, size);
        must(cut === whole, `whole: ${whole}\nin pieces: ${cut}`);
      }
      const late = readLate(new PacketReader(limits), input);
      must(late === whole, `whole: ${whole}\nin pieces that have all arrived before: ${late}`);
    }
  },
};

/** What was read, as it arrives. */
function read(reader: PacketReader, input: Uint8Array, sizeAt: (at: number) => number): string {
  const reading = new Reading(reader, input);
  for (let at = 0; at < input.length && !reading.isRefused; ) {
    const chunk = input.subarray(at, at + sizeAt(at));
    at += chunk.length;
    reader.push(chunk);
    reading.goOn();
    must(reader.bufferedBytes <= at + 64 * at, `${reader.bufferedBytes} bytes are held of ${at}`);
  }
  return reading.end();
}

/** What was read, when all of it has arrived byte by byte. */
function readLate(reader: PacketReader, input: Uint8Array): string {
  for (let at = 0; at < input.length; at++) reader.push(input.subarray(at, at + 1));
  const reading = new Reading(reader, input);
  if (input.length > 0) reading.goOn();
  return reading.end();
}

/** Takes packets, and behind a script as much raw data as its length says. What was taken is what was there, written again. */
class Reading {
  isRefused = false;
  readonly #reader: PacketReader;
  readonly #input: Uint8Array;
  readonly #seen: string[] = [];
  #at = 0;
  #rawLeft = 0;

  constructor(reader: PacketReader, input: Uint8Array) {
    this.#reader = reader;
    this.#input = input;
  }

  goOn(): void {
    try {
      while (this.#takeRaw() || this.#takePacket());
    } catch (thrown) {
      if (thrown instanceof Violation) throw thrown;
      checkError(thrown);
      this.isRefused = true;
      this.#seen.push(`${thrown.reason} ${thrown.message}`);
    }
  }

  #takeRaw(): boolean {
    const view = this.#reader.raw(this.#rawLeft);
    if (view === undefined) return false;
    this.#rawLeft -= view.length;
    this.#was(view);
    return true;
  }

  #takePacket(): boolean {
    const packet = this.#rawLeft > 0 ? undefined : this.#reader.next();
    if (packet === undefined) return false;
    const { directive, text } = packet;
    this.#seen.push(`${directive} ${JSON.stringify(text)}`);
    this.#was(new TextEncoder().encode(encodePacket(directive, text)));
    if (directive === "") this.#rawLeft = text.length % 5;
    return true;
  }

  #was(bytes: Uint8Array): void {
    for (const byte of bytes) {
      must(byte === this.#input[this.#at], `read as ${this.#seen.at(-1)}, but other bytes are at ${this.#at}`);
      this.#at += 1;
    }
  }

  end(): string {
    return [...this.#seen, this.#at, this.#rawLeft, this.isRefused ? "" : this.#reader.phase].join("|");
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
      const bytes = new TextEncoder().encode(payload);
      const head = new TextEncoder().encode(`[${Math.max(bytes.length + more, 0)}#${directive}]`);
      return directive === "" ? joined(head, bytes, raw.subarray(0, payload.length % 5)) : joined(head, bytes);
    });
}
