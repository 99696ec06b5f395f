/**
 * Many links in one process: clients.js ADDRESS COUNT [CA]. It connects them, says `connected`, and answers on its standard input by a line
 * of JSON: `call` and `hold` when each link has its answer, `wait N` when so many calls are begun, `heap` at once. Ends with its standard
 * input.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { HbiError, Link } from "hbi";
import { connect } from "hbi/node";
import { type Answered, type Heap, weather } from "./service.ts";

const [address = "", count = "0", ca] = process.argv.slice(2);
const tls = ca === undefined ? {} : { tls: { ca: readFileSync(ca), serverName: "localhost" } };
const links: Link<typeof weather>[] = [];
/** So many dial at a time. */
const DIALS = 50;

const options = {
  ...tls,
  reconnect: { initialDelayMs: 100, maxDelayMs: 3_000 },
  retries: 1_000,
  limits: { connectTimeoutMs: 60_000, maxPostedInFlight: 20_000 },
  log: () => undefined,
};

/** A server takes so many a second, and lets the others try again. */
async function dialOne(): Promise<Link<typeof weather>> {
  for (;;) {
    try {
      return await connect(weather, address, {}, options);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100)); // until the server takes more: it tells nobody when
    }
  }
}

async function dial(): Promise<void> {
  while (links.length < Number(count)) {
    const batch = Math.min(DIALS, Number(count) - links.length);
    links.push(...(await Promise.all(Array.from({ length: batch }, dialOne))));
  }
}

async function ask(name: "twice" | "held"): Promise<Answered> {
  const reasons: Record<string, number> = {};
  let answered = 0;
  await Promise.all(
    links.map(async (link, n) => {
      try {
        if ((await link.call[name]({ n }, { timeoutMs: 240_000 })) !== n * 2) throw new Error("a wrong answer");
        answered += 1;
      } catch (thrown) {
        const reason = String((thrown as HbiError).reason ?? thrown); // of a call
        reasons[reason] = (reasons[reason] ?? 0) + 1;
      }
    }),
  );
  return { answered, failed: links.length - answered, reasons };
}

function heap(): Heap {
  globalThis.gc?.();
  globalThis.gc?.();
  return { heapBytes: process.memoryUsage().heapUsed };
}

/** Makes so many calls on the first link that nobody answers. */
function wait(calls: number): Heap {
  const before = heap();
  for (let n = 0; n < calls; n++) links[0]?.call.held({ n }, { timeoutMs: 240_000 }).catch(() => undefined); // lost at the end
  return before;
}

await dial();
console.log("connected");
for await (const line of createInterface(process.stdin)) {
  const [command, count = "0"] = line.split(" ");
  if (command === "heap") console.log(JSON.stringify(heap()));
  else if (command === "wait") console.log(JSON.stringify(wait(Number(count))));
  else console.log(JSON.stringify(await ask(command === "hold" ? "held" : "twice")));
}
process.exit();
