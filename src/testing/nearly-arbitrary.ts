/**
 * nearlyArbitraryOf: valid values with exactly one mistake, because only these pass the other checks.
 */
import fc from "fast-check";
import type { z } from "zod";
import { checkOptions } from "../options.ts";
import { SAMPLES, sampleOf, verdictOf } from "./acceptance.ts";
import type { Schema } from "./container-arbitrary.ts";
import { type Mistake, mistakesOf } from "./mistakes.ts";
import { ARBITRARY_OPTIONS, type ArbitraryOptions } from "./overrides.ts";
import { scopedArbitrary } from "./schema-arbitrary.ts";

export interface NearlyValid {
  readonly value: unknown;
  /** place and mistake: "items.0.name: too long" */
  readonly wrong: string;
}

/** Values that the schema refuses because of a single mistake; undefined if the kit knows no such mistake, as for
 *  `z.unknown()`.
 *  @throws HbiError invalid_argument, as `arbitraryOf` */
export function nearlyArbitraryOf(
  schema: z.core.$ZodType,
  options: ArbitraryOptions = {},
): fc.Arbitrary<NearlyValid> | undefined {
  checkOptions(options, "nearlyArbitraryOf", ARBITRARY_OPTIONS);
  return nearlyOf(schema, scopedArbitrary(schema, options, {}), () => true);
}

/** The same for given valid values; `isWanted` excludes mistakes that do not belong to the place. */
export function nearlyOf(
  schema: Schema,
  valid: fc.Arbitrary<unknown>,
  isWanted: (mistake: Mistake) => boolean,
): fc.Arbitrary<NearlyValid> | undefined {
  const nearly = fc
    .tuple(valid, fc.nat(), fc.integer({ min: 0, max: 3 }))
    .map(([value, pick, kind]) => picked(schema, mistakesOf(schema, value).filter(isWanted), pick, kind === 0));
  const isNone = (drawn: number) => sampleOf(nearly, drawn).every((one) => one === undefined);
  if (isNone(1) && isNone(SAMPLES)) return undefined; // usually the first is one
  return nearly.filter((one) => one !== undefined);
}

/** The first refused mistake from a random start. Wrong types are chosen rarely, because they are the majority. */
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
