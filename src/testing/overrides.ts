/**
 * Overrides: how a user of the kit gives the arbitraries that no schema tells, and the error that asks for one.
 */
import type fc from "fast-check";
import type { z } from "zod";

/** By schema, or by its path, such as "items.[].name"; a schema that contains itself is asked for at its first paths only. */
export type Overrides =
  | ReadonlyMap<z.core.$ZodType, fc.Arbitrary<unknown>>
  | ((path: string, schema: z.core.$ZodType) => fc.Arbitrary<unknown> | undefined);

export interface ArbitraryOptions {
  readonly overrides?: Overrides;
}

/** Where a walk begins, and what it keeps small. */
export interface WalkScope {
  /** before every path in an error */
  readonly where?: string;
  /** up to which a number at this path should go, where its schema lets it */
  readonly capOf?: (path: string) => number | undefined;
}

export function overrideOf(
  overrides: Overrides | undefined,
  path: string,
  schema: z.core.$ZodType,
): fc.Arbitrary<unknown> | undefined {
  return typeof overrides === "function" ? overrides(path, schema) : overrides?.get(schema);
}

export function complaint(where: string, path: string, what: string): string {
  const place = where === "" || path === "" ? where + path : `${where}.${path}`;
  return `${place === "" ? "" : `${place}: `}no arbitrary for ${what}; give one in options.overrides`;
}
