import { expect, it } from "vitest";
import { fuzzParser } from "../system/fuzz/parser.ts";

it("all ways of reading a script agree with acorn, on 5,000 scripts", () => {
  const { runs, accepted, found } = fuzzParser(5_000, () => undefined);
  expect(found).toBeUndefined();
  expect(runs).toBeGreaterThanOrEqual(5_000);
  // Nearly valid: a good part is accepted, a good part refused.
  expect(accepted / runs).toBeGreaterThan(0.1);
  expect(accepted / runs).toBeLessThan(0.9);
});
