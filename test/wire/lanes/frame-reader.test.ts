/**
 * Frames: what is read of them, however they arrive, and what is refused, at the first impossible byte.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameReader, MAX_CONTROL_BYTES, MAX_FRAME_BYTES } from "../../../src/wire/lanes/frame-reader.ts";

/** What a sink gets: data of a lane joined as long as nothing else comes between. */
function read(chunks: readonly Uint8Array[]): string[] {
  const got: string[] = [];
  let last = -1;
  const reader = new FrameReader({
    onFrameData(lane, view) {
      const text = Buffer.from(view).toString("latin1");
      if (last === lane) got[got.length - 1] += text;
      else got.push(`${lane}:${text}`);
      last = lane;
    },
    onControl(control, text) {
      last = -1;
      got.push(`${control} ${text}`);
    },
  });
  for (const chunk of chunks) reader.push(chunk);
  return got;
}

const bytes = (text: string) => Buffer.from(text, "latin1");
const each = (text: string) => [...bytes(text)].map((byte) => Uint8Array.of(byte));

it.each([
  ["[3#0]abc", ["0:abc"]],
  ["[1#2147483647]x", ["2147483647:x"]],
  ["[3#7]abc[2#7]de[1#8]f", ["7:abcde", "8:f"]],
  ["[4#5][1#2", ["5:[1#2"]],
  ["[1#open]3[6#credit]3 1024[1#end]3[7#reset]3 a_b_c", ["open 3", "credit 3 1024", "end 3", "reset 3 a_b_c"]],
  [`[${MAX_FRAME_BYTES}#1]${"x".repeat(MAX_FRAME_BYTES)}`, [`1:${"x".repeat(MAX_FRAME_BYTES)}`]],
  [`[${MAX_CONTROL_BYTES}#reset]${"x".repeat(MAX_CONTROL_BYTES)}`, [`reset ${"x".repeat(MAX_CONTROL_BYTES)}`]],
])("%.40s is read, whole and byte by byte", (text, expected) => {
  const whole = read([bytes(text)]);
  expect(whole).toEqual(expected);
  expect(read(each(text))).toEqual(whole);
});

it.each([
  "x",
  "[#1]",
  "[0#1]x",
  "[01#1]x",
  "[1#]x",
  "[1#00]x",
  "[1#01]x",
  "[1#2147483648]x",
  "[1#99999999999]x",
  "[1#opens]x",
  "[1#OPEN]x",
  "[1#co_begin]x",
  "[1#err]x",
  "[1#-1]x",
  "[1# 1]x",
  "[1#1 ]x",
  "[123456#1]",
  `[${MAX_FRAME_BYTES + 1}#1]`,
  `[${MAX_CONTROL_BYTES + 1}#reset]`,
  "[2#open]1\n",
  "[2#open]\u00e91",
  "[1#1]x]",
])("%j is refused, whole and byte by byte", (text) => {
  expect(() => read([bytes(text)])).toThrow("malformed packet header: of a lane: ");
  expect(() => read(each(text))).toThrow("malformed packet header: of a lane: ");
});

describe("random frames", () => {
  const frame = fc.oneof(
    fc.record({ lane: fc.integer({ min: 0, max: 2 ** 31 - 1 }), data: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
    fc.record({
      control: fc.constantFrom("open", "credit", "end", "reset"),
      text: fc.stringMatching(/^[ -~]{1,20}$/),
    }),
  );

  it("arrive the same however they are cut", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 30 })), (frames, cuts) => {
        const wire = Buffer.concat(
          frames.map((one) =>
            "lane" in one
              ? Buffer.concat([bytes(`[${one.data.length}#${one.lane}]`), one.data])
              : bytes(`[${one.text.length}#${one.control}]${one.text}`),
          ),
        );
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(wire.subarray(at, at + cut));
          at = Math.min(at + cut, wire.length);
        }
        chunks.push(wire.subarray(at));
        expect(read(chunks)).toEqual(read([wire]));
      }),
    );
  });

  it("nothing but bad_frame is thrown, whatever is sent", () => {
    const near = fc.array(fc.constantFrom("[", "]", "#", "0", "1", "64", "open", "credit", "end", "reset", " ", "x"));
    fc.assert(
      fc.property(near, (parts) => {
        try {
          read([bytes(parts.join(""))]);
        } catch (thrown) {
          expect(thrown).toMatchObject({ reason: "bad_frame" });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
