/**
 * Which long texts JSON.parse reads. What comes of them is the same either way (differential.test.ts); here is that it is taken where it can be,
 * and left to the grammar where it could be told apart.
 */
import { Call, type LimitOptions, parseScript, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { parseFast, parseValueFast } from "../../src/parser/fast-path.ts";
import { verdict } from "./verdict.ts";

const long = (text: string, length = 256) => text.padEnd(length);

function isTaken(text: string, options: LimitOptions = {}): boolean {
  const limits = resolveLimits(options);
  const tree = parseFast(text, limits);
  if (tree !== undefined) expect(verdict(() => tree)).toEqual(verdict(() => parseScript(text.trimEnd(), limits)));
  return tree !== undefined;
}

it.each([255, 256, 257])("of %i characters", (length) => {
  const limits = resolveLimits();
  expect(parseFast(long("f(1)", length), limits)).toEqual(
    length < 256 ? undefined : [new Call("f", [1], undefined, false)],
  );
  expect(parseValueFast(long("[1]", length), limits)).toEqual(length < 256 ? undefined : [1]);
});

describe("is taken:", () => {
  it.each([
    "f()",
    "f(1)",
    " \t\r\nf(\n1\r,\t2 ) \r\n\t",
    "f(null, true, false)",
    "a.b.c(1)",
    "_$9.x_(1)",
    "class(1)",
    "import.meta(1)",
    "x.new(1)",
    "[]",
    "{}",
    "[[], {}, [{}]]",
    '"a"',
    '""',
    "0",
    "-0",
    "-1",
    "10",
    "999999999999999",
    "-999999999999999",
    "0.5",
    "1.25e10",
    "1e9",
    "1E+99",
    "1e-99",
    '{"a": 1, "b": {"c": [1, 2]}}',
    '{"__proto_": 1, "__proto___": 2, "x__proto__": 3}',
    '["__proto__"]',
    String.raw`["\" \\ \/ \b \f \n \r \t \u0041 \uD83D\uDE00"]`,
    '["\u2028 \u007f \u{1f600} \'"]',
    'f([1], {"a": [2]}, "x")',
  ])("%s", (text) => {
    expect(isTaken(long(text))).toBe(true);
    if (!/^\s*[a-z_$]/i.test(text)) expect(parseValueFast(long(text), resolveLimits())).toEqual(JSON.parse(text));
  });
});

it.each([null, true, false])("%s is taken as a value, and is a name in a script", (value) => {
  expect(parseValueFast(long(String(value)), resolveLimits())).toBe(value);
  expect(isTaken(long(String(value)))).toBe(false);
});

describe("is left to the grammar:", () => {
  it.each([
    "",
    "f",
    "f (1)",
    "f(1",
    "f(1))",
    "f(1]",
    "f[1]",
    "f(1) 2",
    "f(1); g(2)",
    "f(a)",
    "f(x=1)",
    "f(g(1))",
    "f(,)",
    "f(1,)",
    "f(,1)",
    "f(1 2)",
    "f(1:2)",
    "f((1))",
    "f.(1)",
    "f.9(1)",
    ".f(1)",
    "9f(1)",
    "null(1)",
    "nan(1)",
    "(1)",
    "[1",
    "1]",
    "[1}",
    "{1]",
    "[1,]",
    "[,1]",
    "[1 2]",
    '["a": 1]',
    '{"a"}',
    '{"a": 1,}',
    '{"a" 1}',
    '{"a": }',
    '{"a", 1}',
    '{"a": 1 "b": 2}',
    '{"a": 1: 2}',
    "{a: 1}",
    "{1: 1}",
    "{'a': 1}",
    '{"__proto__": 1}',
    String.raw`{"\u0061": 1}`,
    String.raw`{"a\n": 1}`,
    "'a'",
    '"a',
    '"a\nb"',
    '"a\tb"',
    '"\u001f"',
    '"\u0000"',
    String.raw`"\a"`,
    String.raw`"\'"`,
    String.raw`"\x41"`,
    String.raw`"\u004"`,
    String.raw`"\u004g"`,
    String.raw`"\u{41}"`,
    String.raw`"\"`,
    "nul",
    "nulll",
    "tru",
    "truex",
    "falsy",
    "None",
    "NaN",
    "-",
    "--1",
    "+1",
    "01",
    "-01",
    "00",
    "1000000000000000",
    "1.",
    ".5",
    "-.5",
    "1.e5",
    "1e",
    "1e+",
    "1e-",
    "1e100",
    "1e001",
    "0x10",
    "1_000",
    "1n",
    "1 2",
    "[1] [2]",
    "# comment",
    "[1] // comment",
    "\u00a0[1]",
    "\ufeff[1]",
  ])("%s", (text) => {
    expect(isTaken(long(text))).toBe(false);
    expect(parseValueFast(long(text), resolveLimits())).toBe(undefined);
  });
});

describe("within the limits alone:", () => {
  const list = (count: number, item: string) => `[${new Array(count).fill(item).join(",")}]`;
  const args = (count: number) => `f(${new Array(count).fill("1").join(",")})`;
  const keys = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(",")}}`;
  it.each<[string, LimitOptions, (n: number) => string, number]>([
    ["maxNodes", { maxNodes: 10 }, (n) => list(n - 1, "1"), 10],
    ["maxNodes of a call", { maxNodes: 10 }, (n) => args(n - 1), 10],
    ["maxArguments", { maxArguments: 4 }, args, 4],
    ["maxArguments, in none that a list has", { maxArguments: 4 }, (n) => `f(${list(n, "1")},1,1,1)`, 100],
    ["maxObjectKeys", { maxObjectKeys: 4 }, keys, 4],
    ["maxObjectKeys of one behind another", { maxObjectKeys: 4 }, (n) => `[${keys(4)},${keys(n)}]`, 4],
    ["maxObjectKeys of one in another", { maxObjectKeys: 4 }, (n) => `{"a":${keys(n)},"b":1,"c":1,"d":1}`, 4],
    ["maxDepth", { maxDepth: 5 }, (n) => "[".repeat(n) + "]".repeat(n), 5],
    ["maxDepth of a call", { maxDepth: 5 }, (n) => `f(${"[".repeat(n - 1)}${"]".repeat(n - 1)})`, 5],
    ["maxDepth, side by side", { maxDepth: 2 }, (n) => list(n, "[]"), 100],
    ["maxNameParts", { maxNameParts: 3 }, (n) => `${new Array(n).fill("a").join(".")}(1)`, 3],
    ["maxNameLength", { maxNameLength: 5 }, (n) => `${"a".repeat(n)}(1)`, 5],
    ["maxNameLength of a second part", { maxNameLength: 5 }, (n) => `b.${"a".repeat(n)}(1)`, 5],
    ["maxNumberLength", { maxNumberLength: 8 }, (n) => `0.${"1".repeat(n - 2)}`, 8],
    ["maxNumberLength without a sign", { maxNumberLength: 8 }, (n) => `-0.${"1".repeat(n - 2)}`, 8],
    ["maxNumberLength with an exponent", { maxNumberLength: 12 }, (n) => `1.${"1".repeat(n - 6)}e+10`, 12],
  ])("%s", (_, limits, make, most) => {
    const taken = [most, most + 1].map((count) => isTaken(long(make(count)), limits));
    expect(taken).toEqual(most === 100 ? [true, true] : [true, false]);
  });
});
