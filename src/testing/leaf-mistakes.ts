/**
 * Mistakes in a string, number, bigint or constant of the right type.
 */
import { type Check, divisorsOf, isIntegral, lengthBounds, rangeOf } from "./schema-checks.ts";

/** A replacement value, and its mistake. */
export interface Wrong {
  readonly wrong: string;
  readonly value: unknown;
}

/** A declared maximum above this is not exceeded: no peer would land such a text. */
const MAX_LENGTH = 100_000;

export function stringMistakes(checks: readonly Check[], value: string): Wrong[] {
  const { min, max } = lengthBounds(checks);
  const chars = [...value];
  const wrongs: Wrong[] = [];
  if (max < MAX_LENGTH)
    wrongs.push({ wrong: "too long", value: value + "x".repeat(Math.max(1, max + 1 - chars.length)) });
  if (min > 0) wrongs.push({ wrong: "too short", value: chars.slice(0, min - 1).join("") });
  wrongs.push(
    { wrong: "empty", value: "" },
    { wrong: "a character more in front", value: `!${value}` },
    { wrong: "a character more at the end", value: `${value}!` },
    { wrong: "a line break at the end", value: `${value}\n` },
    { wrong: "the last character missing", value: chars.slice(0, -1).join("") },
    { wrong: "a lone surrogate", value: `${value.slice(0, 1)}\ud800${value.slice(1)}` },
    { wrong: "the other case", value: value === value.toUpperCase() ? value.toLowerCase() : value.toUpperCase() },
  );
  return wrongs;
}

export function numberMistakes(checks: readonly Check[], value: number): Wrong[] {
  const { min, max } = rangeOf(checks, Number);
  const step = isIntegral(checks)
    ? 1
    : Number.EPSILON * Math.max(Math.abs(min?.value ?? 0), Math.abs(max?.value ?? 0), 1);
  const wrongs: Wrong[] = [
    { wrong: "NaN", value: Number.NaN },
    { wrong: "infinite", value: Number.POSITIVE_INFINITY },
    { wrong: "infinitely small", value: Number.NEGATIVE_INFINITY },
    { wrong: "negative zero", value: -0 },
    { wrong: "digits as text", value: String(value) },
  ];
  if (isIntegral(checks)) {
    wrongs.push({ wrong: "a fraction", value: Math.abs(value) < 2 ** 50 ? value + 0.5 : 0.5 });
    wrongs.push({ wrong: "beyond the safe integers", value: value < 0 ? -(2 ** 53) : 2 ** 53 });
  }
  if (min !== undefined) wrongs.push({ wrong: "too small", value: min.excluded ? min.value : min.value - step });
  if (max !== undefined) wrongs.push({ wrong: "too big", value: max.excluded ? max.value : max.value + step });
  for (const divisor of divisorsOf(checks).map(Number)) {
    wrongs.push({ wrong: `no multiple of ${divisor}`, value: value + divisor / 2 });
    if (Math.abs(divisor) > 1) wrongs.push({ wrong: `no multiple of ${divisor}`, value: value + 1 });
  }
  return wrongs;
}

export function bigintMistakes(checks: readonly Check[]): Wrong[] {
  const { min, max } = rangeOf(checks, BigInt as (bound: number | bigint | Date) => bigint); // zod never passes a Date here
  const wrongs: Wrong[] = [{ wrong: "a number", value: 5 }];
  if (min !== undefined) wrongs.push({ wrong: "too small", value: min.excluded ? min.value : min.value - 1n });
  if (max !== undefined) wrongs.push({ wrong: "too big", value: max.excluded ? max.value : max.value + 1n });
  for (const divisor of divisorsOf(checks)) {
    wrongs.push({ wrong: `no multiple of ${divisor}`, value: 2n ** 64n * BigInt(divisor) + 1n });
  }
  return wrongs;
}

/** A constant of an enumeration, altered. */
export function constantMistakes(value: unknown): Wrong[] {
  if (typeof value === "number")
    return [
      { wrong: "a value next to a declared one", value: value + 0.5 },
      { wrong: "negated", value: -value - 1 },
    ];
  if (typeof value !== "string") return [];
  return [
    { wrong: "an altered value", value: `${value}_` },
    { wrong: "a space at the end", value: `${value} ` },
    { wrong: "the other case", value: value === value.toUpperCase() ? value.toLowerCase() : value.toUpperCase() },
    { wrong: "empty", value: "" },
  ];
}
