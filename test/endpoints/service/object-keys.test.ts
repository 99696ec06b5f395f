/**
 * Keys of objects and of Python's dicts: what each lands as, and what is sent. What is refused costs the script and nothing else.
 */
import { Link, parseValue, repr, resolveLimits } from "hbi";
import { answer, hostileTransport, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { parseValueWithAcorn } from "../../../src/parser/parse.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

const LIMITS = resolveLimits();
const entriesOf = (value: unknown) => Object.entries(value as object);
const long = (text: string) => text + " ".repeat(256);

describe("an object lands with its keys as text, and indexes first", () => {
  it.each<[string, readonly (readonly [string, unknown])[]]>([
    ["{1: 'one'}", [["1", "one"]]],
    ["{'1': 'one'}", [["1", "one"]]],
    [
      "{'b': 1, '2': 2, '1': 3}",
      [
        ["1", 3],
        ["2", 2],
        ["b", 1],
      ],
    ],
    [
      "{b: 1, 2: 2, 1: 3}",
      [
        ["1", 3],
        ["2", 2],
        ["b", 1],
      ],
    ],
    [
      "{-1: 1, '01': 2, 7: 3}",
      [
        ["7", 3],
        ["-1", 1],
        ["01", 2],
      ],
    ],
    [
      "{4294967295: 1, 4294967294: 2}",
      [
        ["4294967294", 2],
        ["4294967295", 1],
      ],
    ],
    [
      "{2574: 1, 1023: 2, 0: 3}",
      [
        ["0", 3],
        ["1023", 2],
        ["2574", 1],
      ],
    ],
    ["{1: 1, 1: 2}", [["1", 2]]],
    [
      "{1.0: 1, 1e3: 2}",
      [
        ["1", 1],
        ["1000", 2],
      ],
    ],
    ["{-0.0: 1}", [["0", 1]]],
    [
      "{(1): 1, ('a'): 2}",
      [
        ["1", 1],
        ["a", 2],
      ],
    ],
    ["{0x10: 1}", [["16", 1]]],
    ["{9007199254740993: 1}", [["9007199254740993", 1]]],
    ["{123456789012345678901234567890: 1}", [["123456789012345678901234567890", 1]]],
  ])("%s", (text, entries) => {
    for (const read of [parseValue, parseValueWithAcorn]) {
      expect(entriesOf(read(text, LIMITS))).toEqual(entries);
      expect(entriesOf(read(long(text), LIMITS))).toEqual(entries);
    }
  });
});

const ODD: readonly (readonly [string, string])[] = [
  ["{True: 1}", "True, line 1, column 7"],
  ["{None: 1}", "None, line 1, column 7"],
  ["{nan: 1}", "nan, line 1, column 7"],
  ["{-inf: 1}", "-Infinity, line 1, column 7"],
  ["{1.5: 1}", "1.5, line 1, column 7"],
  ["{1e22: 1}", "1e+22, line 1, column 7"],
  ["{(1, 2): 3}", "a tuple, line 1, column 7"],
  ["{(): 3}", "a tuple, line 1, column 7"],
  ["{b'x': 1}", "bytes, line 1, column 7"],
  ["{(None): 1}", "null, line 1, column 7"],
  ["{({}): 1}", "an object, line 1, column 7"],
  ["{1: 'a', '1': 'b'}", "1 among integers and strings of digits, line 1, column 15"],
  ["{'1': 'a', 1: 'b'}", "1 among integers and strings of digits, line 1, column 17"],
  ["{1: 'a', b: 'c', '-2': 'd'}", "-2 among integers and strings of digits, line 1, column 23"],
  ["{'a': 1, True: 2, 2.5: 3}", "True, line 1, column 15"],
  ["[0, {'a': {True: add(1, 2)}}]", "True, line 1, column 17"],
];

describe("an object key that is neither a string nor an integer fails its script, by name", () => {
  it.each(ODD)("echo(%s)", async (text, where) => {
    const work = new Work();
    await using test = await testLink(kinds, handlersOf(work), {
      reactions: new Reactions().all,
      host: { log: () => undefined },
    });
    // One after another: of many scripts, each malformed, the connection would be cut.
    for (const before of ["", "note('x')\n", "store(3)\n"]) {
      const at = before === "" ? where : where.replace("line 1", "line 2");
      const asked = test.link.po.converse(async (co) => {
        await co.sendCode(`${before}echo(${text})`);
        if (before.startsWith("store")) await co.sendData(new Uint8Array([1, 2, 3])); // skipped
        return co.recvObj();
      });
      await expect(asked).rejects.toMatchObject({
        code: "invalid_argument",
        reason: "bad_key",
        message: `an object key that is neither a string nor an integer: ${at}`,
      });
    }
    expect(work.noted).toEqual([]);
    expect(await test.link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(test.connectionCount).toBe(1);
  });

  it("also in an answer, which fails its call alone", async () => {
    const { transport, peer } = hostileTransport();
    const options = { log: () => undefined };
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, options).open();
    const asked = link.call.echo({ value: 1 });
    await peer.play({ hear: "co_end" }, { say: answer("101", packet("co_recv", "{True: 1}")) });
    await expect(asked).rejects.toMatchObject({ reason: "bad_key", message: expect.stringContaining("True, line 1") });
    const again = link.call.add({ a: 1, b: 2 });
    await peer.play({ say: answer("102", packet("co_recv", "3")) });
    await quiet();
    expect(await again).toBe(3);
    peer.reset();
    await link.closed;
  });

  it("does not hide that a call inside is unknown, behind which there may be raw data", async () => {
    await using test = await testLink(kinds, handlersOf(new Work()), {
      reactions: new Reactions().all,
      host: { log: () => undefined },
      link: { log: () => undefined },
    });
    const asked = test.link.po.converse(async (co) => {
      await co.sendCode("echo({True: nobody(1)})");
      return co.recvObj();
    });
    await expect(asked).rejects.toMatchObject({ reason: "unknown_name" });
  });
});

describe("what is sent", () => {
  it.each([
    [{ 1: "one" }, '{"1":"one"}'],
    [{ b: 1, 2: 2, 1: 3 }, '{"1":3,"2":2,"b":1}'],
    [{ "-1": 1, "1.5": 2 }, '{"-1":1,"1.5":2}'],
  ])("%o keeps its keys texts", (value, text) => {
    for (const dialect of ["json", "python", "go"] as const) expect(repr(value, dialect)).toBe(text);
    expect(entriesOf(parseValue(text, LIMITS))).toEqual(entriesOf(value));
  });

  it.each([new Map([[1, "one"]]), new Map([["a", 1]]), new Map(), new Map([[true, 1]])])(
    "%o keeps the types of its keys",
    (map) => {
      expect(parseValue(repr(map), LIMITS)).toStrictEqual(map);
      expect(() => repr(map, "python")).toThrow(expect.objectContaining({ reason: "not_representable" }));
    },
  );
});
