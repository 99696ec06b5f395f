/**
 * Floods: too much of something, as fast as the system takes it.
 */
import type { Attack } from "../attack.ts";
import { call, KIB, MIB, opening, packet, times } from "../bytes.ts";

const EMPTY = packet("co_begin", "101") + packet("co_end", "101");

/** This many of them, with their numbers. */
const numbered = (count: number, text: (id: number) => string) =>
  Buffer.from(Array.from({ length: count }, (_, i) => text(101 + i)).join(""));

const FEW_PLACES = { maxProcessInFlight: 50 };
/** Its handler keeps 255 KiB for a minute. */
const LARGE = `keep("${"x".repeat(255 * KIB)}", 60000)`;

function pieces(text: string, bytes: number): string[] {
  return Array.from({ length: Math.ceil(text.length / bytes) }, (_, i) => text.slice(i * bytes, (i + 1) * bytes));
}

export const floods: readonly Attack[] = [
  {
    name: "empty conversations, pipelined",
    limit: "maxTurnPackets, maxTurnMs",
    caught: { by: "takes turns" },
    async run(field) {
      await (await field.open()).flood(times(1_000, EMPTY), 2_000, field.over);
    },
  },
  {
    name: "empty packets in one conversation",
    limit: "maxTurnPackets, maxTurnMs",
    caught: { by: "takes turns" },
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101;x;n"));
      await attacker.flood(times(5_000, "[0#]"), 5_000, field.over);
    },
  },
  {
    name: "small calls, pipelined",
    limit: "maxTurnPackets, maxTurnMs",
    caught: { by: "takes turns" },
    async run(field) {
      await (await field.open()).flood(times(500, call("add(1, 2)")), 1_500, field.over);
    },
  },
  {
    name: "small calls, on 50 connections",
    limit: "maxTurnPackets, maxTurnMs",
    mostHeldMs: 250, // maxTurnMs of each
    caught: { by: "takes turns" },
    async run(field) {
      const attackers = await field.openMany(field.many(50));
      const chunk = times(100, call("add(1, 2)"));
      await Promise.all(attackers.map((attacker) => attacker.flood(chunk, 300, field.over)));
    },
  },
  {
    name: "packets in one-byte segments",
    limit: "maxBufferedBytes, maxTurnMs",
    caught: { by: "takes turns" },
    async run(field) {
      const attacker = await field.open();
      const bytes = Buffer.from(call("add(1, 2)"));
      while (attacker.isOpen && !field.over.aborted) {
        for (const byte of bytes) attacker.say(Uint8Array.of(byte), 0);
        await new Promise(setImmediate);
      }
    },
  },
  {
    name: "endless slow calls",
    limit: "maxInFlight",
    caught: {
      by: "reading pauses at 100",
      shows: ({ cost }) => cost.mostRunning === 100,
    },
    async run(field) {
      const attacker = await field.open();
      const calls = (count: number) => numbered(count, (id) => call("work(60000)", `${id};x;n`));
      attacker.say(calls(100), 300);
      attacker.say(call("$hbi.ping()", "201;x;n"), 3);
      await attacker.hears(packet("co_ack_end", "201")); // a hundred calls are now in progress
      void attacker.flood(calls(500), 1_500, field.over);
      await field.passes();
    },
  },
  {
    name: "slow calls on 20 connections",
    limit: "maxProcessInFlight",
    limits: { maxProcessInFlight: 1_000 },
    caught: { by: "reading pauses at 1,000 of all connections", shows: ({ cost }) => cost.mostRunning <= 1_000 + 20 },
    async run(field) {
      const attackers = await field.openMany(field.many(20));
      const calls = numbered(99, (id) => call("work(60000)", `${id};x;n`));
      for (const attacker of attackers) attacker.say(calls, 297);
      await field.passes();
    },
  },
  {
    name: "slow calls after a goaway, on 20 connections",
    limit: "maxProcessInFlight",
    limits: FEW_PLACES,
    // A connection without a slot always gets one.
    caught: { by: "one slot per script", shows: ({ cost }) => cost.mostRunning <= 50 + 20 },
    async run(field) {
      const attackers = await field.openMany(field.many(20));
      const urgent = ["$hbi.ping()", '$hbi.cancel("1")', '$hbi.goaway("soon")'];
      const begun = (id: number) => opening(urgent[id % urgent.length] ?? "", `${id};x;n`);
      const calls = numbered(99, (id) => begun(id) + packet("", "work(60000)") + packet("co_end", `${id}`));
      for (const attacker of attackers) attacker.say(calls, 396);
      await field.passes();
    },
  },
  {
    name: "large scripts of slow calls",
    limit: "maxInFlightBytes",
    limits: { maxInFlightBytes: MIB },
    caught: { by: "waits for a slot", shows: ({ cost }) => cost.mostRunning <= 4 },
    async run(field) {
      const attacker = await field.open();
      void attacker.flood(
        numbered(50, (id) => call(LARGE, `${id};x;n`)),
        150,
        field.over,
      );
      await field.passes();
    },
  },
  {
    name: "large scripts of slow calls, on 20 connections",
    limit: "maxProcessInFlightBytes",
    limits: { maxProcessInFlightBytes: 4 * MIB },
    caught: { by: "waits for a slot", shows: ({ cost }) => cost.mostRunning <= 16 + 20 },
    mostMib: 128,
    async run(field) {
      const attackers = await field.openMany(field.many(20));
      const calls = numbered(50, (id) => call(LARGE, `${id};x;n`));
      for (const attacker of attackers) void attacker.flood(calls, 150, field.over);
      await field.passes();
    },
  },
  {
    name: "endless calls while we wait for an answer",
    limit: "maxHostedWaiting",
    caught: "overloaded",
    async run(field) {
      const attacker = await field.open();
      attacker.say(call("ask()"), 3);
      await attacker.hears("confirm"); // it must continue to read, because the answer may be behind anything
      await attacker.flood(
        numbered(500, (id) => call("work(60000)", `${id};x;n`)),
        1_500,
        field.over,
      );
    },
  },
  {
    name: "pings",
    limit: "maxTurnPackets, maxTurnMs",
    caught: { by: "takes turns" },
    async run(field) {
      await (await field.open()).flood(times(50, call("$hbi.ping()")), 150, field.over);
    },
  },
  {
    name: "open, cancel, repeat",
    limit: "maxInFlight, maxTurnPackets",
    caught: { by: "takes turns", shows: ({ cost }) => cost.mostRunning <= 100 },
    async run(field) {
      const pair = call("work(60000)", "101;x;n") + call('$hbi.cancel("101")', "102;x;n");
      await (await field.open()).flood(times(50, pair), 300, field.over);
    },
  },
  {
    name: "cancellations of unknown ids, beside a hundred calls",
    limit: "maxTurnPackets, maxTurnMs",
    caught: { by: "takes turns" },
    async run(field) {
      const attacker = await field.open();
      attacker.say(
        numbered(99, (id) => call("work(60000)", `${id};x;n`)),
        297,
      );
      await attacker.flood(times(100, call('$hbi.cancel("1")', "501;x;n")), 300, field.over);
    },
  },
  {
    name: "a script of 256 KiB that looks urgent and finds no slot, then byte by byte",
    limit: "maxInFlight, maxBufferedBytes",
    caught: { by: "skipped by its length", shows: ({ cost }) => cost.mostRunning <= 100 },
    async run(field) {
      const attacker = await field.open();
      attacker.say(
        numbered(100, (id) => call("work(60000)", `${id};x;n`)),
        300,
      );
      const urgent = `$hbi.ping("${"\\\\".repeat(131_000)}x`; // an end that does not come, behind escapes
      for (const bytes of pieces(opening(urgent, "501;x"), 64)) attacker.say(bytes, 0);
      while (attacker.isOpen && !field.over.aborted) {
        for (let i = 0; i < 50; i++) attacker.say("[", 0);
        await new Promise(setImmediate);
      }
    },
  },
  {
    name: "deadlines of a millisecond",
    limit: "maxInFlight, handlerTimeoutMs",
    caught: "handler_timeout",
    async run(field) {
      await (await field.open()).flood(times(100, call("work(60000)", "101;x;n;d=1")), 300, field.over);
    },
  },
  {
    name: "calls, where a server counts them",
    limit: "callsPerSecond",
    limits: { callsPerSecond: 200 },
    caught: {
      by: "delay",
      // The burst and the rate, and the good client's calls.
      shows: ({ cost, seconds }) => cost.calls <= 200 + 200 * (seconds + 1) + 150 * (seconds + 1),
    },
    async run(field) {
      await (await field.open()).flood(times(500, call("add(1, 2)")), 1_500, field.over);
    },
  },
  {
    name: "calls in one conversation, where a server counts them",
    limit: "callsPerSecond",
    limits: { callsPerSecond: 200 },
    caught: {
      by: "delay",
      shows: ({ cost, seconds }) => cost.calls <= 300 + 200 * (seconds + 1) + 150 * (seconds + 1),
    },
    async run(field) {
      const attacker = await field.open();
      attacker.say(packet("co_begin", "101;x;n"));
      await attacker.flood(times(50, packet("", "note(1);".repeat(64))), 50, field.over);
    },
  },
  {
    name: "bytes, where a server counts them",
    limit: "receivedBytesPerSecond",
    limits: { receivedBytesPerSecond: 100_000 },
    caught: {
      by: "delay",
      shows: ({ exchange, seconds }) => exchange.sentBytes < 8e6 + 1e5 * seconds, // what the system holds, and the rate
    },
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening(`store(${64 * MIB})`, `101;x;b=${64 * MIB}`));
      await attacker.flood(Buffer.alloc(64 * 1024), 0, field.over);
    },
  },
];
