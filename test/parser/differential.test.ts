import { expect, it } from "vitest";
import { fuzzParser } from "../system/fuzz/parser.ts";

const SCRIPTS = 1_500; // `npm run fuzz -- script` goes on

it(`all ways of reading a script agree with acorn, on ${SCRIPTS} scripts`, () => {
  const { runs, accepted, found } = fuzzParser(SCRIPTS, () => undefined);
  expect(found).toBeUndefined();
  expect(runs).toBeGreaterThanOrEqual(SCRIPTS);
  // Nearly valid: a good part is accepted, a good part refused.
  expect(accepted / runs).toBeGreaterThan(0.1);
  expect(accepted / runs).toBeLessThan(0.9);
});
