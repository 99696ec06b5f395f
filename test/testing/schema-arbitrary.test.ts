import fc from "fast-check";
import { PRESETS, parseValue, repr, value } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { nearlyArbitraryOf } from "../../src/testing/nearly-arbitrary.ts";
import { arbitraryOf } from "../../src/testing/schema-arbitrary.ts";

const RUNS = { numRuns: Number(process.env["HBI_RUNS"] ?? 30) }; // more in the long suite

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}
const point = value({
  params: { x: z.int().min(0), y: z.number().max(1) },
  make: ({ x, y }) => new Point(x, y),
  is: (candidate) => candidate instanceof Point,
});

const tree = z.strictObject({
  name: z.string().max(8),
  get children() {
    return z.array(tree);
  },
  get next() {
    return tree.optional();
  },
});
type Expression = number | { readonly op: "+" | "-"; readonly of: readonly [Expression, Expression] };
const expression: z.ZodType<Expression> = z.lazy(() =>
  z.union([z.int(), z.strictObject({ op: z.enum(["+", "-"]), of: z.tuple([expression, expression]).readonly() })]),
);
const nested: z.ZodType = z.lazy(() => z.object({ name: z.string().max(8) }).catchall(nested));
const shape = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("circle"), radius: z.number().positive() }),
  z.strictObject({ kind: z.literal("polygon"), sides: z.int().min(3).max(12) }),
]);
/** What TypeScript makes of `enum Level { Low, High = 7 }`. */
const Level = { Low: 0, High: 7, 0: "Low", 7: "High" } as const;

const text = z.string().max(4).optional();

/** Some are long, so that one part in ten that only a filter keeps out would be too many. */
const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  string: z.string(),
  "string of 3 to 9": z.string().min(3).max(9),
  "string of exactly 200": z.string().length(200),
  "identifier of a length": z
    .string()
    .regex(/^[a-z0-9_-]+$/)
    .min(20)
    .max(40),
  "identifier of exactly 300": z.string().regex(/^\w+$/).length(300),
  "pattern with the flag i": z.string().regex(/^[a-f]{2}:\d+$/i),
  "string of parts": z.string().startsWith("a'").includes("\n").endsWith("😀").max(30),
  "string in lower case": z.string().lowercase().min(1),
  "string trimmed": z.string().trim().min(1).toLowerCase(),
  "string refined": z.string().refine((text) => !text.includes("x")),
  uuid: z.uuid(),
  "uuid v7": z.uuidv7(),
  email: z.email().max(40),
  url: z.url(),
  "url of http": z.httpUrl(),
  "date and time": z.iso.datetime({ offset: true }),
  date: z.iso.date(),
  time: z.iso.time(),
  duration: z.iso.duration(),
  ipv4: z.ipv4(),
  ipv6: z.ipv6(),
  "cidr v6": z.cidrv6(),
  hostname: z.hostname(),
  base64: z.base64(),
  jwt: z.jwt({ alg: "ES256" }),
  iban: z.iban(),
  "credit card": z.creditCard(),
  emoji: z.emoji(),
  nanoid: z.nanoid(),
  template: z.templateLiteral(["v", z.int(), "-", z.enum(["a", "b"])]),
  stringbool: z.stringbool(),
  number: z.number(),
  "numbers above and below": z.array(z.number().gt(0).lt(1.5e-323)).length(40),
  "multiple of 0.05": z.number().multipleOf(0.05).min(0),
  float32: z.float32(),
  int: z.int(),
  "int of a range": z
    .int()
    .min(0)
    .max(64 * 1024 * 1024),
  "multiple of 6 and 4": z.int().multipleOf(6).multipleOf(4).gt(0),
  uint32: z.uint32(),
  nan: z.nan(),
  bigint: z.bigint(),
  "small bigints": z.bigint().min(0n).max(100n),
  "a small bigint": z.literal(5n),
  int64: z.int64(),
  "bigint multiple": z.bigint().positive().multipleOf(7n),
  "bigint coerced": z.coerce.bigint(),
  "date coerced": z.coerce.date().min(new Date("2020-01-01")),
  boolean: z.boolean(),
  literal: z.literal(["a", 1, null, true, undefined]),
  enum: z.enum(["red", "green"]),
  "native enum": z.enum(Level),
  null: z.null(),
  unknown: z.unknown(),
  any: z.any(),
  json: z.json(),
  bytes: z.instanceof(Uint8Array),
  "bytes refined": z.instanceof(Uint8Array).refine((bytes) => bytes.length < 30),
  array: z.array(z.int()).nonempty().max(70),
  "array of exactly 3": z.array(z.array(z.string().max(4))).length(3),
  tuple: z.tuple([z.string(), z.int().optional(), z.boolean().default(true)]),
  "tuple with a rest": z.tuple([z.string()], z.int()),
  "strict object": z.strictObject({ a: z.int(), b: z.string().optional(), c: z.null().default(null) }),
  "loose object": z.looseObject({ constructor: z.int() }),
  "objects with a catchall": z
    .array(z.object(Object.fromEntries(["a", "id", "length", "then", "0"].map((key) => [key, text]))).catchall(z.int()))
    .length(60),
  "object refined": z.object({ a: z.int().max(9), b: z.int().min(0) }).refine(({ a, b }) => a <= b),
  record: z.record(z.string().min(1), z.int()),
  "record of an enum": z.record(z.enum([..."abcdefghijklmnopqrstuvwxyz"]), z.int()),
  "partial record": z.partialRecord(z.enum(["a", "b"]), z.int()),
  "record of numbers": z.record(z.number(), z.boolean()),
  union: z.union([z.string(), z.int(), z.date(), z.undefined()]),
  "a Date": z.date().min(new Date(5)).max(new Date(9)),
  map: z.map(z.string(), z.date()).min(1).max(3),
  set: z.set(z.int().min(0).max(9)).size(3),
  "Map in a Map": z.map(z.int(), z.map(z.boolean(), z.set(z.string()))),
  "a URL": z.instanceof(URL),
  "a refined URL": z.instanceof(URL).refine((url) => url.href.length > 1),
  "an instance of Map": z.instanceof(Map),
  "an instance of Set": z.instanceof(Set),
  "an instance of Date": z.instanceof(Date),
  "exclusive union": z.xor([z.object({ a: z.int() }), z.object({ b: z.int() })]),
  "discriminated union": shape,
  intersection: z.intersection(z.object({ a: z.int(), b: z.int() }), z.object({ b: z.int().min(5), c: z.string() })),
  "intersection of numbers": z.intersection(z.number().min(0), z.int()),
  nullable: z.int().nullable(),
  nullish: z.string().nullish(),
  prefault: z.string().prefault("x").readonly(),
  caught: z.int().catch(5),
  nonoptional: z.object({ a: z.nonoptional(z.int().optional()) }),
  transformed: z.string().transform((text) => text.length),
  preprocessed: z.preprocess((given) => given, z.int()),
  codec: z.codec(z.iso.datetime(), z.date(), {
    decode: (text) => new Date(text),
    encode: (date) => date.toISOString(),
  }),
  "getter recursion": tree,
  "lazy recursion": expression,
  "recursion of other members": nested,
  "members that are never given": z.object({ a: z.undefined().optional(), b: z.int() }),
  branded: z.string().brand("name").describe("a name"),
};

function landed(given: unknown): unknown {
  return parseValue(repr(given), PRESETS.public);
}

describe("every generated value is accepted, has a textual form, and lands as it was", () => {
  it.each(Object.entries(SCHEMAS))("%s", (_, schema) => {
    fc.assert(
      fc.property(arbitraryOf(schema), (given) => {
        expect(schema.safeParse(given).success).toBe(true);
        expect(landed(given)).toEqual(given);
      }),
      RUNS,
    );
  });

  it("a value of a declared constructor is written by it", () => {
    const schema = z.array(point.schema);
    fc.assert(
      fc.property(arbitraryOf(schema), (given) => {
        expect(schema.safeParse(given).success).toBe(true);
        repr(given, "json", 32, (instance) =>
          instance instanceof Point ? ["Point", [instance.x, instance.y]] : undefined,
        );
      }),
      RUNS,
    );
  });
});

const bad = (text: string) => expect.objectContaining({ reason: "bad_option", message: expect.stringContaining(text) });

describe("what cannot be generated is reported with its path", () => {
  const even = z.custom<number>((given) => typeof given === "number" && given % 2 === 0);
  const endless: z.ZodType = z.lazy(() => z.object({ again: endless }));
  const fresh = (): z.ZodType => z.lazy(() => z.object({ again: fresh().optional() }));
  const cases: readonly (readonly [string, z.ZodType, string])[] = [
    [
      "a custom schema",
      z.object({ items: z.array(z.object({ size: even })) }),
      "items.[].size: no arbitrary for a custom",
    ],
    ["a Date", z.object({ when: z.date().min(new Date(5)).max(new Date(4)) }), "when: no arbitrary for a Date"],
    ["a Map", z.tuple([z.map(z.string(), z.int()).min(2).max(1)]), "0: no arbitrary for a Map of these bounds"],
    ["a Set", z.array(z.set(z.int()).min(2).max(1)), "[]: no arbitrary for a Set of these bounds"],
    ["items of a set", z.set(z.file()).min(1), "[]: no arbitrary for file"],
    ["undefined", z.object({ a: z.undefined() }), "a: no arbitrary for undefined"],
    ["undefined alone", z.undefined(), "no arbitrary for undefined"],
    ["bigints without a value", z.bigint().min(1n).max(0n), "bigints of these bounds"],
    ["empty bounds", z.object({ n: z.int().gt(4).lt(5) }), "n: no arbitrary for a number of these bounds"],
    ["an array of empty bounds", z.array(z.int()).min(3).max(2), "an array of these bounds"],
    ["keys that zod reads from no text", z.record(z.number().min(1e300), z.int()), "(key): no arbitrary for keys"],
    ["never", z.never(), "never"],
    ["a transform alone", z.object({ a: z.transform((given) => given) }), "a: no arbitrary for what a transform takes"],
    ["an expression that looks ahead", z.string().regex(/^(?=.*a)b/), "a string of these checks"],
    [
      "a format of the user",
      z.object({ a: z.stringFormat("odd", () => true) }),
      "a: no arbitrary for a string of these checks",
    ],
    [
      "a filter that refuses nearly everything",
      z.object({ n: z.int().refine((n) => n === 7) }),
      "n: no arbitrary for what this number",
    ],
    ["a refinement of the whole", z.array(z.int()).refine(() => false), "no arbitrary for what this array takes"],
    ["an asynchronous refinement", z.string().refine(async () => true), "no arbitrary for a string"],
    ["what contains itself without end", endless, "contains itself without end"],
    ["what makes new schemas without end", fresh(), "an endless schema"],
  ];
  it.each(cases)("%s", (_, schema, text) => {
    expect(() => arbitraryOf(schema)).toThrow(bad(text));
    expect(() => arbitraryOf(schema)).toThrow(bad(""));
  });

  it("until it is given, by schema or by path", () => {
    const schema = z.object({ items: z.array(z.object({ size: even, name: z.string() })).min(1) });
    const evens = fc.integer().map((n) => n * 2);
    const byPath = (path: string) => (path === "items.[].size" ? evens : undefined);
    for (const overrides of [new Map([[even, evens]]), byPath]) {
      fc.assert(
        fc.property(arbitraryOf(schema, { overrides }), (given) => schema.safeParse(given).success),
        RUNS,
      );
    }
    const odd = evens.map((n) => n + 1);
    expect(() => arbitraryOf(schema, { overrides: new Map([[even, odd]]) })).toThrow(bad("options.overrides"));
  });
});

describe("what is generated reaches the edges", () => {
  const seen = (schema: z.ZodType) => fc.sample(arbitraryOf(schema), { numRuns: 1_000, seed: 1 });
  it.each([
    ["both bounds and the zeros", z.int().min(-5).max(1_000_000), [-5, 1_000_000, 0, -0]],
    ["the longest string", z.string().max(100), ["", "x".repeat(100)]],
    ["each member of an enumeration", z.enum(["a", "b"]).nullish(), ["a", "b", null]],
    ["each form of an object", z.object({ a: z.literal(1).optional() }), [{}, { a: 1 }]],
    [
      "each length of a tuple",
      z.tuple([z.literal(1), z.literal(2).optional()], z.literal(3)),
      [[1], [1, 2], [1, 2, 3]],
    ],
  ])("%s", (_, schema, edges) => {
    const all = seen(schema);
    for (const edge of edges) expect(all).toContainEqual(edge);
  });

  it("strings hold quotes, line breaks, NUL and characters outside the BMP", () => {
    const all = seen(z.string()).join("");
    for (const part of ["'", '"', "\\", "\n", "\0", "😀", "\u2028"]) expect(all).toContain(part);
    expect(Math.max(...seen(z.string()).map((text) => [...String(text)].length))).toBe(64);
  });

  it("arrays have as many items as they may, and values stay small where they contain themselves", () => {
    expect(seen(z.array(z.int()).max(70)).some((items) => Array.isArray(items) && items.length === 70)).toBe(true);
    expect(Math.max(...seen(tree).map((given) => repr(given).length))).toBeLessThan(10_000);
    expect(seen(tree).some((given) => tree.parse(given).next?.next !== undefined)).toBe(true);
  });
});

describe("a schema is asked no more often than it takes to decide", () => {
  const counted = () => {
    const schema = z.string().refine(() => {
      asked += 1;
      return true;
    });
    let asked = 0;
    return { schema, asked: () => asked };
  };

  it("for an arbitrary", () => {
    const { schema, asked } = counted();
    arbitraryOf(schema);
    expect(asked()).toBeLessThanOrEqual(20);
  });

  it("for nearly valid values", () => {
    const { schema, asked } = counted();
    expect(nearlyArbitraryOf(schema)).toBeDefined();
    expect(asked()).toBeLessThanOrEqual(50);
  });

  it("and an arbitrary that few values pass is still found", () => {
    let asked = 0;
    const few = z.int().refine(() => {
      asked += 1;
      return asked % 8 === 0;
    });
    expect(() => arbitraryOf(z.object({ few }))).not.toThrow();
    expect(asked).toBeGreaterThan(20);
  });
});

describe("nearly valid values are all refused", () => {
  const harmless = new Set(["unknown", "any", "caught"]);
  it.each(Object.entries(SCHEMAS).filter(([name]) => !harmless.has(name)))("%s", (_, schema) => {
    const nearly = nearlyArbitraryOf(schema);
    if (nearly === undefined) throw new Error("there are mistakes to make");
    fc.assert(
      fc.property(nearly, ({ value: given, wrong }) => {
        expect(schema.safeParse(given).success).toBe(false);
        expect(wrong).not.toBe("");
        expect(landed(given)).toEqual(given);
        expect(schema.safeParse(landed(given)).success).toBe(false);
      }),
      RUNS,
    );
  });

  it.each([
    ["z.unknown()", z.unknown()],
    ["z.any()", z.any()],
    ["z.catch()", z.int().catch(5)],
  ])("%s refuses nothing", (_, schema) => expect(nearlyArbitraryOf(schema)).toBeUndefined());

  const mistakes: readonly (readonly [string, z.ZodType, readonly string[]])[] = [
    ["a string", z.string().min(2).max(5), ["too long", "too short", "empty", "null for text"]],
    ["a format", z.object({ id: z.uuid() }), ["id: a lone surrogate", "id: a character more at the end", "id missing"]],
    ["an int", z.int().min(3).max(9), ["too small", "too big", "NaN", "infinite", "a fraction", "text for a number"]],
    ["a positive int", z.int().positive(), ["negative zero", "too small", "beyond the safe integers"]],
    ["a multiple", z.number().multipleOf(6), ["no multiple of 6"]],
    ["a bigint", z.bigint().max(2n ** 60n), ["too big", "a number", "a number for a bigint"]],
    [
      "a strict object",
      z.strictObject({ a: z.null(), b: z.int().optional() }),
      ["a missing", "unknown key surplus", "b: NaN"],
    ],
    [
      "an array",
      z.object({
        items: z
          .array(z.object({ name: z.string().max(3) }))
          .min(1)
          .max(4),
      }),
      [
        "items: too long",
        "items: too short",
        "items.0.name: too long",
        "items.0: name missing",
        "items: an object for an array",
      ],
    ],
    ["a tuple", z.tuple([z.int(), z.string()]), ["too long", "too short", "1: a boolean for text"]],
    ["an enumeration", z.enum(["red", "green"]), ["an altered value", "the other case"]],
    [
      "a discriminated union",
      shape,
      ["kind: an altered value", "sides: too small", "radius: too small", "kind missing"],
    ],
    ["a record", z.record(z.enum(["a", "b"]), z.int()), ["a missing", "unknown key surplus", "b: a fraction"]],
    ["what contains itself", tree, ["children.0.name: too long", "next.children: null for an array"]],
    ["bytes", z.instanceof(Uint8Array), ["an array for bytes", "text for bytes"]],
    ["a string that may be null", z.string().max(3).nullable(), ["too long", "a number for null"]],
    [
      "an intersection",
      z.intersection(z.object({ a: z.int() }), z.object({ b: z.int() })),
      ["a: a fraction", "b missing"],
    ],
    ["what is piped", z.iso.date().transform((text) => new Date(text)), ["a lone surrogate"]],
  ];
  it.each(mistakes)("in each of its ways: %s", (_, schema, expected) => {
    const nearly = nearlyArbitraryOf(schema);
    if (nearly === undefined) throw new Error("there are mistakes to make");
    const made = new Set(fc.sample(nearly, { numRuns: 1_000, seed: 1 }).map(({ wrong }) => wrong));
    for (const wrong of expected) expect([...made]).toContain(wrong);
  });
});
