/**
 * npm run chaos -- [KILLS] [SEED] [--episode NUMBER]: peers are killed, stopped and cut off until so many were killed; or one episode
 * again.
 */
import { listed, plansOf, run } from "../chaos/run.ts";

const PROGRESS_MS = 2_000;
const { kills, seed, episode } = argumentsOf(process.argv.slice(2));
const startMs = performance.now();
let toldMs = startMs;

const summary = await run(
  episode === undefined ? kills : 1,
  plansOf(seed, episode),
  ({ kills: done, episodes, calls }) => {
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    console.log(`  ${done} of ${kills} kills, ${episodes} episodes, ${calls.get("acknowledged")} calls acknowledged`);
  },
);
const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
console.log(`${summary.kills} kills in ${summary.episodes} episodes of seed ${seed}, ${seconds} s`);
console.log(`faults: ${listed(summary.faults)}`);
console.log(`calls: ${listed(summary.calls)}`);
if (summary.failed !== undefined) {
  const { plan, violations, folder } = summary.failed;
  console.error(`episode ${plan.episode} of seed ${seed} failed:\n${violations.slice(0, 20).join("\n")}`);
  console.error(`journals: ${folder}`);
  console.error(`replay it:  npm run chaos -- 1 ${seed} --episode ${plan.episode}`);
  process.exitCode = 1;
}

function argumentsOf(args: readonly string[]): { kills: number; seed: number; episode: number | undefined } {
  const at = args.indexOf("--episode");
  const episode = at < 0 ? undefined : numberOf(args[at + 1]);
  const [kills = "100", seed = "1"] = at < 0 ? args : args.slice(0, at);
  return { kills: numberOf(kills), seed: numberOf(seed), episode };
}

function numberOf(text: string | undefined): number {
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text);
  console.error("usage: npm run chaos -- [KILLS] [SEED] [--episode NUMBER]");
  process.exit(2);
}
