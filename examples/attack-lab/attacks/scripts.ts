/**
 * Scripts that cost more to read than to write, each at a limit of the parser or as long as a packet may be.
 */
import type { Reason } from "hbi";
import type { Attack } from "../attack.ts";
import { call, KIB, packet } from "../bytes.ts";

/** Below `maxFailures`, so that each is read. */
const TIMES = 40;
const ROOM = 255 * KIB;

function filled(head: string, piece: string, tail = ""): string {
  return head + piece.repeat(Math.floor((ROOM - head.length - tail.length) / piece.length)) + tail;
}

/** The same script, repeated until just before the connection would be cut. */
function refused(name: string, limit: string, caught: Reason, code: string): Attack {
  return {
    name,
    limit,
    caught,
    async run(field) {
      const attacker = await field.open();
      const count = field.many(TIMES);
      for (let i = 0; i < count; i++) {
        attacker.say(call(code, `${101 + i};x;n`), 3);
        await attacker.hears(packet("co_ack_end", `${101 + i}`));
      }
    },
  };
}

const nested = (count: number) => `note(${"[".repeat(count)}${"]".repeat(count)})`;
const list = (count: number, item: (i: number) => string) => Array.from({ length: count }, (_, i) => item(i)).join(",");

/** Keys for which an engine may reserve slots for all numbers between them, in objects that handlers keep until the
 *  attack ends. */
const SPARSE: readonly (readonly number[])[] = [
  [1_000],
  [1_023, 2_046, 3_069],
  [500, 1_500, 2_500, 3_500],
  [4_000_000, 4_000_500],
  Array.from({ length: 900 }, (_, i) => i * 1_000),
];

/** @param code a call that keeps all of these values */
function sparse(name: string, code: (values: readonly string[]) => string): Attack {
  return {
    name,
    limit: "maxObjectKeys, maxNodes",
    caught: { by: "compact objects", shows: ({ cost }) => cost.mostRunning >= 2 * SPARSE.length },
    async run(field) {
      const attacker = await field.open();
      for (const quote of ["", '"'])
        for (const keys of SPARSE) {
          const value = `{${keys.map((key) => `${quote}${key}${quote}: 0`)}}`;
          const script = code(new Array(Math.floor(9_000 / (keys.length + 1))).fill(value));
          attacker.say(call(script), 3);
        }
      attacker.say(call("add(20, 22)", "9;x;n"), 3);
      await attacker.hears(packet("co_ack_end", "9"));
      field.must(attacker.isOpen, "it was cut");
    },
  };
}

export const scripts: readonly Attack[] = [
  refused("nested 33 deep", "maxDepth", "too_deep", nested(33)),
  refused("nested 130,000 deep", "maxDepth", "too_deep", nested(130_000)),
  refused("open brackets, 255 KiB", "maxDepth", "too_deep", filled("note(", "[")),
  refused("calls in calls", "maxDepth, maxCallsPerScript", "too_deep", filled("", "add(")),
  refused("10,001 values", "maxNodes", "too_many_nodes", `note([${list(10_001, () => "1")}])`),
  refused("85,000 empty arrays", "maxNodes", "too_many_nodes", filled("note([", "[],", "])")),
  refused("65 statements", "maxStatements", "too_many_statements", "1;".repeat(65)),
  refused("semicolons, 255 KiB", "maxStatements", "too_many_statements", filled("", ";")),
  refused("65 calls", "maxCallsPerScript", "too_many_calls", `note([${list(65, () => "add(1, 2)")}])`),
  refused("65 arguments", "maxArguments", "too_many_arguments", `add(${list(65, String)})`),
  refused("1,001 keys", "maxObjectKeys", "too_many_keys", `note({${list(1_001, (i) => `k${i}: 0`)}})`),
  refused("keys with one hash", "maxObjectKeys", "too_many_keys", filled("note({", "'\u0001\u0001': 1,", "})")),
  refused("a name of 65 letters", "maxNameLength", "name_too_long", `${"a".repeat(65)}()`),
  refused("a name of 255 KiB", "maxNameLength", "name_too_long", filled("", "a", "()")),
  refused("a name of 9 parts", "maxNameParts", "name_too_long", "a.b.c.d.e.f.g.h.i()"),
  refused("a name of 130,000 parts", "maxNameParts", "name_too_long", filled("a", ".a", "()")),
  refused("a number of 41 digits", "maxNumberLength", "number_too_long", `note(${"1".repeat(41)})`),
  refused("a number of 255 KiB", "maxNumberLength", "number_too_long", filled("note(", "1", ")")),
  refused(
    "6,000 numbers of 40 digits",
    "maxNumberLength",
    "bad_argument",
    filled("add([", `${"7".repeat(40)},`, "], 1)"),
  ),
  refused("a regular expression", "maxPacketBytes", "forbidden_syntax", filled("note(/", "(a+)+", "$/v)")),
  refused("a template", "maxPacketBytes", "forbidden_syntax", filled("note(`", "\u0024{a}", "`)")),
  refused("an unterminated string", "maxPacketBytes", "syntax", filled('note("', "\\u0061")),
  refused("an unterminated comment", "maxPacketBytes", "syntax", filled("note(/*", "*", "")),
  refused("invalid escapes", "maxPacketBytes", "bad_literal", filled('note("', "\\\\", '\\q")')),
  refused("text that JSON.parse doubts at its end", "maxPacketBytes", "unknown_name", filled('note("', "ab", '", oh)')),
  refused("objects that fit no schema", "maxNodes", "bad_argument", `draw([${list(9_900, () => "{}")}])`),
  refused("a prototype as a key", "fixed: forbidden_syntax", "forbidden_syntax", 'note({"__proto__": {"a": 1}})'),
  refused("a constructor", "fixed: unknown_name", "unknown_name", "constructor('return process')"),
  sparse("objects with sparse integer keys", (values) => `keep([${values}], 60000)`),
  sparse("a record of objects with sparse integer keys", (values) => {
    const most = values.slice(0, 990);
    return `keep_tagged({${most.map((value, i) => `k${i}: ${value}`)}}, 60000)`;
  }),
  sparse("records with sparse integer keys", (values) => `keep_records([${values}], 60000)`),
  {
    name: "255 KiB of values, accepted, repeated",
    limit: "maxPacketBytes, maxTurnBytes",
    mostMib: 128, // not all of 27 MB of values per second is collected yet
    caught: { by: "takes turns" },
    async run(field) {
      await (await field.open()).flood(call(accepted()), 3, field.over);
    },
  },
  {
    name: "255 KiB in Python's style, on 20 connections",
    limit: "maxPacketBytes, maxTurnMs",
    mostHeldMs: 400, // a packet of each
    mostMib: 128,
    caught: { by: "takes turns" },
    async run(field) {
      const attackers = await field.openMany(field.many(20));
      const chunk = Buffer.from(call(accepted()));
      await Promise.all(attackers.map((attacker) => attacker.flood(chunk, 3, field.over)));
    },
  },
];

/** The maximum number of values, none of them in JSON form, each as long as there is room for. */
function accepted(): string {
  return `note([${list(4_900, (i) => `{'k${i}': '${"\\x41".repeat(9)}'}`)}])`;
}
