/**
 * Peers that have not authenticated, at a service that requires credentials.
 */
import { type Attack, QUICK } from "../attack.ts";
import type { Attacker } from "../attacker.ts";
import { answer, call, packet, times } from "../bytes.ts";
import type { Field } from "../field.ts";
import { SLOW_TOKEN, TOKEN } from "../service.ts";

const kind = "guarded";

async function authenticated(attacker: Attacker): Promise<void> {
  attacker.say(call(`$hbi.authenticate("${TOKEN}")`, "7;x;n"), 3);
  await attacker.hears(packet("co_ack_end", "7"));
}

/** A failure with other credentials does not change the identity. A call that is refused because of the load is made
 *  again. */
async function stillServed(field: Field, attacker: Attacker): Promise<void> {
  for (let id = 8; id < 28 && attacker.isOpen; id++) {
    attacker.say(call("add(20, 22)", `${id};x;n`), 3);
    await attacker.hears(packet("co_ack_end", String(id)));
    if (attacker.hasHeard(answer(String(id), packet("co_recv", "42")))) return;
  }
  field.must(
    false,
    `it is not served any more: ${attacker.isOpen ? attacker.recent(200) : "the connection has ended"}`,
  );
}

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
    name: "probing names, unauthenticated",
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
    name: "presenting other credentials again and again, all refused",
    limit: "maxFailures",
    kind,
    caught: { by: "identity unchanged", logs: "unauthenticated" },
    async run(field) {
      const attacker = await field.open();
      await authenticated(attacker);
      attacker.say(times(2_000, call('$hbi.authenticate("guess")')), 6_000); // each is checked before the next is read
      await stillServed(field, attacker);
    },
  },
  {
    name: "presenting other credentials, and cancelling",
    limit: "maxInFlight",
    kind,
    caught: { by: "identity unchanged", logs: "cancelled" },
    async run(field) {
      const attacker = await field.open();
      await authenticated(attacker);
      const pair = call(`$hbi.authenticate("${SLOW_TOKEN}")`, "101;x;n") + call('$hbi.cancel("101")', "102;x;n");
      attacker.say(times(50, pair), 300); // a handler that ignores its cancellation keeps its slot
      await stillServed(field, attacker);
    },
  },
  {
    name: "presenting other credentials, not checked in time",
    limit: "handlerTimeoutMs",
    limits: QUICK,
    kind,
    caught: { by: "identity unchanged", logs: "handler_timeout" },
    async run(field) {
      const attacker = await field.open();
      await authenticated(attacker);
      attacker.say(times(99, call(`$hbi.authenticate("${SLOW_TOKEN}")`, "101;x;n;d=300")), 297);
      await stillServed(field, attacker);
    },
  },
  {
    name: "one handshake that takes long, and calls behind it",
    limit: "fixed: one conversation of a stranger",
    limits: QUICK,
    kind,
    caught: {
      by: "nothing else is read",
      logs: "unauthenticated",
      shows: ({ cost }) => cost.mostRunning === 0,
    },
    async run(field) {
      const attacker = await field.open();
      attacker.say(call(`$hbi.authenticate("${SLOW_TOKEN}")`), 3);
      attacker.say(times(100, call("work(60000)")), 300);
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
