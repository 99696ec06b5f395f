/**
 * The code of docs/all-cores.md: a process for each consumer.
 */
import { defineService, HbiError, method } from "hbi";
import { upstart } from "hbi/cluster";
import { connect } from "hbi/node";
import { z } from "zod";

const search = defineService({
  name: "search",
  version: "1.0.0",
  methods: {
    find: method({ params: { pattern: z.string().max(100), text: z.string().max(10_000) }, result: z.boolean() }),
    pid: method({ params: {}, result: z.int() }),
  },
});

const cluster = await upstart(
  search,
  "127.0.0.1:0",
  () => ({
    find: ({ pattern, text }) => new RegExp(pattern).test(text), // a pattern may take for ever
    pid: () => process.pid,
  }),
  { maxProcesses: 16, maxHeapMib: 128, hangTimeoutMs: 2_000 },
);

const [good, bad] = [await connect(search, cluster.address), await connect(search, cluster.address)];
console.log((await good.call.pid()) === (await bad.call.pid()));

const endless = bad.call.find({ pattern: "^(a+)+$", text: `${"a".repeat(40)}!` });
console.log(await good.call.find({ pattern: "ham", text: "hamlet" })); // does not wait for the other

const error = await endless.catch((thrown: unknown) => thrown);
console.log(error instanceof HbiError && error.code); // its process has not answered for 2 s

await good.close();
await cluster.drain();
