/** Serves the ledger: HOST:PORT FILE. SIGTERM drains it. */
import { appendFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { serve } from "hbi/node";
import { LIMITS, ledger } from "./ledger.ts";

const [address = "127.0.0.1:0", file = "ledger.txt"] = process.argv.slice(2);

async function write(id: string, delayMs: number, signal: AbortSignal): Promise<string> {
  await setTimeout(delayMs, undefined, { signal }); // asked for by the caller, who kills this process meanwhile
  appendFileSync(file, `${id}\n`); // to the kernel before it is acknowledged: it outlives a kill
  return id;
}

const server = await serve(
  ledger,
  address,
  () => ({
    record: ({ id, delayMs }, call) => write(id, delayMs, call.signal),
    put: ({ id, delayMs }, call) => write(id, delayMs, call.signal),
  }),
  { limits: LIMITS, log: () => undefined },
);
console.log(`listening on ${server.address}`);
process.once("SIGTERM", () => void server.drain("restart"));
process.stdin.resume().once("end", () => void server.drain());
await server.closed;
process.exit();
