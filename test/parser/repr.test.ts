import fc from "fast-check";
import { Call, type Dialect, HbiError, parseScript, parseValue, repr, resolveLimits, Script, script } from "hbi";
import { describe, expect, it } from "vitest";
import { parseValueWithAcorn } from "../../src/parser/landing-parser.ts";
import { plain } from "./verdict.ts";

const LIMITS = resolveLimits();
const DIALECTS: readonly Dialect[] = ["json", "python", "go"];

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(
      fc.constantFrom(null, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0),
      fc.double(),
      fc.integer(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 120n }),
      fc.bigInt({ min: -(2n ** 120n), max: -(2n ** 53n) }),
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
      fc.uint8Array({ maxLength: 20 }),
      fc
        .array(fc.constantFrom(..."\\'\"uUx0/n"), { maxLength: 6 })
        .map((chars) => new TextEncoder().encode(chars.join(""))),
    ),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ unit: "binary", maxLength: 8 }).filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}));

it("what repr writes lands back as an equal value, in every dialect, on both paths", () => {
  fc.assert(
    fc.property(value, fc.constantFrom(...DIALECTS), (given, dialect) => {
      const text = repr(given, dialect);
      expect(plain(parseValue(text, LIMITS))).toEqual(plain(given));
      expect(plain(parseValueWithAcorn(text, LIMITS))).toEqual(plain(given));
    }),
    { numRuns: 2_000 },
  );
});

it("no text that is put into a script becomes code", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const [call, ...rest] = parseScript(script`say(${text}, ${[text]})`.text, LIMITS);
      expect(rest).toEqual([]);
      expect(call).toEqual(new Call("say", [text, [text]], undefined, false));
    }),
    { numRuns: 1_000 },
  );
});

it("a script in a script is code", () => {
  expect(script`notify(${script`user(${1})`})`).toEqual(new Script("notify(user(1))"));
});

describe("has no textual form", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  class Money {
    amount = 1;
  }
  const cases: readonly (readonly [string, unknown])[] = [
    ["undefined", undefined],
    ["undefined in an array", [undefined]],
    ["a function", () => 1],
    ["a member that is a function", { toJSON: () => 1 }],
    ["a symbol", Symbol("x")],
    ["a Map", new Map()],
    ["a Set", new Set()],
    ["a Date", new Date(0)],
    ["an instance of a class", new Money()],
    ["a cycle", cycle],
    ["a member __proto__", JSON.parse('{"__proto__": 1}')],
    ["nesting beyond 32", JSON.parse("[".repeat(33) + "]".repeat(33))],
  ];
  it.each(cases)("%s", (_, given) => {
    expect(() => repr(given)).toThrow(
      expect.objectContaining({ code: "invalid_argument", reason: "not_representable" }),
    );
    expect(() => repr(given)).toThrow(HbiError);
  });
  it("nesting of 32 has one", () =>
    expect(repr(JSON.parse("[".repeat(32) + "]".repeat(32)))).toBe("[".repeat(32) + "]".repeat(32)));
});

it("members that are undefined are left out", () => {
  expect(repr({ a: undefined, b: 1 })).toBe('{"b":1}');
});

it("an object writes its own constructor call", () => {
  class Point {
    readonly x = 1;
    [Symbol.for("hbi.repr")](dialect: Dialect) {
      return `Point(${repr(this.x, dialect)}, ${repr(null, dialect)})`;
    }
  }
  expect(repr([new Point()], "python")).toBe("[Point(1, None)]");
});
