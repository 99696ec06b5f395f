/**
 * Maps, Sets and URLs, which peers of this library land as themselves.
 */
import fc from "fast-check";
import { type Def, type Made, type Place, type Schema, unfit, type Visit } from "./container-arbitrary.ts";
import { plainData } from "./plain-data.ts";
import { checksOf } from "./schema-checks.ts";

const USUAL_ENTRIES = 4;

/** The keys of a Map differ, as its text must say each once. */
export function mapArbitrary(schema: Schema, def: Def<"map">, at: Place, visit: Visit): Made {
  const { min, max } = sizeBounds(schema);
  const key = visit(def.keyType, { ...at, path: `${at.path}.(key)`, room: 0 });
  const value = visit(def.valueType, { ...at, path: `${at.path}.{}`, room: 0 });
  if (min > max) return unfit(at, "a Map of these bounds");
  for (const part of [key, value]) if ("lack" in part) return min === 0 ? fc.constant(new Map()) : part;
  if ("lack" in key || "lack" in value) return unfit(at, "a Map");
  const entries = fc.uniqueArray(fc.tuple(key, value), {
    minLength: min,
    maxLength: max,
    selector: ([first]) => first,
    comparator: "SameValueZero",
    size: "max",
  });
  return entries.map((pairs) => new Map(pairs));
}

export function setArbitrary(schema: Schema, def: Def<"set">, at: Place, visit: Visit): Made {
  const { min, max } = sizeBounds(schema);
  if (min > max) return unfit(at, "a Set of these bounds");
  const item = visit(def.valueType, { ...at, path: `${at.path}.[]`, room: 0 });
  if ("lack" in item) return min === 0 ? fc.constant(new Set()) : item;
  const items = fc.uniqueArray(item, { minLength: min, maxLength: max, comparator: "SameValueZero", size: "max" });
  return items.map((values) => new Set(values));
}

function sizeBounds(schema: Schema): { readonly min: number; readonly max: number } {
  let min = 0;
  let most: number | undefined;
  for (const check of checksOf(schema)) {
    const { minimum, maximum, size } = check as { minimum?: number; maximum?: number; size?: number };
    min = Math.max(min, minimum ?? size ?? 0);
    const limit = maximum ?? size;
    if (limit !== undefined) most = Math.min(most ?? limit, limit);
  }
  return { min, max: Math.min(most ?? Number.POSITIVE_INFINITY, min + USUAL_ENTRIES) };
}

/** For `z.instanceof` of a class whose instances land as such. */
export function instanceArbitrary(schema: Schema): fc.Arbitrary<unknown> | undefined {
  switch (classOf(schema)) {
    case Date:
      return fc.date({ noInvalidDate: true });
    case URL:
      return fc.webUrl({ withQueryParameters: true, withFragments: true }).map((text) => new URL(text));
    case Map:
      return fc.array(fc.tuple(fc.string(), plainData), { maxLength: USUAL_ENTRIES }).map((pairs) => new Map(pairs));
    case Set:
      return fc.array(plainData, { maxLength: USUAL_ENTRIES }).map((values) => new Set(values));
    default:
      return undefined;
  }
}

/** The trace of `z.instanceof`, which a schema loses to a copy with a check. */
function classOf(schema: Schema): unknown {
  for (let origin: Schema | undefined = schema; origin !== undefined; origin = origin._zod.parent) {
    const made: unknown = origin._zod.bag["Class"];
    if (made !== undefined) return made;
  }
  return undefined;
}
