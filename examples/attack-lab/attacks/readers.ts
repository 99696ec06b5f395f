/**
 * Peers that do not read: their answers stay on the server.
 */
import { type Attack, QUICK } from "../attack.ts";
import { call, MIB, packet, times } from "../bytes.ts";

const EMPTY = packet("co_begin", "101") + packet("co_end", "101");
/** More than the systems of both sides hold, plus what is read here. */
const MOST_TAKEN = 64 * MIB;
/** A hundred kilobytes of pushes. */
const PUSH = `push(100, "${"x".repeat(1_000)}")`;

export const readers: readonly Attack[] = [
  {
    name: "acknowledgements never read",
    limit: "sendHighWaterBytes",
    limits: QUICK,
    caught: { by: "reading pauses", shows: ({ exchange }) => exchange.sentBytes < MOST_TAKEN },
    async run(field) {
      const attacker = (await field.open()).deaf();
      await attacker.flood(times(1_000, EMPTY), 2_000, field.over);
    },
  },
  {
    name: "nothing ever read: acknowledgements, answers, a download",
    limit: "sendStallTimeoutMs",
    limits: { ...QUICK, handlerTimeoutMs: 120_000 },
    caught: "slow_reader",
    mostMib: 128,
    mostHeldMs: 250, // handlers that end at once
    isLong: true, // what the platform has taken may be on its way at 16 KiB per second
    async run(field) {
      const attackers = (await field.openMany(3)).map((attacker) => attacker.deaf());
      const chunks = [times(1_000, EMPTY), times(20, call("find(250000)")), Buffer.from(call(`fetch(${64 * MIB})`))];
      await Promise.all(attackers.map((attacker, i) => attacker.flood(chunks[i] ?? EMPTY, 1, field.over)));
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
  {
    name: "replies never read",
    limit: "sendHighWaterBytes",
    limits: QUICK,
    caught: { by: "reading pauses", shows: ({ exchange }) => exchange.sentBytes < MOST_TAKEN },
    async run(field) {
      const attacker = (await field.open()).deaf();
      await attacker.flood(times(20, call("find(250000)")), 60, field.over);
    },
  },
  {
    name: "replies never read, 100 calls under way",
    limit: "maxSendBufferBytes",
    mostHeldMs: 250, // handlers that end at once, which is not caused by reading
    caught: "slow_reader",
    async run(field) {
      const attacker = (await field.open()).deaf();
      attacker.say(times(100, call("add(work(300), 0); find(250000); find(250000); find(250000)")), 300);
      await field.passes();
    },
  },
  {
    name: "replies never read, of scripts of 64 calls",
    limit: "maxSendBufferBytes",
    mostMib: 128,
    caught: "slow_reader",
    async run(field) {
      const attacker = (await field.open()).deaf();
      for (const count of [20, 64, 64, 64]) attacker.say(call("find(250000); ".repeat(count)), 3);
      await field.passes();
    },
  },
  {
    name: "replies never read, on 90 connections",
    limit: "maxAddressUnsentBytes",
    limits: QUICK,
    caught: { by: "nothing begins above half of it" }, // beyond it, a connection is cut
    mostMib: 256,
    mostHeldMs: 250, // handlers that end at once
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      const calls = times(60, call("add(work(1000), 0); find(250000)"));
      for (const attacker of attackers) attacker.deaf().say(calls, 180);
      await field.passes();
    },
  },
  {
    name: "replies never read, by 10 addresses",
    limit: "maxProcessUnsentBytes",
    limits: { maxProcessUnsentBytes: 8 * MIB },
    mostMib: 128,
    caught: { by: "slow_reader, of the address that has most", logs: "slow_reader" },
    async run(field) {
      const attackers = await field.openMany(10, (i) => `127.1.0.${i + 1}`);
      for (const attacker of attackers) attacker.deaf().say(call("find(250000); ".repeat(40)), 3);
      await field.passes();
    },
  },
  {
    name: "a download never read",
    limit: "handlerTimeoutMs",
    limits: QUICK,
    caught: "handler_timeout",
    async run(field) {
      (await field.open()).deaf().say(call(`fetch(${64 * MIB})`), 3);
      await field.logs("handler_timeout"); // as long as the kernel takes more, the answer makes progress
    },
  },
  {
    name: "pushes never acknowledged, though read",
    limit: "maxPostedInFlight, maxPostedWaitingBytes",
    limits: { maxPostedWaitingBytes: 4 * MIB },
    caught: { by: "no more are queued" },
    mostHeldMs: 250, // handlers that push a hundred times at once
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(times(10, call(PUSH)), 30, field.over);
    },
  },
  {
    name: "pushes never acknowledged, though read, on 20 connections of one address",
    limit: "maxAddressUnsentBytes",
    limits: { maxAddressUnsentBytes: 16 * MIB },
    caught: { by: "slow_reader, of the connection that has most", logs: "slow_reader" },
    mostMib: 128,
    mostHeldMs: 250, // the same
    async run(field) {
      const attackers = await field.openMany(20, () => "127.1.0.1");
      await Promise.all(attackers.map((attacker) => attacker.flood(times(10, call(PUSH)), 30, field.over)));
    },
  },
  {
    name: "our calls never answered",
    limit: "callTimeoutMs, maxPostedInFlight",
    limits: QUICK,
    caught: "timeout",
    async run(field) {
      const attacker = await field.open();
      await attacker.flood(times(100, call("ask()")), 300, field.over);
    },
  },
];
