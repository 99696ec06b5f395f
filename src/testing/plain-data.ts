/**
 * Any value that has a textual form without a constructor: what `z.unknown()` and `z.any()` may receive.
 */
import fc from "fast-check";
import { numberArbitrary } from "./number-arbitrary.ts";
import { plainText } from "./string-arbitrary.ts";

/** Names that careless code misinterprets; `__proto__` has no textual form. */
const KEYS = ["a", "id", "constructor", "toString", "hasOwnProperty", "length", "then", "", "0", "a b", "é"];

export const keyArbitrary: fc.Arbitrary<string> = fc
  .oneof({ weight: 3, arbitrary: fc.constantFrom(...KEYS) }, { weight: 1, arbitrary: plainText(0, 8) })
  .filter((key) => key !== "__proto__");

const number = numberArbitrary([], undefined) ?? fc.integer(); // exists, because there are no bounds

export const plainData: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small", withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, Number.NaN, Number.POSITIVE_INFINITY, 5n, 2n ** 64n),
    number,
    plainText(0, 16),
    fc.uint8Array({ maxLength: 8 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(keyArbitrary, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;
