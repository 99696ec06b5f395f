/**
 * What a schema says to a value, and arbitraries that are kept to what it accepts. A filter that refuses nearly everything
 * would make a property slow or endless, so it is measured when it is made, and refused.
 */
import fc from "fast-check";
import type { z } from "zod";
import { failure, HbiError } from "../errors.ts";
import { runSynchronously } from "../registry/asynchronous.ts";
import { prepareLate } from "../registry/prepared-schema.ts";

/** `threw`: a refinement that throws or is asynchronous, of which nobody can say what it means. */
export type Verdict = "accepted" | "refused" | "threw";

export function verdictOf(schema: z.core.$ZodType, value: unknown): Verdict {
  try {
    prepareLate(schema);
    const result = runSynchronously(schema, value, { async: false }, "value");
    return result.issues.length === 0 ? "accepted" : "refused";
  } catch {
    return "threw"; // the caller's refinement: its error is no concern of who looks for a value
  }
}

export function accepts(schema: z.core.$ZodType, value: unknown): boolean {
  return verdictOf(schema, value) === "accepted";
}

const SAMPLES = 60;
const LEAST = 0.1;
/** Fixed, so that a schema is taken or refused in every run alike. */
const SEED = 20_240_229;

export function sampleOf<T>(arbitrary: fc.Arbitrary<T>, numRuns: number = SAMPLES): T[] {
  return fc.sample(arbitrary, { numRuns, seed: SEED });
}

/** Of the candidates those that are accepted often enough, filtered. A candidate that can't be made, such as a regular
 *  expression that fast-check does not read, is left out.
 *  @throws HbiError invalid_argument when none is left */
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
      const sample = sampleOf(candidate);
      if (sample.filter(isAccepted).length >= LEAST * sample.length) good.push(candidate.filter(isAccepted));
    } catch (thrown) {
      if (thrown instanceof HbiError) throw thrown;
      cause = thrown;
    }
  }
  if (good.length === 0) throw failure("bad_option", complaint, cause === undefined ? {} : { cause });
  return fc.oneof(...good);
}
