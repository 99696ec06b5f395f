/**
 * A server for hostile texts: one method that takes anything, one with raw data.
 */
import { HostingEnv, method } from "hbi";
import { HBIS } from "hbi/node";
import { z } from "zod";

const server = new HBIS(
  "127.0.0.1:0",
  () =>
    new HostingEnv()
      .expose("echo", method({ params: { x: z.unknown() }, result: z.unknown() }), ({ x }) => x)
      .expose("take", method({ params: { n: z.int().min(0) }, body: ({ n }) => n }), () => undefined)
      .expose(
        "points",
        method({ params: { x: z.array(z.union([z.object({ a: z.number() }), z.object({ b: z.number() })])) } }),
        () => undefined,
      ),
  { log: () => undefined },
);
await server.listen();
console.log(`listening on ${server.address}`);
process.stdin.resume().once("end", () => process.exit());
