/**
 * The timers of `node:test` under the library: "before" it is loaded, or "after". In both cases its deadlines must come
 * while the timers are mocked, and when they no longer are.
 */
import assert from "node:assert/strict";
import { mock } from "node:test";
import { z } from "zod";

async function load() {
  const { defineService, method } = await import("hbi");
  const { connect, serve } = await import("hbi/node");
  const slow = defineService({
    name: "slow",
    version: "1.0.0",
    methods: { never: method({ params: {}, result: z.int() }), one: method({ params: {}, result: z.int() }) },
  });
  const server = await serve(slow, "127.0.0.1:0", () => ({ never: () => new Promise<never>(() => {}), one: () => 1 }), {
    log: () => undefined,
  });
  const link = await connect(slow, server.address, {});
  const deadlineComes = async () => {
    assert.equal(await link.call.one({}), 1);
    await assert.rejects(link.call.never({}, { timeoutMs: 50 }), { code: "deadline_exceeded" });
  };
  return { deadlineComes, end: () => Promise.all([link.disconnect(), server.close()]) };
}

const isBefore = process.argv[2] === "before";
if (isBefore) mock.timers.enable();
const { deadlineComes, end } = await load();
if (!isBefore) mock.timers.enable();
await deadlineComes();
mock.timers.reset();
await deadlineComes();
await end();
console.log("deadlines came");
