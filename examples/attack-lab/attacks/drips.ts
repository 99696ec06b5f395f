/**
 * Drips and silence: bytes that arrive so slowly, or not at all, that they would occupy the connection forever.
 */
import { type Attack, QUICK } from "../attack.ts";
import { call, MIB, opening, packet } from "../bytes.ts";

const EVERY_MS = 150;

export const drips: readonly Attack[] = [
  {
    name: "a header, byte by byte",
    limit: "headerTimeoutMs",
    limits: QUICK,
    caught: "read_timeout",
    async run(field) {
      const attacker = await field.open();
      await attacker.drip(packet("co_ack_begin", "101"), EVERY_MS);
      await attacker.closed;
    },
  },
  {
    name: "a payload, byte by byte",
    limit: "payloadTimeoutMs",
    limits: QUICK,
    caught: "read_timeout",
    async run(field) {
      const attacker = await field.open();
      attacker.say(`${packet("co_begin", "101;x;n")}[1000#]`);
      await attacker.drip("x".repeat(1_000), EVERY_MS);
    },
  },
  {
    name: "raw data, byte by byte",
    limit: "minDataBytesPerSecond, dataRateWindowMs",
    limits: QUICK,
    caught: "data_too_slow",
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening("store(100000)", "101;x;b=100000"), 2);
      await attacker.drip("x".repeat(1_000), EVERY_MS);
    },
  },
  {
    name: "raw data to be skipped, byte by byte",
    limit: "minDataBytesPerSecond, dataRateWindowMs",
    limits: QUICK,
    caught: "data_too_slow",
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening("ignore(100000)", "101;x;b=100000"), 2);
      await attacker.drip("x".repeat(1_000), EVERY_MS);
    },
  },
  {
    name: "a packet of 256 KiB announced, on 90 connections",
    limit: "payloadTimeoutMs",
    limits: QUICK,
    caught: "read_timeout",
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      for (const attacker of attackers) attacker.say(`${packet("co_begin", "101;x;n")}[262144#]`);
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
  {
    name: "raw data announced and not sent, on 90 connections",
    limit: "minDataBytesPerSecond, dataRateWindowMs",
    limits: QUICK,
    caught: "data_too_slow",
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      for (const attacker of attackers) attacker.say(opening(`store(${64 * MIB})`, `101;x;b=${64 * MIB}`), 2);
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
  {
    name: "a silent connection",
    limit: "idleTimeoutMs",
    limits: { idleTimeoutMs: 500 },
    caught: {
      by: "ended without a message",
      shows: ({ exchange: { fates, heardBytes } }) => fates.closed === 1 && heardBytes === 0,
    },
    async run(field) {
      const attacker = await field.open();
      await attacker.closed;
    },
  },
  {
    name: "a peer that speaks the extension, and then says nothing, on 90 connections",
    limit: "keepaliveMs, keepaliveTimeoutMs",
    limits: { keepaliveMs: 500, keepaliveTimeoutMs: 3_000 },
    caught: "unresponsive",
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      for (const attacker of attackers) attacker.say(call("add(1, 2)"), 3);
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
];
