/**
 * Arrays, tuples, objects and records of what their parts generate. An impossible part, such as a File, is a value here
 * and not an error: an optional member is omitted, a union continues without it, and only the rest is reported.
 */
import fc from "fast-check";
import type { z } from "zod";
import { type Definition, join } from "../registry/schema-walk.ts";
import { bestOf } from "./acceptance.ts";
import { complaint } from "./overrides.ts";
import { keyArbitrary } from "./plain-data.ts";
import { checksOf, hasOpaqueCheck, lengthBounds } from "./schema-checks.ts";

export type Schema = z.core.$ZodType;
export type Def<T extends Definition["type"]> = Extract<Definition, { readonly type: T }>;

/** Why nothing can be generated. `absent`: undefined, which can only be omitted. `end`: a recursive schema does not end
 *  within the depth. `form`: no value has a textual form or fits the bounds. */
export interface Lack {
  readonly lack: "absent" | "end" | "form";
  readonly path: string;
  readonly what: string;
}
export type Made = fc.Arbitrary<unknown> | Lack;

/** `fuel`: how much deeper recursive schemas may nest. `room`: the approximate number of further values, for arrays of
 *  full length. */
export interface Place {
  readonly path: string;
  readonly fuel: number;
  readonly room: number;
}
export type Visit = (schema: Schema, at: Place) => Made;

const USUAL_ITEMS = 6;
/** Few items of a recursive schema, because their number multiplies at each depth. */
const RECURSIVE_ITEMS = 2;

export function unfit(at: Place, what: string): Lack {
  return { lack: "form", path: at.path, what };
}

function inside(at: Place, part: string): Place {
  return { ...at, path: join(at.path, part) };
}

function usualItems({ room }: Place): number {
  return room === 0 ? RECURSIVE_ITEMS : USUAL_ITEMS;
}

/** A few items, or the maximum number if there is room. */
export function arrayArbitrary(schema: Schema, def: Def<"array">, at: Place, visit: Visit): Made {
  const { min, max } = lengthBounds(checksOf(schema));
  if (min > max) return unfit(at, "an array of these bounds");
  const usual = Math.min(max, min + usualItems(at));
  const longest = max <= at.room ? max : usual;
  const item = visit(def.element, { ...inside(at, "[]"), room: Math.floor(at.room / Math.max(1, longest)) });
  if ("lack" in item) return item.lack === "end" && min === 0 ? fc.constant([]) : item;
  const array = (minLength: number, maxLength: number) => {
    const most = usualItems(at);
    if (maxLength <= most || hasOpaqueCheck(checksOf(schema))) {
      return fc.array(item, { minLength, maxLength, size: "max" }); // items may have to differ from each other
    }
    return fc
      .tuple(
        fc.array(item, { minLength: 1, maxLength: most, size: "max" }),
        fc.integer({ min: minLength, max: maxLength }),
      )
      .map(([few, length]) => filled(few, length));
  };
  if (longest === usual) return array(min, usual);
  return fc.oneof({ weight: 9, arbitrary: array(min, usual) }, { weight: 1, arbitrary: array(longest, longest) });
}

/** A long array repeats a few items, because to generate a thousand objects takes longer than to call a method. */
function filled(few: readonly unknown[], length: number): unknown[] {
  return Array.from({ length }, (_, i) => few[i % few.length]);
}

/** Optional items at the end are present or not; the rest only after all of them. */
export function tupleArbitrary(def: Def<"tuple">, at: Place, visit: Visit): Made {
  const items: fc.Arbitrary<unknown>[] = [];
  let least = 0;
  for (const [i, part] of def.items.entries()) {
    const item = visit(part, inside(at, String(i)));
    const isOptional = part._zod.optin !== undefined;
    if ("lack" in item) {
      if (item.lack === "form" || !isOptional) return item;
      break;
    }
    items.push(item);
    if (!isOptional) least = items.length;
  }
  const all = fc.tuple(...items);
  const some = fc
    .tuple(all, fc.integer({ min: least, max: items.length }))
    .map(([full, length]) => full.slice(0, length));
  if (def.rest === null || items.length < def.items.length) return some;
  const rest = visit(def.rest, inside(at, "[]"));
  if ("lack" in rest) return rest.lack === "form" ? rest : some;
  return fc.oneof(
    some,
    fc.tuple(all, fc.array(rest, { maxLength: 3 })).map(([full, more]) => [...full, ...more]),
  );
}

export function objectArbitrary(def: Def<"object">, at: Place, visit: Visit): Made {
  const object = shapeArbitrary(def.shape, at, visit);
  if ("lack" in object || def.catchall === undefined) return object;
  const others = visit(def.catchall, inside(at, "{}"));
  if ("lack" in others) return object; // usually z.never() of a strict object
  const names = keyArbitrary.filter((key) => !Object.hasOwn(def.shape, key));
  const surplus = fc.dictionary(names, others, { maxKeys: 3, noNullPrototype: true });
  return fc.tuple(surplus, object).map(([more, own]) => ({ ...more, ...own }));
}

type Members = Record<string, unknown>;

/** An object with these members. Optional ones are present or absent, never undefined, which has no textual form. */
export function shapeArbitrary(
  shape: Readonly<Record<string, Schema>>,
  at: Place,
  visit: Visit,
): fc.Arbitrary<Members> | Lack {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  const requiredKeys: string[] = [];
  for (const [key, part] of Object.entries(shape)) {
    const isOptional = part._zod.optin !== undefined;
    const member = visit(part, inside(at, key));
    if ("lack" in member) {
      if (member.lack === "form" || !isOptional) return member;
      continue;
    }
    model[key] = member;
    if (!isOptional) requiredKeys.push(key);
  }
  return fc.record(model, { requiredKeys, noNullPrototype: true });
}

export function recordArbitrary(def: Def<"record">, at: Place, visit: Visit): Made {
  const value = visit(def.valueType, inside(at, "{}"));
  const names = def.keyType._zod.values;
  if ("lack" in value) return value.lack === "end" && names === undefined ? fc.constant({}) : value;
  if (names !== undefined) {
    const keys = [...names].map(String);
    const mayLack = def.partial === true || def.valueType._zod.optin !== undefined;
    const model = Object.fromEntries(keys.map((key) => [key, value]));
    return fc.record(model, { requiredKeys: mayLack ? [] : keys, noNullPrototype: true });
  }
  const key = visit(def.keyType, inside(at, "(key)"));
  if ("lack" in key) return key;
  const isName = (text: string) => text !== "__proto__" && !/^-?\d.*e/.test(text); // zod accepts no exponent in a numeric key
  const name = bestOf([() => key.map(String)], isName, complaint("", inside(at, "(key)").path, "keys of these bounds"));
  return fc.dictionary(name, value, { maxKeys: usualItems(at), noNullPrototype: true, size: "max" });
}
