import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { sha256 } from "../../../src/registry/description/sha256.ts";

const reference = (content: string | Uint8Array) => createHash("sha256").update(content).digest("hex");
const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 131 + length) % 256);

it("hashes every length around the blocks as the platform does", () => {
  for (let length = 0; length <= 200; length++) {
    expect(sha256(bytes(length)), `${length} bytes`).toBe(reference(bytes(length)));
  }
});

it("hashes a megabyte and a few bytes as the platform does", () => {
  expect(sha256(bytes(1_048_579))).toBe(reference(bytes(1_048_579)));
});

it.each(["", "abc", "é€😀", "\u0000\n"])("hashes the text %j as UTF-8", (text) => {
  expect(sha256(text)).toBe(reference(text));
});

it("hashes a part of a buffer, not the buffer", () => {
  expect(sha256(bytes(100).subarray(10, 20))).toBe(reference(bytes(100).subarray(10, 20)));
});
