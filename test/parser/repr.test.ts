import fc from "fast-check";
import {
  Call,
  type Dialect,
  HbiError,
  HostingEnv,
  parseScript,
  parseValue,
  pythonScript,
  repr,
  resolveLimits,
  Script,
  script,
} from "hbi";
import { describe, expect, it } from "vitest";
import { parseValueWithAcorn } from "../../src/parser/parse.ts";
import { pair } from "../support/pair.ts";
import { plain } from "./verdict.ts";

const LIMITS = resolveLimits();
const DIALECTS: readonly Dialect[] = ["json", "python", "go"];

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(
      fc.constantFrom(null, undefined, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0),
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

/** Whether a peer of the reference has no form for something in it. */
function isOnlyOurs(given: unknown, dialect: Dialect): boolean {
  if (given instanceof Uint8Array) return dialect === "go";
  if (typeof given === "number") {
    return Math.abs(given) === Number.POSITIVE_INFINITY || (Number.isNaN(given) && dialect === "python");
  }
  if (typeof given === "bigint") return dialect === "go" && BigInt.asIntN(64, given) !== given;
  if (typeof given === "string") return dialect === "go" && /\p{Surrogate}/u.test(given);
  if (typeof given !== "object" || given === null) return false;
  return [...Object.keys(given), ...Object.values(given)].some((part) => isOnlyOurs(part, dialect));
}

/** What lands: members that are undefined are left out, and elsewhere only this library distinguishes it from null. */
function landing(given: unknown, dialect: Dialect): unknown {
  if (given === undefined) return dialect === "json" ? undefined : null;
  if (Array.isArray(given)) return given.map((item) => landing(item, dialect));
  if (typeof given !== "object" || given === null || given instanceof Uint8Array) return given;
  const members = Object.entries(given).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([key, member]) => [key, landing(member, dialect)]));
}

it("what repr writes lands back as an equal value, in every dialect, on both paths", () => {
  fc.assert(
    fc.property(value, fc.constantFrom(...DIALECTS), (given, dialect) => {
      if (dialect !== "json" && isOnlyOurs(given, dialect)) {
        expect(() => repr(given, dialect)).toThrow(expect.objectContaining({ reason: "not_representable" }));
        return;
      }
      const text = repr(given, dialect);
      const expected = plain(landing(given, dialect));
      expect(plain(parseValue(text, LIMITS))).toEqual(expected);
      expect(plain(parseValueWithAcorn(text, LIMITS))).toEqual(expected);
    }),
    { numRuns: Number(process.env["HBI_RUNS"] ?? 700) },
  );
});

it.each([
  [5n, "5n", "5"],
  [-5n, "-5n", "-5"],
  [0n, "0n", "0"],
  [2n ** 53n - 1n, "9007199254740991n", "9007199254740991"],
  [2n ** 53n, "9007199254740992", "9007199254740992"],
  [-(2n ** 53n) + 1n, "-9007199254740991n", "-9007199254740991"],
])("the bigint %s is written so that it lands as one, where the peer has a form for it", (given, json, python) => {
  expect(repr(given)).toBe(json);
  expect(parseValue(json, LIMITS)).toBe(given);
  expect(parseValueWithAcorn(json, LIMITS)).toBe(given);
  expect(repr(given, "python")).toBe(python);
  expect(repr(given, "go")).toBe(python);
});

it("no text that is put into a script becomes code", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const [call, ...rest] = parseScript(script`say(${text}, ${[text]})`.text, LIMITS);
      expect(rest).toEqual([]);
      expect(call).toEqual(new Call("say", [text, [text]], undefined, false));
    }),
    { numRuns: Number(process.env["HBI_RUNS"] ?? 400) },
  );
});

describe("a value that would not stand by itself is refused, whatever it is", () => {
  const user = "');evil('";
  const cases: readonly (readonly [string, () => unknown])[] = [
    ["inside single quotes", () => script`say('${user}')`],
    ["inside double quotes", () => script`say("${user}")`],
    ["inside Go's raw string", () => script`say(\`${user}\`)`],
    ["inside triple quotes", () => script`say('''${user}''')`],
    ["behind what looks like the end of triple quotes", () => script`say('''a' ${user} ''')`],
    ["inside quotes, behind an escaped one", () => script`say('it\\'s ${user}')`],
    ["inside a # comment", () => script`say() # ${user}`],
    ["inside a // comment", () => script`say() // ${user}`],
    ["inside a block comment", () => script`/* ${user} */ say()`],
    ["right behind a prefix of a string", () => script`say(f${user})`],
    ["right behind a string", () => script`say('a'${user})`],
    ["right before a string", () => script`say(${user}'a')`],
    ["right before a word", () => script`say(${1}n)`],
    ["in quotes a second time", () => script`say(${user}, '${user}')`],
    ["a script inside quotes", () => script`say('${script`1`}')`],
    ["in code that ends inside a string", () => script`say(${1}, 'open)`],
    ["in code that breaks a line inside a string", () => script`say('a\n', ${user})`],
    ["inside quotes, for Python", () => pythonScript`say('${user}')`],
    ["behind an escape that is none", () => script`say('\users', ${user})`],
    ["before an escape that is none", () => script`say(${user}, '\users')`],
  ];
  it.each(cases)("%s", (_, make) => {
    for (let again = 0; again < 2; again++) expect(make).toThrow(expect.objectContaining({ reason: "bad_option" }));
  });

  it.each<[string, () => unknown]>([
    ["value 1 of the script is inside a string: a value brings its own quotes", () => script`f('${user}')`],
    ["value 2 of the script is inside a string", () => script`f(${1}, "${user}")`],
    ["value 1 of the script is inside a string", () => script`f(\`${user}\`)`],
    ["value 1 of the script is inside a line comment", () => script`f() // ${user}`],
    ["value 1 of the script is inside a line comment", () => script`f() # it's ${user}`],
    ["value 1 of the script is inside a block comment", () => script`/*/ ${user} */ f()`],
    ["value 1 of the script is inside a block comment", () => script`/* * / ${user} */ f()`],
    ["value 1 of the script is inside a block comment", () => script`/**//* ${user} */ f()`],
    ["value 1 of the script is directly beside a word or a quote", () => script`f(\\${user})`],
    ["value 1 of the script is directly beside a word or a quote", () => script`f(${user}\\)`],
    ["value 2 of the script is directly beside a word or a quote", () => script`f(${1}, é${user})`],
    ["value 1 of the script is directly beside a word or a quote", () => script`f(\`a\`${user})`],
    ["the script ends inside a string", () => script`f(${user}, "open)`],
    ["the script ends inside a string", () => script`f(${user}, 'open\\')`],
    ["the script ends inside a string", () => script`f(${user}, \`open\\n)`],
    ["the script ends inside a block comment", () => script`f(${user}) /* open *`],
    ["triple quotes in a script", () => script`f(${user}, """a""")`],
    ["triple quotes in a script", () => script`f(${user}, \`\`\`)`],
    ["a line break in a string of the script", () => script`f(${user}, "a\r")`],
    ["a line break in a string of the script", () => script`f(${user}, 'a\n')`],
    ["the script has an invalid escape", () => script`f(${user}, '\users')`],
  ])("and is told: %s", (message, make) => expect(make).toThrow(`bad option: ${message}`));

  it.each<[() => Script, string]>([
    [() => script`f('', ${1}, "", ${2}, \`\`, ${3})`, "f('', 1, \"\", 2, ``, 3)"],
    [() => script`f('a"b', ${1}, "it's", ${2})`, `f('a"b', 1, "it's", 2)`],
    [() => script`f(\`a\\\`, ${1})`, "f(`a\\`, 1)"],
    [() => script`f(\`a\n\`, ${1}, \`b\r\`)`, "f(`a\n`, 1, `b\r`)"],
    [() => script`f('\\'', ${1}, '\\\\', ${2})`, "f('\\'', 1, '\\\\', 2)"],
    [() => script`/**/f(${1})/***/, ${2}/*/*/`, "/**/f(1)/***/, 2/*/*/"],
    [() => script`//\nf(${1})`, "//\nf(1)"],
    [() => script`#\rf(${1})`, "#\rf(1)"],
    [() => script`f(6 / ${2}, ${1}) # '`, "f(6 / 2, 1) # '"],
    [() => script`f(${1}) // open`, "f(1) // open"],
    [() => script`${1}`, "1"],
  ])("but not this: %s", (make, text) => expect(make().text).toBe(text));

  it("everything else is taken as it is", () => {
    expect(script`f(${1}, -${2}, x=${"it's"})`.text).toBe(`f(1, -2, x="it's")`);
    expect(script`\nf('it\\'s', "#", ${1}) // done`.text).toBe(`\nf('it\\'s', "#", 1) // done`);
    expect(script`# it's\nf(${1})\r// it's\r/* " */f(${2})`.text).toBe(`# it's\nf(1)\r// it's\r/* " */f(2)`);
    expect(script`f(${[1]},${{ a: 1 }});g(${null}) /* it's */`.text).toBe(`f([1],{"a":1});g(null) /* it's */`);
  });
});

it("what has no text is named, also in what an instance is made of", () => {
  class Pair {
    readonly left: unknown;
    readonly right: unknown;
    constructor(left: unknown, right: unknown) {
      this.left = left;
      this.right = right;
    }
  }
  const write = (value: unknown, maxDepth = 8) =>
    repr(value, "json", maxDepth, (instance) =>
      instance instanceof Pair ? ["Pair", [instance.left, instance.right]] : undefined,
    );
  expect(write({ a: [new Pair(1, [new Pair("x", null)])] })).toBe('{"a":[Pair(1,[Pair("x",null)])]}');
  const bad = () => undefined;
  for (const [value, place] of [
    [new Pair(1, bad), "value[1] is a function, which cannot be sent"],
    [[0, new Pair([1, bad], 2)], "value[1][0][1] is a function, which cannot be sent"],
    [{ a: new Pair(1, { b: new Pair(bad, 1) }) }, "value.a[1].b[0] is a function, which cannot be sent"],
    [[new Pair(1, 2), bad], "value[1] is a function, which cannot be sent"],
  ] as const) {
    expect(() => write(value)).toThrow(`the value has no textual form: ${place}`);
  }
  for (const [value, place] of [
    [{ "x\ud800": 1 }, String.raw`value.x\u{d800} has`],
    [{ a: [{ "\ud800": 1 }] }, String.raw`value.a[0].\u{d800} has`],
  ] as const) {
    expect(() => repr(value, "go")).toThrow(`the value has no textual form: ${place}`);
  }
  const nested = (depth: number): unknown => (depth === 0 ? 0 : new Pair(nested(depth - 1), 0));
  expect(write(nested(8))).toContain("Pair(0,0)");
  expect(() => write(nested(9))).toThrow("is nested too deeply, or in a cycle");
});

it("a script in a script is code", () => {
  expect(script`notify(${script`user(${1})`})`).toEqual(new Script("notify(user(1))"));
});

it("code is a text or a script, and nothing else becomes it", async () => {
  const { po } = await pair(new HostingEnv());
  const co = await po.co();
  for (const code of [undefined, 5, ["f()"], { text: "f()" }]) {
    const sent = async () => co.sendCode(code as never);
    await expect(sent()).rejects.toMatchObject({
      reason: "bad_option",
      message: "bad option: code is a string or a Script",
    });
  }
});

describe("has no textual form", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  class Money {
    amount = 1;
  }
  const cases: readonly (readonly [string, unknown])[] = [
    ["a function", () => 1],
    ["a member that is a function", { toJSON: () => 1 }],
    ["a symbol", Symbol("x")],
    ["an invalid Date", new Date(Number.NaN)],
    ["what only inherits from Map", Object.create(Map.prototype)],
    ["an ArrayBuffer", new ArrayBuffer(1)],
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

it("undefined anywhere else lands as itself; the other dialects have a single word for nothing", () => {
  const given = [undefined, [undefined, null], new Array(2)];
  expect(repr(undefined)).toBe("undefined");
  expect(repr(given)).toBe("[undefined,[undefined,null],[undefined,undefined]]");
  expect(repr(given, "python")).toBe("[None,[None,None],[None,None]]");
  expect(repr(given, "go")).toBe("[nil,[nil,nil],[nil,nil]]");
  for (const read of [parseValue, parseValueWithAcorn]) {
    expect(read("undefined", LIMITS)).toBe(undefined);
    expect(read(repr(given), LIMITS)).toEqual([undefined, [undefined, null], [undefined, undefined]]);
    expect(read('{"a":undefined}', LIMITS)).toEqual({ a: undefined });
  }
  expect(script`note(${[undefined]})`).toEqual(new Script("note([undefined])", "value 1[0] is undefined"));
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
