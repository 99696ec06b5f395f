/**
 * The chaos service as a process. Usage: JOURNAL. Commands on standard input: `release ID`; `peers COUNT WORD` says WORD when so many
 * are connected; `poke WORD` calls each of them with a short deadline. The end of the input drains it; SIGTERM as well.
 */
import { createInterface } from "node:readline";
import type { LogEntry } from "hbi";
import { serve } from "hbi/node";
import { Journal } from "../chaos/journal.ts";
import { tellWhatIsLeft } from "../chaos/resources.ts";
import { chaos, LIMITS } from "../chaos/service.ts";
import { Serving } from "../chaos/serving.ts";

const journal = new Journal(process.argv[2] ?? "server.log");
const lines = createInterface(process.stdin);
const serving = new Serving(journal, (id) => console.log(`working ${id}`));
const wanted = new Map<string, number>();

const server = await serve(
  chaos,
  "127.0.0.1:0",
  (peer) => {
    setImmediate(tellPeers); // it is among them by then
    void peer.closed.then(() => setImmediate(tellPeers)); // and is not
    return serving.handlers(peer);
  },
  { limits: LIMITS, log: unexpected },
);

function tellPeers(): void {
  for (const [word, count] of wanted) if (server.connectionCount === count) tell(word);
}

function tell(word: string): void {
  wanted.delete(word);
  console.log(word);
}

function unexpected({ error, where }: LogEntry): void {
  if (error.code === "internal") journal.write("bad", where, error.message, String(error.cause));
}

async function poke(word: string): Promise<void> {
  await Promise.all([...server.peers].map((peer) => peer.call.poked({}, { timeoutMs: 200 }).catch(() => undefined)));
  console.log(word);
}

let isEnding = false;

async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await server.drain("restart");
  process.stdin.destroy();
  tellWhatIsLeft();
}

lines.on("line", (line) => {
  const [command, first = "", second = ""] = line.split(" ");
  if (command === "release") serving.letGo(first);
  if (command === "peers") {
    wanted.set(second, Number(first));
    tellPeers();
  }
  if (command === "poke") void poke(first);
});
lines.once("close", () => void end());
process.once("SIGTERM", () => void end());
console.log(`listening on ${server.address}`);
