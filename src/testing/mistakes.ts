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

/** Where a value is inside the whole. */
interface Place {
  readonly path: string;
  /** the whole with another value in this place */
  readonly put: (value: unknown) => unknown;
}

export function mistakesOf(schema: Schema, value: unknown): Mistake[] {
  const found: Mistake[] = [];
  collect(schema, value, { path: "", put: (other) => other }, found);
  return found;
}

/** @param hasTypes whether wrong types of this place are included already, by another schema for it */
function collect(schema: Schema, value: unknown, place: Place, found: Mistake[], hasTypes = false): void {
  const add = ({ wrong, value: other }: Wrong, isType: boolean) => {
    found.push({ path: place.path, wrong, isType, make: () => place.put(other) });
  };
  for (const one of atThisPlace(schema, value)) add(one, false);
  if (!hasTypes) for (const one of typesBut(typeName(value))) add(one, true);
  within(schema, value, place, found);
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

const BUT = new Map<string, readonly Wrong[]>();

function typesBut(type: string): readonly Wrong[] {
  let others = BUT.get(type);
  if (others === undefined) {
    others = OF_TYPES.filter(({ wrong }) => wrong !== type).map((one) => ({
      ...one,
      wrong: `${one.wrong} for ${type}`,
    }));
    BUT.set(type, others);
  }
  return others;
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
function within(schema: Schema, value: unknown, place: Place, found: Mistake[]): void {
  const def = definition(schema);
  const same = (inner: Schema) => collect(inner, value, place, found, true);
  switch (def.type) {
    case "array":
      if (Array.isArray(value)) for (const i of ends(value)) inItem(def.element, value, i, place, found);
      break;
    case "tuple":
      if (Array.isArray(value)) tupleParts(def, value, place, found);
      break;
    case "object":
      if (isRecord(value))
        for (const [key, part] of Object.entries<Schema>(def.shape)) inMember(part, value, key, place, found);
      break;
    case "record":
      if (isRecord(value)) {
        const keys = Object.keys(value);
        for (const i of ends(keys)) inMember(def.valueType, value, keys[i] ?? "", place, found);
      }
      break;
    case "union": {
      const option = def.options.find((one) => accepts(one, value));
      if (option !== undefined) same(option);
      break;
    }
    case "intersection":
      same(def.left);
      same(def.right);
      break;
    case "pipe":
      same(definition(def.in).type === "transform" ? def.out : def.in);
      break;
    default: {
      const inner = innerOf(schema);
      if (inner !== undefined) same(inner);
    }
  }
}

/** The first and the last of the items. */
function ends(items: readonly unknown[]): number[] {
  return [...new Set([0, items.length - 1])].filter((i) => i >= 0 && i < items.length);
}

function tupleParts(
  def: Extract<Definition, { readonly type: "tuple" }>,
  value: readonly unknown[],
  place: Place,
  found: Mistake[],
): void {
  for (let i = 0; i < value.length; i++) {
    const part = def.items[i] ?? def.rest;
    if (part !== null && part !== undefined) inItem(part, value, i, place, found);
  }
}

function inItem(part: Schema, whole: readonly unknown[], i: number, { path, put }: Place, found: Mistake[]): void {
  collect(part, whole[i], { path: join(path, String(i)), put: (value) => put(whole.with(i, value)) }, found);
}

function inMember(part: Schema, whole: Members, key: string, { path, put }: Place, found: Mistake[]): void {
  if (!Object.hasOwn(whole, key)) return;
  collect(part, whole[key], { path: join(path, key), put: (value) => put({ ...whole, [key]: value }) }, found);
}

function isRecord(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
