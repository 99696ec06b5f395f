/**
 * A client of the soaked service as a process. Usage: HOST:PORT LINKS. Commands on standard input: `sample NUMBER`, which pauses, and `go`.
 * The end of the input lets everything settle, closes, and says what was counted. Ends with 1 at the first wrong answer.
 */
import { createInterface } from "node:readline";
import { tellWhatIsLeft } from "../chaos/resources.ts";
import { Load } from "../soak/load.ts";
import { sampleOf } from "../soak/sample.ts";

const [address = "", links = "4"] = process.argv.slice(2);
const load = new Load(address);

function wrong(thrown: unknown): void {
  console.error(thrown);
  process.exit(1);
}

async function sample(line: string): Promise<void> {
  await load.pause();
  const counts = JSON.stringify({ ...sampleOf(load.connections), conversations: load.conversations });
  console.log(`${line} ${counts}`);
}

async function end(): Promise<void> {
  tellWhatIsLeft();
  await load.close();
  console.log(`counts ${JSON.stringify(Object.fromEntries(load.counts))}`);
}

const lines = createInterface(process.stdin);
lines.on("line", (line) => {
  if (line === "go") load.start(wrong);
  else sample(line).catch(wrong);
});
lines.once("close", () => end().catch(wrong));
await load.open(Number(links));
console.log("connected");
