/**
 * Every literal that the reference peers were recorded to write or to accept: it lands as the same value, or it is refused for
 * a reason that stands here.
 */
import { Call, parseScript, parseValue, repr, resolveLimits } from "hbi";
import { describe, expect, it } from "vitest";
import { parseWithAcorn } from "../../src/parser/parse.ts";
import { describeValue } from "../system/conformance/contract.ts";
import { loadTranscripts, readData } from "../system/conformance/load-transcripts.ts";
import { verdict } from "./verdict.ts";

type Neutral = readonly [string, ...unknown[]];
interface Recorded {
  readonly table: string;
  readonly text: string;
  readonly value: Neutral | null;
}

const LIMITS = resolveLimits({ maxNumberLength: 400 });

function recordedLiterals(): Recorded[] {
  const rows: Recorded[] = [];
  for (const table of ["repr-python", "repr-go", "emit-check"]) {
    const { values } = readData(table) as {
      values: { text: string; value?: Neutral | null; python?: Neutral; go?: Neutral }[];
    };
    for (const { text, value, python, go } of values) {
      const landed = value !== undefined ? value : [python, go].find((side) => Array.isArray(side));
      rows.push({ table, text, value: landed ?? null });
    }
  }
  for (const { name, items } of loadTranscripts().filter(({ name }) => name.startsWith("literals-"))) {
    const packets = items.flatMap((item) => (item.kind === "packet" ? [item] : []));
    const asked = packets.flatMap(({ from, payload }) => {
      const literal = from === "client" ? /^\s*describe\(([\s\S]*)\)\s*$/.exec(payload)?.[1] : undefined;
      return literal === undefined ? [] : [literal];
    });
    const answers = packets.filter(({ from, directive }) => from === "server" && directive === "co_recv");
    expect(answers.length).toBe(asked.length);
    for (const [i, text] of asked.entries()) {
      rows.push({ table: name, text, value: parseValue(answers[i]?.payload ?? "", LIMITS) as Neutral });
    }
  }
  return rows;
}

/** Keys of a map are text here. */
function withTextKeys(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  if (value[0] === "list") return ["list", (value[1] as unknown[]).map(withTextKeys)];
  if (value[0] !== "map") return value;
  const members = (value[1] as [Neutral, unknown][]).map(([key, item]) => [textKey(key), withTextKeys(item)]);
  return ["map", members.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))];
}

function textKey(key: Neutral): unknown {
  if (key[0] !== "num") return key[0] === "big" ? ["str", Buffer.from(String(key[1])).toString("hex")] : key;
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${String(key[1])}`));
  return ["str", Buffer.from(String(view.getFloat64(0))).toString("hex")];
}

/** Refused, and why: what is no plain value, what only one language has, what two languages read differently. */
const REFUSED: Readonly<Record<string, string>> = {
  // Go source, which no peer lands
  '&errors.errorString{s:"boom"}': "forbidden_syntax",
  '&main.S{A:1, B:"b", c:[]uint8{0x1}}': "forbidden_syntax",
  "(*main.S)(nil)": "forbidden_syntax",
  "(1-2i)": "syntax",
  "[2]int{1, 2}": "syntax",
  "[][]int{[]int{1}, []int{2}}": "syntax",
  "[]byte(nil)": "syntax",
  "[]byte{0x0, 0x1, 0xff}": "syntax",
  "[]byte{}": "syntax",
  "[]float64{1, 2.5}": "syntax",
  "[]int{1, 2}": "syntax",
  "[]string(nil)": "syntax",
  '[]string{"a", "b"}': "syntax",
  'main.S{A:1, B:"b", c:[]uint8(nil)}': "unknown_name",
  "map[string]int(nil)": "unknown_name",
  'map[string]interface {}{"a":interface {}(nil), "b":"x"}': "unknown_name",
  'map[string]int{"a":1, "b":2}': "unknown_name",
  "time.Date(2019, time.May, 16, 9, 28, 39, 123, time.UTC)": "unknown_name",
  // Python's other strings, and a key that no object here can have
  "'''triple'''": "syntax",
  "'ad' 'jacent'": "syntax",
  "r'raw\\n'": "bad_literal",
  "{'__proto__': 1}": "forbidden_syntax",
  // read differently by the two: refused rather than guessed
  "01": "syntax",
  "1e400": "bad_literal",
};

/** Landed as what is refused wherever it stands, the connection lives: test/endpoints/service/object-keys.test.ts. */
const ODD_KEYS: ReadonlySet<string> = new Set(["{(1, 2): 'pair'}", "{True: 1, None: 2}", "{1.5: 'x'}"]);

/** Calls: landed only where the environment has such a value constructor. */
const CONSTRUCTORS: ReadonlySet<string> = new Set(["Point", "dtype", "bytearray", "float"]);

/** Landed as another value than recorded, and why. */
const OTHER_VALUE: Readonly<Record<string, string>> = {
  "-0": "Python has no negative zero among its integers; JavaScript has",
  "[1, 0x1f, 1e+16, -0, 1.23456789125e+08]": "the same",
  '"\\/"': "JSON's escape, which Python takes as two characters and Go as one",
};

const rows = recordedLiterals();

describe("a recorded literal", () => {
  it("tables are there", () => expect(rows.length).toBeGreaterThan(300));
  for (const { table, text, value } of rows) {
    it(`${table}: ${JSON.stringify(text).slice(0, 100)}`, () => {
      const landed = verdict(() => parseValue(text, LIMITS));
      const code = `describe(${text})`;
      expect(verdict(() => parseScript(code, LIMITS))).toEqual(verdict(() => parseWithAcorn(code, LIMITS)));
      if (REFUSED[text] !== undefined || "reason" in landed) {
        expect(landed).toMatchObject({ reason: REFUSED[text] });
        return;
      }
      const tree = parseValue(text, LIMITS);
      if (tree instanceof Call) {
        expect(ODD_KEYS.has(text) ? ["{}"] : [...CONSTRUCTORS]).toContain(tree.name);
        return;
      }
      if (value === null) return; // no reference peer lands it: infinity by name, Go's bytes that are not UTF-8
      if (OTHER_VALUE[text] !== undefined) {
        expect(withTextKeys(describeValue(tree))).not.toEqual(withTextKeys(value));
        return;
      }
      expect(withTextKeys(describeValue(tree))).toEqual(withTextKeys(value));
    });
  }
});

describe("what repr writes", () => {
  const { values } = readData("emit-check") as { values: { text: string; python: unknown; go: unknown }[] };
  const checked = new Map(values.map(({ text, python, go }) => [text, { python, go }]));
  const landsIn = (peer: "python" | "go", text: string) => Array.isArray(checked.get(text)?.[peer]);

  const cases: readonly (readonly [unknown, string])[] = [
    [1, "1"],
    [-1, "-1"],
    [1.5, "1.5"],
    [-0, "-0.0"],
    [1e21, "1e+21"],
    [1e-7, "1e-7"],
    [9007199254740993n, "9007199254740993"],
    ["", '""'],
    ["it's", '"it\'s"'],
    ['say "hi"', '"say \\"hi\\""'],
    ["back\\slash", '"back\\\\slash"'],
    ["\n\r\t\b\f", '"\\n\\r\\t\\b\\f"'],
    ["é", '"é"'],
    ["中文😀", '"中文😀"'],
    ["\u2028\u2029\ufeff", '"\u2028\u2029\ufeff"'],
    ["\u0001\u001f\u007f", '"\u0001\u001f\u007f"'],
    ["\v", '"\v"'],
    ["\u0085\u00a0\u00ad", '"\u0085\u00a0\u00ad"'],
    [[], "[]"],
    [[1, 2], "[1,2]"],
    [{}, "{}"],
    [{ a: 1, b: [] }, '{"a":1,"b":[]}'],
  ];
  it.each(cases)("%s is %s, which both references land", (value, text) => {
    expect(repr(value)).toBe(text);
    expect(landsIn("python", text)).toBe(true);
    expect(landsIn("go", text)).toBe(true);
  });
  it.each([
    [null, "None"],
    [true, "True"],
    [false, "False"],
  ])("for Python %j is %s", (value, text) => {
    expect(repr(value, "python")).toBe(text);
    expect(landsIn("python", text)).toBe(true);
  });
  it.each([
    [null, "nil"],
    [true, "true"],
    [Number.NaN, "nan"],
  ])("for Go %j is %s", (value, text) => {
    expect(repr(value, "go")).toBe(text);
    expect(landsIn("go", text)).toBe(true);
  });
  it("NUL and bytes have a form that Python alone lands", () => {
    expect(repr("\0")).toBe('"\\x00"');
    expect(repr(Uint8Array.of(0, 255))).toBe("b'\\x00\\xff'");
    expect(landsIn("python", '"\\x00"') && landsIn("python", "b'\\x00\\xff'")).toBe(true);
  });
});
