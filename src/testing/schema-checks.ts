/**
 * The checks of a schema as bounds: what `.min(1)`, `.length(3)`, `z.int32()` and similar checks permit.
 */
import type { z } from "zod";

/** A check of `.refine()`, `.check()` or `z.custom()`: an opaque function. */
interface Opaque {
  readonly check: "custom" | "properties";
}
export type Check = z.core.$ZodChecks["_zod"]["def"] | Opaque;
export type StringCheck = Extract<Check, { readonly check: "string_format" }>;

/** Includes the check that a schema such as `z.int()` or `z.uuid()` itself is. */
export function checksOf(schema: z.core.$ZodType): readonly Check[] {
  const def: z.core.$ZodTypeDef = schema._zod.def;
  const own = "check" in def && def.type !== "custom" ? [def as unknown as Check] : []; // a schema that is itself a check
  return [...own, ...(def.checks ?? []).map((check) => check._zod.def as Check)]; // zod's own checks
}

/** Whether a check without bounds may refuse the value or change it for the next check. */
export function hasOpaqueCheck(checks: readonly Check[]): boolean {
  return checks.some(({ check }) => ["custom", "overwrite", "property", "properties"].includes(check));
}

export interface LengthBounds {
  readonly min: number;
  /** Infinity if there is none */
  readonly max: number;
}

export function lengthBounds(checks: readonly Check[]): LengthBounds {
  let min = 0;
  let max = Number.POSITIVE_INFINITY;
  for (const check of checks) {
    if (check.check === "min_length") min = Math.max(min, check.minimum);
    if (check.check === "max_length") max = Math.min(max, check.maximum);
    if (check.check === "length_equals") {
      min = Math.max(min, check.length);
      max = Math.min(max, check.length);
    }
  }
  return { min, max };
}

export interface Bound<T> {
  readonly value: T;
  readonly excluded: boolean;
}
export interface Range<T> {
  readonly min: Bound<T> | undefined;
  readonly max: Bound<T> | undefined;
}

/** The tightest of the declared bounds and those of the schema's format. `as` converts a bound, because zod also
 *  accepts bigint bounds for numbers. */
export function rangeOf<T extends number | bigint | Date>(
  checks: readonly Check[],
  as: (bound: number | bigint | Date) => T,
): Range<T> {
  let min: Bound<T> | undefined;
  let max: Bound<T> | undefined;
  const atLeast = (value: T, excluded: boolean) => {
    if (min === undefined || value > min.value || (value >= min.value && excluded)) min = { value, excluded };
  };
  const atMost = (value: T, excluded: boolean) => {
    if (max === undefined || value < max.value || (value <= max.value && excluded)) max = { value, excluded };
  };
  for (const check of checks) {
    if (check.check === "greater_than") atLeast(as(check.value), !check.inclusive);
    if (check.check === "less_than") atMost(as(check.value), !check.inclusive);
    if (check.check === "number_format" || check.check === "bigint_format") {
      const [least, most] = FORMAT_RANGES[check.format];
      atLeast(as(least), false);
      atMost(as(most), false);
    }
  }
  return { min, max };
}

const MAX_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

const FORMAT_RANGES: Readonly<
  Record<z.core.$ZodNumberFormats | z.core.$ZodBigIntFormats, readonly [number | bigint, number | bigint]>
> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  safeint: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  float32: [-MAX_FLOAT32, MAX_FLOAT32],
  float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

export function isIntegral(checks: readonly Check[]): boolean {
  return checks.some((check) => check.check === "number_format" && !check.format.startsWith("float"));
}

export function divisorsOf(checks: readonly Check[]): (number | bigint)[] {
  return checks.flatMap((check) => (check.check === "multiple_of" ? [check.value] : []));
}
