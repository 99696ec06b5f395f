/**
 * Overrides: arbitraries for schemas that do not describe their values, and the error that asks for one.
 */
import type fc from "fast-check";
import type { z } from "zod";
import { mustBe, type OptionsOf } from "../options.ts";

/** By schema, or by path, such as "items.[].name". A recursive schema is looked up by its first paths only. */
export type Overrides =
  | ReadonlyMap<z.core.$ZodType, fc.Arbitrary<unknown>>
  | ((path: string, schema: z.core.$ZodType) => fc.Arbitrary<unknown> | undefined);

export interface ArbitraryOptions {
  readonly overrides?: Overrides | undefined;
}

export const ARBITRARY_OPTIONS: OptionsOf<ArbitraryOptions> = {
  overrides: mustBe("a function or a Map by schema", (value) => typeof value === "function" || value instanceof Map),
};

/** The root of a walk, and bounds for its values. */
export interface WalkScope {
  /** prefix of every path in an error */
  readonly where?: string | undefined;
  /** the maximum for a number at this path, if its schema permits it */
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
