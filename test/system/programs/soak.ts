/**
 * npm run soak -- [MINUTES] [FOLDER]: a mixed load for so long; the figures as CSV and as a plot in the folder (soak/). Fails when
 * something grows, or an answer is wrong.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plot } from "../soak/plot.ts";
import { csv } from "../soak/sample.ts";
import { soak } from "../soak/soak.ts";

const PROGRESS_MS = 10_000;
const [minutesText = "20", folder = "soak"] = process.argv.slice(2);
const minutes = Number(minutesText);
if (!(minutes > 0)) {
  console.error("usage: npm run soak -- [MINUTES] [FOLDER]");
  process.exit(2);
}

let toldMs = performance.now();
const { moments, counts, troubles } = await soak({ forMs: minutes * 60_000 }, (at) => {
  if (performance.now() - toldMs < PROGRESS_MS) return;
  toldMs = performance.now();
  const heaps = `heaps ${at.server.heapMiB.toFixed(1)} and ${at.client.heapMiB.toFixed(1)} MiB`;
  console.log(
    `  ${at.seconds.toFixed(0)} s, ${at.conversations} conversations, ${at.perSecond.toFixed(0)}/s, ${heaps}`,
  );
});

const { seconds = 0, conversations = 0 } = moments.at(-1) ?? {};
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "soak.csv"), csv(moments));
writeFileSync(
  join(folder, "soak.svg"),
  plot(`Soak: ${conversations} conversations in ${seconds.toFixed(0)} s`, moments),
);
const verdict = troubles.length === 0 ? "every answer verified, nothing has grown" : "failed";
console.log(`${conversations} conversations in ${seconds.toFixed(0)} s: ${verdict}`);
console.log(
  Object.entries(counts)
    .map(([what, count]) => `${what} ${count}`)
    .join(", "),
);
console.log(`figures: ${join(folder, "soak.csv")}, ${join(folder, "soak.svg")}`);
for (const trouble of troubles) console.error(trouble);
process.exitCode = troubles.length === 0 ? 0 : 1;
