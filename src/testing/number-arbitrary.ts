/**
 * Numbers, bigints and date texts within the bounds of a schema, including the bounds.
 */
import fc from "fast-check";
import { type Check, divisorsOf, isIntegral, type Range, rangeOf } from "./schema-checks.ts";

const MAX_SAFE = Number.MAX_SAFE_INTEGER;

/** Undefined if nothing fits the bounds. `cap` narrows the range to 0..cap if the schema permits it. */
export function numberArbitrary(checks: readonly Check[], cap: number | undefined): fc.Arbitrary<number> | undefined {
  const range = capped(rangeOf(checks, Number), cap);
  const divisors = divisorsOf(checks).map(Number);
  if (divisors.length > 0) return multiples(range, isIntegral(checks) ? [1, ...divisors] : divisors);
  return isIntegral(checks) ? integers(range) : doubles(range);
}

function capped(range: Range<number>, cap: number | undefined): Range<number> {
  if (cap === undefined) return range;
  const min = range.min !== undefined && range.min.value >= 0 ? range.min : { value: 0, excluded: false };
  const max = range.max !== undefined && range.max.value <= cap ? range.max : { value: cap, excluded: false };
  const isPoint = min.value === max.value && !min.excluded && !max.excluded;
  return min.value < max.value || isPoint ? { min, max } : range;
}

/** The smallest and the largest integer of a range. */
function integersOf({ min, max }: Range<number>): readonly [least: number, most: number] {
  let least = Math.ceil(min?.value ?? -MAX_SAFE);
  let most = Math.floor(max?.value ?? MAX_SAFE);
  if (min?.excluded === true && least === min.value) least += 1;
  if (max?.excluded === true && most === max.value) most -= 1;
  return [Math.max(least, -MAX_SAFE), Math.min(most, MAX_SAFE)];
}

function integers(range: Range<number>): fc.Arbitrary<number> | undefined {
  const [min, max] = integersOf(range);
  if (min > max) return undefined;
  const edges = new Set([min, max, 0, 1, -1, 2 ** 31, -(2 ** 31)].filter((edge) => edge >= min && edge <= max));
  const near = { min: Math.max(min, -1_000), max: Math.min(max, 1_000) };
  return fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min, max }) },
    ...(near.min <= near.max ? [{ weight: 8, arbitrary: fc.integer(near) }] : []),
    { weight: 5, arbitrary: fc.constantFrom(...edges) },
    ...(edges.has(0) ? [{ weight: 1, arbitrary: fc.constant(-0) }] : []), // crosses as -0.0
  );
}

const EDGES = [0, -0, 1, 0.1, 2 ** 53, Number.MIN_VALUE];

function doubles(range: Range<number>): fc.Arbitrary<number> | undefined {
  const { min, max } = range;
  const lower = min ?? { value: -Number.MAX_VALUE, excluded: false };
  const upper = max ?? { value: Number.MAX_VALUE, excluded: false };
  const isPoint = lower.value === upper.value;
  if (lower.value > upper.value || (isPoint && (lower.excluded || upper.excluded))) return undefined;
  const fits = (value: number) =>
    (lower.excluded ? value > lower.value : value >= lower.value) &&
    (upper.excluded ? value < upper.value : value <= upper.value);
  const edges = [lower.value, upper.value, ...EDGES].filter((edge) => Number.isFinite(edge) && fits(edge));
  const whole = integers(range);
  const any = fc.double({
    min: lower.value,
    max: upper.value,
    minExcluded: lower.excluded,
    maxExcluded: upper.excluded,
    noNaN: true,
    noDefaultInfinity: true,
  });
  return fc.oneof(
    { weight: 4, arbitrary: any }, // of any magnitude, so mostly tiny or huge
    ...(edges.length === 0 ? [] : [{ weight: 2, arbitrary: fc.constantFrom(...edges) }]),
    ...(whole === undefined ? [] : [{ weight: 2, arbitrary: whole }]),
  );
}

/** Multiples of the largest divisor that are also multiples of the others, within the precision of decimal
 *  fractions. */
function multiples(range: Range<number>, divisors: readonly number[]): fc.Arbitrary<number> | undefined {
  const digits = Math.max(...divisors.map(decimals));
  const scale = 10 ** digits;
  const step = divisors.map((divisor) => Math.round(Math.abs(divisor) * scale)).reduce(leastCommonMultiple) / scale;
  const most = Math.min(MAX_SAFE, 1e9 * step);
  const [first, last] = integersOf({
    min: { value: (range.min?.value ?? -most) / step, excluded: range.min?.excluded ?? false },
    max: { value: (range.max?.value ?? most) / step, excluded: range.max?.excluded ?? false },
  });
  if (first > last) return undefined;
  return fc
    .oneof(fc.integer({ min: first, max: last }), fc.constantFrom(first, last))
    .map((times) => Number((times * step).toFixed(digits)));
}

function decimals(value: number): number {
  const [, fraction = "", exponent = "0"] = /^-?\d+(?:\.(\d+))?(?:e(.+))?$/.exec(String(value)) ?? [];
  return Math.min(15, Math.max(0, fraction.length - Number(exponent)));
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** A landed number has at most 40 characters. */
const MOST_BIG = 2n ** 128n - 1n;
const FIRST_BIG = 2n ** 53n;

export function bigintArbitrary(checks: readonly Check[]): fc.Arbitrary<bigint> | undefined {
  const { min, max } = rangeOf(checks, BigInt as (bound: number | bigint | Date) => bigint); // zod never passes a Date here
  const step = divisorsOf(checks).reduce<bigint>((all, one) => all * BigInt(one), 1n);
  const least = larger(-MOST_BIG, min === undefined ? -MOST_BIG : min.value + (min.excluded ? 1n : 0n));
  const most = smaller(MOST_BIG, max === undefined ? MOST_BIG : max.value - (max.excluded ? 1n : 0n));
  const whole = { min: divided(least, step, true), max: divided(most, step, false) };
  if (whole.min > whole.max) return undefined;
  const small = { min: larger(whole.min, -1_000n), max: smaller(whole.max, 1_000n) };
  const edges = [whole.min, whole.max, 0n, 1n, -1n, FIRST_BIG, FIRST_BIG - 1n, -FIRST_BIG]; // written as 5n below 2^53
  return fc
    .oneof(
      fc.bigInt(whole),
      ...(small.min <= small.max ? [fc.bigInt(small)] : []),
      fc.constantFrom(...edges.filter((edge) => edge >= whole.min && edge <= whole.max)),
    )
    .map((times) => times * step);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
function divided(value: bigint, by: bigint, up: boolean): bigint {
  const quotient = value / by; // rounds towards zero
  if (quotient * by === value) return quotient;
  return up ? (value > 0n ? quotient + 1n : quotient) : value < 0n ? quotient - 1n : quotient;
}

const FIRST_DATE = new Date("0001-01-01T00:00:00.000Z");
const LAST_DATE = new Date("9999-12-31T23:59:59.999Z");

/** Text that `z.coerce.date()` reads, and every peer. */
export function dateTextArbitrary(checks: readonly Check[]): fc.Arbitrary<string> | undefined {
  return dateArbitrary(checks)?.map((date) => date.toISOString());
}

export function dateArbitrary(checks: readonly Check[]): fc.Arbitrary<Date> | undefined {
  const { min, max } = rangeOf(checks, (bound) => (bound instanceof Date ? bound : new Date(Number(bound))));
  const from = new Date((min?.value ?? FIRST_DATE).getTime() + (min?.excluded === true ? 1 : 0));
  const to = new Date((max?.value ?? LAST_DATE).getTime() - (max?.excluded === true ? 1 : 0));
  if (from > to) return undefined;
  return fc.date({ min: from, max: to, noInvalidDate: true });
}
