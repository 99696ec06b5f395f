/**
 * The code of docs/streams-of-values.md: a job that is watched.
 */
import { defineService, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const jobs = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    watch_job: method({
      params: { id: z.string(), steps: z.int() },
      yields: z.strictObject({ step: z.int() }), // each item
      result: z.strictObject({ id: z.string(), ended: z.boolean() }), // behind the last one
    }),
  },
});

const ended: string[] = [];
const server = await serve(jobs, "127.0.0.1:0", () => ({
  async *watch_job({ id, steps }) {
    try {
      for (let step = 1; step <= steps; step++) yield { step };
      return { id, ended: true };
    } finally {
      ended.push(id); // once, also if the caller has left
    }
  },
}));
const link = await connect(jobs, server.address);

const stream = link.call.watch_job({ id: "a", steps: 3 });
for await (const { step } of stream) console.log(step); // 1 2 3
console.log((await stream.result).ended); // true

for await (const { step } of link.call.watch_job({ id: "b", steps: 1_000_000 })) {
  if (step === 2) break; // cancels the handler
}

await link.close();
await server.drain();
console.log(ended.join()); // a,b
