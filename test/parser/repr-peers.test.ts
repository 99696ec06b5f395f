/**
 * What is written for peers of each kind, recorded: the texts of the second column were read by Python 3 (`eval`, without any names
 * but its own) as equal values, those of the third are forms that the Go reference is recorded to read, and those of the first are read here.
 */
import { type Dialect, parseValue, repr, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { parseValueWithAcorn } from "../../src/parser/parse.ts";
import { plain } from "./verdict.ts";

const REFUSED = undefined;

/** A member that is undefined is left out. */
function withoutUndefined(value: unknown): unknown {
  const isRecord = typeof value === "object" && value !== null && "a" in value;
  return isRecord ? Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) : value;
}

const LIMITS = resolveLimits();
type Text = string | undefined;

const ROWS: readonly [value: unknown, json: Text, python: Text, go: Text][] = [
  [null, "null", "None", "nil"],
  [true, "true", "True", "true"],
  [false, "false", "False", "false"],
  [0, "0", "0", "0"],
  [-0, "-0.0", "-0.0", "-0.0"],
  [-1, "-1", "-1", "-1"],
  [1.5, "1.5", "1.5", "1.5"],
  [1e21, "1e+21", "1e+21", "1e+21"],
  [1e-7, "1e-7", "1e-7", "1e-7"],
  [5e-324, "5e-324", "5e-324", "5e-324"],
  [Number.MAX_VALUE, "1.7976931348623157e+308", "1.7976931348623157e+308", "1.7976931348623157e+308"],
  [2 ** 53 - 1, "9007199254740991", "9007199254740991", "9007199254740991"],
  [2 ** 53, "9007199254740992.0", "9007199254740992.0", "9007199254740992.0"],
  [2 ** 70, "1.1805916207174113e+21", "1.1805916207174113e+21", "1.1805916207174113e+21"],
  [Number.NaN, "nan", REFUSED, "nan"],
  [Number.POSITIVE_INFINITY, "inf", REFUSED, REFUSED],
  [Number.NEGATIVE_INFINITY, "-inf", REFUSED, REFUSED],
  [5n, "5n", "5", "5"],
  [2n ** 53n, "9007199254740992", "9007199254740992", "9007199254740992"],
  [2n ** 63n - 1n, "9223372036854775807", "9223372036854775807", "9223372036854775807"],
  [-(2n ** 63n), "-9223372036854775808", "-9223372036854775808", "-9223372036854775808"],
  [2n ** 63n, "9223372036854775808", "9223372036854775808", REFUSED],
  [-(2n ** 63n) - 1n, "-9223372036854775809", "-9223372036854775809", REFUSED],
  ["", '""', '""', '""'],
  ['it\'s "so" \\', '"it\'s \\"so\\" \\\\"', '"it\'s \\"so\\" \\\\"', '"it\'s \\"so\\" \\\\"'],
  ["\n\r\t\b\f\v", '"\\n\\r\\t\\b\\f\u000b"', '"\\n\\r\\t\\b\\f\u000b"', '"\\n\\r\\t\\b\\f\u000b"'],
  [
    "\u0001\u001f\u007f\u0085\u00ad",
    '"\u0001\u001f\u007f\u0085\u00ad"',
    '"\u0001\u001f\u007f\u0085\u00ad"',
    '"\u0001\u001f\u007f\u0085\u00ad"',
  ],
  ["\0", '"\\x00"', '"\\x00"', '"\u0000"'],
  ["a\0b", '"a\\x00b"', '"a\\x00b"', '"a\u0000b"'],
  ["é中😀\u2028\ufeff", '"é中😀\u2028\ufeff"', '"é中😀\u2028\ufeff"', '"é中😀\u2028\ufeff"'],
  ["\ud800", '"\\ud800"', '"\\ud800"', REFUSED],
  ["\udc00x", '"\\udc00x"', '"\\udc00x"', REFUSED],
  [new Uint8Array(), "b''", "b''", REFUSED],
  [new Uint8Array([0, 39, 92, 97, 255]), "b'\\x00\\'\\\\a\\xff'", "b'\\x00\\'\\\\a\\xff'", REFUSED],
  [[], "[]", "[]", "[]"],
  [[1, [null, true]], "[1,[null,true]]", "[1,[None,True]]", "[1,[nil,true]]"],
  [{}, "{}", "{}", "{}"],
  [{ a: undefined, "é\n": [{}] }, '{"é\\n":[{}]}', '{"é\\n":[{}]}', '{"é\\n":[{}]}'],
];

describe("a value for peers that", () => {
  it.each(ROWS.map((row, i) => [i, ...row] as const))("row %#", (_, value, ...texts) => {
    for (const [i, dialect] of (["json", "python", "go"] satisfies Dialect[]).entries()) {
      const text = texts[i];
      if (text === REFUSED) {
        expect(() => repr(value, dialect)).toThrow(expect.objectContaining({ reason: "not_representable" }));
        continue;
      }
      expect(repr(value, dialect)).toBe(text);
      const landed = plain(value === 5n && dialect !== "json" ? 5 : withoutUndefined(value)); // its digits land as a number
      expect(plain(parseValue(text, LIMITS))).toEqual(landed);
      expect(plain(parseValueWithAcorn(text, LIMITS))).toEqual(landed);
    }
  });

  it("an integer of more digits than Python reads", () => {
    const most = 10n ** 4_299n;
    expect(repr(most, "python")).toHaveLength(4_300);
    expect(() => repr(most * 10n, "python")).toThrow("value has more than 4300 digits");
  });
});

class Plain {}
const circle: unknown[] = [];
circle.push({ again: circle });

describe("the place of what can't be written is said", () => {
  it.each<[unknown, string]>([
    [Symbol("x"), "value is a symbol, which cannot be sent"],
    [{ a: [1, { b: () => 1 }] }, "value.a[1].b is a function, which cannot be sent"],
    [[[], new Plain()], "value[1] is an instance of Plain; send a plain object, or declare the class with value()"],
    [circle, "the value has no textual form: value...[0].again[0].again[0].again is nested too deeply, or in a cycle"],
    [JSON.parse('{"a":{"__proto__":1}}'), "value.a has a member __proto__"],
    [{ ["k".repeat(1_000)]: () => 1 }, `value.${"k".repeat(64)} is a function, which cannot be sent`],
    [{ "a\n\u202e": () => 1 }, "value.a\\n\\u{202e} is a function, which cannot be sent"],
    [
      { a: { b: { c: { d: { e: { f: { g: () => 1 } } } } } } },
      "value....b.c.d.e.f.g is a function, which cannot be sent",
    ],
  ])("%#: %s", (value, place) => {
    for (const dialect of ["json", "python", "go"] satisfies Dialect[]) {
      expect(() => repr(value, dialect)).toThrow(place);
    }
  });
});
