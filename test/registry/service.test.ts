/**
 * Definitions: what is checked when they are made, and what their values write.
 */
import { defineService, describeService, HostingEnv, method, repr, value } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const nothing = method({ params: {} });
const spec = { name: "s", version: "1.0.0", methods: { nothing } };

describe("defineService", () => {
  it("keeps what it is given, in its order", () => {
    const service = defineService({
      ...spec,
      title: "S",
      description: "a service",
      methods: { b: nothing, a: nothing },
    });
    expect(service).toMatchObject({ name: "s", version: "1.0.0", title: "S", description: "a service" });
    expect(Object.keys(service.methods)).toEqual(["b", "a"]);
    expect([service.reactions, service.values, service.credentials]).toEqual([{}, {}, undefined]);
  });

  it.each([
    "",
    "a b",
    "1a",
    "a.",
    ".a",
    "a..b",
    "a-b",
    "é",
    "$hbi.ping",
    "a$b",
    "HbiError",
    "None",
    "nan",
    "__hbi_init__",
    "__hbi_cleanup__",
    "__proto__",
  ])("refuses the name %j, of a service, a method, a reaction, a value", (name) => {
    const own = <T>(member: T): Record<string, T> =>
      JSON.parse(JSON.stringify({ [name]: 1 }), (key, it) => (key === name ? member : it));
    const named = <T>(member: T) =>
      name === "__proto__" ? Object.defineProperty({}, name, { value: member, enumerable: true }) : own(member);
    expect(() => defineService({ ...spec, name })).toThrow("cannot be the name of a service");
    expect(() => defineService({ ...spec, methods: named(nothing) as never })).toThrow(
      /cannot be the name|no handler|is not/,
    );
    expect(() => defineService({ ...spec, reactions: named(nothing) as never })).toThrow(/cannot be the name|is not/);
    const made = value({ params: {}, make: () => 1 });
    expect(() => defineService({ ...spec, values: named(made) as never })).toThrow(/cannot be the name|is not/);
  });

  it.each(["title", "description", "foreign", "reactions", "values", "credentials"])(
    "takes %s that is undefined as absent",
    (member) => {
      const absent = defineService(spec);
      const given = defineService({ ...spec, [member]: undefined });
      expect({ ...given }).toEqual({ ...absent });
      expect(describeService(given)).toEqual(describeService(absent));
    },
  );

  it.each(["1.0", "v1.0.0", "1.0.0.0", "", "1.0.0-", "latest"])("refuses the version %j", (version) => {
    expect(() => defineService({ ...spec, version })).toThrow("must have the form 1.0.0");
  });

  it.each([
    ...["1.0.0", "0.0.1", "1.2.3-beta.1", "1.2.3+build.5", "1.2.3-Az-09.+"],
    ...["123456789.123456789.123456789", `1.0.0-${"a".repeat(64)}`],
  ])("takes the version %j", (version) => {
    expect(defineService({ ...spec, version }).version).toBe(version);
  });

  it.each([
    ["a method that is none", { methods: { a: { params: {} } } }, "method a is not a method()"],
    ["a reaction that is none", { reactions: { a: () => 1 } }, "reaction a is not a method()"],
    ["a value that is none", { values: { A: class {} } }, "A is not a value()"],
    ["no methods", { methods: undefined }, "no methods"],
    ["a credential without a schema", { credentials: { token: "string" } }, "credential token has no zod schema"],
    ["a dotted credential", { credentials: { "a.b": z.string() } }, "cannot be the name of a credential"],
    ["an unknown key", { handlers: {} }, 'unknown option "handlers" of defineService'],
    [
      "a method and a value of one name",
      { values: { nothing: value({ params: {}, make: () => 1 }) } },
      "nothing is a method and a value",
    ],
  ])("refuses %s", (_, more, message) => {
    expect(() => defineService({ ...spec, ...more } as never)).toThrow(message);
  });
});

describe("method", () => {
  it.each<[string, object, string]>([
    ["without params", {}, "method without params"],
    ["with a parameter that has no schema", { params: { a: 1 } }, "parameter a has no zod schema"],
    ["with a parameter that no peer can name", { params: { "a b": z.string() } }, "cannot be the name of a parameter"],
    ["with a parameter that a number names", { params: { 0: z.string() } }, "cannot be the name of a parameter"],
    [
      "with a key that is none",
      { params: {}, results: z.string() },
      'unknown option "results" of method(); did you mean "result"?',
    ],
    ["with a result that is no schema", { params: {}, result: {} }, "result is not a zod schema"],
    ["with a body that is no function", { params: {}, body: 5 }, "body must be a function"],
    [
      "with raw data behind no result",
      { params: {}, resultBody: () => 5 },
      "resultBody must be a function of the declared result",
    ],
    [
      "with raw data of a fixed length",
      { params: {}, result: z.int(), resultBody: 5 },
      "resultBody must be a function",
    ],
    [
      "with a result that would be transformed twice",
      { params: {}, result: z.object({ a: z.string().transform((a) => a.length) }) },
      'transform at "a"',
    ],
    [
      "with a transform deep in a result",
      { params: {}, result: z.array(z.union([z.int(), z.tuple([z.string().transform(Number)])])) },
      'transform at "[].0"',
    ],
    [
      "with a transform in the rest of a tuple",
      { params: {}, result: z.tuple([z.int()], z.string().transform(Number)) },
      'transform at "[]"',
    ],
    [
      "with a transform in a set",
      { params: {}, result: z.object({ a: z.set(z.string().transform(Number)) }) },
      'transform at "a.[]"',
    ],
    [
      "with a transform in a part of an intersection",
      { params: {}, result: z.intersection(z.object({ a: z.int() }), z.object({ b: z.string().transform(Number) })) },
      'transform at "b"',
    ],
  ])("%s fails where it is written", (_, bad, message) => {
    expect(() => method(bad as never)).toThrow(message);
  });

  it("takes transforms of parameters, which run at the handler alone, and recursive results", () => {
    const Node: z.ZodType = z.object({
      get children() {
        return z.array(Node);
      },
    });
    expect(method({ params: { a: z.string().transform(Number) }, result: Node }).answers).toBe(true);
  });
});

describe("the length of raw data", () => {
  const sized = method({
    params: { n: z.number() },
    body: ({ n }) => n,
    result: z.number(),
    resultBody: (size) => size,
  });
  it.each<[number, number | undefined]>([
    [0, 0],
    [5, 5],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [2 ** 53, undefined],
    [-1, undefined],
    [0.5, undefined],
    [Number.NaN, undefined],
  ])("is a whole number of bytes, or not known: %d", (n, bytes) => {
    expect(sized.bodyBytes({ n })).toBe(bytes);
    expect(sized.resultBytes(n)).toBe(bytes);
  });

  it("is 0 where none is declared, and not known where the handler alone knows or the function fails", () => {
    expect([nothing.bodyBytes({}), nothing.resultBytes(undefined)]).toEqual([0, 0]);
    expect(method({ params: {}, body: "manual" }).bodyBytes({})).toBeUndefined();
    const failing = () => {
      throw new Error("no");
    };
    expect(method({ params: {}, body: failing }).bodyBytes({})).toBeUndefined();
  });
});

it("a schema without end is refused, and does not hang", () => {
  const endless = (): z.ZodType => z.lazy(() => z.object({ next: endless().optional() }));
  expect(() => method({ params: {}, result: endless() })).toThrow("an endless schema");
});

describe("values", () => {
  class Point {
    readonly x: number;
    constructor(x: number) {
      this.x = x;
    }
  }
  const point = value({ params: { x: z.number() }, make: ({ x }) => new Point(x), is: (it) => it instanceof Point });

  it("write their instances as constructor calls, wherever these stand", () => {
    const env = new HostingEnv();
    expect(env.writer).toBeUndefined();
    env.construct("Point", point);
    expect(repr([{ at: new Point(1) }], "json", 32, env.writer)).toBe('[{"at":Point(1)}]');
    expect(() => repr(new ArrayBuffer(1), "json", 32, env.writer)).toThrow("is an ArrayBuffer");
    expect(() => repr(new Point(1))).toThrow("is an instance of Point");
  });

  it("have a schema where they recognise their instances", () => {
    expect(point.schema.safeParse(new Point(1)).success).toBe(true);
    expect(point.schema.safeParse({ x: 1 }).success).toBe(false);
    expect(point.schema).toBe(point.schema);
    expect(() => value({ params: {}, make: () => 1 }).schema).toThrow("without `is` has no schema");
  });
});
