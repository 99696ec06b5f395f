/**
 * nearlyArbitraryOf: valid values with exactly one thing wrong, as only those get past the first check that refuses.
 */
import fc from "fast-check";
import type { z } from "zod";
import { sampleOf, verdictOf } from "./acceptance.ts";
import type { Schema } from "./container-arbitrary.ts";
import { type Mistake, mistakesOf } from "./mistakes.ts";
import type { ArbitraryOptions } from "./overrides.ts";
import { scopedArbitrary } from "./schema-arbitrary.ts";

export interface NearlyValid {
  readonly value: unknown;
  /** where and what: "items.0.name: too long" */
  readonly wrong: string;
}

/** Values that the schema refuses for one mistake alone; undefined when it refuses nothing that this kit can do wrong, as
 *  `z.unknown()` does.
 *  @throws HbiError invalid_argument as `arbitraryOf` */
export function nearlyArbitraryOf(
  schema: z.ZodType,
  options: ArbitraryOptions = {},
): fc.Arbitrary<NearlyValid> | undefined {
  return nearlyOf(schema, scopedArbitrary(schema, options, {}), () => true);
}

/** The same of given valid values; `isWanted` leaves out mistakes that can't be made where they belong. */
export function nearlyOf(
  schema: Schema,
  valid: fc.Arbitrary<unknown>,
  isWanted: (mistake: Mistake) => boolean,
): fc.Arbitrary<NearlyValid> | undefined {
  const nearly = fc
    .tuple(valid, fc.nat(), fc.integer({ min: 0, max: 3 }))
    .map(([value, pick, kind]) => picked(schema, mistakesOf(schema, value).filter(isWanted), pick, kind === 0));
  if (sampleOf(nearly).every((one) => one === undefined)) return undefined;
  return nearly.filter((one) => one !== undefined);
}

/** The first that is refused, beginning at one by chance; of another type only now and then, as those are the most. */
function picked(schema: Schema, all: readonly Mistake[], pick: number, isTypeFirst: boolean): NearlyValid | undefined {
  const first = all.filter(({ isType }) => isType === isTypeFirst);
  const then = all.filter(({ isType }) => isType !== isTypeFirst);
  for (const mistakes of [first, then]) {
    for (let i = 0; i < mistakes.length; i++) {
      const mistake = mistakes[(pick + i) % mistakes.length];
      if (mistake === undefined) continue;
      const value = mistake.make();
      if (verdictOf(schema, value) !== "refused") continue;
      return { value, wrong: mistake.path === "" ? mistake.wrong : `${mistake.path}: ${mistake.wrong}` };
    }
  }
  return undefined;
}
