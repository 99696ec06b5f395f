/**
 * What a schema makes of a peer's value costs what the length of its text allows, and is what zod makes by itself.
 */
import { parseValue, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { makeCompact } from "../../src/registry/compact-schema.ts";
import { prepareLate } from "../../src/registry/prepared-schema.ts";
import { validate } from "../../src/registry/validate.ts";
import { heldBytes } from "../support/heap.ts";

/** As the library runs a schema on what a peer sends. */
function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  prepareLate(schema);
  return validate(schema, value, "bad_argument", "value");
}

const TRUSTED = resolveLimits({ preset: "trusted" });
const CHARS = 13 * 1_024;
/** The value and what is made of it. */
const MAX_BYTES_PER_CHAR = 128;
const FREE_BYTES = 65_536;

const ITEM = "{1023:1,2574:1}";
const many = (item: string) => `[${new Array(Math.floor(CHARS / (item.length + 1))).fill(item).join(",")}]`;

const numbers = () => z.record(z.string(), z.number());
const tree = (): z.ZodType => {
  const it: z.ZodType = z.lazy(() => z.union([z.number(), z.array(it), z.record(z.string(), it)]));
  return it;
};

/** Each takes an array of the items. */
const KINDS: Readonly<Record<string, () => z.ZodType>> = {
  record: () => z.array(numbers()),
  "record with keys that are numbers": () => z.array(z.record(z.int(), z.int())),
  "loose record": () => z.array(z.looseRecord(z.string().regex(/^a/), z.string())),
  "partial record": () => z.array(z.partialRecord(z.enum(["1023", "2574"]), z.int())),
  "record with keys that are made": () =>
    z.array(
      z.record(
        z.string().overwrite((key) => `${Number(key) - 1}`),
        z.int(),
      ),
    ),
  "loose object": () => z.array(z.looseObject({})),
  catchall: () => z.array(z.object({}).catchall(z.int())),
  json: () => z.json(),
  "object with such members": () => z.array(z.object({ 1023: z.int(), 2574: z.int() })),
  "strict object with such members": () => z.array(z.strictObject({ 1023: z.int(), 2574: z.int() })),
  "object of records": () => z.array(z.union([z.object({ a: z.string() }), numbers()])),
  union: () => z.array(z.union([z.string(), numbers()])),
  "union of one": () => z.array(z.union([numbers()])),
  "union of one, refined": () => z.array(z.union([numbers().refine(() => true)])),
  "exclusive union": () => z.array(z.xor([z.string(), numbers()])),
  intersection: () => z.array(z.intersection(numbers(), z.looseObject({}))),
  "intersection of loose objects": () => z.array(z.intersection(z.looseObject({}), z.looseObject({}))),
  tuple: () => z.tuple([numbers()], numbers()),
  optional: () => z.array(numbers().optional()),
  nullable: () => z.array(numbers().nullable()),
  default: () => z.array(numbers().default({})),
  prefault: () => z.array(numbers().prefault({})),
  catch: () => z.array(numbers().catch({})),
  readonly: () => z.array(numbers().readonly()),
  refined: () => z.array(numbers().refine((record) => Object.keys(record).length === 2)),
  "transformed, without a change": () => z.array(numbers().transform((record) => record)),
  pipe: () => z.array(numbers().pipe(numbers())),
  preprocess: () => z.array(z.preprocess((given) => given, numbers())),
  codec: () => z.array(z.codec(numbers(), numbers(), { decode: (record) => record, encode: (record) => record })),
  lazy: tree,
  "checked by a schema": () => z.array(z.any()).check(z.property("0", numbers()) as never),
};

const run = (schema: z.ZodType, text: string) => {
  const value = parseValue(text, TRUSTED);
  return [value, checked(schema, value)] as const;
};

describe("a schema costs what the text allows", () => {
  it.each(Object.entries(KINDS))("%s", (_, kind) => {
    const schema = kind();
    const text = many(ITEM);
    const [value, result] = run(schema, text);
    expect(result).toEqual(kind().parse(value)); // by a schema that is not prepared
    expect(heldBytes(() => run(schema, text))).toBeLessThanOrEqual(FREE_BYTES + MAX_BYTES_PER_CHAR * text.length);
  });
});

describe("prepared in place, a schema does what it did", () => {
  const issuesOf = (schema: z.ZodType, value: unknown) => schema.safeParse(value).error?.issues;

  it.each<[string, () => z.ZodType, unknown]>([
    ["a record's value", numbers, { 1: "x" }],
    ["a record's key", () => z.record(z.int(), z.int()), { a: 1 }],
    ["no record", numbers, [1]],
    ["no record, frozen", numbers, Object.freeze([1])],
    ["a refinement", () => numbers().refine(() => false, "never"), { 1: 1 }],
    ["an unknown key", () => z.strictObject({ 7: z.int() }), { 7: 1, 8: 1 }],
    ["a catchall", () => z.object({}).catchall(z.int()), { 5: "x" }],
    ["within a lazy one", tree, [{ 1: [{ 2: "x" }] }]],
    ["no alternative", () => z.union([numbers(), z.array(numbers())]), { 1: "x" }],
  ])("it refuses %s at the same place", (_, kind, value) => {
    const schema = kind();
    expect(() => checked(schema, value)).toThrow();
    expect(issuesOf(schema, value)).toEqual(issuesOf(kind(), value));
    expect(issuesOf(schema, value)).toHaveLength(1);
  });

  it("validates an object again each time, also in a recursive schema", () => {
    const schema = tree();
    const given: Record<string, number> = { a: 1 };
    expect(checked(schema, given)).toEqual({ a: 1 });
    given["a"] = 2;
    expect(checked(schema, given)).toEqual({ a: 2 });
  });

  it("asks a lazy schema, to compact what it makes, no earlier than zod does, and no more often", () => {
    let asked = 0;
    const schema = z.array(
      z.lazy(() => {
        asked += 1;
        return numbers();
      }),
    );
    makeCompact(schema);
    expect(schema.parse([])).toEqual([]);
    expect(asked).toBe(0);
    for (let i = 0; i < 3; i++) expect(schema.parse([{ 1: 1 }])).toEqual([{ 1: 1 }]);
    expect(asked).toBe(1);
  });

  it("lives with a lazy schema that makes new ones each time", () => {
    const make = (): z.ZodType => z.lazy(() => z.union([z.number(), z.record(z.string(), make())]));
    expect(checked(make(), { 1: { 2: { 3: 4 } } })).toEqual({ 1: { 2: { 3: 4 } } });
  });

  it("leaves alone what it has not made", () => {
    const given = Object.freeze({ 9999: 1 });
    const same = z.intersection(z.unknown(), z.unknown().or(z.record(z.string(), z.int())));
    expect(checked(same, given)).toBe(given);
    const constant = Object.freeze({ 9999: 1 });
    const made = z.intersection(
      numbers().transform(() => constant),
      numbers().transform(() => constant),
    );
    expect(checked(made, given)).toBe(constant);
  });
});

describe("an intersection of what is made anew", () => {
  const merged = () => z.intersection(z.array(numbers()), z.array(z.looseObject({})));

  /** 5,000 slots each, and 16 of them free with each value: an array, the objects, two numbers in each. */
  const MOST = 3;

  it("is refused where merging would cost more than the text allows", () => {
    const items = (count: number) => Array.from({ length: count }, () => ({ 1023: 1, 4999: 1 }));
    expect(checked(merged(), items(MOST))).toEqual(items(MOST));
    expect(() => checked(merged(), items(MOST + 1))).toThrow(
      expect.objectContaining({
        reason: "bad_argument",
        message: "value: argument refused: expected fewer objects with sparse integer keys",
      }),
    );
    expect(() => run(merged(), many(ITEM))).toThrow("expected fewer objects with sparse integer keys");
  });

  it("takes as many dense ones as there are", () => {
    const [value, result] = run(merged(), many("{0:1,1:1,9:1}"));
    expect(result).toEqual(value);
  });

  it("is not asked where nothing is made anew", () => {
    const handedOn = z.intersection(z.object({ a: z.unknown() }), z.object({ b: z.unknown() }));
    const items = Array.from({ length: 1_000 }, () => ({ 1023: 1, 4999: 1 }));
    expect(checked(handedOn, { a: items, b: items })).toEqual({ a: items, b: items });
  });
});
