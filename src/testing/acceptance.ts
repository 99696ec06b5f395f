/**
 * Asks a schema about values, and restricts arbitraries to what it accepts. A filter that refuses almost everything
 * would make a property slow or endless, so its acceptance is measured when it is created, and a bad filter is refused.
 */
import fc from "fast-check";
import type { z } from "zod";
import { failure, HbiError } from "../errors.ts";
import { runSynchronously } from "../registry/asynchronous.ts";
import { prepareLate } from "../registry/prepared-schema.ts";

/** `threw`: a refinement threw or is asynchronous, so its verdict is unknown. */
export type Verdict = "accepted" | "refused" | "threw";

export function verdictOf(schema: z.core.$ZodType, value: unknown): Verdict {
  try {
    prepareLate(schema);
    const result = runSynchronously(schema, value, { async: false }, "value");
    return result.issues.length === 0 ? "accepted" : "refused";
  } catch {
    return "threw"; // the search for a value ignores the error of the caller's refinement
  }
}

export function accepts(schema: z.core.$ZodType, value: unknown): boolean {
  return verdictOf(schema, value) === "accepted";
}

export const SAMPLES = 60;
const LEAST = 0.1;
/** Fixed, so that a schema is accepted or refused in every run alike. */
const SEED = 20_240_229;

export function sampleOf<T>(arbitrary: fc.Arbitrary<T>, numRuns: number = SAMPLES): T[] {
  return fc.sample(arbitrary, { numRuns, seed: SEED });
}

/** Usually the first few decide, and no more are drawn. */
function isOftenAccepted<T>(candidate: fc.Arbitrary<T>, isAccepted: (value: T) => boolean): boolean {
  const enough = Math.ceil(LEAST * SAMPLES);
  return [enough, SAMPLES].some((drawn) => sampleOf(candidate, drawn).filter(isAccepted).length >= enough);
}

/** The candidates that are accepted often enough, filtered. A candidate that cannot be created is skipped, such as a
 *  regular expression that fast-check cannot read.
 *  @throws HbiError invalid_argument if none remains */
export function bestOf<T>(
  candidates: readonly (() => fc.Arbitrary<T>)[],
  isAccepted: (value: T) => boolean,
  complaint: string,
): fc.Arbitrary<T> {
  const good: fc.Arbitrary<T>[] = [];
  let cause: unknown;
  for (const make of candidates) {
    try {
      const candidate = make();
      if (isOftenAccepted(candidate, isAccepted)) good.push(candidate.filter(isAccepted));
    } catch (thrown) {
      if (thrown instanceof HbiError) throw thrown;
      cause = thrown;
    }
  }
  if (good.length === 0) throw failure("bad_option", complaint, cause === undefined ? {} : { cause });
  return fc.oneof(...good);
}
