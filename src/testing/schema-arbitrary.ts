/**
 * arbitraryOf: values that a schema accepts as input and that have a textual form.
 */
import type fc from "fast-check";
import type { z } from "zod";
import { failure } from "../errors.ts";
import { checkOptions } from "../options.ts";
import { accepts, bestOf } from "./acceptance.ts";
import { ArbitraryWalk } from "./arbitrary-walk.ts";
import type { Made } from "./container-arbitrary.ts";
import { ARBITRARY_OPTIONS, type ArbitraryOptions, complaint, type WalkScope } from "./overrides.ts";

/** Approximate nesting of objects and lazy schemas that contain themselves. A larger value is tried if no value ends
 *  within a smaller one. */
const DEPTHS = [6, 12, 24] as const;

/** Values that the schema accepts as input and that `repr` can write. Optional members are present or absent, never
 *  undefined.
 *  @throws HbiError invalid_argument for a schema that says too little, or accepts nothing that has a textual form */
export function arbitraryOf<S extends z.core.$ZodType>(
  schema: S,
  options: ArbitraryOptions = {},
): fc.Arbitrary<z.input<S>> {
  checkOptions(options, "arbitraryOf", ARBITRARY_OPTIONS);
  return scopedArbitrary(schema, options, {}) as fc.Arbitrary<z.input<S>>; // accepted by the schema that types it
}

/** Why no value of this schema exists or can be written, as "no arbitrary for never"; undefined if one does. */
export function whyNothing(schema: z.core.$ZodType, options: ArbitraryOptions, scope: WalkScope): string | undefined {
  const made = madeFor(schema, options, scope);
  return "lack" in made && made.lack === "form" ? complaint(scope.where ?? "", made.path, made.what) : undefined;
}

function madeFor(schema: z.core.$ZodType, { overrides }: ArbitraryOptions, scope: WalkScope): Made {
  let made = new ArbitraryWalk(overrides, scope).start(schema, DEPTHS[0]);
  for (const depth of DEPTHS.slice(1)) {
    if (!("lack" in made) || made.lack !== "end") break;
    made = new ArbitraryWalk(overrides, scope).start(schema, depth);
  }
  return made;
}

/** `arbitraryOf` for a part of something larger. */
export function scopedArbitrary(
  schema: z.core.$ZodType,
  options: ArbitraryOptions,
  scope: WalkScope,
): fc.Arbitrary<unknown> {
  const { where = "" } = scope;
  const made = madeFor(schema, options, scope);
  if ("lack" in made) throw failure("bad_option", complaint(where, made.path, made.what));
  return bestOf([() => made], (value) => accepts(schema, value), complaint(where, "", "its refinements"));
}
