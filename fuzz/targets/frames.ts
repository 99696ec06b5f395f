/**
 * frames: bytes into the multiplexer of a side that has lanes, whole and in pieces. The same data on each lane and the same refusal,
 * however they are cut; no more is held than the windows allow, and nothing when all is closed.
 */
import fc from "fast-check";
import { CONTROLS, FrameReader } from "../../src/wire/lanes/frame-reader.ts";
import { LaneSide } from "../engine/lane-side.ts";
import { joined } from "../engine/mutation.ts";
import { must, type Target } from "../engine/target.ts";

const encoder = new TextEncoder();
const MAX_LANES = 3;

export const frames: Target = {
  name: "frames",
  about:
    "bytes into the multiplexer: the same data of each lane and the same refusal, whole and in any pieces, within the windows",
  words: [
    ...["[1#open]1", "[1#open]3", "[1#end]1", "[1#reset]1", "[3#credit]0 9", "[3#credit]2 1", "[1#0]a", "[3#1]abc"],
    ...["[6#reset]2 done", "[10#open]2147483647", "[65536#1]", "[64#reset]1 ", "[0#0]", "[01#", "#", "]", "[1#end]2"],
  ],
  baseMs: 50,
  share: 4,
  inputs: fc.array(frame(), { maxLength: 12 }).map((parts) => joined(...parts)),
  readOnce(input) {
    const reader = new FrameReader({ onFrameData: () => undefined, onControl: () => undefined });
    try {
      for (let at = 0; at < input.length; at++) reader.push(input.subarray(at, at + 1)); // the most that it can cost
    } catch {
      // refused
    }
  },
  run(input) {
    for (const windowBytes of [60, 1_000_000]) {
      const whole = seen(input, windowBytes, input.length);
      for (const size of [1, 2, 7, 50]) {
        const pieces = seen(input, windowBytes, size);
        must(pieces === whole, () => `whole: ${whole}\nin pieces of ${size}: ${pieces}`);
      }
    }
  },
};

/** What comes of it at a side that has two lanes of its own, one of which it has ended. With a small window, nobody reads before
 *  everything has arrived, because it depends on the pieces when there is room again. */
function seen(input: Uint8Array, windowBytes: number, size: number): string {
  const isDeaf = () => windowBytes < 1_000;
  const side = new LaneSide({ isOdd: false, windowBytes, maxLanes: MAX_LANES, isDeaf });
  side.open().lane.write("some");
  const ended = side.open();
  ended.lane.end();
  for (let at = 0; at < input.length; at += size) {
    side.receive(input.subarray(at, at + size));
    for (const { lane } of side.openLanes) if (lane.id % 5 === 0) lane.end();
  }
  for (const { lane } of side.ears.values()) lane.resume();
  side.turn();
  for (const [id, { got }] of side.ears) must(got.length <= windowBytes, () => `more than its window on lane ${id}`);
  const isFramed = isMadeOfFrames(Buffer.from(input).toString("latin1"));
  const { failure } = side;
  must(failure !== undefined || isFramed, "what are no frames is accepted");
  must(
    failure === undefined || !OF_FRAMES.test(failure.message) || !isFramed,
    () => `frames are refused: ${failure?.message}`,
  );
  const ears = [...side.ears].map(([id, { got, hasEnded, closed }]) => [id, got, hasEnded, closed]);
  side.close();
  checkWritten(side);
  return JSON.stringify([side.failure?.message, ears]);
}

/** What is wrong with a frame itself. */
const OF_FRAMES = /header$|unknown kind$|length$/;
const HEADER = /\[([1-9]\d{0,4})#(?:(0|[1-9]\d{0,9})|credit|open|end|reset)\]/y;
/** A header that may go on. */
const HALF = /^\[(?:\d{1,5}(?:#[^\]]{0,10})?)?$/s;
const CONTROL = /^[ -~]*$/;

/** Whether it is, as far as it goes: another reading of the same rules. */
function isMadeOfFrames(text: string): boolean {
  for (let at = 0; at < text.length; ) {
    HEADER.lastIndex = at;
    const [header = "", length = "", lane] = HEADER.exec(text) ?? [];
    if (header === "") return HALF.test(text.slice(at));
    const payload = text.slice(at + header.length, at + header.length + Number(length));
    if (lane === undefined ? Number(length) > 64 || !CONTROL.test(payload) : Number(length) > 65_536) return false;
    if (lane !== undefined && Number(lane) >= 2 ** 31) return false;
    at += header.length + payload.length;
  }
  return true;
}

/** It says nothing but frames. */
function checkWritten({ written }: LaneSide): void {
  const reader = new FrameReader({ onFrameData: () => undefined, onControl: () => undefined });
  for (const chunk of written) reader.push(chunk);
  must(!reader.isInFrame, "half a frame is written");
}

/** A frame that is nearly right. */
function frame(): fc.Arbitrary<Uint8Array> {
  const lane = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom("0", "1", "2", "3", "4", "5", "7") },
    { weight: 1, arbitrary: fc.constantFrom("", "01", "-1", "2147483647", "2147483648", "99999999999", "x") },
  );
  const off = fc.oneof(
    { weight: 12, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -2, max: 70 }) },
  );
  const framed = (kind: string, payload: string, more: number): Uint8Array =>
    encoder.encode(`[${Math.max(payload.length + more, 0)}#${kind}]${payload}`);
  const data = fc
    .tuple(lane, fc.integer({ min: 1, max: 90 }), off)
    .map(([id, length, more]) => framed(id, "d".repeat(length), more));
  const rest = fc.constantFrom("", "", " 1", " 60", " 2147483647", " 0", " done", " a_b", " A", " ");
  const control = fc
    .tuple(fc.constantFrom(...CONTROLS, "open", "open", "lanes"), lane, rest, off)
    .map(([kind, id, more, length]) => framed(kind, kind === "open" || kind === "end" ? id : id + more, length));
  return fc.oneof({ weight: 5, arbitrary: data }, { weight: 6, arbitrary: control });
}
