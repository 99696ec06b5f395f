/**
 * A server whose event loop is busy when it is told so. Usage: OPTIONS, as JSON. Commands on standard input: `busy AFTER_MS FOR_MS` says
 * `busy` when the loop begins; `log` tells what its operator was told. The end of the input ends it.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { LogEntry, Peer, ServiceCall } from "hbi";
import { serve } from "hbi/node";
import { Content, chunksOf, readExactly } from "../chaos/content.ts";
import { Random } from "../simulation/random.ts";
import { type BusyOptions, busy, guarded } from "../steady/busy-service.ts";

const { limits, isGuarded = false, tls } = JSON.parse(process.argv[2] ?? "") as BusyOptions; // written by the rows
const told: string[] = [];

interface Data {
  readonly id: string;
  readonly size: number;
}

const handlersOf = (peer: Pick<Peer<typeof busy, undefined>, "call">) => ({
  twice: ({ n }: { readonly n: number }) => n * 2,
  take: ({ text }: { readonly text: string }) => text.length,
  put: ({ id, size }: Data, call: ServiceCall<unknown, unknown>) => readExactly(id, size, call.body),
  get: ({ id, size }: Data) => ({ result: { id, size }, body: chunksOf(id, size, new Random(size)) }),
  ask: ({ n }: { readonly n: number }) => peer.call.asked({ n }),
});

const options = {
  limits,
  log: ({ where, error }: LogEntry) => void told.push(`${where}: ${error.reason ?? error.code}`),
  ...(tls === undefined ? {} : { tls }),
};
const authenticate = ({ token }: { readonly token: string }) => token === new Content("token").next(4).toString("hex");
const server = isGuarded
  ? await serve(guarded, "127.0.0.1:0", handlersOf, { ...options, authenticate })
  : await serve(busy, "127.0.0.1:0", handlersOf, options);

function block(forMs: number): void {
  writeSync(1, "busy\n"); // before anything else can happen
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs);
}

createInterface(process.stdin)
  .on("line", (line) => {
    const [command, afterMs = "0", forMs = "0"] = line.split(" ");
    if (command === "log") console.log(`log ${JSON.stringify(told)}`);
    else if (afterMs === "0") block(Number(forMs));
    // When a deadline is about to pass; not within a timer, behind which Node would read the sockets first.
    else setTimeout(() => setImmediate(block, Number(forMs)), Number(afterMs));
  })
  .once("close", () => process.exit());
console.log(`listening on ${server.address}`);
