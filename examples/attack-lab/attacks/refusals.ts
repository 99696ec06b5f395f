/**
 * Provoked failures: each refused script costs parsing, a log entry and an answer.
 */
import type { Reason } from "hbi";
import type { Attack } from "../attack.ts";
import { call, opening, packet, times } from "../bytes.ts";

/** A script that no honest peer sends. */
function malformed(name: string, code: string): Attack {
  return {
    name,
    limit: "maxFailures, failuresPerSecond",
    caught: "too_many_errors",
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(times(20, call(code)), 60, field.never);
      await attacker.closed;
    },
  };
}

/** A script of a peer with another version of the definition: each is refused separately and costs a turn. */
function outdated(name: string, reason: Reason, code: string): Attack {
  return {
    name,
    limit: "maxTurnPackets, maxTurnMs",
    caught: { by: "takes turns", logs: reason },
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(times(20, call(code)), 60, field.over);
      field.must(attacker.isOpen, "an honest peer of another version would have been cut");
    },
  };
}

export const refusals: readonly Attack[] = [
  outdated("unknown methods", "unknown_name", "no_such_thing(1)"),
  outdated("arguments that are refused", "bad_argument", 'add("one", "two")'),
  malformed("syntax errors", "add(1,"),
  malformed("unsupported literals", "note(/x/)"),
  {
    name: "metadata beyond the limit of the host",
    limit: "maxMetadataBytes",
    limits: { maxMetadataBytes: 64 },
    caught: { by: "refuses each call", logs: "metadata_too_big" },
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(times(20, call("add(1, 2)", `101;x;n;t=tenant:${"a".repeat(100)}`)), 60, field.over);
      field.must(attacker.isOpen, "an honest peer with a higher limit would have been cut");
    },
  },
  {
    name: "syntax errors, dialing again each time",
    limit: "maxFailures, acceptsPerSecond",
    caught: "too_many_errors",
    async run(field) {
      for (let i = 0; i < field.many(50) && !field.over.aborted; i++) {
        const attacker = await field.open("127.0.0.2");
        await attacker.flood(times(60, call("add(1,")), 180, field.never);
        await attacker.closed;
      }
    },
  },
  {
    name: "refused scripts behind a refused script",
    limit: "maxTurnPackets, gapTimeoutMs",
    caught: { by: "takes turns" },
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening("no_such_thing(1)", "101;x;n"), 2);
      await attacker.flood(times(500, packet("", "no_such_thing(1)")), 500, field.over);
    },
  },
];
