/**
 * The codec where the platform has no Buffer, as in a browser: the same packets.
 */
import { PRESETS } from "hbi";
import { afterAll, beforeAll, expect, it, vi } from "vitest";

type Codec = typeof import("../../src/wire/packet.ts") & typeof import("../../src/wire/packet-reader.ts");
let codec: Codec;

beforeAll(async () => {
  // Both look for it once, when they are loaded.
  vi.stubGlobal("Buffer", Object.defineProperties(Object.create(Buffer), { prototype: { value: {} }, byteLength: {} }));
  vi.resetModules();
  codec = { ...(await import("../../src/wire/packet.ts")), ...(await import("../../src/wire/packet-reader.ts")) };
  vi.unstubAllGlobals();
});
afterAll(() => vi.resetModules());

it.each([
  ["", 0],
  ["tiny", 4],
  ["a short text of ASCII", 21],
  ["naïve, 中, 😀, \ud83d", 22],
  ["x".repeat(1_000), 1_000],
  ["é".repeat(1_000), 2_000],
])("%j is counted, written and read", (text, bytes) => {
  expect(codec.utf8Length(text)).toBe(bytes);
  const reader = new codec.PacketReader(PRESETS.public);
  reader.push(new TextEncoder().encode(codec.encodePacket("", text)));
  expect(reader.next()).toEqual({ directive: "", text: text.replace(/\ud83d$/, "\ufffd") });
});
