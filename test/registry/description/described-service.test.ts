/**
 * A definition made of a description alone calls the service that was described.
 */
import {
  type DescribedOptions,
  type DescribedService,
  defineService,
  describedService,
  describeService,
  type JsonSchema,
  Link,
  memoryTransportPair,
  method,
  type Service,
  type ServiceDescription,
  ServiceHost,
  value,
} from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { handlersOf, kinds, Point, Work } from "../../endpoints/service/fixture.ts";

type Calls = Link<DescribedService>["call"];

/** A link that knows the service by its description alone. */
async function connected(options: DescribedOptions = {}) {
  const work = new Work();
  const host = new ServiceHost<typeof kinds>(kinds, handlersOf(work), {});
  const dial = async () => {
    const [near, far] = memoryTransportPair();
    void host.accept(far);
    return near;
  };
  const published = JSON.parse(JSON.stringify(describeService(kinds))) as ServiceDescription;
  const service = describedService(published, options);
  const link = await new Link<DescribedService>(service, dial, {}, {}).open();
  return { link, service, work, [Symbol.asyncDispose]: () => link.close() };
}

function called(call: Calls, name: string, params: Record<string, unknown> = {}): Promise<unknown> {
  const method = call[name];
  if (method === undefined) throw new Error(`${name} is not there`);
  return method(params);
}

describe("a link from a description", () => {
  it.each<[string, Record<string, unknown>, unknown]>([
    ["add", { a: 1, b: 2 }, 3],
    ["options", { third: 9, first: "a" }, ["a", null, 9]],
    ["options", { first: "a" }, ["a", null, 3]],
    ["nothing", {}, undefined],
    ["echo", { value: { list: [1, "two", null] } }, { list: [1, "two", null] }],
    ["svc.ping", { n: 1 }, 1],
  ])("calls %s with %j", async (name, params, result) => {
    await using test = await connected();
    expect(await called(test.link.call, name, params)).toEqual(result);
  });

  it("posts", async () => {
    await using test = await connected();
    const posted = await test.link.post["note"]?.({ text: "hello" });
    await posted?.waitCompleted();
    expect(test.work.noted).toEqual(["hello"]);
  });

  it("sends and gets values of the service, whose members are their parameters", async () => {
    await using test = await connected();
    const at = test.service.values["Point"]?.spec.make({ x: 1, y: 2 });
    const mirrored = await called(test.link.call, "mirror", { at });
    expect(mirrored).toEqual({ x: 2, y: 1 });
    expect(await called(test.link.call, "mirror", { at: mirrored })).toEqual({ x: 1, y: 2 });
    await expect(called(test.link.call, "mirror", { at: { x: 1, y: 2 } })).rejects.toMatchObject({
      reason: "bad_argument",
    });
    await expect(called(test.link.call, "mirror", { at: new Point(1, 2) })).rejects.toMatchObject({
      reason: "bad_argument",
    });
  });

  it("sends declared raw data by hand, and by a function that gives its length", async () => {
    await using byHand = await connected();
    const bytes = Uint8Array.of(1, 2, 3);
    const send = async (co: { sendData(data: Uint8Array): Promise<void> }) => co.sendData(bytes);
    expect(await byHand.link.call["upload"]?.({ size: 3 }, { send })).toMatchObject({ sum: 6 });
    await using declared = await connected({ bodies: { upload: ({ size }) => Number(size) } });
    expect(await declared.link.call["upload"]?.({ size: 3 }, { body: bytes })).toMatchObject({ sum: 6 });
  });

  it("gets raw data behind a result whose length a function gives; without it nothing is sent", async () => {
    const size = (result: unknown) => (result as { size: number }).size;
    await using test = await connected({ resultBodies: { download: size } });
    const { body } = (await called(test.link.call, "download", { size: 4, fill: 7 })) as { body: import("hbi").Body };
    expect(await body.bytes()).toEqual(Uint8Array.of(7, 7, 7, 7));
    await using without = await connected();
    await expect(called(without.link.call, "download", { size: 4, fill: 7 })).rejects.toMatchObject({
      reason: "bad_argument",
      message: expect.stringContaining("the length of its raw data is unknown"),
    });
    expect(await called(without.link.call, "add", { a: 1, b: 1 })).toBe(2);
  });

  it("sends and reads bodies of unknown length", async () => {
    const pond = defineService({
      name: "pond",
      version: "1.0.0",
      methods: { pour: method({ params: {}, body: "unknown", result: z.int(), resultBody: "unknown" }) },
    });
    const pour = async (_: unknown, call: { bytes(): Promise<Uint8Array> }) => {
      const body = await call.bytes();
      return { result: body.length, body };
    };
    const test = await testLink(describedService(describeService(pond)) as unknown as typeof pond, () => ({ pour }));
    const { result, body } = await test.link.call.pour({}, { body: [Uint8Array.of(1, 2), Uint8Array.of(3)] });
    expect([result, [...(await body.bytes())]]).toEqual([3, [1, 2, 3]]);
    await test.close();
  });

  it("shows the credentials that the service asks for", async () => {
    const vault = defineService({
      name: "vault",
      version: "1.0.0",
      methods: { who: method({ params: {}, result: z.string() }) },
      credentials: { token: z.string() },
    });
    const host = new ServiceHost<typeof vault, string>(vault, (peer) => ({ who: () => peer.context }), {
      authenticate: ({ token }) => token,
      log: () => undefined,
    });
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      void host.accept(far);
      return near;
    };
    const described = describedService(describeService(vault));
    const link = await new Link<DescribedService>(described, dial, {}, { credentials: { token: "Ali" } }).open();
    expect(await called(link.call, "who")).toBe("Ali");
    await link.close();
    await expect(new Link<DescribedService>(described, dial, {}, {}).open()).rejects.toMatchObject({
      message: expect.stringContaining("credentials are declared: pass { credentials }"),
    });
  });
});

it.each<[string, DescribedOptions, string]>([
  ["a length of a method that does not exist", { bodies: { nobody: () => 1 } }, "nobody"],
  ["a length of a method without a body", { bodies: { add: () => 1 } }, "add"],
  ["a length of a body that is manual", { bodies: { several: () => 1 } }, "several"],
  ["a length of a result without raw data", { resultBodies: { upload: () => 1 } }, "upload"],
  ["a name of every object", { bodies: { constructor: () => 1 } }, "constructor"],
])("refuses %s", (_, options, name) => {
  expect(() => describedService(describeService(kinds), options)).toThrow(
    expect.objectContaining({ reason: "bad_option", message: expect.stringContaining(name) }),
  );
});

it("raw data behind a result means nothing where no result is described", () => {
  const described = describeService(kinds);
  const { result: _, ...download } = described.methods["download"] as NonNullable<
    ServiceDescription["methods"][string]
  >;
  const service = describedService({ ...described, methods: { download } });
  expect(service.methods["download"]?.spec.resultBody).toBeUndefined();
});

it("refuses what is no description", () => {
  expect(() => describedService({} as never)).toThrow(expect.objectContaining({ reason: "bad_option" }));
});

// --- what is checked before anything is sent ---------------------------------------------------------------------------

/** Whether a value is let through, for a parameter of this schema. */
function lets(service: Service, given: unknown): boolean {
  try {
    service.methods["take"]?.signature.validate("take", { a: given });
    return true;
  } catch {
    return false;
  }
}

const point = value({
  params: { x: z.number() },
  make: ({ x }) => new Point(x, 0),
  is: (candidate) => candidate instanceof Point,
});
const taking = (a: z.ZodType) =>
  defineService({
    name: "s",
    version: "1.0.0",
    methods: { take: method({ params: { a } }) },
    values: { Point: point },
  });
const Tree: z.ZodType = z.strictObject({
  name: z.string(),
  get kids() {
    return z.array(Tree);
  },
});

describe("values that the service would refuse", () => {
  it.each<[string, z.ZodType, good: unknown[], refused: unknown[], left: unknown[]]>([
    ["of another type", z.string(), ["", "é"], [1, null, undefined, {}], []],
    ["beyond their bounds", z.int().min(1).max(3), [1, 3], [0, 4, 1.5], []],
    ["of another length", z.string().min(1).max(2), ["a", "ab"], ["", "abc"], []],
    ["that are none of a few", z.enum(["a", "b"]), ["a"], ["c", 1], []],
    ["left out", z.string().optional(), ["a", undefined], [1], []],
    ["with a default", z.int().default(3), [1, undefined], ["1"], []],
    [
      "inside of lists and objects",
      z.array(z.strictObject({ n: z.int() })),
      [[], [{ n: 1 }]],
      [[{ n: "1" }], [{}], [{ n: 1, m: 1 }]],
      [],
    ],
    ["of one kind or another", z.union([z.string(), z.null()]), ["a", null], [1], []],
    ["in a record", z.record(z.string(), z.int()), [{ a: 1 }], [{ a: "1" }, []], []],
    ["in a tuple", z.tuple([z.string(), z.int()]), [["a", 1]], [[1, 1]], []],
    ["bytes", z.instanceof(Uint8Array), [new Uint8Array(1)], ["AA==", [1]], []],
    [
      "bytes in an object: by the service",
      z.strictObject({ b: z.instanceof(Uint8Array) }),
      [{ b: new Uint8Array(1) }],
      [],
      [{ b: 1 }, {}],
    ],
    ["values in a list: by the service", z.array(point.schema), [[]], [1], [[1]]],
    ["patterns: by the service", z.string().regex(/^a+$/), ["a"], [1], ["b"]],
    ["formats: by the service", z.email(), ["a@b.cd"], [1], ["b"]],
    [
      "deeper in a recursive type: by the service",
      Tree,
      [{ name: "a", kids: [] }],
      [{ name: 1, kids: [] }, { name: "a" }],
      [{ name: "a", kids: [{ name: 1 }] }],
    ],
  ])("%s", (_, schema, good, refused, left) => {
    const described = describedService(describeService(taking(schema))) as unknown as Service;
    const real = taking(schema) as unknown as Service;
    for (const one of good) expect([lets(described, one), lets(real, one)]).toEqual([true, true]);
    for (const one of refused) expect([lets(described, one), lets(real, one)]).toEqual([false, false]);
    for (const one of left) expect([lets(described, one), lets(real, one)]).toEqual([true, false]);
  });
});

it("has the limits of methods that this version knows", () => {
  const limits = { call: { maxNodes: 20 }, result: { maxNodes: 30 } };
  const limited = defineService({
    name: "limited",
    version: "1.0.0",
    methods: { count: method({ params: { rows: z.array(z.int()) }, result: z.int(), limits }) },
  });
  const said = JSON.parse(JSON.stringify(describeService(limited)));
  expect(describedService(said).methods["count"]?.spec.limits).toEqual(limits);
  said.methods.count.limits = { call: { maxNodes: 20, maxFuture: 5 }, result: { maxFuture: 5 }, later: {} };
  expect(describedService(said).methods["count"]?.spec.limits).toEqual({ call: { maxNodes: 20 } });
});

describe("hostile schemas", () => {
  const plain = describeService(taking(z.string()));
  const withSchema = (schema: JsonSchema, $defs: Record<string, JsonSchema> = {}) =>
    describedService({
      ...plain,
      methods: {
        take: { ...(plain.methods["take"] as object), params: [{ name: "a", schema, isRequired: true }] } as never,
      },
      $defs,
    }) as unknown as Service;
  const twice = (name: string): JsonSchema => ({ anyOf: [{ $ref: `#/$defs/${name}` }, { $ref: `#/$defs/${name}` }] });
  const chain = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`d${i}`, twice(`d${i + 1}`)]));
  const SLOW = { type: "string", pattern: "^(a+)+$" };
  const ENDLESS = `${"a".repeat(60)}b`;
  let types: JsonSchema = { type: "string" };
  for (let i = 0; i < 30; i++) types = { type: ["object", "object", "object"], properties: { p: types } };

  const lists = (depth: number): JsonSchema =>
    depth === 0 ? { type: "string" } : { type: "array", items: lists(depth - 1) };
  const listed = (depth: number): unknown => (depth === 0 ? 1 : [listed(depth - 1)]);

  it.each<[string, JsonSchema, Record<string, JsonSchema>, unknown, boolean]>([
    ["a keyword that nobody knows", { type: "string", odd: 1 }, {}, "a", true],
    ["`not` and `if`", { not: { type: "string" }, if: { type: "string" }, else: false }, {}, "a", true],
    ["a type that is none", { type: "text" }, {}, 1, true],
    ["members that are none", { type: "object", properties: 1, required: 2 }, {}, 1, true],
    ["enumerated objects", { enum: [{ a: 1 }] }, {}, { a: 1 }, true],
    [
      "surplus members beside patterns",
      { type: "object", patternProperties: { "^x": {} }, additionalProperties: false },
      {},
      { y: 1 },
      true,
    ],
    [
      "exactly one of several",
      {
        oneOf: [
          { type: "string", pattern: "a" },
          { type: "string", pattern: "b" },
        ],
      },
      {},
      "a",
      true,
    ],
    ["one of several, none of which accepts it", { oneOf: [{ type: "string" }, { type: "null" }] }, {}, 1, false],
    ["one of several, and any of others", { oneOf: [{ type: "null" }], anyOf: [{ type: "integer" }] }, {}, 1, true],
    ["a type 31 levels down", lists(31), {}, listed(31), false],
    ["a type 32 levels down", lists(32), {}, listed(32), true],
    ["a pattern that takes for ever", SLOW, {}, ENDLESS, true],
    ["a list of items, as in older drafts", { type: "array", items: [SLOW] }, {}, [ENDLESS], true],
    ["a list of members", { type: "object", properties: [SLOW] }, {}, { 0: ENDLESS }, true],
    ["a list as a part", { anyOf: [[SLOW]] }, {}, ENDLESS, true],
    ["a constant list", { const: [1] }, {}, [1], true],
    ["references that double at every step", { $ref: "#/$defs/d0" }, { ...chain, d100: { type: "string" } }, 1, true],
    ["types that are said three times", types, {}, "a", false],
    ["a schema of 2,000 parts", { anyOf: Array.from({ length: 1_999 }, () => ({ type: "string" })) }, {}, 1, false],
    ["a schema of 2,001 parts", { anyOf: Array.from({ length: 2_000 }, () => ({ type: "string" })) }, {}, 1, true],
  ])("with %s", (_, schema, $defs, given, isLet) => {
    expect(lets(withSchema(schema, $defs), given)).toBe(isLet);
  });
});
