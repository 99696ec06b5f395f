/**
 * What a caller learns of a value that a schema has refused: every finding with its path and the author's own words, here and from
 * the peer, within bounds, and never the value.
 */
import { defineService, HbiError, type Issue, Link, method } from "hbi";
import { answer, hostileTransport, packet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import * as mini from "zod/mini";
import { validate } from "../../src/registry/validate.ts";

/** The findings in a parameter `v`, each as "path: message". */
function found(schema: z.ZodType, v: unknown): string[] {
  try {
    method({ params: { v: schema } }).signature.validate("places.add", { v });
  } catch (error) {
    expect(error).toMatchObject({ code: "invalid_argument", reason: "bad_argument", origin: "local" });
    return ((error as HbiError).issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
  return [];
}

const shape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("circle"), radius: z.number().positive(), at: z.tuple([z.int(), z.int()]) }),
  z.object({ kind: z.literal("square"), side: z.number() }),
]);
const plain = z.union([
  z.object({ side: z.number(), kind: z.literal("square") }),
  z.object({ radius: z.number(), colour: z.string(), kind: z.literal("circle") }),
]);

describe("the findings of a schema, in words", () => {
  it.each<[string, z.ZodType, unknown, string[]]>([
    ["another type", z.string(), 5, ["v: expected string, got number"]],
    ["null", z.string(), null, ["v: expected string, got null"]],
    ["NaN", z.number(), Number.NaN, ["v: expected number, got NaN"]],
    ["an infinite number", z.number(), Number.POSITIVE_INFINITY, ["v: expected number, got infinity"]],
    ["a fraction", z.int(), 1.5, ["v: expected an integer, got number"]],
    ["a class", z.string(), new Date(), ["v: expected string, got Date"]],
    ["a missing member", z.object({ a: z.string() }), {}, ["v.a: missing, expected string"]],
    ["a missing choice", z.object({ a: z.enum(["x", "y"]) }), {}, ['v.a: missing, expected one of "x", "y"']],
    ["an open bound", z.number().positive(), 0, ["v: must be above 0"]],
    ["a closed bound", z.number().nonnegative(), -1, ["v: must be at least 0"]],
    ["an upper bound", z.bigint().lt(5n), 5n, ["v: must be below 5"]],
    ["a short text", z.string().min(3), "ab", ["v: must have at least 3 characters"]],
    ["a length", z.string().length(1), "ab", ["v: must have exactly 1 character"]],
    ["a long list", z.array(z.int()).max(1), [1, 2], ["v: must have at most 1 item"]],
    ["a multiple", z.number().multipleOf(5), 7, ["v: must be a multiple of 5"]],
    ["a format", z.email(), "x", ["v: expected the format email"]],
    ["a pattern", z.string().regex(/^a+$/), "b", ["v: must match the pattern /^a+$/"]],
    ["a beginning", z.string().startsWith("ab"), "c", ['v: must start with "ab"']],
    ["an end", z.string().endsWith("ab"), "c", ['v: must end with "ab"']],
    ["a part", z.string().includes("ab"), "c", ['v: must contain "ab"']],
    ["an enum", z.enum(["a", "b"]), "c", ['v: expected one of "a", "b"']],
    [
      "an enum of many",
      z.enum(Array.from({ length: 30 }, (_, i) => `o${i}`)),
      "c",
      ['v: expected one of "o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7" and 22 more'],
    ],
    ["a literal", z.literal(5), 6, ["v: expected 5"]],
    ["surplus keys", z.strictObject({}), { colour: 1, size: 2 }, ['v: unknown members "colour", "size"']],
    [
      "a key",
      z.record(z.string().max(1), z.int()),
      { abc: 1 },
      ["v.abc: the key is not allowed: must have at most 1 character"],
    ],
    ["a union of types", z.union([z.string(), z.int()]), true, ["v: expected string or number, got boolean"]],
    ["a union of literals", z.literal("a").or(z.literal("b")), "c", ['v: expected one of "a", "b"']],
    [
      "a union with one that fits",
      z.union([z.object({ n: z.int() }), z.string()]),
      { n: "x" },
      ["v.n: expected number, got string"],
    ],
    [
      "a union told apart by a member that is there",
      z.union([z.object({ n: z.int() }), z.object({ m: z.int() })]),
      { n: "x" },
      ["v.n: expected number, got string"],
    ],
    [
      "a variant that is chosen",
      shape,
      { kind: "circle", radius: 0, at: [1, "2"] },
      ["v.radius: must be above 0", "v.at.1: expected number, got string"],
    ],
    ["a variant that is unknown", shape, { kind: "line" }, ['v.kind: expected one of "circle", "square"']],
    ["a variant without its name", shape, {}, ['v.kind: missing, expected one of "circle", "square"']],
    [
      "a variant of a plain union",
      plain,
      { kind: "circle", radius: "1" },
      ["v.radius: expected number, got string", "v.colour: missing, expected string"],
    ],
    [
      "a whole path",
      z.object({ rows: z.array(z.object({ at: z.string() })) }),
      { rows: [{ at: "x" }, { at: 5 }, {}] },
      ["v.rows.1.at: expected string, got number", "v.rows.2.at: missing, expected string"],
    ],
    [
      "members, and what is surplus",
      z.strictObject({ a: z.int(), b: z.int().optional() }),
      { a: "1", b: "2", c: 3 },
      ["v.a: expected number, got string", "v.b: expected number, got string", 'v: unknown member "c"'],
    ],
    [
      "both sides",
      z.object({ a: z.int() }).and(z.object({ b: z.int() })),
      { a: "x", b: "y" },
      ["v.a: expected number, got string", "v.b: expected number, got string"],
    ],
    [
      "what is behind a lazy schema",
      z.lazy(() => z.object({ a: z.int(), b: z.int() })),
      { a: "x", b: 1.5 },
      ["v.a: expected number, got string", "v.b: expected an integer, got number"],
    ],
    [
      "what a codec reads",
      z.object({ at: z.codec(z.iso.date(), z.date(), { decode: (text) => new Date(text), encode: String }) }),
      { at: "x" },
      ["v.at: expected the format date"],
    ],
    [
      "what an optional member has",
      z.object({ a: z.exactOptional(z.int()), b: z.int() }),
      {},
      ["v.b: missing, expected number"],
    ],
    ["an author's text", z.string("Bitte Text 🙂"), 5, ["v: Bitte Text 🙂"]],
    ["an author's text for a check", z.string().min(5, "zu kurz"), "x", ["v: zu kurz"]],
    [
      "an author's function",
      z.string().min(5, { error: ({ minimum }) => `at least ${minimum}` }),
      "x",
      ["v: at least 5"],
    ],
    ["an author's rule", z.string().refine(() => false, "not a palindrome"), "x", ["v: not a palindrome"]],
    [
      "an author's rule about several",
      z
        .object({ from: z.int(), to: z.int() })
        .refine((r) => r.from < r.to, { error: "ends before it begins", path: ["to"] }),
      { from: 2, to: 1 },
      ["v.to: ends before it begins"],
    ],
    ["a rule without words", z.string().refine(() => false), "x", ["v: refused by a rule of the schema"]],
    [
      "a function of the author that throws",
      z.string({
        error: () => {
          throw new Error("mine");
        },
      }),
      5,
      ["v: expected string, got number"],
    ],
    [
      "zod/mini",
      mini.object({ a: mini.string().check(mini.minLength(3)) }) as never,
      { a: "x" },
      ["v.a: must have at least 3 characters"],
    ],
  ])("%s", (_, schema, value, expected) => {
    expect(found(schema, value)).toEqual(expected);
  });

  it("have the code and the data of their author", () => {
    const adult = z.int().superRefine((_, context) => {
      context.addIssue({ code: "custom", message: "adults only", params: { code: "too_young", least: 18 } });
      context.addIssue("and no minors");
    });
    expect(() => method({ params: { age: adult } }).signature.validate("join", { age: 17 })).toThrow(
      expect.objectContaining({
        message: "join: argument refused: age: adults only (and 1 more)",
        issues: [
          { path: ["age"], code: "custom", message: "adults only", params: { code: "too_young", least: 18 } },
          { path: ["age"], code: "custom", message: "and no minors" },
        ],
      }),
    );
  });

  it("are sixteen at most, also of a thousand", () => {
    const values = Array.from({ length: 1_000 }, () => "x");
    expect(found(z.array(z.int()), values)).toEqual(
      values.slice(0, 16).map((_, i) => `v.${i}: expected number, got string`),
    );
    expect(found(z.array(z.int()), values.slice(0, 16))).toHaveLength(16);
    expect(found(z.array(z.int()), values.slice(0, 15))).toHaveLength(15);
  });

  it("contain no value, and no key in full", () => {
    const secret = `secret${"s".repeat(10_000)}`;
    const schema = z.strictObject({
      a: z.enum(["x"]),
      b: z.union([z.int(), z.email()]),
      c: z.record(z.string(), z.int()),
    });
    const text = JSON.stringify(
      found(schema, { a: secret, b: secret, c: { [`key${secret}`]: secret }, [`key${secret}`]: 1 }),
    );
    expect(text.length).toBeLessThan(1_000);
    expect(text.replaceAll(`key${"secret"}`, "")).not.toContain("secret");
  });
});

describe("a hostile value costs little to refuse", () => {
  const wide = z.array(z.union(Array.from({ length: 20 }, (_, i) => z.object({ [`k${i}`]: z.number() }))));

  it("an array of thousands into a union of twenty", () => {
    const values = Array.from({ length: 10_000 }, () => ({}));
    const issues = issuesOf(wide, values);
    expect(issues.length).toBe(16);
    expect(JSON.stringify(issues).length).toBeLessThan(8_000);
  });

  it.each<[string, (part: z.ZodType) => z.ZodType, unknown]>([
    ["flat", (part) => z.array(part), Array.from({ length: 10_000 }, (_, i) => i)],
    [
      "in rows",
      (part) => z.array(z.array(part)),
      Array.from({ length: 100 }, () => Array.from({ length: 100 }, (_, i) => i)),
    ],
  ])("its parts run once more each, and no more than a few hundred: %s", (_, of, value) => {
    let runs = 0;
    const part = z.int().refine((given) => {
      runs += 1;
      return given >= 0;
    });
    const last = of(part).refine(() => false, "refused as a whole");
    expect(issuesOf(last, value)).toMatchObject([{ message: "refused as a whole" }]);
    expect(runs).toBeLessThanOrEqual(10_000 + 256 * 100);
  });

  it("a nest of many levels is not run again on each", () => {
    let runs = 0;
    const leaf = z.int().refine(() => ++runs < 0, { abort: true });
    const nest: z.ZodType = z.lazy(() => z.union([leaf, z.array(nest)]));
    let value: unknown = Array.from({ length: 1_000 }, () => 1);
    for (let level = 0; level < 25; level++) value = [value];
    expect(issuesOf(nest, value).length).toBeGreaterThan(0);
    expect(runs).toBeLessThan(2_000);
  });

  function issuesOf(schema: z.ZodType, value: unknown): readonly Issue[] {
    try {
      validate(schema, value, "bad_argument", "f");
    } catch (error) {
      return (error as HbiError).issues ?? [];
    }
    return [];
  }
});

const service = defineService({
  name: "places",
  version: "1.0.0",
  methods: {
    add: method({ params: { name: z.string(), at: z.array(z.number()) }, result: z.string() }),
    check: method({ params: { age: z.int() }, result: z.string() }),
  },
});

describe("what the other side has refused", () => {
  const adult = z.int().refine((age) => age >= 18, { error: "nur für Erwachsene", params: { least: 18 } });

  it("arrives with every finding", async () => {
    const stricter = defineService({
      name: "places",
      version: "2.0.0",
      methods: { ...service.methods, check: method({ params: { age: adult }, result: z.string() }) },
    });
    const test = await testLink(stricter, () => ({ add: () => "", check: () => "" }), {
      host: { log: () => undefined },
    });
    const raw = (code: string) =>
      test.link.po.converse(
        async (co) => {
          await co.sendCode(code);
          return co.recvObj();
        },
        { hasNoRawData: true },
      );
    await expect(raw('add(5, ["x", 1, "y"])')).rejects.toMatchObject({
      origin: "peer",
      reason: "bad_argument",
      details: undefined,
      message: "add: argument refused: name: expected string, got number (and 2 more)",
      issues: [
        { path: ["name"], message: "expected string, got number" },
        { path: ["at", 0], message: "expected number, got string" },
        { path: ["at", 2], message: "expected number, got string" },
      ],
    });
    await expect(raw("check(17)")).rejects.toMatchObject({
      message: "check: argument refused: age: nur für Erwachsene",
      issues: [{ path: ["age"], code: "custom", message: "nur für Erwachsene", params: { least: 18 } }],
    });
    await test.close();
  });

  it("a handler may report findings of its own, and its details stay as they are", async () => {
    const issues = [{ path: ["name"], code: "taken", message: "schon vergeben" }];
    const test = await testLink(service, () => ({
      add: () => {
        throw new HbiError("already_exists", "taken", { suggestion: "b" }, { issues });
      },
      check: () => {
        throw new HbiError("invalid_argument", "odd", { issues, n: 1 });
      },
    }));
    await expect(test.link.call.add({ name: "a", at: [] })).rejects.toMatchObject({
      message: "taken",
      details: { suggestion: "b" },
      issues,
    });
    await expect(test.link.call.check({ age: 5 })).rejects.toMatchObject({
      message: "odd",
      details: { issues, n: 1 },
      issues,
    });
    await test.close();
  });

  const issue = '{"path":["a",1],"code":"c","message":"m"}';
  it.each<[string, string, readonly Issue[] | undefined]>([
    [
      "as many as there may be",
      `[${Array(16).fill(issue).join()}]`,
      Array(16).fill({ path: ["a", 1], code: "c", message: "m" }),
    ],
    ["one too many", `[${Array(17).fill(issue).join()}]`, undefined],
    ["none", "[]", undefined],
    ["no list", '"a"', undefined],
    ["a path that is none", '[{"path":"a","code":"c","message":"m"}]', undefined],
    ["a path of objects", '[{"path":[{}],"code":"c","message":"m"}]', undefined],
    ["a path of fractions", '[{"path":[0.5],"code":"c","message":"m"}]', undefined],
    ["a path too long", `[{"path":[${Array(65).fill(1).join()}],"code":"c","message":"m"}]`, undefined],
    ["no message", '[{"path":[],"code":"c"}]', undefined],
    [
      "what controls a terminal",
      '[{"path":["\\u001b"],"code":"\\n","message":"\\u202e"}]',
      [{ path: ["\\u{1b}"], code: "\\n", message: "\\u{202e}" }],
    ],
    [
      "data that is too much",
      `[{"path":[],"code":"c","message":"m","params":{"a":"${"x".repeat(2_000)}"}}]`,
      [{ path: [], code: "c", message: "m" }],
    ],
  ])("of a hostile peer: %s", async (_, issues, expected) => {
    const { transport, peer } = hostileTransport();
    const link = await new Link(service, async () => transport, {}, { log: () => undefined }).open();
    const refused = link.call.check({ age: 1 }).catch((error: unknown) => error);
    const text = `HbiError("invalid_argument","no",{"issues":${issues}},"bad_argument")`;
    await peer.play({ hear: "co_end" }, { say: answer("101", packet("co_recv", text)) });
    const error = (await refused) as HbiError;
    expect(error).toMatchObject({ code: "invalid_argument", origin: "peer" });
    expect(error.issues).toEqual(expected);
    peer.reset();
    await link.closed;
  });
});
