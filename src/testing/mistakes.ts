/**
 * Mistakes: every single alteration of a valid value that the schema of that place should refuse. Whether the whole
 * schema refuses it must be checked by the caller, because another check may accept it.
 */
import { type Definition, definition, innerOf, join } from "../registry/schema-walk.ts";
import { accepts } from "./acceptance.ts";
import type { Schema } from "./container-arbitrary.ts";
import { bigintMistakes, constantMistakes, numberMistakes, stringMistakes, type Wrong } from "./leaf-mistakes.ts";
import { checksOf, lengthBounds } from "./schema-checks.ts";

export interface Mistake {
  readonly path: string;
  readonly wrong: string;
  /** whether the replacement has another type; each place has several of these */
  readonly isType: boolean;
  /** The whole value with the mistake. */
  make(): unknown;
}

type Members = Readonly<Record<string, unknown>>;

export function mistakesOf(schema: Schema, value: unknown): Mistake[] {
  const own = atThisPlace(schema, value).map((one) => mistake("", one, false));
  return [...own, ...typesBut(value).map((one) => mistake("", one, true)), ...within(schema, value)];
}

function mistake(path: string, { wrong, value }: Wrong, isType: boolean): Mistake {
  return { path, wrong, isType, make: () => value };
}

/** One value of each type that has a textual form. */
const OF_TYPES: readonly Wrong[] = [
  { wrong: "null", value: null },
  { wrong: "a boolean", value: true },
  { wrong: "a number", value: 7.25 },
  { wrong: "a bigint", value: 2n ** 70n },
  { wrong: "text", value: "text" },
  { wrong: "an array", value: [] },
  { wrong: "an object", value: {} },
  { wrong: "bytes", value: Uint8Array.of(1) },
];

function typesBut(value: unknown): Wrong[] {
  const type = typeName(value);
  return OF_TYPES.filter(({ wrong }) => wrong !== type).map((one) => ({ ...one, wrong: `${one.wrong} for ${type}` }));
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string") return "text";
  if (typeof value !== "object") return `a ${typeof value}`;
  if (Array.isArray(value)) return "an array";
  return value instanceof Uint8Array ? "bytes" : "an object";
}

function atThisPlace(schema: Schema, value: unknown): Wrong[] {
  const def = definition(schema);
  const checks = checksOf(schema);
  if (typeof value === "string" && (def.type === "string" || def.type === "template_literal")) {
    return stringMistakes(checks, value);
  }
  if (typeof value === "number" && def.type === "number") return numberMistakes(checks, value);
  if (typeof value === "bigint" && def.type === "bigint") return bigintMistakes(checks);
  if (def.type === "enum" || def.type === "literal") return constantMistakes(value);
  if (Array.isArray(value)) {
    const { min, max } = def.type === "tuple" ? { min: value.length, max: value.length } : lengthBounds(checks);
    return lengthMistakes(value, min, max);
  }
  if (!isRecord(value)) return [];
  if (def.type === "object") return [...missing(Object.keys(def.shape), value), surplus(value)];
  if (def.type === "record")
    return [...missing([...(def.keyType._zod.values ?? [])].map(String), value), surplus(value)];
  return [];
}

const MAX_ITEMS = 10_000;

function lengthMistakes(value: readonly unknown[], min: number, max: number): Wrong[] {
  const wrongs: Wrong[] = [];
  if (min > 0) wrongs.push({ wrong: "too short", value: value.slice(0, min - 1) });
  if (max < MAX_ITEMS) {
    const last = value.length === 0 ? null : value[value.length - 1];
    wrongs.push({
      wrong: "too long",
      value: [...value, ...Array.from({ length: max + 1 - value.length }, () => last)],
    });
  }
  return wrongs;
}

function missing(keys: readonly string[], value: Members): Wrong[] {
  return keys
    .filter((key) => Object.hasOwn(value, key))
    .map((key) => ({
      wrong: `${key} missing`,
      value: Object.fromEntries(Object.entries(value).filter(([name]) => name !== key)),
    }));
}

/** Adds a member under a plausible name. */
function surplus(value: Members): Wrong {
  let key = "surplus";
  while (Object.hasOwn(value, key)) key += "_";
  return { wrong: `unknown key ${key}`, value: { ...value, [key]: 1 } };
}

/** The mistakes of the parts, each in a copy of the whole. */
function within(schema: Schema, value: unknown): Mistake[] {
  const def = definition(schema);
  switch (def.type) {
    case "array":
      return Array.isArray(value) ? ends(value).flatMap((i) => inItem(def.element, value, i)) : [];
    case "tuple":
      return Array.isArray(value) ? tupleParts(def, value) : [];
    case "object":
      return isRecord(value)
        ? Object.entries<Schema>(def.shape).flatMap(([key, part]) => inMember(part, value, key))
        : [];
    case "record":
      return isRecord(value)
        ? ends(Object.keys(value)).flatMap((i) => inMember(def.valueType, value, Object.keys(value)[i] ?? ""))
        : [];
    case "union": {
      const option = def.options.find((one) => accepts(one, value));
      return option === undefined ? [] : notOfType(option, value);
    }
    case "intersection":
      return [...notOfType(def.left, value), ...notOfType(def.right, value)];
    case "pipe":
      return notOfType(definition(def.in).type === "transform" ? def.out : def.in, value);
    default: {
      const inner = innerOf(schema);
      return inner === undefined ? [] : notOfType(inner, value);
    }
  }
}

/** Mistakes of another schema for the same place, without wrong types, which are already included. */
function notOfType(schema: Schema, value: unknown): Mistake[] {
  return mistakesOf(schema, value).filter(({ path, isType }) => path !== "" || !isType);
}

/** The first and the last of the items. */
function ends(items: readonly unknown[]): number[] {
  return [...new Set([0, items.length - 1])].filter((i) => i >= 0 && i < items.length);
}

function tupleParts(def: Extract<Definition, { readonly type: "tuple" }>, value: readonly unknown[]): Mistake[] {
  return value.flatMap((_, i) => {
    const part = def.items[i] ?? def.rest;
    return part === null || part === undefined ? [] : inItem(part, value, i);
  });
}

function inItem(part: Schema, whole: readonly unknown[], i: number): Mistake[] {
  return mistakesOf(part, whole[i]).map((inner) => ({
    ...inner,
    path: join(String(i), inner.path),
    make: () => whole.with(i, inner.make()),
  }));
}

function inMember(part: Schema, whole: Members, key: string): Mistake[] {
  if (!Object.hasOwn(whole, key)) return [];
  return mistakesOf(part, whole[key]).map((inner) => ({
    ...inner,
    path: join(key, inner.path),
    make: () => ({ ...whole, [key]: inner.make() }),
  }));
}

function isRecord(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
