/**
 * A server for many connections: server.js ADDRESS FREE|HOLD [KEY CERT]. `usage` on its standard input is answered by a line of
 * JSON. Ends with its standard input.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { serve } from "hbi/node";
import { type ServerUsage, weather } from "./service.ts";

const [address = "127.0.0.1:0", mode = "FREE", key, cert] = process.argv.slice(2);
const tls =
  key === undefined || cert === undefined ? {} : { tls: { key: readFileSync(key), cert: readFileSync(cert) } };
let held = 0;

const server = await serve(
  weather,
  address,
  () => ({
    twice: ({ n }) => n * 2,
    held: ({ n }) => {
      held += 1;
      return mode === "HOLD" ? new Promise<number>(() => undefined) : n * 2;
    },
  }),
  {
    ...tls,
    // All come from one address, or are called on one connection; so many are accepted a second as always.
    limits: {
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY, // all are of one
      maxConnections: 20_000,
      maxInFlight: 20_000,
      maxProcessInFlight: 20_000,
    },
    log: () => undefined,
  },
);
console.log(`listening on ${server.address}`);

for await (const line of createInterface(process.stdin)) {
  if (line !== "usage") continue;
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss: rssBytes, heapUsed: heapBytes } = process.memoryUsage();
  console.log(JSON.stringify({ connections: server.connectionCount, held, rssBytes, heapBytes } satisfies ServerUsage));
}
process.exit();
