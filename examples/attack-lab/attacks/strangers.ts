/**
 * Strangers: peers of a service that asks for credentials, who have shown none.
 */
import { type Attack, QUICK } from "../attack.ts";
import { call, packet, times } from "../bytes.ts";

const kind = "guarded";

export const strangers: readonly Attack[] = [
  {
    name: "a packet of 4 KiB and a byte, unauthenticated",
    limit: "strangerPacketBytes",
    kind,
    caught: "packet_too_big",
    async run(field) {
      const attacker = await field.open();
      attacker.say(call(`$hbi.authenticate("${"x".repeat(4_077)}")`), 3);
      await attacker.closed;
    },
  },
  {
    name: "guessing credentials",
    limit: "strangerFailures",
    kind,
    caught: "too_many_errors",
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(times(20, call('$hbi.authenticate("guess")')), 60, field.never);
      await attacker.closed;
    },
  },
  {
    name: "asking for names, unauthenticated",
    limit: "strangerFailures",
    kind,
    caught: "too_many_errors",
    async run(field) {
      const attacker = await field.open();
      const names = ["add(1, 2)", "no_such_thing()", "$hbi.describe()", "fetch(1)", "work(1)"];
      attacker.say(names.map((code) => call(code)).join(""), 15);
      await attacker.closed;
    },
  },
  {
    name: "silence before authentication, on 90 connections",
    limit: "connectTimeoutMs",
    limits: QUICK,
    kind,
    caught: "unauthenticated",
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
  {
    name: "empty conversations, unauthenticated",
    limit: "strangerSentBytes",
    kind,
    caught: "rate_exceeded",
    async run(field) {
      const empty = packet("co_begin", "101;x;n") + packet("co_end", "101;x;n");
      const attacker = await field.open();
      await attacker.flood(times(1_000, empty), 2_000, field.never);
      await attacker.closed;
    },
  },
  {
    name: "raw data, unauthenticated",
    limit: "strangerPacketBytes",
    kind,
    caught: "drain_too_big",
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101;x;b=1000") + packet("", "store(1000)") + "x".repeat(1_000), 2);
      await attacker.closed;
    },
  },
];
