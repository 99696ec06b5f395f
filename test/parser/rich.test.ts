/**
 * Date, Map, Set and URL as literals of the grammar: all readers agree, what is written lands as an equal value, and anything else is refused.
 */
import fc from "fast-check";
import { parseScript, parseValue, repr, resolveLimits, script } from "hbi";
import { describe, expect, it } from "vitest";
import { parseFast } from "../../src/parser/fast-path.ts";
import { LandingParser } from "../../src/parser/landing-parser.ts";
import { LandingTokenizer } from "../../src/parser/landing-tokenizer.ts";
import { needsRich } from "../../src/parser/repr.ts";
import { sizeOf } from "../../src/parser/text-size.ts";
import { verdict } from "./verdict.ts";

const LIMITS = resolveLimits();
const withAcorn = (text: string, limits = LIMITS) =>
  new LandingParser(text, limits, new LandingTokenizer(text, limits)).readObject();
const code = (thunk: () => unknown) => {
  try {
    thunk();
    return "accepted";
  } catch (thrown) {
    return (thrown as { reason: string }).reason;
  }
};

describe("lands as itself", () => {
  it.each<[string, unknown]>([
    ["$date(0)", new Date(0)],
    ["$date(-8640000000000000)", new Date(-8.64e15)],
    ["$date(8640000000000000)", new Date(8.64e15)],
    ["$map([])", new Map()],
    [
      '$map([["a",1],[1,"a"],[[1],null]])',
      new Map<unknown, unknown>([
        ["a", 1],
        [1, "a"],
        [[1], null],
      ]),
    ],
    ["$map([(1,2)])", new Map([[1, 2]])],
    [
      '$map([["1",1],[1,2],[1n,3],[true,4]])',
      new Map<unknown, unknown>([
        ["1", 1],
        [1, 2],
        [1n, 3],
        [true, 4],
      ]),
    ],
    ["$map([[$date(5),$set([$map([])])]])", new Map([[new Date(5), new Set([new Map()])]])],
    ["$set([])", new Set()],
    ["$set([1,'1',1n,nan,undefined])", new Set([1, "1", 1n, Number.NaN, undefined])],
    ["[$date(1),{a:$date(2)}]", [new Date(1), { a: new Date(2) }]],
    [" $date # a comment\n ( 0x1f , ) ", new Date(31)],
  ])("%s", (text, value) => {
    const read = /#/.test(text) ? `[${text}]` : text;
    const expected = /#/.test(text) ? [value] : value;
    for (const reader of [parseValue, withAcorn]) expect(reader(read, LIMITS)).toStrictEqual(expected);
    expect(parseScript(read, LIMITS)).toStrictEqual([expected]);
  });

  it("a URL", () => {
    const url = parseValue('$url("https://a.example/b?c=d#e")', LIMITS);
    expect(url).toBeInstanceOf(URL);
    expect(String(url)).toBe("https://a.example/b?c=d#e");
  });
});

describe("is refused as bad_literal", () => {
  it.each([
    ...["$date()", "$date(1,2)", "$date(ms=1)", "$date(1.5)", "$date(nan)", "$date(8640000000000001)", '$date("0")'],
    ...["$date(5n)", "$date(null)", "$date(f())", "$date([1])", "$date(inf)"],
    ...["$map()", "$map({})", '$map({"a":1})', "$map([1])", "$map([[1]])", "$map([[1,2,3]])", "$map([[1,2],[1,3]])"],
    ...["$map([[0,1],[-0.0,2]])", "$map([[nan,1],[nan,2]])", "$map([[1,f()]])", "$map([[f(),1]])", "$map(f())"],
    ...["$map([[1,HbiError('internal','x')]])", "$map([[{True:1},1]])", "$map(b'ab')", "$map('ab')"],
    ...["$set()", "$set({})", "$set('ab')", "$set([1,1])", "$set([f()])", "$set([1],[2])", "$set($set([]))"],
    ...["$url()", "$url(1)", '$url("a")', '$url("/a")', '$url("HTTP://A.example")', '$url("https://a.example")'],
  ])("%s", (text) => {
    for (const whole of [text, `[${text}]`, `g(${text})`, `g(a=${text})`, text.padEnd(300)]) {
      expect(code(() => parseScript(whole, LIMITS))).toBe("bad_literal");
      expect(verdict(() => parseValue(whole, LIMITS))).toEqual(verdict(() => withAcorn(whole)));
    }
  });
});

describe("the names", () => {
  it.each(["$date", "$map", "$set", "$url"])("%s is a name nowhere else", (name) => {
    expect(code(() => parseScript(name, LIMITS))).toBe("unknown_name");
    expect(code(() => parseScript(`a.${name.slice(1)}(1); ${name}`, LIMITS))).toBe("unknown_name");
  });

  it.each(["$Date(1)", "$dates(1)", "$date.x(1)", "$hbi.date(1)", "date(1)", "$bytes('')", "$constructor(1)"])(
    "%s is an ordinary call",
    (text) => {
      expect(parseScript(text, LIMITS)).toMatchObject([{ name: text.slice(0, text.indexOf("(")) }]);
    },
  );
});

describe("limits", () => {
  const pairs = (count: number) => `$map([${Array.from({ length: count }, (_, i) => `[${i},0]`).join()}])`;
  const items = (count: number) => `$set([${Array.from({ length: count }, (_, i) => i).join()}])`;

  it.each([pairs, items])("entries count as keys", (text) => {
    const limits = resolveLimits({ maxObjectKeys: 40 });
    expect(code(() => parseValue(text(40), limits))).toBe("accepted");
    expect(code(() => parseValue(text(41), limits))).toBe("too_many_keys");
    expect(code(() => parseScript(text(41), limits))).toBe("too_many_keys"); // of a length that JSON.parse would read
    expect(sizeOf(text(41)).keys).toBe(41);
    expect(parseFast(text(200), LIMITS)).toBeUndefined();
  });

  it("values, depth and arguments count as elsewhere, and none of them is a call", () => {
    const text = "[$map([[1,$date(2)]]),$set([3])]";
    const { nodes, depth, calls } = sizeOf(text);
    expect({ nodes, depth, calls }).toEqual({ nodes: 10, depth: 5, calls: 0 });
    const exact = { maxNodes: nodes, maxDepth: depth, maxCallsPerScript: 1 };
    expect(code(() => parseValue(text, resolveLimits(exact)))).toBe("accepted");
    expect(code(() => parseValue(text, resolveLimits({ ...exact, maxNodes: nodes - 1 })))).toBe("too_many_nodes");
    expect(code(() => parseValue(text, resolveLimits({ ...exact, maxDepth: depth - 1 })))).toBe("too_deep");
    expect(code(() => parseValue(`$map(${"[".repeat(10_000)}`, LIMITS))).toBe("too_deep");
    expect(repr(parseValue(text, LIMITS), "json", depth)).toBe(text);
    expect(() => repr(parseValue(text, LIMITS), "json", depth - 1)).toThrow("nested too deeply");
  });

  it("the keys whose hashes collide cost no more than an object of as many", () => {
    const colliding = `$set([${Array.from({ length: 1_000 }, (_, i) => i * 2 ** 31).join()}])`;
    expect((parseValue(colliding, LIMITS) as Set<unknown>).size).toBe(1_000);
    expect(code(() => parseValue(colliding.replace("[0", "[0,1"), LIMITS))).toBe("too_many_keys");
  });
});

describe("is written", () => {
  class Late extends Date {}
  it.each<[unknown, string]>([
    [new Date(5), "$date(5)"],
    [new Late(5), "$date(5)"],
    [
      new Map<unknown, unknown>([
        [1, "a"],
        ["1", new Set()],
      ]),
      '$map([[1,"a"],["1",$set([])]])',
    ],
    [new Map([[-0, -0]]), "$map([[0,-0.0]])"],
    [[new URL("https://a.example/\u00e9")], '[$url("https://a.example/%C3%A9")]'],
    [Object.assign(new Map(), { entries: () => [], get: 1 }), "$map([])"],
  ])("%o", (value, text) => {
    expect(repr(value)).toBe(text);
  });

  it("for no peer of the reference, and with its place", () => {
    for (const dialect of ["python", "go"] as const) {
      expect(() => repr([new Date(0)], dialect)).toThrow("value[0] is a Date; send toISOString(), or getTime()");
      expect(() => repr({ m: new Map() }, dialect)).toThrow("value.m is a Map; send an array of its entries: [...map]");
      expect(() => repr({ s: [new Set()] }, dialect)).toThrow("value.s[0] is a Set; send an array: [...set]");
      expect(() => repr(new URL("a:b"), dialect)).toThrow("value is a URL; send its href");
    }
    expect(() => repr([new Date(0)], "json", 32, undefined, false)).toThrow("value[0] is a Date; send toISOString()");
  });

  it("with the place of what cannot be written in it", () => {
    expect(() => repr({ a: new Map([[1, () => 1]]) })).toThrow("value.a.$map[0][1] is a function");
    expect(() => repr([new Date(Number.NaN)])).toThrow("value[0] is an invalid Date");
    const own = { [Symbol.for("hbi.repr")]: () => "Own()" };
    expect(() => repr(new Set([own]))).toThrow("value.$set[0] is an instance inside of a Map or Set");
    expect(repr([new Set(), own])).toBe("[$set([]),Own()]");
    const cycle = new Map<unknown, unknown>();
    expect(() => repr(cycle.set(1, cycle))).toThrow("is nested too deeply, or in a cycle");
  });

  it("and marked as what only some peers of ours read, whatever else is", () => {
    const onlyOurs = [5n, new Date(0), 6n];
    const { onlyOurs: what = "" } = script`f(${onlyOurs})`;
    expect(what).toContain("value 1[1] is a Date");
    expect(needsRich(what)).toBe(true);
    expect(needsRich(script`f(${[5n]})`.onlyOurs ?? "")).toBe(false);
  });
});

it("what is written lands as an equal value with every reader", () => {
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.date({ noInvalidDate: true }),
      fc.constantFrom<unknown>(null, true, 5, "a", 5n, undefined, -0, Number.NaN),
      fc
        .uniqueArray(fc.tuple(tie("value"), tie("value")), { maxLength: 4, selector: ([key]) => key })
        .map((all) => new Map(all)),
      fc.array(tie("value"), { maxLength: 4 }).map((all) => new Set(all)),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.record({ a: fc.date({ noInvalidDate: true }), b: fc.string() }),
    ),
  })).value;
  fc.assert(
    fc.property(value, (given) => {
      const text = repr(given);
      for (const reader of [parseValue, withAcorn]) {
        const landed = reader(text, LIMITS);
        expect(repr(landed)).toBe(text);
        expect(landed).toEqual(given);
      }
    }),
  );
});
