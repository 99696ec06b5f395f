/**
 * A client of the chaos service as a process. Usage: JOURNAL NAME SEED LINKS MAX_BYTES. Commands on standard input: `connect HOST:PORT`,
 * `grant CALLS`, `trap KIND ID LINK SIZE`, and `probe WORD`, `poke WORD`, which say WORD when they are done. The end of the input lets
 * everything settle and closes.
 */
import { createInterface } from "node:readline";
import type { Link, LogEntry } from "hbi";
import { connect } from "hbi/node";
import { Journal } from "../chaos/journal.ts";
import { type Kind, Load } from "../chaos/load.ts";
import { tellWhatIsLeft } from "../chaos/resources.ts";
import { type Chaos, CLIENT_LIMITS, chaos, RETRIES } from "../chaos/service.ts";

const [path = "client.log", name = "client", seed = "1", links = "2", maxBytes = "100000"] = process.argv.slice(2);
const journal = new Journal(path);
const lines = createInterface(process.stdin);
const open: Link<Chaos>[] = [];
const load = new Load(open, journal, name, Number(seed), Number(maxBytes));

async function start(address: string): Promise<void> {
  const options = {
    limits: CLIENT_LIMITS,
    reconnect: { initialDelayMs: 5, maxDelayMs: 100 },
    retries: RETRIES,
    log: unexpected,
  };
  for (let i = 0; i < Number(links); i++) open.push(await connect(chaos, address, load.reactions, options));
  console.log("connected");
}

function unexpected({ error, where }: LogEntry): void {
  if (error.code === "internal") journal.write("bad", where, error.message, String(error.cause));
}

async function end(): Promise<void> {
  await load.settled();
  await Promise.all(open.map((link) => link.close()));
  process.stdin.destroy();
  tellWhatIsLeft();
}

lines.on("line", (line) => {
  const [command, first = "", second = "", ...more] = line.split(" ");
  if (command === "connect") void start(first);
  if (command === "grant") load.grant(Number(first));
  if (command === "trap") load.trap(first as Kind, second, Number(more[0]), Number(more[1])); // as the plan says
  if (command === "probe") void load.probe().then(() => console.log(first));
  if (command === "poke") void load.poke().then(() => console.log(first));
});
lines.once("close", () => void end());
console.log("ready");
