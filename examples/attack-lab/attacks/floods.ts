/**
 * Floods: more of something than anybody needs, as fast as the system takes it.
 */
import type { Attack } from "../attack.ts";
import { call, MIB, opening, packet, times } from "../bytes.ts";

const EMPTY = packet("co_begin", "101") + packet("co_end", "101");

/** So many of them, with the numbers that they have. */
const numbered = (count: number, text: (id: number) => string) =>
  Buffer.from(Array.from({ length: count }, (_, i) => text(101 + i)).join(""));

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
    name: "slow calls without end",
    limit: "maxInFlight",
    caught: {
      by: "reading pauses at 100",
      shows: ({ cost }) => cost.mostRunning >= 100 && cost.mostRunning <= 110, // with those of the good client
    },
    async run(field) {
      const attacker = await field.open();
      const calls = (count: number) => numbered(count, (id) => call("work(60000)", `${id};x;n`));
      attacker.say(calls(100), 300);
      attacker.say(call("$hbi.ping()", "201;x;n"), 3);
      await attacker.hears(packet("co_ack_end", "201")); // so a hundred are under way
      void attacker.flood(calls(500), 1_500, field.over);
      await field.passes();
    },
  },
  {
    name: "slow calls on 20 connections",
    limit: "maxProcessInFlight",
    limits: { maxProcessInFlight: 1_000 },
    caught: { by: "reading pauses at 1,000 of all connections", shows: ({ cost }) => cost.mostRunning <= 1_100 },
    async run(field) {
      const attackers = await field.openMany(field.many(20));
      const calls = numbered(99, (id) => call("work(60000)", `${id};x;n`));
      for (const attacker of attackers) attacker.say(calls, 297);
      await field.passes();
    },
  },
  {
    name: "pings",
    limit: "maxPings",
    caught: "rate_exceeded",
    async run(field) {
      await (await field.open()).flood(times(50, call("$hbi.ping()")), 150, field.over);
    },
  },
  {
    name: "open, cancel, repeat",
    limit: "maxCancels",
    caught: "rate_exceeded",
    async run(field) {
      const pair = call("work(60000)", "101;x;n") + call('$hbi.cancel("101")', "102;x;n");
      const attacker = await field.open();
      attacker.say(times(1_500, pair), 9_000);
      await attacker.closed;
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
      // The bucket at once and as many a second, and the good client's.
      shows: ({ cost, seconds }) => cost.calls <= 200 + 200 * (seconds + 1) + 150 * (seconds + 1),
    },
    async run(field) {
      await (await field.open()).flood(times(500, call("add(1, 2)")), 1_500, field.over);
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
