/**
 * Conversations that do not end, or end incorrectly; and bytes that are not a conversation.
 */
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import { call, MIB, opening, packet, times } from "../bytes.ts";

/** One connection that sends something once and is cut. */
export function said(name: string, limit: string, caught: Reason, text: string | Uint8Array): Attack {
  return {
    name,
    limit,
    caught,
    async run(field) {
      const attacker = await field.open();
      attacker.say(text);
      await attacker.closed;
    },
  };
}

export const conversations: readonly Attack[] = [
  {
    name: "conversations begun and never ended, on 90 connections",
    limit: "gapTimeoutMs",
    limits: QUICK,
    caught: "read_timeout",
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      for (const attacker of attackers) attacker.say(opening("add(1, 2)", "101;x;n"), 2);
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
  {
    name: "a conversation begun, and nothing else",
    limit: "gapTimeoutMs",
    limits: QUICK,
    caught: "read_timeout",
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101"));
      await attacker.closed;
    },
  },
  {
    name: "never ended, many small answers",
    limit: "maxQueuedAnswers",
    caught: "too_many_answers",
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101;x;n"));
      await attacker.flood(times(10, packet("", "add(1, 2);".repeat(60))), 10, field.never);
      await attacker.closed;
    },
  },
  {
    name: "never ended, large answers",
    limit: "maxQueuedAnswerBytes",
    caught: "too_many_answers",
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101;x;n"));
      await attacker.flood(packet("", "find(250000)"), 1, field.never);
      await attacker.closed;
    },
  },
  {
    name: "unexpected objects",
    limit: "fixed: bad_state",
    caught: "bad_state",
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101;x;n"));
      await attacker.flood(times(100, packet("co_recv", "[1, 2]")), 100, field.never);
      await attacker.closed;
    },
  },
  {
    name: "empty objects for a handler that receives none, on 20 connections",
    limit: "maxBufferedBytes",
    caught: { by: "reading pauses", shows: ({ exchange }) => exchange.sentBytes / exchange.connections < 16 * MIB },
    async run(field) {
      const attackers = await field.openMany(20);
      for (const attacker of attackers) attacker.say(opening("work(60000)", "101;x;n"), 2);
      const objects = times(5_000, packet("co_recv", ""));
      await Promise.all(attackers.map((attacker) => attacker.flood(objects, 5_000, field.over)));
    },
  },
  {
    name: "a byte of garbage beside ignored pushes",
    limit: "fixed: bad_frame",
    caught: "bad_frame",
    mostHeldMs: 250, // a handler that pushes 5,000 times at once
    async run(field) {
      const attacker = await field.open();
      attacker.say(`${call(`push(5000, "${"x".repeat(1_000)}")`)}?`);
      await attacker.closed;
    },
  },
  said("an id of 257 bytes", "fixed: 256 bytes of an id", "packet_too_big", packet("co_begin", "9".repeat(257))),
  said("an id with false promises", "fixed: bad_token", "bad_token", packet("co_begin", "101;x;b=1e9")),
  said("answers to nothing", "fixed: bad_state", "bad_state", packet("co_ack_begin", "101")),
  said("an end without a beginning", "fixed: bad_state", "bad_state", packet("co_end", "101")),
  said("HTTP", "fixed: bad_frame", "bad_frame", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  said(
    "bytes that are not UTF-8",
    "fixed: bad_utf8",
    "bad_utf8",
    Buffer.from("[4#co_begin]\xff\xfe\xfd\xfc", "latin1"),
  ),
  said("an endless header", "fixed: 24 bytes", "bad_frame", `[${"1".repeat(100_000)}`),
  {
    name: "a packet cut off",
    limit: "fixed: truncated",
    caught: "truncated",
    async run(field) {
      const attacker = await field.open();
      attacker.say(call("add(1, 2)").slice(0, -4));
      attacker.end();
      await attacker.closed;
    },
  },
  {
    name: "a hostile err packet",
    limit: "fixed: 1,024 bytes of an err",
    caught: { by: "ended without a message", shows: ({ exchange }) => exchange.fates.closed === 1 },
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("err", "\u001b[2J\nERROR root: owned /etc/passwd \u202e".slice(0, 1_000)));
      await attacker.closed;
    },
  },
];
