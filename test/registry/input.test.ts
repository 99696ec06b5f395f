/**
 * `input`: one schema for all arguments of a method, which are passed by name.
 */

import fc from "fast-check";
import {
  asyncApiDocument,
  callsOver,
  compareServices,
  defineService,
  describedService,
  describeService,
  HostingEnv,
  method,
  parseScript,
  resolveLimits,
} from "hbi";
import { checkService, conversation, packet, testLink, validCalls } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { barePeer } from "../support/pair.ts";

const range = z
  .object({ from: z.int(), to: z.int().default(10) })
  .refine(({ from, to }) => from <= to, "from above to");
const shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("circle"), radius: z.number() }),
  z.object({ kind: z.literal("square"), side: z.number(), name: z.string().optional() }),
]);
const many = z.object(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`field_${i}`, z.int().optional()])));
const shapes = defineService({
  name: "shapes",
  version: "1.0.0",
  methods: {
    count: method({ input: range, result: z.number() }),
    area: method({ input: shape, result: z.number() }),
    fields: method({ input: many, result: z.int() }),
    parse: method({ input: z.object({ text: z.string() }).transform(({ text }) => text.split(" ")), result: z.int() }),
    upload: method({
      input: z.object({ size: z.int(), twice: z.boolean().default(false) }).refine(({ size }) => size !== 13),
      body: ({ size, twice }) => size * (twice ? 2 : 1),
      result: z.int(),
      resultBody: (n) => n,
    }),
    exact: method({ input: z.strictObject({ a: z.int(), b: z.int().optional() }), result: z.json() }),
    all: method({ input: z.intersection(z.object({ a: z.int() }), z.object({ b: z.int() })), result: z.number() }),
    nothing: method({ input: z.object({}) }),
  },
  reactions: { moved: method({ input: range, result: z.int() }) },
});

const handlers = {
  count: ({ from, to }: { from: number; to: number }) => to - from,
  area: (given: z.output<typeof shape>) => (given.kind === "circle" ? given.radius * 3 : given.side ** 2),
  fields: (given: object) => Object.keys(given).length,
  parse: (words: string[]) => words.length,
  upload: async ({ size }: { size: number }, call: { bytes(): Promise<Uint8Array> }) => {
    await call.bytes();
    return { result: size, body: new Uint8Array(size) };
  },
  exact: (given: { a: number }) => given as never,
  all: ({ a, b }: { a: number; b: number }) => a + b,
  nothing: () => undefined,
};
const reactions = { moved: ({ from, to }: { from: number; to: number }) => to - from };
const linked = () => testLink(shapes, () => handlers, { reactions });

describe("a call", () => {
  it("passes what the schema accepts, and the handler gets what it returns", async () => {
    const { link, peer } = await linked();
    expect(await link.call.count({ from: 1 })).toBe(9);
    expect(await link.call.count({ from: 1, to: 3 })).toBe(2);
    expect(await link.call.area({ kind: "circle", radius: 2 })).toBe(6);
    expect(await link.call.area({ kind: "square", side: 2, name: "it" })).toBe(4);
    expect(await link.call.parse({ text: "one two three" })).toBe(3);
    expect(await link.call.all({ a: 1, b: 2 })).toBe(3);
    expect(await link.call.nothing()).toBe(undefined);
    expect(await peer.call.moved({ from: 4 })).toBe(6);
    const all = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`field_${i}`, i]));
    expect(await link.call.fields(all)).toBe(300);
    expect(await link.call.fields()).toBe(0);
    await link.close();
  });

  it.each<[string, (call: Awaited<ReturnType<typeof linked>>["link"]["call"]) => Promise<unknown>, string]>([
    ["a rule across members", (call) => call.count({ from: 11 }), "count"],
    ["a member", (call) => call.count({ from: "x" as never }), "from: expected number"],
    ["no branch", (call) => call.area({ kind: "line" } as never), "area"],
    [
      "a member of the branch",
      (call) => call.area({ kind: "circle", radius: "x" as never }),
      "radius: expected number",
    ],
    ["a surplus member of a strict object", (call) => call.exact({ a: 1, c: 2 } as never), "exact"],
    ["no record", (call) => call.count(5 as never), "count"],
  ])("is refused before it is sent: %s", async (_, call, message) => {
    const { link } = await linked();
    await expect(call(link.call)).rejects.toMatchObject({
      reason: "bad_argument",
      message: expect.stringContaining(message),
    });
    await link.close();
  });

  it("is written by name, without what the schema drops", async () => {
    const codes: string[] = [];
    const { call } = callsOver(shapes, {
      carry: async ({ code }) => {
        codes.push(code);
        return [1];
      },
    });
    await call.exact({ b: 2, a: 1 });
    const given = { from: 5, passwordHash: "x" };
    await call.count(given);
    expect(codes).toEqual(["exact(a=1,b=2)", "count(from=5)"]);
  });

  it("takes and returns raw data", async () => {
    const { link } = await linked();
    const { result, body } = await link.call.upload({ size: 3, twice: true }, { body: new Uint8Array(6) });
    expect([result, (await body.bytes()).length]).toEqual([3, 3]);
    await link.close();
  });

  it("is composed in a script", async () => {
    const { link } = await linked();
    expect(await link.script((s) => s.count({ from: s.count({ from: 8 }), to: 4 }))).toBe(2);
    expect(await link.script((s) => [s.area({ kind: "circle", radius: s.count({ from: 9 }) }), s.nothing()])).toEqual([
      3,
      undefined,
    ]);
    await expect(link.script((s) => s.count({ from: 11 }))).rejects.toMatchObject({ reason: "bad_argument" });
    await expect(link.script((s) => s.count({ from: s.count({ from: 0 }), to: 9 }))).rejects.toMatchObject({
      reason: "bad_argument",
    });
    await expect(link.script((s) => s.count({ from: "x" as never, to: s.count({ from: 0 }) }))).rejects.toMatchObject({
      reason: "bad_argument",
      message: expect.stringContaining("from: expected number"),
    });
    await link.close();
  });
});

describe("a text of another peer", () => {
  it.each<[string, string]>([
    ["count(from=1)", "9"],
    ["count(to=3, from=1)", "2"],
    ["count(from=1, other=[])", "9"], // which z.object drops
    ["count(from=count(from=8))", "8"],
    ["area(side=2, kind='square')", "4"],
    ["fields()", "0"],
    ["count(1)", "takes its arguments by name"],
    ["count(from=1, __proto__={})", "no parameter __proto__"],
    ["exact(a=1, c=2)", "exact"],
    ["count(from=11)", "count"],
    ["area(kind='circle', side=2)", "radius: missing"],
  ])("%s", async (code, expected) => {
    const env = new HostingEnv().exposeAll(shapes.methods, handlers as never);
    const peer = await barePeer(env);
    const heard = await peer.say(packet("co_begin", "101;x") + packet("", code) + packet("co_end", "101"));
    expect(heard).toContain(expected);
    expect(heard).not.toContain("#err]");
    peer.destroy();
  });

  it.each<[string, boolean]>([
    ["upload(size=3)", true],
    ["upload(size=3, twice='x')", false],
    ["upload(size=13)", true],
    ["upload(size=3, thrice=1)", false],
    ["upload(size='x')", false],
    ["upload(3)", false],
  ])("%s: whether the length of its raw data is known: %s", async (code, isKnown) => {
    const env = new HostingEnv().expose("upload", shapes.methods.upload, async (_, co) => {
      await co.recvData(new Uint8Array(3));
      return 3;
    });
    env.expose("note", method({ params: {} }), () => undefined);
    const peer = await barePeer(env);
    let heard = await peer.say(packet("co_begin", "101;x") + packet("", code));
    heard += await peer.say(
      "a".repeat(code.includes("13") ? 13 : 3),
      packet("co_end", "101"),
      conversation("102;x;n", "note()"),
    );
    expect(heard.includes("#err]")).toBe(!isKnown);
    peer.destroy();
  });

  it.each([
    ["1,000 arguments by name", 1_000, true],
    ["1,001", 1_001, false],
  ])("%s", (_, count, isRead) => {
    const text = `f(${Array.from({ length: count }, (_, i) => `a${i}=1`).join(",")})`;
    if (isRead) expect(parseScript(text, resolveLimits())).toHaveLength(1);
    else expect(() => parseScript(text, resolveLimits())).toThrow(expect.objectContaining({ reason: "too_many_keys" }));
  });
});

describe("a schema that is no object with declared members is refused where it is declared", () => {
  it.each<[string, z.ZodType, string]>([
    ["a text", z.string(), "input is of the kind string, not an object; declare params"],
    ["an array", z.array(z.int()), "input is of the kind array"],
    ["a record", z.record(z.string(), z.int()), "input is of the kind record"],
    ["anything", z.unknown(), "input is of the kind unknown"],
    ["a loose object", z.looseObject({ a: z.int() }), "input has undeclared members"],
    ["a catchall", z.object({ a: z.int() }).catchall(z.int()), "input has undeclared members"],
    ["an optional object", z.object({ a: z.int() }).optional(), "input is optional; let its members be that instead"],
    ["a nullable one", z.object({ a: z.int() }).nullable(), "input is nullable"],
    ["a default", z.object({ a: z.int() }).default({ a: 1 }), "input is default"],
    ["a union with a text", z.union([z.object({ a: z.int() }), z.string()]), "input is of the kind string"],
    ["a member that no peer can name", z.object({ "a-b": z.int() }), "cannot be the name of a parameter: a name"],
    ["a member that is a constant", z.object({ nil: z.int() }), "it is a constant"],
    ["an asynchronous rule", z.object({}).refine(async () => true), "asynchronous"],
    [
      "1,001 members",
      z.object(Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`m${i}`, z.int()]))),
      "1001 members of input, and at most 1000 are read (maxObjectKeys)",
    ],
  ])("%s", (_, input, message) => {
    expect(() => method({ input })).toThrow(message);
  });

  it.each<[string, object, string]>([
    ["neither", {}, "method without params"],
    ["both", { params: {}, input: z.object({}) }, "method with both params and input"],
    ["no schema", { input: {} }, "input is not a zod schema"],
  ])("%s", (_, spec, message) => expect(() => method(spec as never)).toThrow(message));

  it("any object is taken", () => {
    const a = z.object({ a: z.int() });
    const recursive: z.ZodType = z.lazy(() => z.union([a, recursive]));
    for (const input of [
      a.readonly(),
      a.catch({ a: 1 }),
      z.lazy(() => a),
      a.brand("x"),
      a.pipe(z.object({ a: z.int() })),
      z.preprocess((given) => given, a),
      z.union([a, z.object({ b: z.int() })]),
      recursive,
    ]) {
      expect(method({ input: input as typeof a }).signature.names[0]).toBe("a");
    }
  });
});

describe("a description", () => {
  const description = describeService(shapes);

  it("lists the members, and has the schema where the list does not say all of it", () => {
    expect(description.methods["count"]).toMatchObject({
      byName: true,
      params: [
        { name: "from", isRequired: true, schema: { type: "integer" } },
        { name: "to", isRequired: false, schema: { default: 10 } },
      ],
    });
    expect(description.methods["count"]).not.toHaveProperty("input");
    expect(description.methods["area"]).toMatchObject({
      byName: true,
      input: { oneOf: [{ required: ["kind", "radius"] }, { required: ["kind", "side"] }] },
    });
    expect(description.methods["area"]?.params.map(({ name, isRequired }) => [name, isRequired])).toEqual([
      ["kind", true],
      ["radius", false],
      ["side", false],
      ["name", false],
    ]);
    expect(description.methods["all"]?.params.map(({ name, isRequired }) => [name, isRequired])).toEqual([
      ["a", true],
      ["b", true],
    ]);
    const payloads = asyncApiDocument(shapes).components["messages"] as Record<string, object>;
    expect(payloads["methods.count.call"]).toMatchObject({ "x-hbi-by-name": true, payload: { required: ["from"] } });
    expect(payloads["methods.area.call"]).toMatchObject({ payload: { oneOf: [{}, {}] } });
  });

  it("is enough for a tool", async () => {
    const { link } = await linked();
    const told = describedService(await link.describe(), {
      bodies: { upload: () => 0 },
      resultBodies: { upload: () => 0 },
    });
    expect(told.methods["area"]?.signature).toMatchObject({
      isByName: true,
      names: ["kind", "radius", "side", "name"],
    });
    const { link: tool } = await testLink(told as never, () => handlers as never);
    const call = tool.call as Record<string, (given: object) => Promise<unknown>>;
    expect(await call["area"]?.({ kind: "circle", radius: 2 })).toBe(6);
    expect(await call["count"]?.({ from: 2 })).toBe(8);
    await expect(call["count"]?.({ from: "x" })).rejects.toMatchObject({ reason: "bad_argument" });
    await link.close();
    await tool.close();
  });

  const one = (m: ReturnType<typeof method>) =>
    defineService({ name: "s", version: "1.0.0", methods: { m: m as never } });
  const a = z.int();
  const b = z.string();
  it.each<[string, object, object, [string, string, boolean][]]>([
    ["another order", { input: z.object({ a, b }) }, { input: z.object({ b, a }) }, []],
    [
      "an optional member more",
      { input: z.object({ a }) },
      { input: z.object({ b: b.optional(), a }) },
      [["methods.m.params.b", "added", false]],
    ],
    [
      "a member less",
      { input: z.object({ a, b }) },
      { input: z.object({ b }) },
      [["methods.m.params.a", "removed", true]],
    ],
    [
      "another name",
      { input: z.object({ a }) },
      { input: z.object({ c: a }) },
      [
        ["methods.m.params.a", "removed", true],
        ["methods.m.params.c", "added", true],
      ],
    ],
    ["params before", { params: { a, b } }, { input: z.object({ a, b }) }, [["methods.m.params", "changed", true]]],
    ["no params before", { params: {} }, { input: z.object({}) }, [["methods.m.params", "changed", false]]],
    ["params since", { input: z.object({ a, b }) }, { params: { b, a } }, [["methods.m.params", "changed", false]]],
    [
      "a branch more",
      { input: z.union([z.object({ a }), z.object({ b })]) },
      { input: z.union([z.object({ a }), z.object({ b }), z.object({ c: a })]) },
      [["methods.m.input", "widened", false]],
    ],
    [
      "a branch less",
      { input: z.union([z.object({ a }), z.object({ b })]) },
      { input: z.strictObject({ a }) },
      [["methods.m.input", "narrowed", true]],
    ],
  ])("is compared: %s", (_, older, newer, changes) => {
    const [before, after] = [older, newer].map((spec) => one(method(spec as never)));
    if (before === undefined || after === undefined) throw new Error("two services");
    const found = compareServices(before, after).map(({ path, kind, isBreaking }) => [path, kind, isBreaking]);
    expect(found).toEqual(changes);
    expect(describeService(before).hash === describeService(after).hash).toBe(changes.length === 0);
  });
});

it("calls are generated and checked", async () => {
  const { fields: _, ...methods } = shapes.methods; // whose many members would take long
  const few = defineService({ name: "few", version: "1.0.0", methods });
  const names = new Set(fc.sample(validCalls(few), 100).map(({ name }) => name));
  expect(names.size).toBe(Object.keys(methods).length);
  const { fields: __, ...others } = handlers;
  const { findings } = await checkService(few, () => others, { runs: 5, seed: 1 });
  expect(findings).toEqual([]);
  const { findings: found } = await checkService(
    few,
    () => ({
      ...others,
      area: ({ kind }: { kind: string }) => {
        if (kind === "square") throw new Error("not yet");
        return 1;
      },
    }),
    { runs: 10, seed: 1 },
  );
  expect(found.map(({ kind, method: name }) => [kind, name])).toEqual([["unexpected_error", "area"]]);
});

it("a body is never placed by what an incomplete input would say", () => {
  const upload = method({
    input: z.object({ a: z.int() }).transform(({ a }) => ({ bytes: a })),
    body: ({ bytes }) => bytes ?? 0,
  });
  expect(upload.signature.probe({ a: "x" }, () => false)).toBe(undefined);
  expect(upload.bodyBytes(undefined)).toBe(undefined);
});
