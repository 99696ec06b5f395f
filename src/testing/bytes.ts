/**
 * Raw bytes: which custom schemas stand for a Uint8Array, and bytes that a careless reader would misinterpret.
 */
import fc from "fast-check";
import type { z } from "zod";

/** Whether it is `z.instanceof(Uint8Array)`, refined or not. After a refinement zod forgets the class but keeps the
 *  function. */
export function takesBytes(schema: z.core.$ZodType): boolean {
  const { def } = (schema as z.core.$ZodCustom)._zod;
  const others = [
    new Int8Array(1),
    new Uint16Array(1),
    new DataView(new ArrayBuffer(1)),
    new ArrayBuffer(1),
    [],
    {},
    "",
  ];
  const says = (value: unknown) => {
    try {
      return def.fn(value) === true;
    } catch {
      return false; // a function with another purpose
    }
  };
  return [0, 1, 33].every((length) => says(new Uint8Array(length))) && !others.some(says);
}

export const bytesArbitrary: fc.Arbitrary<Uint8Array> = fc.oneof(fc.uint8Array({ maxLength: 32 }), packetLike(32));

/** This many bytes, repeating a short piece. Only the length matters, and long random data could not be shrunk. */
export function bytesOf(length: number): fc.Arbitrary<Uint8Array> {
  const piece = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 16 }), packetLike(16));
  return piece.map((bytes) => Uint8Array.from({ length }, (_, i) => bytes[i % bytes.length] ?? 0));
}

/** Raw data that resembles packets exposes a peer that has lost its position. */
function packetLike(maxLength: number): fc.Arbitrary<Uint8Array> {
  const texts = ["[0#co_end]", "[4#err]oops", "[5#co_recv]", "[", "#]", "\r\n\0"];
  return fc.constantFrom(...texts).map((text) => new TextEncoder().encode(text).subarray(0, maxLength));
}
