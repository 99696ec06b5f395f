/**
 * When one JSON Schema is within another, seen through what `compareServices` says about a parameter.
 */

import fc from "fast-check";
import { compareServices, type JsonSchema } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const document = (schema: JsonSchema, $defs: Readonly<Record<string, JsonSchema>> = {}) => ({
  ...{ format: 1 as const, name: "s", version: "1.0.0", hash: "", reactions: {}, values: {}, $defs },
  methods: {
    m: {
      ...{ body: "none" as const, resultBody: "none" as const, idempotent: false },
      params: [{ name: "a", schema, isRequired: true }],
    },
  },
});
const relation = (older: ReturnType<typeof document>, newer: ReturnType<typeof document>): string => {
  const kind = compareServices(older, newer)[0]?.kind;
  return kind === undefined || kind === "text" ? "same" : kind; // equivalent, in another notation
};

describe("the reason names the keyword that refuses", () => {
  it.each<[string, JsonSchema, JsonSchema]>([
    ["type", { type: ["string", "null"] }, { type: "string" }],
    ["enum", { enum: ["a", "b"] }, { enum: ["a"] }],
    ["const", { enum: ["a", "b"] }, { const: "a" }],
    ["minimum", { type: "number" }, { type: "number", minimum: 1 }],
    ["exclusiveMaximum", { type: "number" }, { type: "number", exclusiveMaximum: 1 }],
    ["maxLength", { type: "string" }, { type: "string", maxLength: 1 }],
    ["multipleOf", { type: "number" }, { type: "number", multipleOf: 2 }],
    ["pattern", { type: "string" }, { type: "string", pattern: "a" }],
    ["required", { type: "object" }, { type: "object", required: ["a"] }],
    [
      "b: required",
      { type: "object", properties: { b: { type: "object" } } },
      { type: "object", properties: { b: { type: "object", required: ["a"] } } },
    ],
  ])("%s", (keyword, older, newer) => {
    expect(compareServices(document(older), document(newer))).toMatchObject([
      { isBreaking: true, why: `consumers may send what is refused now (${keyword})` },
    ]);
  });
});

const MIRRORED: Readonly<Record<string, string>> = { narrowed: "widened", widened: "narrowed" };
const json = (schema: z.ZodType) => z.toJSONSchema(schema, { io: "input" }) as JsonSchema;

const [A, B] = [z.object({ k: z.literal("a") }), z.object({ k: z.literal("b"), n: z.int() })];
const C = z.object({ k: z.literal("c") });
const STRING = { type: "string" };
const open = (properties: object, more: object = {}) => ({ type: "object", properties, ...more });
const OF_OTHERS = {
  ...{ minimum: 1, multipleOf: 2, minItems: 1, items: STRING },
  ...open({ a: STRING }, { required: ["a"], propertyNames: { maxLength: 1 } }),
};

describe("one schema and another", () => {
  it.each<readonly [string, string, JsonSchema | z.ZodType, JsonSchema | z.ZodType]>([
    // types
    ["changed", "types", STRING, { type: "boolean" }],
    ["narrowed", "anything", {}, STRING],
    ["widened", "nothing", { not: {} }, STRING],
    ["widened", "one more type", STRING, { type: ["string", "null"] }],
    ["same", "types and a union of them", { type: ["string", "null"] }, { anyOf: [STRING, { type: "null" }] }],
    ["same", "types in another order", { type: ["null", "string"] }, { type: ["string", "null"] }],
    ["widened", "integer and number", { type: "integer" }, { type: "number" }],
    ["widened", "int and number", z.int(), z.number()],
    ["narrowed", "int and int32", z.int(), z.int32()],
    ["widened", "one nullable", z.string().max(5), z.string().max(5).nullable()],
    // values
    ["narrowed", "a constant", z.string(), z.literal("a")],
    ["changed", "constants", z.literal("a"), z.literal("b")],
    ["widened", "a constant and an enum", z.literal("a"), z.enum(["a", "b"])],
    ["narrowed", "enums", z.enum(["a", "b"]), z.enum(["b"])],
    ["changed", "enums that overlap", z.enum(["a", "b"]), z.enum(["b", "c"])],
    ["same", "enums in another order", { enum: ["a", "b"] }, { enum: ["b", "a"] }],
    ["widened", "an enum and its bounds", z.enum(["a", "bcd"]), z.string().min(1).max(3)],
    ["changed", "an enum and a bound below it", z.enum(["a", "bcd"]), z.string().max(2)],
    ["widened", "numbers and their bounds", z.literal([1, 3]), z.int().min(1).max(3)],
    ["changed", "a number and a bound", z.literal(3), z.int().max(2)],
    ["widened", "an enum and literals", z.enum(["a", "b"]), z.union([z.literal("a"), z.literal("b"), z.null()])],
    ["same", "true and false", { type: "boolean" }, { enum: [true, false] }],
    ["same", "null", { type: "null" }, { const: null }],
    ["widened", "an array as a constant", { const: ["a"] }, { type: "array" }],
    ["changed", "an array as a constant, of another type", { const: ["a"] }, { type: "object" }],
    // bounds
    ["narrowed", "minimum", z.number().min(1), z.number().min(2)],
    ["narrowed", "maximum", z.number().max(2), z.number().max(1)],
    ["narrowed", "minimum, new", z.number(), z.number().min(1)],
    ["narrowed", "exclusiveMinimum", z.number().min(1), z.number().gt(1)],
    ["narrowed", "exclusiveMaximum", z.number().max(1), z.number().lt(1)],
    ["same", "exclusiveMinimum, twice", { minimum: 1, exclusiveMinimum: 1 }, { exclusiveMinimum: 1 }],
    ["widened", "exclusiveMinimum and less", z.number().gt(1), z.number().min(0)],
    ["same", "above 0 and at least 1, of integers", z.int().positive(), z.int().min(1)],
    ["same", "below 0 and at most -1", z.int().negative(), z.int().max(-1)],
    ["same", "a bound between integers", z.int().gt(0.5).lt(9.5), z.int().min(1).max(9)],
    [
      "same",
      "a format and its range",
      z.uint32(),
      z
        .int()
        .nonnegative()
        .max(2 ** 32 - 1),
    ],
    ["narrowed", "above 1 and at least 1", z.int().min(1), z.int().gt(1)],
    ["narrowed", "above 0 and at least 1, of any numbers", z.number().positive(), z.number().min(1)],
    ["same", "a range of one integer", z.int().min(5).max(5), z.literal(5)],
    ["same", "a short range and its integers", z.int().gt(0).lt(4), z.literal([3, 2, 1])],
    ["narrowed", "a range and all of its integers but one", z.int().min(1).max(3), z.literal([1, 3])],
    ["same", "a length and both bounds", z.string().length(3), z.string().min(3).max(3)],
    ["same", "a boolean and its values", z.boolean(), z.union([z.literal(false), z.literal(true)])],
    ["same", "a union with nothing", z.union([z.never(), z.string()]), z.string()],
    ["same", "a union in another order", z.union([z.string(), z.int()]), z.union([z.int(), z.string()])],
    ["same", "an enum in another order", z.enum(["a", "b"]), z.enum(["b", "a"])],
    ["same", "an enum and a union of its values", z.enum(["a", "b"]), z.union([z.literal("b"), z.literal("a")])],
    ["same", "integers as multiples of 1", { type: "integer" }, { type: "number", multipleOf: 1 }],
    ["narrowed", "numbers and multiples of 1", z.number(), { type: "number", multipleOf: 1 }],
    ["changed", "bounds that cross", z.number().min(1).max(3), z.number().min(2).max(4)],
    [
      "changed",
      "a bound of another draft",
      { type: "number", minimum: 1 },
      { type: "number", minimum: 1, exclusiveMinimum: true },
    ],
    ["narrowed", "minLength", z.string().min(1), z.string().min(2)],
    ["narrowed", "maxLength", z.string(), z.string().max(2)],
    ["narrowed", "minItems", z.array(z.string()), z.array(z.string()).min(1)],
    ["narrowed", "maxItems", z.array(z.string()).max(3), z.array(z.string()).max(2)],
    ["widened", "a bound of another type", { type: "null" }, { type: ["null", "string"], maxLength: 5, pattern: "a" }],
    ["widened", "constraints of other types", STRING, { ...OF_OTHERS, type: ["string", "number", "array", "object"] }],
    ["widened", "a length of another type", { type: "integer" }, { type: ["integer", "string"], minLength: 1 }],
    ["narrowed", "multipleOf", z.number(), z.number().multipleOf(2)],
    ["narrowed", "multipleOf, a multiple", z.number().multipleOf(2), z.number().multipleOf(4)],
    ["changed", "multipleOf, another", z.number().multipleOf(2), z.number().multipleOf(3)],
    ["changed", "multipleOf, a fraction", z.number().multipleOf(0.1), z.number().multipleOf(0.2)],
    [
      "same",
      "an object in an enum, its members in another order",
      { enum: [{ a: 1, b: 2 }] },
      { enum: [{ b: 2, a: 1 }] },
    ],
    ["same", "an object in a list in an enum", { enum: [[{ a: 1, b: 2 }]] }, { enum: [[{ b: 2, a: 1 }]] }],
    // texts
    ["narrowed", "pattern", z.string(), z.string().regex(/a/)],
    ["changed", "pattern, another", z.string().regex(/a/), z.string().regex(/b/)],
    ["narrowed", "one more pattern", z.string().regex(/a/).regex(/b/), z.string().regex(/a/).regex(/b/).regex(/c/)],
    ["narrowed", "format", STRING, { type: "string", format: "email" }],
    ["changed", "format, another", { type: "string", format: "email" }, { type: "string", format: "uuid" }],
    ["narrowed", "contentEncoding", STRING, { type: "string", contentEncoding: "base64" }],
    [
      "changed",
      "contentMediaType",
      { type: "string", contentMediaType: "a/b" },
      { type: "string", contentMediaType: "a/c" },
    ],
    ["changed", "a text and bytes", STRING, { type: "string", contentEncoding: "base64", "x-hbi-type": "bytes" }],
    // arrays
    ["narrowed", "items", z.array(z.string()), z.array(z.string().max(5))],
    ["changed", "items of another type", z.array(z.string()), z.array(z.int())],
    ["widened", "a tuple, longer", z.tuple([z.string()]), z.tuple([z.string(), z.int().optional()])],
    ["changed", "a tuple, longer by a required item", z.tuple([z.string()]), z.tuple([z.string(), z.int()])],
    ["narrowed", "a tuple's item", z.tuple([z.string(), z.int()]), z.tuple([z.string(), z.int().min(0)])],
    ["widened", "a tuple with a rest", z.tuple([z.string()]), z.tuple([z.string()], z.int())],
    [
      "changed",
      "an array and a tuple whose second item is another",
      { type: "array", items: STRING },
      { type: "array", prefixItems: [STRING, { type: "integer" }], items: STRING },
    ],
    [
      "widened",
      "names of members, longer",
      { type: "object", propertyNames: { maxLength: 1 } },
      { type: "object", propertyNames: { maxLength: 2 } },
    ],
    ["widened", "a tuple and an array", z.tuple([z.string(), z.string()]), z.array(z.string())],
    [
      "same",
      "items of which there are none",
      { type: "array", items: STRING, maxItems: 0 },
      { type: "array", items: { type: "null" }, maxItems: 0 },
    ],
    [
      "same",
      "listed ones of which there are none",
      { type: "array", prefixItems: [STRING], maxItems: 0 },
      { type: "array", prefixItems: [{ type: "null" }], maxItems: 0 },
    ],
    // objects
    ["widened", "required, less", open({ a: STRING }, { required: ["a"] }), open({ a: STRING })],
    ["same", "required in another order", open({}, { required: ["a", "b"] }), open({}, { required: ["b", "a"] })],
    ["narrowed", "a member", z.strictObject({ a: z.string() }), z.strictObject({ a: z.string().max(5) })],
    ["widened", "a closed one with one more", z.strictObject({}), z.strictObject({ a: z.string().optional() })],
    ["changed", "a closed one with one more that is required", z.strictObject({}), z.strictObject({ a: z.string() })],
    ["narrowed", "an open one with one more", z.object({}), z.object({ a: z.string().optional() })],
    ["narrowed", "an open one, closed", z.object({ a: z.string() }), z.strictObject({ a: z.string() })],
    ["narrowed", "what else there may be", z.object({}).catchall(z.string()), z.object({}).catchall(z.string().max(5))],
    ["widened", "a closed one and a record", z.strictObject({ a: z.string() }), z.record(z.string(), z.string())],
    [
      "widened",
      "a closed one and a record of its keys",
      z.strictObject({ a: z.string() }),
      z.partialRecord(z.enum(["a", "b"]), z.string()),
    ],
    ["narrowed", "the names of a record", z.record(z.string(), z.int()), z.record(z.string().max(5), z.int())],
    [
      "changed",
      "patternProperties",
      open({}, { patternProperties: { a: STRING } }),
      open({}, { patternProperties: { a: {} } }),
    ],
    [
      "same",
      "patternProperties, equal",
      open({}, { patternProperties: { a: STRING } }),
      open({}, { patternProperties: { a: STRING } }),
    ],
    [
      "widened",
      "patternProperties, no more of it",
      { type: "object", patternProperties: { a: STRING } },
      { type: "object" },
    ],
    [
      "changed",
      "patternProperties and closed without it",
      { type: "object", patternProperties: { a: STRING }, additionalProperties: false },
      { type: "object", additionalProperties: false },
    ],
    ["narrowed", "names of any length", { type: "object" }, { type: "object", propertyNames: { maxLength: 1 } }],
    [
      "widened",
      "no names at all",
      { type: "object", additionalProperties: false },
      { type: "object", additionalProperties: false, properties: { a: {} }, propertyNames: { maxLength: 1 } },
    ],
    ["same", "a name that every object has", open({ toString: STRING }), open({ toString: STRING })],
    ["narrowed", "a name that every object has, new", open({}), open({ toString: STRING })],
    // unions and conjunctions
    [
      "widened",
      "one alternative more",
      z.union([z.string().max(1), z.int()]),
      z.union([z.int(), z.string().max(1), z.null()]),
    ],
    ["widened", "one becomes a union", z.string().max(5), z.union([z.string().max(5), z.array(z.string())])],
    ["changed", "another alternative", z.union([z.string().max(1), z.int()]), z.union([z.string().max(1), z.null()])],
    ["same", "a union of one", { anyOf: [STRING] }, STRING],
    ["narrowed", "an alternative", z.union([z.string().max(5), z.int()]), z.union([z.string().max(4), z.int()])],
    ["widened", "one kind more", z.discriminatedUnion("k", [A, B]), z.discriminatedUnion("k", [A, B, C])],
    ["widened", "one becomes a kind", A, z.discriminatedUnion("k", [A, B])],
    [
      "narrowed",
      "a kind",
      z.discriminatedUnion("k", [A, B]),
      z.discriminatedUnion("k", [A, B.extend({ n: z.int().min(0) })]),
    ],
    [
      "widened",
      "just one of several constants",
      { oneOf: [{ const: "a" }, { const: "b" }] },
      { oneOf: [{ const: "a" }, { const: "b" }, { const: "c" }] },
    ],
    [
      "same",
      "just one of two, equal",
      z.xor([z.string().max(5), z.string().min(3)]),
      z.xor([z.string().max(5), z.string().min(3)]),
    ],
    [
      "changed",
      "just one of two",
      z.xor([z.string().max(5), z.string().min(3)]),
      z.xor([z.string().max(5), z.string().min(2)]),
    ],
    ["changed", "one and just one of two", z.string().max(5), z.xor([z.string().max(5), z.string().min(3)])],
    [
      "narrowed",
      "just one of two that require a member, of which one tells nothing of it",
      { type: "object", required: ["a"] },
      { oneOf: [{ type: "object", required: ["a"] }, open({ a: { const: 1 } }, { required: ["a"] })] },
    ],
    [
      "changed",
      "just one of two that accept null, which therefore fits neither alone",
      { type: "null" },
      {
        oneOf: [
          open({ a: { const: 1 } }, { type: ["object", "null"], required: ["a"] }),
          open({ a: { const: 2 } }, { type: "null", required: ["a"] }),
        ],
      },
    ],
    [
      "changed",
      "just one of two that both may be null",
      open({ a: { const: 1 } }, { type: ["object", "null"], required: ["a"] }),
      {
        oneOf: [1, 2].map((only) => open({ a: { const: only } }, { type: ["object", "null"], required: ["a"] })),
      },
    ],
    ["narrowed", "allOf", STRING, { type: "string", allOf: [{ maxLength: 5 }] }],
    [
      "widened",
      "allOf, less of it",
      { allOf: [STRING, { maxLength: 5 }, { minLength: 1 }] },
      { allOf: [STRING, { maxLength: 6 }] },
    ],
    ["same", "allOf in another order", { allOf: [STRING, { maxLength: 5 }] }, { allOf: [{ maxLength: 5 }, STRING] }],
    ["same", "allOf and the same at once", { allOf: [STRING, { maxLength: 5 }] }, { type: "string", maxLength: 5 }],
    [
      "widened",
      "a union beside other keywords",
      { type: "string", anyOf: [{ maxLength: 5 }, { pattern: "a" }] },
      STRING,
    ],
    [
      "widened",
      "a union beside other keywords, within it",
      { type: "string", anyOf: [{ maxLength: 5 }] },
      { type: "string", maxLength: 6 },
    ],
    [
      "same",
      "a union beside other keywords, equal",
      { type: "string", anyOf: [{ minLength: 9 }, { pattern: "a" }] },
      { type: "string", anyOf: [{ minLength: 9 }, { pattern: "a" }] },
    ],
    // what is not understood
    ["same", "unknown keywords, equal", { type: "array", uniqueItems: true }, { type: "array", uniqueItems: true }],
    ["changed", "unknown keywords", { type: "array", uniqueItems: true }, { type: "array" }],
    ["changed", "not", { not: STRING }, { not: { type: "null" } }],
    ["changed", "not, with a reference in it", { not: { $ref: "#/$defs/x" } }, { not: { $ref: "#/$defs/x" } }],
    ["narrowed", "anything and what is not understood", {}, { contains: STRING }],
    [
      "changed",
      "what one side says in a wrong form",
      { type: "string", maxLength: 5 },
      { type: "string", maxLength: "5" },
    ],
  ])("%s: %s", (expected, _, older, newer) => {
    const [before, after] = [older, newer].map((one) =>
      document(one instanceof z.ZodType ? json(one) : one, { x: STRING }),
    );
    if (before === undefined || after === undefined) throw new Error("two go in");
    expect(relation(before, after)).toBe(expected);
    expect(relation(after, before)).toBe(MIRRORED[expected] ?? expected);
  });
});

describe("references", () => {
  const ref = { $ref: "#/$defs/Node" };
  const list = (value: JsonSchema, next: JsonSchema = ref) => ({
    Node: open({ value, next }, { additionalProperties: false }),
  });
  const INT = { type: "integer" };
  const kind = (k: string, more: object = {}) => open({ k: { const: k } }, { required: ["k"], ...more });
  const marked = kind("a", { "x-hbi-value": "V" });
  it.each<readonly [string, string, Record<string, JsonSchema>, Record<string, JsonSchema>]>([
    ["same", "to themselves", list(INT), list(INT)],
    ["narrowed", "to what is narrower", list(INT), list({ type: "integer", minimum: 0 })],
    ["changed", "to something else", list(INT), list(STRING)],
    [
      "same",
      "one unrolled",
      list(INT),
      { Node: open({ value: INT, next: list(INT)["Node"] }, { additionalProperties: false }) },
    ],
    ["widened", "with a choice", list(INT), list(INT, { anyOf: [ref, { type: "null" }] })],
    ["same", "with escapes", { Node: { $ref: "#/$defs/a~1b~0c" }, "a/b~c": STRING }, { Node: STRING }],
    [
      "narrowed",
      "with keywords beside them",
      { Node: STRING },
      { Node: { $ref: "#/$defs/x", maxLength: 5 }, x: STRING },
    ],
    [
      "changed",
      "just one of a value and objects, which it may be like",
      { Node: { oneOf: [marked, kind("b")] } },
      { Node: { oneOf: [marked, kind("b"), kind("c")] } },
    ],
    [
      "narrowed",
      "what failed in one alternative fails in the next",
      { Node: open({ p: { $ref: "#/$defs/x" } }), x: STRING },
      {
        Node: { anyOf: [open({ p: { $ref: "#/$defs/x" } }, { required: ["p"] }), open({ p: { $ref: "#/$defs/x" } })] },
        x: { type: "string", maxLength: 5 },
      },
    ],
    [
      "same",
      "values by their name",
      { Node: open({ a: INT }, { "x-hbi-value": "V" }) },
      { Node: open({ b: INT }, { "x-hbi-value": "V" }) },
    ],
    [
      "changed",
      "values of another name",
      { Node: open({}, { "x-hbi-value": "V" }) },
      { Node: open({}, { "x-hbi-value": "W" }) },
    ],
    ["changed", "a value and an object", { Node: open({}, { "x-hbi-value": "V" }) }, { Node: open({}) }],
    ["widened", "a value and anything", { Node: open({}, { "x-hbi-value": "V" }) }, { Node: {} }],
    [
      "widened",
      "a value and a choice",
      { Node: { $ref: "#/$defs/V" }, V: { "x-hbi-value": "V" } },
      { Node: { anyOf: [{ $ref: "#/$defs/V" }, { type: "null" }] }, V: { "x-hbi-value": "V" } },
    ],
  ])("%s: %s", (expected, _, older, newer) => {
    // The unrolled one refers to the Node of its own document.
    expect(relation(document(ref, older), document(ref, newer))).toBe(expected);
    expect(relation(document(ref, newer), document(ref, older))).toBe(MIRRORED[expected] ?? expected);
  });

  it("cost no more when each is used twice: 40 definitions, 2^40 paths", () => {
    const chain = (leaf: JsonSchema) => {
      const entries = Array.from({ length: 40 }, (_, i) => {
        const next = i === 39 ? leaf : { $ref: `#/$defs/d${i + 1}` };
        return [`d${i}`, open({ a: next, b: next })];
      });
      return document({ $ref: "#/$defs/d0" }, Object.fromEntries(entries));
    };
    expect(relation(chain(STRING), chain({ type: "string", maxLength: 5 }))).toBe("narrowed");
  });
});

describe("nothing is called compatible that refuses a value", () => {
  const small = fc.integer({ min: 0, max: 3 });
  const { schema } = fc.letrec<{ schema: z.ZodType; leaf: z.ZodType }>((tie) => ({
    leaf: fc.oneof(
      fc.tuple(small, small).map(([min, more]) =>
        z
          .string()
          .min(min)
          .max(min + more),
      ),
      fc.tuple(small, small).map(([min, more]) =>
        z
          .int()
          .min(min)
          .max(min + more),
      ),
      small.map((min) => z.number().gt(min)),
      fc.subarray(["a", "ab", 1, null, true] as const, { minLength: 1 }).map((values) => z.literal(values)),
      fc.constantFrom(z.string(), z.number(), z.int(), z.boolean(), z.null(), z.unknown(), z.string().regex(/a/)),
    ),
    schema: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      tie("leaf"),
      tie("schema").map((item) => z.array(item)),
      fc.tuple(tie("schema"), small).map(([item, max]) => z.array(item).max(max)),
      fc.tuple(tie("schema"), tie("schema")).map(([a, b]) => z.tuple([a, b])),
      fc.tuple(tie("schema"), tie("schema")).map(([a, rest]) => z.tuple([a], rest)),
      fc.tuple(tie("schema"), tie("schema")).map(([a, b]) => z.strictObject({ a, b: b.optional() })),
      fc.tuple(tie("schema"), tie("schema")).map(([a, b]) => z.object({ a: a.optional(), b })),
      fc.tuple(tie("schema"), tie("schema")).map(([a, rest]) => z.object({ a }).catchall(rest)),
      tie("schema").map((item) => z.record(z.string().max(1), item)),
      fc.tuple(tie("schema"), tie("schema")).map(([a, b]) => z.union([a, b])),
      fc
        .tuple(tie("schema"), tie("schema"))
        .map(([a, b]) =>
          z.discriminatedUnion("a", [z.object({ a: z.literal("a"), b: a }), z.object({ a: z.literal(1), b })]),
        ),
      fc.tuple(tie("leaf"), tie("leaf")).map(([a, b]) => z.xor([a, b])),
      fc.tuple(tie("leaf"), tie("leaf")).map(([a, b]) => z.intersection(a, b)),
    ),
  }));
  const leaves = ["", "a", "b", "ab", "abc", "abcdef", 0, 1, 2, 3, 1.5, -1, 7, null, true, false];
  const shallow = [
    ...leaves,
    [],
    ["a"],
    [1, "a"],
    [1, 2, 3],
    {},
    { a: "a" },
    { b: 1 },
    { a: 1, b: "a" },
    { a: "a", b: 1, cc: 1 },
  ];
  const values = [
    ...shallow,
    ...shallow.flatMap((one) => [
      [one],
      [one, one],
      [1, one],
      { a: one },
      { b: one },
      { a: "a", b: one },
      { a: 1, b: one },
      { cc: one, a: 1 },
    ]),
  ];

  it("in generated pairs of schemas, and in a schema beside a part or a widening of itself", () => {
    const counts: Record<string, number> = {};
    const pair = fc.oneof(
      fc.tuple(schema, schema),
      fc.tuple(schema, schema).map(([a, b]) => [a, z.union([a, b])] as const),
      fc
        .tuple(schema, schema, schema)
        .map(([a, b, c]) => [z.strictObject({ a, b }), z.strictObject({ a, b: z.union([b, c]) })] as const),
      fc.tuple(schema, schema).map(([a, b]) => [z.tuple([a]), z.tuple([a, b.optional()])] as const),
      fc.tuple(schema, small).map(([a, max]) => [z.array(a).max(max), z.array(a)] as const),
    );
    fc.assert(
      fc.property(pair, fc.boolean(), (both, isSwapped) => {
        const [older, newer] = isSwapped ? [both[1], both[0]] : both;
        const kind = relation(document(json(older)), document(json(newer)));
        counts[kind] = (counts[kind] ?? 0) + 1;
        for (const value of values) {
          const [before, after] = [older.safeParse(value).success, newer.safeParse(value).success];
          const isRight = before === after || kind === "changed" || kind === (before ? "narrowed" : "widened");
          if (!isRight) throw new Error(`${kind}, though ${JSON.stringify(value)} was ${before} and is ${after}`);
        }
      }),
      { numRuns: Number(process.env["HBI_RUNS"] ?? 120) },
    );
    expect(counts["widened"]).toBeGreaterThan(8);
    expect(counts["narrowed"]).toBeGreaterThan(8);
    expect(counts["changed"]).toBeGreaterThan(8);
  }, 120_000);
});
