/**
 * The landing grammar: every form that lands and every form that is refused, through the public function, as it is and so long
 * that JSON.parse may read it, and through acorn alone: all must agree.
 */
import { type LimitOptions, parseScript, parseValue, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { KEYWORDS } from "../../src/parser/lexicon.ts";
import { parseWithAcorn } from "../../src/parser/parse.ts";
import { type Verdict, verdict } from "./verdict.ts";

const LIMITS = resolveLimits();

function land(text: string, limits = LIMITS): Verdict {
  const fast = verdict(() => parseScript(text, limits));
  expect(verdict(() => parseWithAcorn(text, limits))).toStrictEqual(fast);
  const long = text + " ".repeat(256);
  expect(verdict(() => parseScript(long, limits))).toStrictEqual(verdict(() => parseWithAcorn(long, limits)));
  return fast;
}

const value = (expected: unknown): Verdict => verdict(() => [expected]);

describe("literals", () => {
  const bytes = (...items: number[]) => Uint8Array.from(items);
  const cases: readonly (readonly [string, unknown])[] = [
    ["null", null],
    ["None", null],
    ["undefined", undefined],
    ["nil", null],
    ["nil<nil>", null],
    ["[nil<nil>, 1]", [null, 1]],
    ["true", true],
    ["True", true],
    ["false", false],
    ["False", false],
    ["0", 0],
    ["-0", -0],
    ["-0.0", -0],
    ["42", 42],
    ["1.5", 1.5],
    ["1.", 1],
    [".5", 0.5],
    ["1e+16", 1e16],
    ["1E5", 1e5],
    ["1.5e-7", 1.5e-7],
    ["[1.e2, 2e99, 3e100]", [100, 2e99, 3e100]],
    ["5e-324", 5e-324],
    ["1.7976931348623157e+308", 1.7976931348623157e308],
    ["0x1f", 31],
    ["0xDEADBEEF", 0xdeadbeef],
    ["0o17", 15],
    ["0b101", 5],
    ["1_000", 1000],
    ["+1", 1],
    ["- 1", -1],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["9007199254740992", 9007199254740992n],
    ["-9007199254740992", -9007199254740992n],
    ["0xffffffffffffffff", 0xffffffffffffffffn],
    ["10n", 10n],
    ["9007199254740993.0", 9007199254740992],
    ["nan", Number.NaN],
    ["NaN", Number.NaN],
    ["-nan", Number.NaN],
    ["inf", Number.POSITIVE_INFINITY],
    ["+Inf", Number.POSITIVE_INFINITY],
    ["-Infinity", Number.NEGATIVE_INFINITY],
    ['""', ""],
    ["''", ""],
    ['"it\'s"', "it's"],
    [String.raw`'\\ \' \" \/ \n\r\t\b\f\v\a\0'`, "\\ ' \" / \n\r\t\b\f\v\u0007\0"],
    [String.raw`'\x41\u00e9\u{1f600}\U0001f600'`, "Aé😀😀"],
    [String.raw`'\ud83d\ude00'`, "😀"],
    [String.raw`'\ud83d'`, "\ud83d"],
    ['"\u2028\ufeff\u0001\t"', "\u2028\ufeff\u0001\t"],
    [String.raw`b'\x00\xffA\'\\\n'`, bytes(0, 255, 65, 39, 92, 10)],
    ['b"a\'b"', bytes(97, 39, 98)],
    ["b''", bytes()],
    [String.raw`b'\\u\\U\\/'`, bytes(92, 117, 92, 85, 92, 47)],
    [String.raw`[b'', '\u0041\/']`, [bytes(), "A/"]],
    ["[]", []],
    ["[1, [2], ]", [1, [2]]],
    ["()", []],
    ["(1,)", [1]],
    ["(1, 2)", [1, 2]],
    ["(1)", 1],
    ["((1),)", [1]],
    ["[(), (1, [2]), {'a': (3,)}]", [[], [1, [2]], { a: [3] }]],
    ["{}", {}],
    ["{\"a\": 1, b: 2, 'c': 3, 4: 5, -1: 7, }", { a: 1, b: 2, c: 3, "4": 5, "-1": 7 }],
    ["{+1: 2, (-15): 3}", { "1": 2, "-15": 3 }],
    ['{"a": 1, "a": 2}', { a: 2 }],
    ['{"constructor": 1, "toString": 2}', { constructor: 1, toString: 2 }],
    ["[\n1,\n2\n]", [1, 2]],
  ];
  for (const [text, expected] of cases) it(text, () => expect(land(text)).toEqual(value(expected)));
});

it.each(["Infinity", "None", "false"])("a constant is none of the names that maxNameLength bounds: %s", (text) => {
  expect(land(text, resolveLimits({ maxNameLength: 1 }))).toEqual(land(text));
  expect(land(`${text}x`, resolveLimits({ maxNameLength: 1 }))).toMatchObject({ reason: "name_too_long" });
});

describe("keys of an object", () => {
  const plainObject = (...members: [string, unknown][]) => ({ tree: [{ members }] });
  const odd = (what: string, members: [string, unknown][], ...values: unknown[]) => ({
    tree: [{ call: "{}", args: [`"${what}`, { members }, values], named: undefined, hasNestedCall: true }],
  });
  const alike = (key: string) => `${key} among integers and strings of digits`;
  const call = { call: "f", args: [], named: undefined, hasNestedCall: false };

  it.each([
    [
      "{1: 1, '-0': 2}",
      [
        ["1", 1],
        ["-0", 2],
      ],
    ],
    [
      "{1: 1, '01': 2}",
      [
        ["1", 1],
        ["01", 2],
      ],
    ],
    [
      "{1: 1, '-01': 2}",
      [
        ["1", 1],
        ["-01", 2],
      ],
    ],
    [
      "{1: 1, '1.0': 2}",
      [
        ["1", 1],
        ["1.0", 2],
      ],
    ],
    [
      "{1: 1, 'x1': 2}",
      [
        ["1", 1],
        ["x1", 2],
      ],
    ],
    [
      "{1: 1, '1x': 2}",
      [
        ["1", 1],
        ["1x", 2],
      ],
    ],
    [
      "{1: 1, '--1': 2}",
      [
        ["1", 1],
        ["--1", 2],
      ],
    ],
    [
      "{1: 1, '': 2, '-': 3, '/': 4, ':': 5}",
      [
        ["1", 1],
        ["", 2],
        ["-", 3],
        ["/", 4],
        [":", 5],
      ],
    ],
    [
      "{'': 1, '/': 2, 'x': 3, 4: 5}",
      [
        ["4", 5],
        ["", 1],
        ["/", 2],
        ["x", 3],
      ],
    ],
    [
      "{10n: 1, 2.0: 3, -4: 5}",
      [
        ["2", 3],
        ["10", 1],
        ["-4", 5],
      ],
    ],
    [
      "{'1': 1, '2': 2, 'x': 3}",
      [
        ["1", 1],
        ["2", 2],
        ["x", 3],
      ],
    ],
  ] as [string, [string, unknown][]][])("are told apart: %s", (text, members) => {
    expect(land(text)).toEqual(plainObject(...members));
  });

  it.each([
    ["{1: 1, '2': 3}", odd(`${alike("2")}, line 1, column 8`, [["1", 1]], 3)],
    ["{'2': 3, 1: 1}", odd(`${alike("1")}, line 1, column 10`, [["2", 3]], 1)],
    ["{-1: 1, '-1': 3}", odd(`${alike("-1")}, line 1, column 9`, [["-1", 1]], 3)],
    ["{1: 1, '0': 3}", odd(`${alike("0")}, line 1, column 8`, [["1", 1]], 3)],
    ["{1: 1, '9': 3}", odd(`${alike("9")}, line 1, column 8`, [["1", 1]], 3)],
    ["{1: 1, '10': 3, x: f()}", odd(`${alike("10")}, line 1, column 8`, [["1", 1]], 3, call)],
    [
      "{x: 0, 1: 1, '123456789012345678901': 3}",
      odd(
        `${alike("123456789012345678901")}, line 1, column 14`,
        [
          ["1", 1],
          ["x", 0],
        ],
        3,
      ),
    ],
    ["{(1, 2): 3}", odd("a tuple, line 1, column 2", [], 3)],
    ["{b'x': 3}", odd("bytes, line 1, column 2", [], 3)],
    ["{1.5: 3, 2: f()}", odd("1.5, line 1, column 2", [], 3, call)],
    ["{True: 3}", odd("True, line 1, column 2", [], 3)],
    ["{null: 3}", odd("null, line 1, column 2", [], 3)],
    ["{NaN: 3, -inf: 4}", odd("NaN, line 1, column 2", [], 3, 4)],
    ["{1: 1, (2,): 3, True: 4, '1': 5}", odd("a tuple, line 1, column 8", [["1", 1]], 3, 4, 5)],
  ] as const)("that can't be members are said, with where: %s", (text, expected) => {
    expect(land(text)).toEqual(expected);
  });
});

describe("statements", () => {
  const call = (name: string, ...args: unknown[]) => ({ call: name, args, named: undefined, hasNestedCall: false });
  const cases: readonly (readonly [string, readonly unknown[]])[] = [
    ["", []],
    [" \n\t\r\n", []],
    ["f()", [call("f")]],
    ["\nf(1)\n", [call("f", 1)]],
    ["hello()\t\n", [call("hello")]],
    ["f(1); g(2)", [call("f", 1), call("g", 2)]],
    ["f(1)\r\ng(2)\n\n", [call("f", 1), call("g", 2)]],
    ["  f(1)\n    g(2)", [call("f", 1), call("g", 2)]],
    ["svc.ping(1,)", [call("svc.ping", 1)]],
    ["f(1) # one\n// two\n/* three\n */ g(2)", [call("f", 1), call("g", 2)]],
    ["f(1)\n(2)", [call("f", 1), 2]],
    ["f(1)\n[2]", [call("f", 1), [2]]],
    ["{}\n{}", [{ members: [] }, { members: [] }]],
    ["f(\n1,\n2\n)", [call("f", 1, 2)]],
    ["f ( 1 )", [call("f", 1)]],
    ["x = 5", [{ slot: "x", value: 5, hasNestedCall: false }]],
    ["x = f(1)", [{ slot: "x", value: call("f", 1), hasNestedCall: true }]],
    [
      "f(1, b=2, c = 3)",
      [
        {
          call: "f",
          args: [1],
          named: [
            ["b", 2],
            ["c", 3],
          ],
          hasNestedCall: false,
        },
      ],
    ],
    [
      "f(a\t=\n1, b/* c */=2, class=3)",
      [
        {
          call: "f",
          args: [],
          named: [
            ["a", 1],
            ["b", 2],
            ["class", 3],
          ],
          hasNestedCall: false,
        },
      ],
    ],
    [
      "do_job('resize', size=65536, tags=['a', None], deep=True)",
      [
        {
          call: "do_job",
          args: ['"resize'],
          named: [
            ["size", 65536],
            ["tags", ['"a', null]],
            ["deep", true],
          ],
          hasNestedCall: false,
        },
      ],
    ],
    ["f(1 # one\n, 2 // two\n)", [call("f", 1, 2)]],
    ["f('\\x41', /**/'\\u0042')", [call("f", '"A', '"B')]],
    ["x/**/= 0x10", [{ slot: "x", value: 16, hasNestedCall: false }]],
    ["f(1) /*\n*/ g(2)", [call("f", 1), call("g", 2)]],
    ["f(1) #\n (2)", [call("f", 1), 2]],
    ["f(nil, g(1))", [{ call: "f", args: [null, call("g", 1)], named: undefined, hasNestedCall: true }]],
    ["svc.this(1)", [call("svc.this", 1)]],
    ["f([g(1)])", [{ call: "f", args: [[call("g", 1)]], named: undefined, hasNestedCall: true }]],
    ["f(g(1))\nh(2)", [{ call: "f", args: [call("g", 1)], named: undefined, hasNestedCall: true }, call("h", 2)]],
  ];
  for (const [text, tree] of cases) it(JSON.stringify(text), () => expect(land(text)).toEqual({ tree }));
});

/** In a definition these are names like any other: a lookup does not ask what they mean to a language. */
describe("a reserved word", () => {
  const call = (name: string, args: unknown[] = [1], named?: [string, unknown][]) => ({
    call: name,
    args,
    named,
    hasNestedCall: false,
  });

  it.each([...KEYWORDS])("is a name before a parenthesis or an equals sign: %s", (word) => {
    const cases: readonly [string, unknown][] = [
      [`${word}(1)`, call(word)],
      [`${word} ( 1 )`, call(word)],
      [`${word}.x(1)`, call(`${word}.x`)],
      [`x.${word}(1)`, call(`x.${word}`)],
      [`x.${word}.y(1)`, call(`x.${word}.y`)],
      [`f(${word}=1)`, call("f", [], [[word, 1]])],
      [`f(2, ${word} = 1)`, call("f", [2], [[word, 1]])],
      [`f(${word}(1))`, { ...call("f", [call(word)]), hasNestedCall: true }],
      [`[${word}(1)]`, [call(word)]],
      [`${word} = 1`, { slot: word, value: 1, hasNestedCall: false }],
      [`{${word}: 1}`, { members: [[word, 1]] }],
    ];
    for (const [text, tree] of cases) expect(land(text), text).toEqual({ tree: [tree] });
  });

  it.each([...KEYWORDS])("is no value: %s", (word) => {
    const cases: readonly [string, string][] = [
      [word, "forbidden_syntax"],
      [`f(${word})`, "forbidden_syntax"],
      [`${word} x`, "forbidden_syntax"],
      [`${word}\n(1)`, "forbidden_syntax"],
      [`[1 ${word}]`, "forbidden_syntax"],
      [`x = ${word}`, "forbidden_syntax"],
      [`f(x.${word}=1)`, "syntax"],
      [`x.${word}`, "unknown_name"],
    ];
    for (const [text, reason] of cases) expect(land(text), text).toMatchObject({ reason });
  });
});

describe("refused, at the token where it begins", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["a.b", "unknown_name", "line 1, column 1"],
    ["f(x)", "unknown_name", "line 1, column 3"],
    ["f(1)\n  x", "unknown_name", "line 2, column 3"],
    ["f(1) g(2)", "syntax", "line 1, column 6"],
    ["f(1)(2)", "syntax", "line 1, column 5"],
    ["f(1)[2]", "syntax", "line 1, column 5"],
    ["f(1).g", "forbidden_syntax", "line 1, column 5"],
    ["f. g(1)", "forbidden_syntax", "line 1, column 2"],
    ["f?.(1)", "forbidden_syntax", "line 1, column 2"],
    ["new F()", "forbidden_syntax", "line 1, column 1"],
    ["function f() {}", "forbidden_syntax", "line 1, column 1"],
    ["f(lambda: 1)", "forbidden_syntax", "line 1, column 3"],
    ["() => 1", "forbidden_syntax", "line 1, column 4"],
    ["class A {}", "forbidden_syntax", "line 1, column 1"],
    ["f(`x`)", "forbidden_syntax", "line 1, column 3"],
    ["f(/x/)", "forbidden_syntax", "line 1, column 3"],
    ["1 + 2", "syntax", "line 1, column 3"],
    ["1 == 2", "forbidden_syntax", "line 1, column 3"],
    ["f(1 < 2)", "forbidden_syntax", "line 1, column 5"],
    ["--1", "forbidden_syntax", "line 1, column 1"],
    ["- -1", "forbidden_syntax", "line 1, column 3"],
    ["-true", "forbidden_syntax", "line 1, column 2"],
    ["!1", "forbidden_syntax", "line 1, column 1"],
    ["await f()", "forbidden_syntax", "line 1, column 1"],
    ["this", "forbidden_syntax", "line 1, column 1"],
    ["f(...[1])", "forbidden_syntax", "line 1, column 3"],
    ["[1,,2]", "syntax", "line 1, column 4"],
    ["[,]", "syntax", "line 1, column 2"],
    ["{a}", "syntax", "line 1, column 3"],
    ["{[1]: 2}", "syntax", "line 1, column 2"],
    ["{1, 2}", "syntax", "line 1, column 3"],
    ["{get a() {}}", "syntax", "line 1, column 6"],
    ["{(f(), 2): 3}", "syntax", "line 1, column 2"],
    ["{('__proto__'): 3}", "syntax", "line 1, column 2"],
    ["{a.b: 3}", "syntax", "line 1, column 2"],
    ['{"__proto__": 1}', "forbidden_syntax", "line 1, column 2"],
    [String.raw`{"\u005f_proto__": 1}`, "forbidden_syntax", "line 1, column 2"],
    ["{__proto__: 1}", "forbidden_syntax", "line 1, column 2"],
    ["f(1, a=1, a=2)", "syntax", "line 1, column 11"],
    ["f(a=1, b)", "syntax", "line 1, column 8"],
    ["f(None=1)", "syntax", "line 1, column 3"],
    ["f(undefined=1)", "syntax", "line 1, column 3"],
    ["f(a==1)", "forbidden_syntax", "line 1, column 4"],
    ["f(a=>1)", "forbidden_syntax", "line 1, column 4"],
    ["f(a=)", "syntax", "line 1, column 5"],
    ["f(class)", "forbidden_syntax", "line 1, column 3"],
    ["import.meta", "forbidden_syntax", "line 1, column 1"],
    ["new.target", "forbidden_syntax", "line 1, column 1"],
    ["import\n('fs')", "forbidden_syntax", "line 1, column 1"],
    ["import 'fs'", "forbidden_syntax", "line 1, column 1"],
    ["import {a} from 'fs'", "forbidden_syntax", "line 1, column 1"],
    ["f(1) delete(2)", "forbidden_syntax", "line 1, column 6"],
    ["delete(1).x", "forbidden_syntax", "line 1, column 10"],
    ["function(a) {}", "unknown_name", "line 1, column 10"],
    ["function() {}", "syntax", "line 1, column 12"],
    ["while(1) f()", "syntax", "line 1, column 10"],
    ["(function() {})()", "syntax", "line 1, column 13"],
    ["import('fs').then()", "forbidden_syntax", "line 1, column 13"],
    ["new Function('1')", "forbidden_syntax", "line 1, column 1"],
    ["let x = 1", "forbidden_syntax", "line 1, column 1"],
    ['"😀é" x', "syntax", "line 1, column 6"],
    ['"a\rb"', "syntax", "line 1, column 1"],
    ["f('a\nb')", "syntax", "line 1, column 3"],
    ["b'a\rb'", "syntax", "line 1, column 1"],
    ['"a\udc00" x', "syntax", "line 1, column 6"],
    ['"\ud83da" x', "syntax", "line 1, column 6"],
    ['"\ud83d\ue000" x', "syntax", "line 1, column 6"],
    ['"\udbff\udfff" x', "syntax", "line 1, column 5"],
    ["[1 class]", "forbidden_syntax", "line 1, column 4"],
    ["[1 x]", "syntax", "line 1, column 4"],
    ["[1 = 2]", "forbidden_syntax", "line 1, column 4"],
    ["f(1)\r\ng(2)\rh(", "syntax", "line 3, column 3"],
    ["f(a=1, 2)", "syntax", "line 1, column 8"],
    ["f(a.b=1)", "syntax", "line 1, column 3"],
    ["a.b = 1", "syntax", "line 1, column 1"],
    ["x\n= 1", "unknown_name", "line 1, column 1"],
    ["x =\n1", "syntax", "line 2, column 1"],
    ["x = y = 1", "unknown_name", "line 1, column 5"],
    ["f(x = 1) = 2", "forbidden_syntax", "line 1, column 10"],
    ["None = 1", "syntax", "line 1, column 1"],
    ["undefined = 1", "syntax", "line 1, column 1"],
    ["undefined()", "forbidden_syntax", "line 1, column 1"],
    ["null(1)", "forbidden_syntax", "line 1, column 1"],
    [String.raw`\u0065val(1)`, "forbidden_syntax", "line 1, column 1"],
    [String.raw`f\u0065(1)`, "forbidden_syntax", "line 1, column 2"],
    ["évaluer(1)", "forbidden_syntax", "line 1, column 1"],
    ["naïve(1)", "forbidden_syntax", "line 1, column 3"],
    ["f(\u00a01)", "forbidden_syntax", "line 1, column 3"],
    ["\ufefff(1)", "forbidden_syntax", "line 1, column 1"],
    ["<!-- x", "forbidden_syntax", "line 1, column 1"],
    ["#!x\n/* never ends", "syntax", "line 2, column 1"],
    ["010", "syntax", "line 1, column 1"],
    ["[01]", "syntax", "line 1, column 2"],
    ["[1}", "syntax", "line 1, column 3"],
    ['{"a" 1}', "syntax", "line 1, column 6"],
    ['{"a": 1, 2}', "syntax", "line 1, column 11"],
    ['["a": 1]', "syntax", "line 1, column 5"],
    ["f(1,,2)", "syntax", "line 1, column 5"],
    ["[1 2]", "syntax", "line 1, column 4"],
    ["[nullx]", "unknown_name", "line 1, column 2"],
    ["[1.5.2]", "syntax", "line 1, column 5"],
    ["f('a', # c\n 'b)", "syntax", "line 2, column 2"],
    ["1e400", "bad_literal", "line 1, column 1"],
    ["1__0", "syntax", "line 1, column 3"],
    ["1a", "syntax", "line 1, column 2"],
    ["0x", "syntax", "line 1, column 3"],
    [String.raw`"\q"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\101"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\00"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\x4"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\u12"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\u{110000}"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\u{}"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\u{1f60g}"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\u{01f6000}"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\u{1f600"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\U00110000"`, "bad_literal", "line 1, column 2"],
    [String.raw`"\N{DASH}"`, "bad_literal", "line 1, column 2"],
    ['"a\nb"', "syntax", "line 1, column 1"],
    ['"a\\\nb"', "bad_literal", "line 1, column 3"],
    ['"open', "syntax", "line 1, column 1"],
    ["'a' 'b'", "syntax", "line 1, column 5"],
    ["'''a'''", "syntax", "line 1, column 3"],
    ["r'a'", "bad_literal", "line 1, column 1"],
    ["f'{x}'", "bad_literal", "line 1, column 1"],
    ["b'é'", "bad_literal", "line 1, column 2"],
    [String.raw`b'\u0041'`, "bad_literal", "line 1, column 3"],
    [String.raw`b'a\U00000041'`, "bad_literal", "line 1, column 4"],
    [String.raw`b'\/'`, "bad_literal", "line 1, column 3"],
    ["f(1", "syntax", "line 1, column 4"],
    ["[1", "syntax", "line 1, column 3"],
    ["f(1]", "syntax", "line 1, column 4"],
    [")", "syntax", "line 1, column 1"],
    ["for x in y: pass", "forbidden_syntax", "line 1, column 1"],
    ["-\n5", "syntax", "line 2, column 1"],
  ];
  for (const [text, reason, position] of cases) {
    it(JSON.stringify(text), () => {
      const refused = land(text);
      expect(refused).toMatchObject({ reason, message: expect.stringMatching(new RegExp(`: ${position}$`)) });
    });
  }
});

describe("limits hold at N and not at N + 1", () => {
  const nested = (depth: number) => `f(${"[".repeat(depth - 1)}${"]".repeat(depth - 1)})`;
  const list = (items: number) => `[${Array.from({ length: items }, () => "1").join(",")}]`;
  const keys = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(",")}}`;
  const lines = (count: number, line: string) => Array.from({ length: count }, () => line).join("\n");
  const cases: readonly (readonly [LimitOptions, (n: number) => string, string])[] = [
    [{ maxDepth: 32 }, nested, "too_deep"],
    [{ maxDepth: 5 }, nested, "too_deep"],
    [{ maxDepth: 5 }, (n) => `${"(".repeat(n)}1${")".repeat(n)}`, "too_deep"],
    [{ maxDepth: 5 }, (n) => `${'{"a":'.repeat(n)}1${"}".repeat(n)}`, "too_deep"],
    [{ maxDepth: 5 }, (n) => "f(".repeat(n) + ")".repeat(n), "too_deep"],
    [{ maxNodes: 10_000 }, (n) => list(n - 1), "too_many_nodes"],
    [{ maxNodes: 10 }, (n) => `f(${list(n - 2)})`, "too_many_nodes"],
    [{ maxStatements: 64 }, (n) => lines(n, "1"), "too_many_statements"],
    [{ maxStatements: 7 }, (n) => ";".repeat(n), "too_many_statements"],
    [{ maxCallsPerScript: 64, maxStatements: 1_000 }, (n) => lines(n, "f()"), "too_many_calls"],
    [{ maxCallsPerScript: 3 }, (n) => "f(".repeat(n) + ")".repeat(n), "too_many_calls"],
    [{ maxArguments: 64 }, (n) => `f(${Array.from({ length: n }, () => "1").join(",")})`, "too_many_arguments"],
    [
      { maxObjectKeys: 3, maxArguments: 1 },
      (n) => `f(0,${Array.from({ length: n }, (_, i) => `a${i}=1`).join(",")})`,
      "too_many_keys",
    ],
    [{ maxObjectKeys: 1_000 }, keys, "too_many_keys"],
    [{ maxObjectKeys: 3 }, (n) => `f([${`${keys(n)},`.repeat(4)}1])`, "too_many_keys"],
    [{ maxObjectKeys: 4 }, (n) => `{${'"a":1,'.repeat(n)}}`, "too_many_keys"],
    [{ maxNameLength: 64 }, (n) => `${"a".repeat(n)}(1)`, "name_too_long"],
    [{ maxNameLength: 5 }, (n) => `f(${"a".repeat(n)}=1)`, "name_too_long"],
    [{ maxNameParts: 8 }, (n) => `${Array.from({ length: n }, () => "a").join(".")}(1)`, "name_too_long"],
    [{ maxNumberLength: 40 }, (n) => "1".repeat(n), "number_too_long"],
    [{ maxNumberLength: 12 }, (n) => `f(0.${"1".repeat(n - 2)})`, "number_too_long"],
    [{ maxNumberLength: 12 }, (n) => `1e-${"0".repeat(n - 3)}`, "number_too_long"],
  ];
  for (const [options, make, reason] of cases) {
    const [[name, limit] = ["", 0]] = Object.entries(options) as [string, number][];
    it(`${name} ${limit}: ${make(3)}`, () => {
      const limits = resolveLimits(options);
      expect(land(make(limit), limits)).toHaveProperty("tree");
      expect(land(make(limit + 1), limits)).toMatchObject({ reason });
      expect(land(make(limit + 1), resolveLimits({ ...options, [name]: limit + 1 }))).toHaveProperty("tree");
    });
  }
});

it("a member is an object's own, whatever the prototype has under its name", () => {
  let calls = 0;
  const setter = { set: () => calls++, configurable: true };
  Object.defineProperty(Object.prototype, "trapped", setter);
  try {
    for (const text of ['{"trapped": 1}', "{'trapped': 1}", "{trapped: 1}"]) {
      const [object] = parseScript(text, LIMITS);
      expect(Object.getOwnPropertyDescriptor(object, "trapped")).toMatchObject({ value: 1, writable: true });
    }
  } finally {
    Reflect.deleteProperty(Object.prototype, "trapped");
  }
  expect(calls).toBe(0);
});

describe("an object packet", () => {
  const read = (text: string) => verdict(() => parseValue(text, LIMITS));
  it.each([
    ["", null],
    ["\n", null],
    ["[\n3,\n4\n]\n", [3, 4]],
    ["'x';", "x"],
  ])("%j is one value", (text, expected) => expect(read(text)).toEqual(verdict(() => expected)));
  it.each(["1\n2", "1;2", "x = 5", "f(1) f(2)"])("%j is refused", (text) =>
    expect(read(text)).toHaveProperty("reason"),
  );
  it("may be a constructor call", () => {
    expect(read("Point(1, 2)")).toMatchObject({ tree: { call: "Point", args: [1, 2] } });
  });
});
