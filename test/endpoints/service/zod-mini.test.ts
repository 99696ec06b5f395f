/**
 * A definition with the schemas of zod/mini is served and called as one of zod.
 */
import { type CredentialsOf, defineService, type HbiError, method, repr, value } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import * as z from "zod/mini";

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
const point = value({ params: { x: z.number() }, make: ({ x }) => new Point(x), is: (it) => it instanceof Point });

const shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("circle"), radius: z.number().check(z.positive()) }),
  z.strictObject({ kind: z.literal("square"), side: z.number() }),
]);
const node = z.object({
  name: z.string(),
  get children() {
    return z.array(node);
  },
});
const range = z
  .object({ from: z.int(), to: z.int() })
  .check(z.refine(({ from, to }) => from <= to, "must not end before it begins"));

const service = defineService({
  name: "mini",
  version: "1.0.0",
  methods: {
    checked: method({
      params: {
        name: z.string().check(z.minLength(2), z.maxLength(8), z.regex(/^[a-z]+$/)),
        count: z._default(z.int().check(z.minimum(1), z.maximum(9)), 1),
        tag: z.optional(z.nullable(z.string())),
        code: z.pipe(z.string(), z.transform(Number)),
        text: z.optional(z.string().check(z.trim(), z.toLowerCase())),
      },
      result: z.unknown(),
    }),
    either: method({ params: { one: z.union([z.int(), z.string()]), shape: z.optional(shape) }, result: z.unknown() }),
    walk: method({ params: { root: node }, result: node }),
    span: method({ input: range, result: z.int() }),
    upload: method({
      params: { size: z.int().check(z.nonnegative()) },
      body: ({ size }) => size,
      result: z.strictObject({ got: z.int(), first: z.optional(z.int()) }),
    }),
    download: method({
      params: { size: z.int() },
      result: z.object({ size: z.int().check(z.maximum(1_000)) }),
      resultBody: ({ size }) => size,
    }),
    move: method({ params: { to: point.schema }, result: point.schema }),
    wrong: method({ params: {}, result: z.object({ rows: z.array(z.string()) }) }),
  },
  reactions: { told: method({ params: { level: z.enum(["low", "high"]) }, result: z.boolean() }) },
  values: { Point: point },
  credentials: { token: z.string().check(z.minLength(4)) },
});

const open = (token = "open") =>
  testLink(
    service,
    (peer) => ({
      checked: (params) => params,
      either: (params) => params,
      walk: ({ root }) => root,
      span: ({ from, to }) => to - from,
      async upload({ size }, call) {
        const all: number[] = [];
        for await (const chunk of call.body) all.push(...chunk);
        await peer.call.told({ level: "high" });
        return size === 0 ? { got: 0 } : { got: all.length, first: all[0] };
      },
      download: ({ size }) => ({ result: { size }, body: new Uint8Array(size).fill(7) }),
      move: ({ to }) => new Point(to.x + 1),
      wrong: () => ({ rows: [1] }) as never,
    }),
    {
      reactions: { told: () => true },
      host: { authenticate: ({ token }: CredentialsOf<typeof service>) => token === "open", log: () => undefined },
      link: { credentials: { token } },
    },
  );

/** The method by its name, with arguments that its types refuse. */
async function called({ link }: Awaited<ReturnType<typeof open>>, name: string, given: object): Promise<unknown> {
  return Reflect.get(link.call, name)(given);
}

describe("what zod/mini declares arrives", () => {
  it.each<[method: string, given: object, answer: unknown]>([
    ["checked", { name: "ab", code: "12" }, { name: "ab", count: 1, code: 12 }],
    [
      "checked",
      { name: "abcdefgh", count: 9, tag: null, code: "0", text: "  Some  " },
      { name: "abcdefgh", count: 9, tag: null, code: 0, text: "some" },
    ],
    ["either", { one: 5 }, { one: 5 }],
    ["either", { one: "5", shape: { kind: "circle", radius: 2 } }, { one: "5", shape: { kind: "circle", radius: 2 } }],
    ["either", { one: 1, shape: { kind: "square", side: 0 } }, { one: 1, shape: { kind: "square", side: 0 } }],
    [
      "walk",
      { root: { name: "a", children: [{ name: "b", children: [], extra: 1 }] } },
      { name: "a", children: [{ name: "b", children: [] }] },
    ],
    ["span", { from: 2, to: 5 }, 3],
    ["move", { to: new Point(1) }, new Point(2)],
  ])("%s: %j", async (name, given, answer) => {
    await using connected = await open();
    expect(await called(connected, name, given)).toEqual(answer);
  });

  it("with bodies in both directions", async () => {
    await using connected = await open();
    const { call } = connected.link;
    expect(await call.upload({ size: 3 }, { body: new Uint8Array([4, 5, 6]) })).toEqual({ got: 3, first: 4 });
    expect(await call.upload({ size: 0 }, { body: new Uint8Array(0) })).toEqual({ got: 0 });
    const { result, body } = await call.download({ size: 1_000 });
    expect([result, (await body.bytes()).length]).toEqual([{ size: 1_000 }, 1_000]);
    expect(await connected.peer.call.told({ level: "low" })).toBe(true);
  });
});

describe("what zod/mini refuses is told as by zod", () => {
  it.each<[method: string, given: object, message: string]>([
    ["checked", { name: "a", code: "1" }, "name: must have at least 2 characters"],
    ["checked", { name: "abcdefghi", code: "1" }, "name: must have at most 8 characters"],
    ["checked", { name: "AB", code: "1" }, "name: must match the pattern /^[a-z]+$/"],
    ["checked", { name: "ab", code: "1", count: 0 }, "count: must be at least 1"],
    ["checked", { name: "ab", code: "1", count: 10 }, "count: must be at most 9"],
    ["checked", { name: "ab", code: "1", tag: 1 }, "tag: expected string, got number"],
    ["checked", { name: "ab" }, "code: missing, expected string"],
    ["either", { one: true }, "one: expected number or string, got boolean"],
    ["either", { one: 1, shape: { kind: "circle", radius: 0 } }, "shape.radius: must be above 0"],
    ["either", { one: 1, shape: { kind: "square", side: 1, more: 1 } }, "shape: unknown member"],
    ["either", { one: 1, shape: { kind: "cube" } }, "shape"],
    ["walk", { root: { name: "a", children: [{ name: 1, children: [] }] } }, "root.children.0.name: expected string"],
    ["span", { from: 5, to: 2 }, "must not end before it begins"],
  ])("%s: %j", async (name, given, message) => {
    await using connected = await open();
    const here = await called(connected, name, given).catch((thrown: unknown) => thrown);
    expect(here).toMatchObject({ code: "invalid_argument", reason: "bad_argument" });
    expect((here as HbiError).message).toContain(`${name}: argument refused: ${message}`);
    // The other side, past the check of this one.
    const keywords = Object.entries(given).map(([key, member]) => `${key}=${repr(member)}`);
    const there = await connected.link.po
      .converse(async (co) => {
        await co.sendCode(`${name}(${keywords.join(", ")})`);
        await co.recvObj();
      })
      .catch((thrown: unknown) => thrown);
    expect(there).toMatchObject({ code: "invalid_argument", message: (here as HbiError).message });
  });

  it("a result, a length and credentials", async () => {
    await using connected = await open();
    const { call } = connected.link;
    await expect(call.wrong({})).rejects.toThrow("wrong: internal error");
    await expect(call.download({ size: 1_001 })).rejects.toThrow("download: internal error");
    await expect(call.upload({ size: -1 }, { body: new Uint8Array(0) })).rejects.toThrow("size: must be at least 0");
    await expect(connected.peer.call.told({ level: "middle" as never })).rejects.toThrow("level: expected one of");
    await expect(open("abc")).rejects.toThrow("token: must have at least 4 characters");
  });
});
