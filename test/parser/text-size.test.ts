/**
 * What the limits of a text count, without a tree: a table, and equality with what the parser accepts at exactly these limits.
 */
import fc from "fast-check";
import { parseScript, repr, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { sizeOf, type TextSize } from "../../src/parser/text-size.ts";

const NONE: TextSize = {
  nodes: 0,
  depth: 0,
  statements: 0,
  calls: 0,
  arguments: 0,
  keys: 0,
  digits: 0,
  heaviest: undefined,
};
const call = { ...NONE, statements: 1, calls: 1, depth: 1 };

describe("counts", () => {
  it.each<[string, TextSize]>([
    ["", NONE],
    [" ", NONE],
    ["1", { ...NONE, nodes: 1, statements: 1, digits: 1 }],
    [".5", { ...NONE, nodes: 1, statements: 1, digits: 2 }],
    ["-12.5e-3", { ...NONE, nodes: 1, statements: 1, digits: 7 }],
    ["1E+10", { ...NONE, nodes: 1, statements: 1, digits: 5 }],
    ["1+10", { ...NONE, nodes: 2, statements: 2, digits: 2 }],
    ["12n", { ...NONE, nodes: 1, statements: 1, digits: 3 }],
    ["1;22", { ...NONE, nodes: 2, statements: 2, digits: 2 }],
    ["'a'", { ...NONE, nodes: 1, statements: 1 }],
    ['"a,[(\\"\'"', { ...NONE, nodes: 1, statements: 1 }],
    ["'\\'", { ...NONE, nodes: 1, statements: 1 }],
    ["b'ab'", { ...NONE, nodes: 1, statements: 1 }],
    ["true", { ...NONE, nodes: 1, statements: 1 }],
    ["a=1", { ...NONE, nodes: 1, statements: 1, digits: 1 }],
    ["[]", { ...NONE, nodes: 1, statements: 1, depth: 1 }],
    [
      "[[1],2]",
      {
        ...NONE,
        nodes: 4,
        statements: 1,
        depth: 2,
        digits: 1,
        heaviest: { index: 0, name: undefined, nodes: 2, items: 1 },
      },
    ],
    ["(1)", { ...NONE, nodes: 2, statements: 1, depth: 1, digits: 1 }],
    ["{}", { ...NONE, nodes: 1, statements: 1, depth: 1 }],
    ['{"a":1,b:2}', { ...NONE, nodes: 3, statements: 1, depth: 1, keys: 2, digits: 1 }],
    ["]})", NONE],
    ["a,b:c", { ...NONE, nodes: 3, statements: 3 }],
    ["f()", { ...call, nodes: 1, arguments: 1 }],
    ["f(1,2)", { ...call, nodes: 3, arguments: 2, digits: 1 }],
    ["f.g(1)", { ...call, nodes: 2, arguments: 1, digits: 1 }],
    ["f(a=1,bc=2)", { ...call, nodes: 3, arguments: 0, keys: 2, digits: 1 }],
    ["f(1,bc=2)", { ...call, nodes: 3, arguments: 1, keys: 1, digits: 1 }],
    [
      "f(g(1,2,3))",
      {
        ...call,
        nodes: 5,
        calls: 2,
        depth: 2,
        arguments: 3,
        digits: 1,
        heaviest: { index: 0, name: undefined, nodes: 4, items: 3 },
      },
    ],
    ["f(1);g(2,3)", { ...call, statements: 2, calls: 2, nodes: 5, arguments: 2, digits: 1 }],
  ])("%j", (text, size) => {
    expect(sizeOf(text)).toEqual(size);
  });

  it("stops where no reader goes", () => {
    expect(sizeOf("[".repeat(5_000))).toMatchObject({ depth: 1_024, nodes: 1_024 });
  });
});

describe("the heaviest argument of a call", () => {
  it.each<[string, TextSize["heaviest"]]>([
    ["f(1,'a',true)", undefined],
    ["f([])", { index: 0, name: undefined, nodes: 1, items: 1 }],
    ["f(1,[1,2,3])", { index: 1, name: undefined, nodes: 4, items: 3 }],
    ["f([1,2,3],1)", { index: 0, name: undefined, nodes: 4, items: 3 }],
    ["f([1],[1,2],[1])", { index: 1, name: undefined, nodes: 3, items: 2 }],
    ["f([1,2],[1,2])", { index: 0, name: undefined, nodes: 3, items: 2 }],
    ["f([[1,2],[3,4,5]])", { index: 0, name: undefined, nodes: 8, items: 2 }],
    ['f({"a":[1,2],"b":3})', { index: 0, name: undefined, nodes: 5, items: 2 }],
    ["f(1,rows=[1,2])", { index: 1, name: "rows", nodes: 3, items: 2 }],
    ["f(rows=[1,2],n=1)", { index: 0, name: "rows", nodes: 3, items: 2 }],
    ["f(a=[1],b=[g(x=[1,2])])", { index: 1, name: "b", nodes: 5, items: 1 }],
    ["f([1]);g([1,2])", { index: 0, name: undefined, nodes: 3, items: 2 }],
  ])("%s", (text, heaviest) => {
    expect(sizeOf(text).heaviest).toEqual(heaviest);
  });
});

it("the parser accepts what is within these counts, and refuses the same text within less", () => {
  const argument = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.string({ maxLength: 9 }),
      fc.constantFrom(true, false, null),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.string({ maxLength: 3 }), tie("value"), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 4 }), fc.array(argument, { maxLength: 3 }), (given, more) => {
      const text = [given, more].map((all) => `f(${all.map((each) => repr(each)).join(",")})`).join(";");
      const { nodes, depth, statements } = sizeOf(text);
      const exact = { maxNodes: nodes, maxDepth: depth, maxStatements: statements };
      expect(parseScript(text, resolveLimits(exact))).toHaveLength(2);
      for (const name of ["maxNodes", "maxDepth", "maxStatements"] as const) {
        if (exact[name] === 1) continue; // the least that a limit can be
        expect(() => parseScript(text, resolveLimits({ ...exact, [name]: exact[name] - 1 }))).toThrow();
      }
    }),
  );
});
