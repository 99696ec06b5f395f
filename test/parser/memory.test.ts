/**
 * What a text costs: so much of the heap for each of its characters, whatever it contains, and nothing of it is kept by a part that outlives
 * it.
 */
import { Assignment, Call, type Limits, parseScript, parseValue, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { parseValueWithAcorn, parseWithAcorn } from "../../src/parser/parse.ts";
import { heldBytes } from "../support/heap.ts";

const TRUSTED = resolveLimits({ preset: "trusted" });
const CHARS = 20 * 1_024;
const MAX_BYTES_PER_CHAR = 64;
/** Of any text: the engine keeps shapes of objects, names, and code. */
const FREE_BYTES = 65_536;

const many = (item: string, chars = CHARS) =>
  `[${new Array(Math.floor(chars / (item.length + 1))).fill(item).join(",")}]`;
const range = (count: number, item: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => item(i)).join(",");

const TEXTS: Readonly<Record<string, string>> = {
  "two sparse indexes": many("{1023:1,2574:1}"),
  "two sparse indexes as text": many("{'1023':1,'2574':1}"),
  "two sparse indexes as JSON": many('{"1023":1,"2574":1}'),
  "the larger first": many("{2574:1,1023:1}"),
  "larger and larger": many("{9:1,99:1,900:1,1800:1,2700:1,3600:1,4500:1}"),
  "beside names": many("{a:1,b:1,1023:1,c:1,2574:1}"),
  "the same again": many("{0:1,0:1,0:1,1022:1}"),
  "one below the gap": many("{1023:1}"),
  "one at the gap": many("{1024:1}"),
  "the last index": many("{4294967294:1}"),
  "no index any more": many("{4294967295:1}"),
  "each in the one before": many("{1023:{1023:{1023:{2574:1}}}}"),
  "each small, in the one before": many("{9:{9:{9:{9:1}}}}"),
  "a small one": many("{9:1}"),
  "a dense one": many("{0:1}"),
  "dense ones": many("{0:1,1:1,2:1,3:1,4:1,5:1}"),
  "hardly sparse ones": many("{0:1,1:1,4:1,6:1,8:1}"),
  "a large dense one": `{${range(5_000, (i) => `${i}:1`)}}`,
  "a large sparse one": `{${range(5_000, (i) => `${i * 1_000}:1`)}}`,
  "a key that is refused": many("{True:1,1023:1,2574:1}", 4_096),
  "empty arrays": many("[]"),
  "arrays of one": many("[0]"),
  "empty objects": many("{}"),
  "objects of one": many("{a:1}"),
  "objects of one name each": `[${range(6_000, (i) => `{k${i.toString(36)}:1}`)}]`,
  "empty bytes": many("b''"),
  "small bytes": many("b'abcdefgh'"),
  "large bytes": many(`b'${"a".repeat(65)}'`),
  dates: many("$date(0)"),
  "empty Maps": many("$map([])"),
  "Maps of one": many("$map([[0,0]])"),
  "Maps of three": many("$map([[0,0],[1,0],[2,0]])"),
  "Maps of five": many("$map([[0,0],[1,0],[2,0],[3,0],[4,0]])"),
  "empty Sets": many("$set([])"),
  "Sets of five": many("$set([0,1,2,3,4])"),
  "Sets of nine": many("$set([0,1,2,3,4,5,6,7,8])"),
  "Sets in each other": many("$set([$set([$set([])])])"),
  URLs: many("$url('a:')"),
  "URLs with a host": many("$url('b://a')"),
  fractions: many(".5"),
  bigints: many("9007199254740993"),
  escapes: many(`"${"\\n".repeat(20)}"`),
  "one long string of escapes": `"${"\\n".repeat(CHARS / 2)}"`,
  "short strings": many("'aaaaaaaaaaaaaa'"),
};

/** Both ways build objects by the same code: these show the parts in which they differ. */
const BY_ACORN = [
  "two sparse indexes",
  "objects of one",
  "small bytes",
  "bigints",
  "one long string of escapes",
  "Maps of five",
];

type Way = readonly [way: string, read: (text: string, limits: Limits) => unknown, names: readonly string[]];
const WAYS: readonly Way[] = [
  ["the usual way", parseValue, Object.keys(TEXTS)],
  ["with acorn's tokens", parseValueWithAcorn, BY_ACORN],
];

describe.each(WAYS)("a text, read %s, costs what its length allows", (_, read, names) => {
  it.each(names)("%s", (name) => {
    const text = TEXTS[name] ?? "";
    read(text, TRUSTED);
    const bytes = heldBytes(() => read(text, TRUSTED));
    expect(bytes).toBeLessThanOrEqual(FREE_BYTES + MAX_BYTES_PER_CHAR * text.length);
  });
});

/** A packet with something short in it, each of its own. */
const packet = (i: number, text: string) => `f(${text}, '${"x".repeat(100_000)}${i}')`;
const first = (tree: unknown): unknown => {
  const [statement] = tree as readonly unknown[];
  return statement instanceof Call ? statement.args[0] : statement instanceof Assignment ? statement.value : statement;
};

const SHORT: Readonly<Record<string, (i: number) => readonly [string, (tree: unknown) => unknown]>> = {
  "a string of 12 characters": (i) => [packet(i, "'abcdefghijkl'"), first],
  "a string of 13 characters": (i) => [packet(i, "'abcdefghijklm'"), first],
  "a string of 17 characters": (i) => [packet(i, '"abcdefghijklmnopq"'), first],
  "a string with an escape": (i) => [packet(i, '"abcdefghijkl\\nmnopqrstuvwxyz"'), first],
  "a string of no ASCII": (i) => [
    packet(i, '"\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436\u0436"'),
    first,
  ],
  "a string of 1,000 characters": (i) => [packet(i, `"${"y".repeat(1_000)}"`), first],
  "a string in JSON": (i) => [packet(i, '"abcdefghijklmnopq"').replaceAll("'", '"'), first],
  "a key": (i) => [packet(i, `{name_of_more_than_${i}: 1}`), first],
  "a number": (i) => [packet(i, "0.12345678901234567"), first],
  bytes: (i) => [packet(i, "b'abcdefghijklmnopq'"), first],
  "the name of a call": (i) => [packet(i, "1"), (tree) => ((tree as Call[])[0] as Call).name],
  "a long name of a call": (i) => [`name_of_more_than_${packet(i, "1")}`, (tree) => ((tree as Call[])[0] as Call).name],
  "a long name of a call of JSON": (i) => [
    `name_of_more_than_${packet(i, "1")}`.replaceAll("'", '"'),
    (tree) => ((tree as Call[])[0] as Call).name,
  ],
  "the name of a parameter": (i) => [
    `f(name_of_more_than_13=${i},other='${"x".repeat(100_000)}${i}')`,
    (tree) => [...(((tree as Call[])[0] as Call).named ?? new Map()).keys()],
  ],
  "a slot": (i) => [
    `name_of_more_than_13 = '${i}'\n${packet(i, "1")}`,
    (tree) => ((tree as Assignment[])[0] as Assignment).name,
  ],
};

describe.each([
  ["the usual way", parseScript],
  ["acorn's tokens", parseWithAcorn],
] as const)("what outlives a text does not keep it, read %s", (_, read) => {
  it.each(Object.entries(SHORT))("%s", (_, make) => {
    const kept = (count: number) =>
      Array.from({ length: count }, (_, i) => {
        const [text, part] = make(i);
        return part(read(text, TRUSTED));
      });
    kept(2);
    expect(heldBytes(() => kept(20))).toBeLessThan(20 * 5_000 + FREE_BYTES); // 2 MB of text
  });
});
