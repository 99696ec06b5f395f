/**
 * Failures on purpose: each refused script costs a reading, a log entry and an answer.
 */
import type { Attack } from "../attack.ts";
import { call, opening, packet, times } from "../bytes.ts";

function provoked(name: string, code: string): Attack {
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

export const refusals: readonly Attack[] = [
  provoked("unknown methods", "no_such_thing(1)"),
  provoked("arguments that are refused", 'add("one", "two")'),
  provoked("syntax errors", "add(1,"),
  {
    name: "unknown methods, dialing again each time",
    limit: "maxFailures, acceptsPerSecond",
    caught: "too_many_errors",
    async run(field) {
      for (let i = 0; i < field.many(50) && !field.over.aborted; i++) {
        const attacker = await field.open("127.0.0.2");
        await attacker.flood(times(60, call("no_such_thing(1)")), 180, field.never);
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
