/**
 * Raw data: too much, of refused calls, and for handlers that do not read it.
 */
import { type Attack, QUICK } from "../attack.ts";
import { KIB, MIB, opening, packet } from "../bytes.ts";

const CHUNK = Buffer.alloc(64 * KIB);

function refusedBody(code: string): Buffer {
  const id = `101;x;b=${MIB}`;
  return Buffer.from(opening(code, id) + "x".repeat(MIB) + packet("co_end", id));
}

export const bodies: readonly Attack[] = [
  {
    name: "a body above the limit",
    limit: "maxBodyBytes",
    caught: "body_too_big",
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening(`store(${64 * MIB + 1})`, `101;x;b=${64 * MIB + 1}`), 2);
      await attacker.flood(CHUNK, 0, field.over);
    },
  },
  {
    name: "a body of a terabyte",
    limit: "maxBodyBytes",
    caught: "body_too_big",
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening("store(1099511627776)", "101;x"), 2);
      await attacker.flood(CHUNK, 0, field.over);
    },
  },
  {
    name: "a body without end behind a refused call",
    limit: "maxDrainBytes",
    caught: "drain_too_big",
    limits: { closeTimeoutMs: 300 },
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening("no_such_thing()", "101;x;b=1099511627776"), 2);
      await attacker.flood(CHUNK, 0, field.over);
    },
  },
  {
    name: "a refused body that never comes",
    limit: "gapTimeoutMs",
    caught: "read_timeout",
    limits: { ...QUICK, closeTimeoutMs: 300 },
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening("no_such_thing()", `101;x;b=${2 * MIB}`), 2);
      await attacker.closed;
    },
  },
  {
    name: "bodies of a megabyte behind unknown methods",
    limit: "maxDrainBytes, maxTurnBytes",
    caught: { by: "takes turns", logs: "unknown_name" },
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(refusedBody("no_such_thing()"), 3, field.over);
    },
  },
  {
    name: "bodies of a megabyte behind syntax errors",
    limit: "maxDrainBytes, maxFailures",
    caught: "too_many_errors",
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(refusedBody("add(1,"), 3, field.never);
      await attacker.closed;
    },
  },
  {
    name: "a body of unknown length behind a refused call",
    limit: "fixed: position_lost",
    caught: "unknown_name",
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening("no_such_thing()", "101;x"), 2);
      await attacker.flood(CHUNK, 0, field.never);
      await attacker.closed;
    },
  },
  {
    name: "another body than the token says",
    limit: "fixed: body_mismatch",
    caught: "body_mismatch",
    async run(field) {
      const attacker = await field.open();
      attacker.say(`${opening("store(20)", "101;x;b=10")}${"x".repeat(10)}${packet("co_end", "101")}`, 3);
      await attacker.closed;
    },
  },
  {
    name: "a body for a busy handler",
    limit: "maxBufferedBytes, handlerTimeoutMs",
    limits: QUICK,
    caught: "handler_timeout",
    mostMib: 32,
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening(`postpone(${64 * MIB})`, `101;x;b=${64 * MIB}`), 2);
      await attacker.flood(CHUNK, 0, field.never);
      await attacker.closed;
    },
  },
  {
    name: "the same on 90 connections",
    limit: "maxBufferedBytes",
    caught: {
      by: "reading pauses",
      shows: ({ exchange }) => exchange.sentBytes / exchange.connections < 8 * MIB, // what both systems and the server hold
    },
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      const body = opening(`postpone(${64 * MIB})`, `101;x;b=${64 * MIB}`);
      for (const attacker of attackers) attacker.say(body, 2);
      await Promise.all(attackers.map((attacker) => attacker.flood(CHUNK, 0, field.over)));
    },
  },
  {
    name: "bodies at full speed",
    limit: "maxTurnBytes",
    caught: { by: "takes turns" },
    async run(field) {
      const attackers = await field.openMany(field.many(4));
      const id = `101;x;b=${4 * MIB}`;
      const whole = Buffer.from(opening(`store(${4 * MIB})`, id) + "x".repeat(4 * MIB) + packet("co_end", id));
      await Promise.all(attackers.map((attacker) => attacker.flood(whole, 3, field.over)));
    },
  },
  {
    name: "a packet of 256 KiB and a byte",
    limit: "maxPacketBytes",
    caught: "packet_too_big",
    async run(field) {
      const attacker = await field.open();
      attacker.say(`${packet("co_begin", "101;x;n")}[262145#]`, 2);
      await attacker.flood(CHUNK, 0, field.over);
    },
  },
];
