/**
 * npm run simulate -- [CONVERSATIONS] [SEED] [--world NUMBER [--only ACTION,...]]: worlds until so many conversations have been
 * held; or one of them again, with its history.
 * npm run simulate -- --versions [MINUTES] [SEED]: honest peers of two versions of a service, for so many simulated minutes.
 */
import { minimised } from "./minimise.ts";
import { replayCommand, summaryText } from "./report.ts";
import { run } from "./run.ts";
import { runTown, townText } from "./versions/town.ts";
import { runWorld } from "./world.ts";

const PROGRESS_MS = 5_000;

const { numbers, world, only, isOfVersions } = argumentsOf(process.argv.slice(2));
const [count, seed = 1] = numbers;
process.exitCode = isOfVersions ? await simulateVersions(count ?? 60) : await simulateWorlds();

function simulateWorlds(): Promise<number> {
  return world === undefined ? simulate(count ?? 20_000) : replay(world);
}

async function simulateVersions(minutes: number): Promise<number> {
  let violations = 0;
  for (const version of ["older", "newer"] as const) {
    const startMs = performance.now();
    const outcome = await runTown({ seed, version, minutes });
    console.log(`${townText(outcome)}\n  in ${((performance.now() - startMs) / 1_000).toFixed(0)} s`);
    if (outcome.violations.length === 0) continue;
    violations += outcome.violations.length;
    console.error(outcome.violations.map((it) => `  ${it}`).join("\n"));
    console.error(`the last of its history:\n${outcome.history.text.split("\n").slice(-60).join("\n")}`);
  }
  console.log(`versions: seed ${seed}, ${violations} violations`);
  return violations === 0 ? 0 : 1;
}

async function simulate(conversations: number): Promise<number> {
  const startMs = performance.now();
  let toldMs = startMs;
  const summary = await run(conversations, seed, ({ conversations: done, worlds }) => {
    if (performance.now() - toldMs < PROGRESS_MS) return;
    toldMs = performance.now();
    console.log(`  ${done} of ${conversations} conversations, ${worlds} worlds`);
  });
  console.log(summaryText(summary, performance.now() - startMs));
  const { failed } = summary;
  if (failed === undefined) return 0;
  console.error(`world ${failed.world} of seed ${seed}:\n${failed.violations.map((it) => `  ${it}`).join("\n")}`);
  const actions = await minimised(seed, failed);
  console.error(`replay it:  ${replayCommand(seed, failed.world)}`);
  console.error(`a part of it that fails alike:  ${replayCommand(seed, failed.world, actions)}`);
  return 1;
}

async function replay(number: number): Promise<number> {
  const { history, violations, steps } = await runWorld(seed, number, only);
  console.log(history.text);
  console.log(`${steps} steps, history ${history.digest}, ${violations.length} violations`);
  for (const violation of violations) console.log(`  ${violation}`);
  return violations.length === 0 ? 0 : 1;
}

function argumentsOf(args: readonly string[]): {
  readonly numbers: readonly number[];
  readonly world: number | undefined;
  readonly only: ReadonlySet<number> | undefined;
  readonly isOfVersions: boolean;
} {
  const numbers: number[] = [];
  let world: number | undefined;
  let only: ReadonlySet<number> | undefined;
  let isOfVersions = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--world") world = numberOf(args[++i]);
    else if (arg === "--only") only = new Set((args[++i] ?? "").split(",").map(numberOf));
    else if (arg === "--versions") isOfVersions = true;
    else numbers.push(numberOf(arg));
  }
  return { numbers, world, only, isOfVersions };
}

function numberOf(text: string | undefined): number {
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text);
  console.error(
    "usage: npm run simulate -- [CONVERSATIONS] [SEED] [--world NUMBER [--only ACTION,...]]\n       npm run simulate -- --versions [MINUTES] [SEED]",
  );
  process.exit(2);
}
