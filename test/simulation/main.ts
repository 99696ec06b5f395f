/**
 * npm run simulate -- [CONVERSATIONS] [SEED] [--world NUMBER [--only ACTION,...]]: worlds until so many conversations have been
 * held; or one of them again, with its history.
 */
import { minimised } from "./minimise.ts";
import { replayCommand, summaryText } from "./report.ts";
import { run } from "./run.ts";
import { runWorld } from "./world.ts";

const PROGRESS_MS = 5_000;

const { numbers, world, only } = argumentsOf(process.argv.slice(2));
const [conversations = 20_000, seed = 1] = numbers;
process.exitCode = world === undefined ? await simulate() : await replay(world);

async function simulate(): Promise<number> {
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
} {
  const numbers: number[] = [];
  let world: number | undefined;
  let only: ReadonlySet<number> | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--world") world = numberOf(args[++i]);
    else if (arg === "--only") only = new Set((args[++i] ?? "").split(",").map(numberOf));
    else numbers.push(numberOf(arg));
  }
  return { numbers, world, only };
}

function numberOf(text: string | undefined): number {
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text);
  console.error("usage: npm run simulate -- [CONVERSATIONS] [SEED] [--world NUMBER [--only ACTION,...]]");
  process.exit(2);
}
