import { HostingEnv, method, resolveLimits, value } from "hbi";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { CONSTANTS } from "../../src/parser/lexicon.ts";
import { READ_BY_ALL } from "../../src/registry/names.ts";
import { prepareLate } from "../../src/registry/prepared-schema.ts";
import { validate } from "../../src/registry/validate.ts";

const bad = expect.objectContaining({ code: "invalid_argument", reason: "bad_option" });
const nothing = method({ params: {} });

describe("definitions fail closed", () => {
  it.each([
    ["no params", () => method({} as never)],
    ["a parameter without a schema", () => method({ params: { a: 5 as never } })],
    ["a parameter of no name", () => method({ params: { "a-b": z.string() } })],
    ["a parameter that would be sorted first", () => method({ params: { "1": z.string() } })],
    ["a parameter __proto__", () => method({ params: JSON.parse('{"__proto__": 1}') })],
    ["a body that is no function", () => method({ params: {}, body: 5 as never })],
    ["a result that is no schema", () => method({ params: {}, result: "string" as never })],
    ["a value without make", () => value({ params: {} } as never)],
  ])("%s", (_, define) => expect(define).toThrow(bad));

  it.each([
    "",
    "a b",
    "a.",
    ".a",
    "1a",
    "é",
    "$hbi.ping",
    "__hbi_init__",
    "__hbi_cleanup__",
    "HbiError",
    ...["__proto__", "null", "None", "nil", "true", "True", "false", "False"],
    ...["nan", "NaN", "inf", "Inf", "Infinity", "undefined"],
  ])("%j cannot be exposed", (name) =>
    expect(() => new HostingEnv().expose(name, nothing, () => undefined)).toThrow(bad),
  );

  it.each([...CONSTANTS.keys()])("%s, a constant of the grammar, cannot be exposed", (name) =>
    expect(() => new HostingEnv().expose(name, nothing, () => undefined)).toThrow(bad),
  );

  it("what a definition bounds is what every peer reads", () => {
    expect(resolveLimits()).toMatchObject(READ_BY_ALL);
  });

  it("a name is exposed once", () => {
    const env = new HostingEnv().expose("a.b", nothing, () => undefined);
    expect(() => env.expose("a.b", nothing, () => undefined)).toThrow(bad);
    expect(() => env.slot("a.b", z.string())).toThrow(bad);
  });

  it.each<[string, (env: HostingEnv) => unknown, string]>([
    ["a method that is none", (env) => env.expose("a", { params: {} } as never, () => 1), "a is not a method()"],
    ["a method without a handler", (env) => env.expose("a", nothing, undefined as never), "a has no handler"],
    ["a slot without a schema", (env) => env.slot("a", "text" as never), "slot a has no zod schema"],
    ["a slot of two parts", (env) => env.slot("a.b", z.string()), "cannot be the name of a slot"],
    ["a value that is none", (env) => env.construct("A", class {} as never), "A is not a value()"],
    ["a slot that is none", (env) => env.expose("a", nothing, () => 1).get("a"), "a is not a slot"],
    ["a slot that is not there", (env) => env.get("a"), "a is not a slot"],
  ])("refuses %s", (_, use, message) => {
    expect(() => use(new HostingEnv())).toThrow(expect.objectContaining({ reason: "bad_option" }));
    expect(() => use(new HostingEnv())).toThrow(message);
  });

  it("exposeAll wants a handler for each method, and no other", () => {
    const methods = { one: nothing, two: nothing };
    const handler = () => undefined;
    expect(() => new HostingEnv().exposeAll(methods, { one: handler } as never)).toThrow("two has no handler");
    expect(() => new HostingEnv().exposeAll(methods, { one: handler, two: handler, three: handler } as never)).toThrow(
      "three",
    );
    expect(() => new HostingEnv().exposeAll({ toString: nothing }, {} as never)).toThrow("toString has no handler");
  });

  it("po and ho are there when it is connected", () => {
    for (const end of ["po", "ho"] as const) {
      expect(() => new HostingEnv()[end]).toThrow(expect.objectContaining({ reason: "wrong_stage" }));
    }
  });
});

describe("types", () => {
  it("a handler gets what its schemas give, and returns what the result takes", () => {
    const env = new HostingEnv();
    const typed = method({ params: { a: z.number(), b: z.string().optional() }, result: z.array(z.string()) });
    env.expose("typed", typed, ({ a, b }, co) => {
      expectTypeOf(a).toEqualTypeOf<number>();
      expectTypeOf(b).toEqualTypeOf<string | undefined>();
      expectTypeOf(co.coSeq).toEqualTypeOf<string>();
      return [b ?? ""];
    });
    // @ts-expect-error a number is no array of text
    env.expose("wrong", typed, () => 5);
    // @ts-expect-error there is no parameter c
    env.expose("other", typed, ({ c }) => [c]);
  });
});

describe("validation messages", () => {
  const message = (schema: z.ZodType, given: unknown): string => {
    try {
      validate(schema, given, "bad_argument", "f");
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  it.each([
    [z.object({ a: z.number() }), { a: "secret" }, "f: argument refused: a: expected number, got string"],
    [z.string().max(3), "secret", "f: argument refused: must have at most 3 characters"],
    [z.string().min(9), "secret", "f: argument refused: must have at least 9 characters"],
    [z.email(), "secret", "f: argument refused: expected the format email"],
    [z.enum(["a", "b"]), "secret", 'f: argument refused: expected one of "a", "b"'],
    [z.union([z.number(), z.boolean()]), "secret", "f: argument refused: expected number or boolean, got string"],
    [z.strictObject({}), { color: "secret" }, 'f: argument refused: unknown member "color"'],
    [z.string().refine(() => false), "secret", "f: argument refused: refused by a rule of the schema"],
    [z.number().multipleOf(5), 7, "f: argument refused: must be a multiple of 5"],
    [
      z.array(z.object({ a: z.int() })),
      [{ a: 1 }, { a: 1.5 }],
      "f: argument refused: 1.a: expected an integer, got number",
    ],
  ])("name the place and what was expected, and no value: %#", (schema, given, text) => {
    expect(message(schema, given)).toBe(text);
  });

  it("are one printable line, whatever keys the peer has chosen", () => {
    const text = message(z.record(z.string(), z.int()), { "a\nforged\u001b[31m": "x" });
    expect(text).toBe("f: argument refused: a\\nforged\\u{1b}[31m: expected number, got string");
  });

  it("do not grow with the input: a large array into a union of twenty", () => {
    const union = z.array(z.union(Array.from({ length: 20 }, (_, i) => z.object({ [`k${i}`]: z.number() }))));
    const given = Array.from({ length: 2_000 }, () => ({}));
    expect(message(union, given)).toBe(
      "f: argument refused: 0: no alternative matches: k0: missing, expected number; or k1: missing, expected number; " +
        "or k2: missing, expected number (and 15 more)",
    );
  });

  it.each([
    ["an array", (part: z.ZodType) => z.array(part), [1, "x", 1, 1]],
    ["a tuple and its rest", (part: z.ZodType) => z.tuple([part, part], part), [1, "x", 1, 1]],
    ["an object", (part: z.ZodType) => z.object({ a: part, b: part, c: part }), { a: 1, b: "x", c: 1 }],
    ["an array in an array", (part: z.ZodType) => z.array(z.array(part)), [[1], ["x", 1], [1]]],
  ])("what is behind the first is looked at only for further findings: %s", (_, of, given) => {
    let looked = 0;
    const part = z.unknown().refine(
      (value) => {
        looked += 1;
        return value !== "x";
      },
      { abort: true },
    );
    expect(() => validate(of(part), given, "bad_argument", "f")).toThrow("refused");
    expect(looked).toBeLessThanOrEqual(2 + [given].flat(2).length + 4);
  });

  const late = () => Promise.reject(new Error("nobody hears this")) as never;
  it.each<[string, z.ZodType, unknown]>([
    ["an asynchronous schema", z.lazy(() => z.promise(z.string())), "x"],
    ["an asynchronous message", z.int({ error: late }).catch(3), "x"],
    [
      "b: an asynchronous refinement",
      z.object({ a: z.string().refine(() => true), b: z.string().refine(late) }),
      { a: "x", b: "x" },
    ],
  ])("name what is asynchronous, and where: %s", (what, schema, given) => {
    prepareLate(schema);
    const said = `bad option: f: ${what} is not supported`;
    expect(() => validate(schema, given, "bad_argument", "f")).toThrow(
      expect.objectContaining({ code: "internal", cause: expect.objectContaining({ message: said }) }),
    );
  });

  it("name the place of what is visibly asynchronous", () => {
    const asked = z.string().refine(async () => true);
    expect(() => method({ params: {}, result: asked })).toThrow("bad option: result: an asynchronous refinement is");
    expect(() => method({ params: { a: asked } })).toThrow("bad option: params: a: an asynchronous refinement is");
  });

  it("an asynchronous schema is a mistake of the definition", () => {
    expect(() =>
      validate(
        z.string().refine(async () => true),
        "x",
        "bad_argument",
        "f",
      ),
    ).toThrow(expect.objectContaining({ code: "internal" }));
  });
});
