import { compareServices, defineService, describeService, HbiError, type JsonSchema, method, value } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { briefDescription } from "../../../src/registry/description/brief-description.ts";

const Point = value({
  params: { x: z.number(), y: z.number().default(0) },
  make: ({ x, y }) => ({ kind: "point", x, y }),
  is: (one) => (one as { kind?: unknown } | null)?.kind === "point",
});
const ofOther = value({ params: {}, make: () => ({}), is: () => false });

/** A service with one method, do_job, of these parameters. */
const taking = (params: Record<string, z.ZodType>) =>
  defineService({ name: "s", version: "1.0.0", methods: { do_job: method({ params }) }, values: { Point } });
const giving = (result: z.ZodType) =>
  defineService({
    name: "s",
    version: "1.0.0",
    methods: { do_job: method({ params: {}, result }) },
    values: { Point },
  });

const describedParam = (schema: z.ZodType, override?: JsonSchema) =>
  describeService(taking({ a: schema }), override && { override: () => override }).methods["do_job"]?.params[0];
const describedResult = (schema: z.ZodType) => describeService(giving(schema)).methods["do_job"]?.result;

const INT = { type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };

const JobResult = z
  .strictObject({ action: z.string(), bytes: z.int() })
  .meta({ id: "JobResult", title: "What was done" });
const jobs = defineService({
  name: "jobs",
  version: "1.2.3",
  title: "Jobs",
  description: "Does jobs.",
  methods: {
    "jobs.fetch": method({
      params: { name: z.string() },
      result: z.object({ size: z.int() }),
      resultBody: ({ size }) => size,
      deprecated: "use do_job",
    }),
    do_job: method({
      params: {
        action: z.string().max(64).meta({ description: "what to do" }),
        dataLen: z.int().min(0),
        at: Point.schema.optional(),
      },
      body: ({ dataLen }) => dataLen,
      result: JobResult,
      title: "Do a job",
      description: "Does it now.",
      idempotent: true,
      examples: [{ action: "resize", dataLen: 3, at: Point.spec.make({ x: 1, y: 2 }) }],
    }),
    talk: method({ params: {}, body: "manual" }),
    pour: method({ params: {}, body: "unknown", result: z.int(), resultBody: "unknown" }),
  },
  reactions: { job_done: method({ params: { result: JobResult } }) },
  values: { Point },
  credentials: { token: z.string().min(20) },
});

describe("a description", () => {
  it("holds all that a service declares, in its order, as plain JSON", () => {
    const { hash, ...described } = describeService(jobs);
    const reference = { $ref: "#/$defs/JobResult" };
    const expected = {
      format: 1,
      name: "jobs",
      version: "1.2.3",
      title: "Jobs",
      description: "Does jobs.",
      methods: {
        "jobs.fetch": {
          deprecated: "use do_job",
          params: [{ name: "name", schema: { type: "string" }, isRequired: true }],
          body: "none",
          result: { type: "object", properties: { size: INT }, required: ["size"] },
          resultBody: "declared",
          idempotent: false,
        },
        do_job: {
          title: "Do a job",
          description: "Does it now.",
          params: [
            { name: "action", schema: { type: "string", maxLength: 64, description: "what to do" }, isRequired: true },
            { name: "dataLen", schema: { ...INT, minimum: 0 }, isRequired: true },
            { name: "at", schema: { $ref: "#/$defs/Point" }, isRequired: false },
          ],
          body: "declared",
          result: reference,
          resultBody: "none",
          idempotent: true,
          examples: [{ action: "resize", dataLen: 3, at: { x: 1, y: 2 } }],
        },
        talk: { params: [], body: "manual", resultBody: "none", idempotent: false },
        pour: { params: [], body: "unknown", result: INT, resultBody: "unknown", idempotent: false },
      },
      reactions: {
        job_done: {
          params: [{ name: "result", schema: reference, isRequired: true }],
          body: "none",
          resultBody: "none",
          idempotent: false,
        },
      },
      values: {
        Point: {
          params: [
            { name: "x", schema: { type: "number" }, isRequired: true },
            { name: "y", schema: { type: "number", default: 0 }, isRequired: false },
          ],
        },
      },
      credentials: [{ name: "token", schema: { type: "string", minLength: 20 }, isRequired: true }],
      $defs: {
        JobResult: {
          type: "object",
          properties: { action: { type: "string" }, bytes: INT },
          required: ["action", "bytes"],
          additionalProperties: false,
          title: "What was done",
        },
        Point: {
          type: "object",
          properties: { x: { type: "number" }, y: { type: "number", default: 0 } },
          required: ["x"],
          additionalProperties: false,
          "x-hbi-value": "Point",
        },
      },
    };
    expect(described).toEqual(expected);
    expect(Object.keys(described.methods)).toEqual(["jobs.fetch", "do_job", "talk", "pour"]);
    expect(JSON.parse(JSON.stringify(described))).toEqual(expected);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it("shows examples as JSON: bytes as base64, dates as text, nothing for what is undefined", () => {
    const example = {
      a: { bytes: new Uint8Array([1, 2]), when: new Date(0), left: undefined, list: [null, true, 1.5] },
    };
    const methods = { do_job: method({ params: { a: z.unknown() }, examples: [example] }) };
    expect(
      describeService(defineService({ name: "s", version: "1.0.0", methods })).methods["do_job"]?.examples,
    ).toStrictEqual([{ a: { bytes: "AQI=", when: "1970-01-01T00:00:00.000Z", list: [null, true, 1.5] } }]);
  });

  it("has the same bytes each time", () => {
    expect(JSON.stringify(describeService(jobs))).toBe(JSON.stringify(describeService(jobs)));
  });
});

describe("a parameter's schema says what arrives", () => {
  const Tree = z.object({ value: z.int(), get children() { return z.array(Tree); } }); // biome-ignore format: one line
  const bytes = { type: "string", contentEncoding: "base64", "x-hbi-type": "bytes" };
  it.each<[string, z.ZodType, JsonSchema]>([
    ["anything, as declared", z.unknown(), {}],
    ["nothing", z.never(), { not: {} }],
    ["the input of a transform", z.string().max(5).transform(Number), { type: "string", maxLength: 5 }],
    [
      "an open object",
      z.object({ a: z.string() }),
      { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
    ],
    ["bytes", z.instanceof(Uint8Array), bytes],
    [
      "bytes with a check and a title",
      z
        .instanceof(Uint8Array)
        .refine(() => true)
        .meta({ title: "t" }),
      { ...bytes, title: "t" },
    ],
    ["a value of the service", Point.schema, { $ref: "#/$defs/Point" }],
    ["a value with a title", Point.schema.meta({ title: "t" }), { $ref: "#/$defs/Point", title: "t" }],
    [
      "values in containers",
      z.array(Point.schema.nullable()),
      { type: "array", items: { anyOf: [{ $ref: "#/$defs/Point" }, { type: "null" }] } },
    ],
    ["a frozen one, which may be sent", z.array(z.string()).readonly(), { type: "array", items: { type: "string" } }],
    [
      "examples and titles",
      z.string().meta({ title: "t", examples: ["e"] }),
      { type: "string", title: "t", examples: ["e"] },
    ],
    ["bytes as a default", z.instanceof(Uint8Array).default(new Uint8Array([1, 2])), { ...bytes, default: "AQI=" }],
    [
      "bytes that a default is made of",
      z.instanceof(Uint8Array).prefault(new Uint8Array([1, 2])),
      { ...bytes, default: "AQI=" },
    ],
    ["a default that is said and not filled in", z.string().meta({ default: "x" }), { type: "string", default: "x" }],
    ["what is read lazily", z.lazy(() => z.string()), { type: "string" }],
    [
      "a property that looks like a reference",
      z.strictObject({ $ref: z.literal("#/$defs/x") }),
      {
        type: "object",
        properties: { $ref: { type: "string", const: "#/$defs/x" } },
        required: ["$ref"],
        additionalProperties: false,
      },
    ],
    ["a type that refers to itself", Tree, { $ref: "#/$defs/methods.do_job.params.0" }],
  ])("%s", (_, schema, expected) => expect(describedParam(schema)?.schema).toEqual(expected));

  it.each([
    ["a plain one", z.string(), true],
    ["optional", z.string().optional(), false],
    ["with a default", z.string().default("x"), false],
    ["nullable", z.string().nullable(), true],
    ["anything", z.unknown(), true],
  ])("%s: whether it is required", (_, schema, isRequired) =>
    expect(describedParam(schema)?.isRequired).toBe(isRequired),
  );
});

describe("a result's schema says what is sent", () => {
  it.each<[string, z.ZodType, JsonSchema]>([
    [
      "a default is filled in",
      z.object({ a: z.string().default("x") }),
      { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
    ],
    ["an object may grow", z.object({}), { type: "object", properties: {} }],
    ["the end of a pipe", z.custom<string>().pipe(z.string().max(5)), { type: "string", maxLength: 5 }],
    ["names of several kinds", z.enum({ a: "a", b: 1 }), { type: undefined as never, enum: ["a", 1] }],
    ["a strict one may not", z.strictObject({}), { type: "object", properties: {}, additionalProperties: false }],
  ])("%s", (_, schema, expected) => expect(describedResult(schema)).toEqual(expected));
});

describe("definitions", () => {
  it("that refer to themselves are given once, by the author's id or by their place", () => {
    const Node = z.object({ get next() { return Node.optional(); } }).meta({ id: "Node" }); // biome-ignore format: one line
    const Leaf = z.object({ get next() { return Leaf.optional(); } }); // biome-ignore format: one line
    const { methods, $defs } = describeService(taking({ a: Node, b: z.array(Node), c: Leaf, d: Leaf }));
    const leaf = "#/$defs/methods.do_job.params.1";
    expect(methods["do_job"]?.params.map((param) => param.schema)).toEqual([
      { $ref: "#/$defs/Node" },
      { type: "array", items: { $ref: "#/$defs/Node" } },
      { $ref: leaf },
      { $ref: leaf },
    ]);
    expect($defs).toMatchObject({
      Node: { properties: { next: { $ref: "#/$defs/Node" } } },
      "methods.do_job.params.1": { properties: { next: { $ref: leaf } } },
    });
    expect(Object.keys($defs)).toEqual(["Node", "Point", "methods.do_job.params.1"]);
  });

  it("keep their name where nothing else has it: of a result alone", () => {
    const { methods, $defs } = describeService(giving(z.strictObject({ n: z.int().default(1) }).meta({ id: "Sent" })));
    expect(methods["do_job"]?.result).toEqual({ $ref: "#/$defs/Sent" });
    expect(Object.keys($defs)).toEqual(["Point", "Sent"]);
  });

  it("are apart where what is sent differs from what is given, and whatever refers to them", () => {
    const Inner = z.strictObject({ n: z.int().default(1) }).meta({ id: "Inner" });
    const Outer = z.strictObject({ inner: Inner }).meta({ id: "Outer" });
    const Same = z.strictObject({ s: z.string() }).meta({ id: "Same" });
    const methods = {
      do_job: method({ params: { a: Outer, b: Same }, result: z.strictObject({ a: Outer, b: Same }) }),
    };
    const { $defs, methods: described } = describeService(defineService({ name: "s", version: "1.0.0", methods }));
    expect(Object.keys($defs)).toEqual(["Inner", "Inner.output", "Outer", "Outer.output", "Same"]);
    expect(described["do_job"]?.result).toMatchObject({
      properties: { a: { $ref: "#/$defs/Outer.output" }, b: { $ref: "#/$defs/Same" } },
    });
    expect($defs["Outer.output"]).toMatchObject({ properties: { inner: { $ref: "#/$defs/Inner.output" } } });
    expect($defs["Inner.output"]).toMatchObject({ required: ["n"] });
  });
});

describe("the brief description", () => {
  it("is how to call, what to show, and the schemas that these refer to: no texts, no reactions, nothing else", () => {
    const Reason = z.strictObject({ text: z.string() }).meta({ id: "Reason" });
    const Token = z.strictObject({ key: z.string() }).meta({ id: "Token" });
    const Detail = z.strictObject({ reason: Reason }).meta({ id: "Detail" });
    const Unseen = z.strictObject({ n: z.int() }).meta({ id: "Unseen" });
    const service = defineService({
      ...{ name: "s", version: "1.0.0", title: "S", description: "d" },
      methods: {
        ask: method({ params: { at: Point.schema }, result: Detail, title: "Ask", description: "d", deprecated: "d" }),
      },
      reactions: { told: method({ params: { unseen: Unseen } }) },
      values: { Point, Other: ofOther },
      credentials: { token: Token },
    });
    const { methods, credentials, values, hash, $defs } = describeService(service);
    const { Point: point, Detail: detail, Reason: reason, Token: token } = $defs;
    const { params, result } = methods["ask"] ?? {};
    expect(briefDescription(describeService(service))).toEqual({
      ...{ format: 1, name: "s", version: "1.0.0", hash, reactions: {}, credentials },
      methods: { ask: { params, result, body: "none", resultBody: "none", idempotent: false } },
      values: { Point: values["Point"] },
      $defs: { Detail: detail, Point: point, Reason: reason, Token: token },
    });
  });

  it("is nothing of credentials where there are none", () => {
    expect(briefDescription(describeService(taking({ a: z.string() })))).not.toHaveProperty("credentials");
  });
});

const STRICT = { strict: true };

describe("with `strict`, what JSON Schema cannot say is refused, with the place", () => {
  const place = (path: string, what: string) =>
    `bad option: do_job.${path}: ${what} has no JSON Schema; map it by an override`;
  it.each<[z.ZodType, string, string]>([
    [z.bigint(), "params.a", "a bigint"],
    [z.undefined(), "params.a", "undefined"],
    [z.void(), "params.a", "void"],
    [z.nan(), "params.a", "NaN"],
    [z.custom(() => true), "params.a", "a custom schema"],
    [z.success(z.string()), "params.a", "a success"],
    [z.preprocess(String, z.string()), "params.a", "a transform of anything"],
    [z.string().catch("x"), "params.a", "a catch, which accepts anything,"],
    [z.coerce.number(), "params.a", "a coercion, which accepts more than its type,"],
    [z.literal([1n]), "params.a", "such a literal"],
    [z.literal(undefined), "params.a", "such a literal"],
    [z.enum({ a: Number.POSITIVE_INFINITY }), "params.a", "such an enum"],
    [z.string().regex(/a/i), "params.a", "a pattern with flags"],
    [z.email({ pattern: /a@b/i }), "params.a", "a pattern with flags"],
    [z.number().min(Number.NEGATIVE_INFINITY), "params.a", "a bound that is not a number"],
    [z.object({ when: z.tuple([z.nan()]) }), "params.a.when.0", "NaN"],
    [z.array(z.nan()), "params.a.[]", "NaN"],
    [z.record(z.string(), z.nan()), "params.a.{}", "NaN"],
    [z.object({}).catchall(z.nan()), "params.a.{}", "NaN"],
    [z.union([z.string(), z.nan()]).optional(), "params.a", "NaN"],
    [z.lazy(() => z.nan()), "params.a", "NaN"],
  ])("%#: %s", (schema, path, what) => {
    expect(() => describeService(taking({ a: schema }), STRICT)).toThrow(
      expect.objectContaining({ code: "invalid_argument", reason: "bad_option", message: place(path, what) }),
    );
  });

  it("in results, credentials and values as well", () => {
    const when = z.nan();
    const methods = { do_job: method({ params: {} }) };
    const base = { name: "s", version: "1.0.0", methods };
    expect(() => describeService(giving(z.object({ when })), STRICT)).toThrow("do_job.result.when: NaN");
    expect(() => describeService(defineService({ ...base, credentials: { when } }), STRICT)).toThrow(
      "credentials.when: NaN",
    );
    const At = value({ params: { when }, make: () => 0 });
    expect(() => describeService(defineService({ ...base, values: { At } }), STRICT)).toThrow("values.At.when: NaN");
  });

  it.each<[string, z.ZodType, string]>([
    [
      "a value that the service does not declare",
      ofOther.schema,
      "do_job.params.a: a value that the service does not declare",
    ],
    ["an id that is no name", z.string().meta({ id: "a/b" }), '"a/b"'],
    ["the id of a value", z.string().meta({ id: "Point" }), "two schemas have the id Point"],
    ["a default that is no JSON", z.unknown().default(() => new Map()), "do_job.params.a.default"],
  ])("%s", (_, schema, message) => expect(() => describeService(taking({ a: schema }), STRICT)).toThrow(message));

  it("one id for two schemas", () => {
    const [a, b] = [z.string().meta({ id: "Same" }), z.int().meta({ id: "Same" })];
    expect(() => describeService(taking({ a, b }))).toThrow(HbiError);
    const methods = { one: method({ params: { a } }), two: method({ params: { b } }) };
    expect(() => describeService(defineService({ name: "s", version: "1.0.0", methods }))).toThrow("id Same");
  });

  it("an id that results need for what they have under another", () => {
    const [a, b] = [z.strictObject({ n: z.int().default(1) }).meta({ id: "A" }), z.string().meta({ id: "A.output" })];
    const methods = { do_job: method({ params: { a, b }, result: a }) };
    expect(() => describeService(defineService({ name: "s", version: "1.0.0", methods }))).toThrow("id A.output");
  });

  it.each<[string, unknown, string]>([
    ["a bigint", 1n, "do_job.examples.0.a: bigint"],
    ["an instance", new Map(), "do_job.examples.0.a: such an object"],
    ["not a number", Number.NaN, "do_job.examples.0.a: number"],
  ])("an example with %s", (_, a, message) => {
    const methods = { do_job: method({ params: { a: z.unknown() }, examples: [{ a }] }) };
    expect(() => describeService(defineService({ name: "s", version: "1.0.0", methods }), STRICT)).toThrow(message);
  });
});

const described = (schema: z.ZodType) => describeService(taking({ a: schema })).methods["do_job"]?.params[0]?.schema;

describe("what JSON Schema cannot say is described in words", () => {
  it.each<[string, z.ZodType, object]>([
    [
      "a bigint",
      z.bigint().min(0n).max(9n),
      { "x-hbi-unsaid": "a bigint, greater_than or equal 0n, less_than or equal 9n" },
    ],
    ["a custom schema", z.custom(() => true), { "x-hbi-unsaid": "a custom schema" }],
    [
      "a coercion",
      z.coerce.number().min(1),
      { "x-hbi-unsaid": "a coercion, which accepts more than its type, number" },
    ],
    ["a pattern", z.string().regex(/a/i), { type: "string", "x-hbi-unsaid": "a pattern with flags, /a/i" }],
    ["a literal", z.literal([1n, 2n]), { "x-hbi-unsaid": "such a literal, 1n | 2n" }],
    ["preprocess", z.preprocess(String, z.string()), { "x-hbi-unsaid": "a transform of anything" }],
    ["its title", z.bigint().meta({ title: "t" }), { title: "t", "x-hbi-unsaid": "a bigint" }],
  ])("%s", (_, schema, words) => expect(described(schema)).toEqual(words));

  it("beside what it can say", () => {
    expect(described(z.strictObject({ a: z.int32(), b: z.bigint().optional() }))).toMatchObject({
      properties: { a: { type: "integer" }, b: { "x-hbi-unsaid": "a bigint" } },
      required: ["a"],
    });
  });

  it("in defaults and examples", () => {
    expect(described(z.bigint().default(5n))).toMatchObject({ default: { "x-hbi-unsaid": "5n" } });
    const methods = { do_job: method({ params: { a: z.bigint() }, examples: [{ a: 5n }] }) };
    const { examples } =
      describeService(defineService({ name: "s", version: "1.0.0", methods })).methods["do_job"] ?? {};
    expect(examples).toEqual([{ a: { "x-hbi-unsaid": "5n" } }]);
  });
});

describe("a default that a function makes", () => {
  let last = 0;
  it.each<[string, () => z.ZodType]>([
    ["a counter", () => z.int().default(() => ++last)],
    ["an id", () => z.uuid().default(() => crypto.randomUUID())],
    ["the time in milliseconds", () => z.int().default(() => Date.now())],
    ["the time in seconds", () => z.int().default(() => Math.floor(Date.now() / 1_000))],
    ["the time as text", () => z.iso.datetime().default(() => new Date().toISOString())],
    ["today", () => z.iso.date().default(() => new Date().toISOString().slice(0, 10))],
    ["inside of something", () => z.strictObject({ at: z.number() }).prefault(() => ({ at: Date.now() }))],
  ])("is named, and changes neither the document nor the hash: %s", (_, schema) => {
    expect(described(schema())).toMatchObject({ "x-hbi-default": "made" });
    expect(described(schema())).not.toHaveProperty("default");
    const [older, newer] = [taking({ a: schema() }), taking({ a: schema() })];
    expect(describeService(older)).toEqual(describeService(newer));
    expect(compareServices(older, newer)).toEqual([]);
  });

  it.each<[string, z.ZodType, unknown]>([
    ["a function that always makes the same", z.array(z.int()).default(() => []), []],
    ["a text", z.string().default("a"), "a"],
    ["a time long ago", z.int().default(1_000_000_000_000), 1_000_000_000_000],
  ])("%s is a constant", (_, schema, constant) => expect(described(schema)).toMatchObject({ default: constant }));

  it("breaks callers that relied on a constant", () => {
    const [fixed, made] = [taking({ a: z.int().default(1) }), taking({ a: z.int().default(() => ++last) })];
    expect(compareServices(fixed, made)).toMatchObject([{ kind: "default", isBreaking: true }]);
  });
});

describe("an override", () => {
  const DATE = { type: "string", format: "date-time" };

  it("maps what JSON Schema cannot say, wherever it stands, and learns where that is", () => {
    const asked: unknown[] = [];
    const service = defineService({
      name: "s",
      version: "1.0.0",
      methods: {
        do_job: method({ params: { a: z.object({ when: z.array(z.nan()) }) }, result: z.nan().nullable() }),
      },
      credentials: { since: z.nan().meta({ title: "t" }) },
    });
    const { methods, credentials } = describeService(service, {
      override: ({ schema, member, part, path }) => {
        asked.push([member, part, path]);
        return schema instanceof z.ZodNaN ? DATE : undefined;
      },
    });
    expect(methods["do_job"]?.params[0]?.schema).toMatchObject({ properties: { when: { items: DATE } } });
    expect(methods["do_job"]?.result).toEqual({ anyOf: [DATE, { type: "null" }] });
    expect(credentials?.[0]?.schema).toEqual({ ...DATE, title: "t" });
    expect(asked).toContainEqual(["do_job", "params", "a.when.[]"]);
    expect(asked).toContainEqual(["do_job", "result", ""]);
    expect(asked).toContainEqual(["", "credentials", "since"]);
  });

  it("stands for all that is inside", () => {
    expect(describedParam(z.object({ a: z.bigint() }), { type: "object" })?.schema).toEqual({ type: "object" });
  });

  it("leaves it open whether the parameter is required", () => {
    expect(describedParam(z.nan().optional(), DATE)).toEqual({ name: "a", schema: DATE, isRequired: false });
  });

  it("may refer to definitions that exist, and to no others", () => {
    expect(describedParam(z.nan(), { $ref: "#/$defs/Point" })?.schema).toEqual({ $ref: "#/$defs/Point" });
    for (const $ref of ["#/$defs/Nothing", "#/$defs/toString", "https://example.com/schema"]) {
      expect(() => describedParam(z.nan(), { $ref })).toThrow("refers to no definition");
      const when = z.strictObject({ when: z.nan() }).meta({ id: "When" });
      const methods = { do_job: method({ params: { when }, result: when }) };
      const override = ({ schema }: { schema: z.ZodType }) => (schema instanceof z.ZodNaN ? { $ref } : undefined);
      const both = defineService({ name: "s", version: "1.0.0", methods });
      expect(() => describeService(both, { override })).toThrow("refers to no definition");
    }
  });
});

describe("a reference of an override that leads nowhere is found", () => {
  const nowhere = { $ref: "#/$defs/Nowhere" };
  it.each([
    ...["items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"],
    ...["unevaluatedItems", "unevaluatedProperties", "contentSchema"],
  ])("in %s", (keyword) => {
    expect(() => describedParam(z.nan(), { [keyword]: nowhere })).toThrow("refers to no definition");
  });

  it.each(["properties", "patternProperties", "dependentSchemas"])("in one of %s", (keyword) => {
    expect(() => describedParam(z.nan(), { [keyword]: { a: nowhere } })).toThrow("refers to no definition");
  });

  it.each(["anyOf", "oneOf", "allOf", "prefixItems"])("in the list %s", (keyword) => {
    expect(() => describedParam(z.nan(), { [keyword]: [{}, nowhere] })).toThrow("refers to no definition");
  });
});

it("an endless schema is refused, with its place", () => {
  const endless = (): z.ZodType => z.object({ more: z.lazy(() => endless()).optional(), text: z.string() });
  const service = defineService({
    name: "s",
    version: "1.0.0",
    methods: { take: method({ params: { given: endless() } }) },
  });
  for (
    let attempt = 0;
    attempt < 2;
    attempt++ // zod has walked a part of it by the second
  )
    expect(() => describeService(service)).toThrow(
      expect.objectContaining({
        reason: "bad_option",
        message: expect.stringContaining("bad option: take.params: has no JSON Schema"),
      }),
    );
});

it("limits of a method are described as they are set, of methods and reactions", () => {
  const limits = { call: { maxNodes: 100_000, maxDepth: undefined }, result: { maxPacketBytes: 5_000 } };
  const limited = method({ params: {}, result: z.int(), limits });
  const plain = method({ params: {}, limits: { call: {}, result: undefined } });
  const all = { limited, plain };
  const { methods, reactions } = describeService(
    defineService({ name: "s", version: "1.0.0", methods: all, reactions: all }),
  );
  for (const section of [methods, reactions]) {
    expect(section["limited"]?.limits).toEqual({ call: { maxNodes: 100_000 }, result: { maxPacketBytes: 5_000 } });
    expect(section["plain"]).not.toHaveProperty("limits");
  }
});

describe("the hash", () => {
  const base = { name: "s", version: "1.0.0" };
  const of = (spec: object) => describeService(defineService({ ...base, methods: {}, ...spec } as never)).hash;
  const params = { a: z.string(), b: z.int() };
  const one = { methods: { m: method({ params }), n: method({ params: {} }) } };

  it.each<[string, object, object]>([
    ["the version", one, { ...one, version: "2.0.0" }],
    ["the order of methods", one, { methods: { n: one.methods.n, m: one.methods.m } }],
    ["titles and descriptions", one, { ...one, title: "t", description: "d" }],
    [
      "texts of a method",
      one,
      { methods: { ...one.methods, m: method({ params, title: "t", deprecated: "d", examples: [{ a: "", b: 1 }] }) } },
    ],
    [
      "texts of a schema",
      one,
      {
        methods: {
          ...one.methods,
          m: method({ params: { ...params, a: z.string().meta({ title: "t", examples: ["e"] }) } }),
        },
      },
    ],
    [
      "the order of keys in an object",
      { methods: { m: method({ params: { o: z.strictObject(params) } }) } },
      { methods: { m: method({ params: { o: z.strictObject({ b: params.b, a: params.a }) } }) } },
    ],
    [
      "the id of a schema",
      { methods: { m: method({ params: { o: z.strictObject(params).meta({ id: "One" }) } }) } },
      { methods: { m: method({ params: { o: z.strictObject(params).meta({ id: "Other" }) } }) } },
    ],
    [
      "limits that are not set",
      { methods: { m: method({ params, result: z.int() }) } },
      {
        methods: {
          m: method({ params, result: z.int(), limits: { call: { maxNodes: undefined }, result: {} } }),
        },
      },
    ],
  ])("does not depend on %s", (_, a, b) => expect(of(a)).toBe(of(b)));

  it.each<[string, object, object]>([
    ["the name", one, { ...one, name: "t" }],
    [
      "the order of parameters",
      one,
      { methods: { ...one.methods, m: method({ params: { b: params.b, a: params.a } }) } },
    ],
    ["a schema", one, { methods: { ...one.methods, m: method({ params: { a: z.string().max(5), b: params.b } }) } }],
    [
      "a schema behind a reference",
      { methods: { m: method({ params: { o: z.string().meta({ id: "I" }) } }) } },
      { methods: { m: method({ params: { o: z.int().meta({ id: "I" }) } }) } },
    ],
    ["a body", one, { methods: { ...one.methods, m: method({ params, body: "manual" }) } }],
    ["a body of unknown length", one, { methods: { ...one.methods, m: method({ params, body: "unknown" }) } }],
    [
      "whether a parameter is required",
      one,
      { methods: { ...one.methods, m: method({ params: { a: params.a, b: params.b.optional() } }) } },
    ],
    ["a result", one, { methods: { ...one.methods, m: method({ params, result: z.string() }) } }],
    [
      "a result's body",
      { methods: { m: method({ params, result: z.int() }) } },
      { methods: { m: method({ params, result: z.int(), resultBody: (n) => n }) } },
    ],
    ["whether it may be retried", one, { methods: { ...one.methods, m: method({ params, idempotent: true }) } }],
    [
      "a limit of calls",
      one,
      { methods: { ...one.methods, m: method({ params, limits: { call: { maxNodes: 9 } } }) } },
    ],
    [
      "the number of a limit",
      { methods: { m: method({ params, limits: { call: { maxNodes: 9 } } }) } },
      { methods: { m: method({ params, limits: { call: { maxNodes: 10 } } }) } },
    ],
    [
      "whether a limit is one of calls or of results",
      { methods: { m: method({ params, result: z.int(), limits: { call: { maxNodes: 9 } } }) } },
      { methods: { m: method({ params, result: z.int(), limits: { result: { maxNodes: 9 } } }) } },
    ],
    [
      "a limit of a reaction",
      { ...one, reactions: { r: method({ params: {} }) } },
      { ...one, reactions: { r: method({ params: {}, limits: { call: { maxDepth: 3 } } }) } },
    ],
    ["a reaction", one, { ...one, reactions: { r: method({ params: {} }) } }],
    ["a value", one, { ...one, values: { Point } }],
    ["credentials", one, { ...one, credentials: { token: z.string() } }],
  ])("depends on %s", (_, a, b) => expect(of(a)).not.toBe(of(b)));
});
