/**
 * schemas: values of a peer into every kind of schema. It makes of them what zod makes by itself, or refuses the same ones, and what it makes
 * takes no more of the heap than the text allows.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { z } from "zod";
import { HbiError, parseValue, resolveLimits } from "../../src/index.ts";
import { prepareLate } from "../../src/registry/prepared-schema.ts";
import { validate } from "../../src/registry/validate.ts";
import { Drawing } from "../engine/drawing.ts";
import { checkError } from "../engine/guards.ts";
import { inArray } from "../engine/heap.ts";
import { must, type Target } from "../engine/target.ts";

const TRUSTED = resolveLimits({ preset: "trusted" });

/** Made twice: those that the library runs, and others of which it knows nothing. */
function everyKind() {
  const numbers = z.record(z.string(), z.number());
  const any = z.record(z.string(), z.unknown());
  const loose = z.looseObject({ a: z.number().optional() });
  const tree: z.ZodType = z.lazy(() => z.union([z.number(), z.array(tree), z.record(z.string(), tree)]));
  const node: z.ZodType = z.looseObject({
    get a() {
      return z.union([node, z.number()]).optional();
    },
  });
  return {
    json: z.json(),
    record: any,
    "record of numbers": numbers,
    "record with keys that are numbers": z.record(z.number(), z.unknown()),
    "record of records": z.record(z.string(), any),
    "record with keys that are made": z.record(
      z.string().overwrite((key) => key.slice(0, 6)),
      z.unknown(),
    ),
    "loose record": z.looseRecord(z.string().regex(/^\d/), z.number()),
    "partial record": z.partialRecord(z.enum(["1023", "2574", "a"]), z.unknown()),
    "loose object": loose,
    catchall: z.object({ a: z.unknown().optional() }).catchall(z.unknown()),
    "object with indexes": z.object({ 1023: z.unknown().optional(), 2574: z.unknown().optional() }),
    "strict object": z.strictObject({ a: z.unknown().optional(), 7: z.unknown().optional() }),
    "object that strips": z.object({ a: any.optional() }),
    unknown: z.unknown(),
    union: z.union([numbers, z.array(z.unknown()), z.string(), loose]),
    "union of one": z.union([any]),
    "exclusive union": z.xor([numbers, z.array(z.unknown()), z.number()]),
    "discriminated union": z.discriminatedUnion("a", [
      z.looseObject({ a: z.literal(1) }),
      z.object({ a: z.literal(2) }).catchall(z.unknown()),
    ]),
    intersection: z.intersection(any, loose),
    "intersection of records of records": z.intersection(z.record(z.string(), any), z.record(z.string(), any)),
    "intersection with what is handed on": z.intersection(z.unknown(), z.record(z.string(), numbers)),
    "array of records": z.array(any),
    tuple: z.tuple([any], z.unknown()),
    optional: any.optional(),
    nullable: any.nullable(),
    default: any.default({ a: 1 }),
    prefault: any.prefault({ a: 1 }),
    catch: any.catch({ a: 1 }),
    readonly: any.readonly(),
    refined: any.refine((record) => Object.keys(record).length < 100),
    transform: any.transform((record) => Object.keys(record).length),
    pipe: any.pipe(loose),
    preprocess: z.preprocess((given) => given, loose),
    codec: z.codec(any, any, { decode: (record) => record, encode: (record) => record }),
    property: any.check(z.property("a", z.unknown().pipe(z.record(z.string(), z.unknown()).optional()))),
    compiled: z.compile(z.array(any).or(any)),
    map: z.map(z.string(), z.unknown()),
    set: z.set(z.unknown()),
    lazy: tree,
    "getter of itself": node,
  } satisfies Readonly<Record<string, z.ZodType>>;
}

const prepared = everyKind();
const plain: Readonly<Record<string, z.ZodType>> = everyKind();
const arrays = new Map(Object.entries<z.ZodType>(prepared).map(([name, schema]) => [name, z.array(schema)]));
const NAMES = Object.keys(prepared) as [string, ...string[]];

const KEYS = [
  "0",
  "1",
  "2",
  "7",
  "9",
  "15",
  "99",
  "999",
  "1022",
  "1023",
  "1024",
  "2574",
  "4294967294",
  "a",
  "'01'",
  "'zz'",
] as const;

export const schemas: Target = {
  name: "schemas",
  about: "values into every kind of schema: zod's result, or its refusal, and no more of the heap than the text allows",
  words: [],
  baseMs: 50,
  share: 4,
  inputs: fc.uint8Array({ minLength: 4, maxLength: 60 }),
  maxBytesPerChar: 192,
  held(input) {
    const { name, text } = drawn(input);
    const long = inArray(text, 16_384);
    const schema = arrays.get(name);
    if (long === undefined || schema === undefined) return undefined;
    const read = () => {
      const value = parseValue(long, TRUSTED);
      return [value, resultOf(schema, value)]; // a conversation holds both
    };
    return { chars: long.length, read };
  },
  run(input) {
    const { name, text } = drawn(input);
    const value = parseValue(text, TRUSTED);
    const schema = (prepared as Readonly<Record<string, z.ZodType>>)[name] ?? z.never();
    const expected = (plain[name] ?? z.never()).safeParse(value);
    const result = resultOf(schema, value);
    const isRefused = result instanceof HbiError;
    if (isRefused) checkError(result);
    const isTooDear = isRefused && result.message.endsWith("sparse integer keys");
    must(
      expected.success !== isRefused || isTooDear,
      () => `${name} of ${text}: ${isRefused ? "refused" : "accepted"}`,
    );
    if (isRefused || !expected.success) return;
    must(isDeepStrictEqual(result, expected.data), () => `${name} makes another value of ${text}`);
    must(isInOrder(result, expected.data), () => `${name} makes another order of ${text}`);
  },
};

function resultOf(schema: z.ZodType, value: unknown): unknown {
  try {
    prepareLate(schema);
    return validate(schema, value, "bad_argument", "value");
  } catch (thrown) {
    return thrown;
  }
}

function isInOrder(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function drawn(input: Uint8Array): { readonly name: string; readonly text: string } {
  const drawing = new Drawing(input);
  const name = drawing.pick(NAMES);
  return { name, text: drawing.below(4) === 0 ? chainOf(drawing) : textOf(drawing, 4) };
}

/** Objects of one member each, within each other: of all texts the one whose characters cost most. */
function chainOf(drawing: Drawing): string {
  const key = drawing.pick(KEYS);
  const depth = 1 + drawing.below(12);
  return `${`{${key}:`.repeat(depth)}${drawing.pick(["1", "{}", "[]", "b''", "[0]"])}${"}".repeat(depth)}`;
}

/** Objects mostly, as a peer writes them that wants much to be kept. */
function textOf(drawing: Drawing, depth: number): string {
  const kind = depth === 4 ? 0 : drawing.below(depth === 0 ? 4 : 12);
  if (kind === 1 || kind === 2) return drawing.pick(["1", "2", "null", "'a'", "0.5"]);
  if (kind === 3) return drawing.pick(["{}", "[]", "b''", "'aaaaaaaaaaaaaaaaaaaa'"]);
  if (kind === 4 || kind === 5) return `[${members(drawing, () => textOf(drawing, depth - 1))}]`;
  const keys = new Set<string>();
  return `{${members(drawing, () => {
    const key = drawing.below(4) === 0 ? String(drawing.below(6_000)) : drawing.pick(KEYS);
    const value = depth === 0 ? "1" : textOf(drawing, depth - 1);
    if (keys.has(key)) return "";
    keys.add(key);
    return `${key}:${value}`;
  })}}`;
}

function members(drawing: Drawing, member: () => string): string {
  return Array.from({ length: drawing.below(4) }, member)
    .filter((text) => text !== "")
    .join(",");
}
