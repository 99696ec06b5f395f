/**
 * npm run explore -- [SIZE] [--only TEXT] [--exact] [--stories]: explores the worlds of a size, or those whose name contains TEXT.
 * `--exact` tells states apart by the whole course of each side; `--stories` prints known violations as well.
 * npm run explore -- --replay WORLD CHOICE,...: replays one course of a world, and lists what can happen next.
 */
import { explore, runPath } from "./explorer.ts";
import { explorationRow, findingText, firstOfEach, HEADING, storyText, unexpected } from "./report.ts";
import { SIZES, type Size } from "./world.ts";
import { worldNamed, worldsOf } from "./worlds.ts";

const PROGRESS_MS = 5_000;
/** What fits into the memory that Node gives a process by default. */
const MOST_STATES = 500_000;

const args = process.argv.slice(2);
process.exitCode = args[0] === "--replay" ? await replay(args[1], args[2]) : await exploreAll(readOptions(args));

interface Options {
  size: Size;
  only: string;
  isExact: boolean;
  tellsAll: boolean;
}

async function exploreAll({ size, only, isExact, tellsAll }: Options): Promise<number> {
  const worlds = worldsOf(size).filter(({ name }) => name.includes(only));
  const totals = { states: 0, transitions: 0, taken: 0, violations: 0 };
  const startMs = performance.now();
  console.log(HEADING);
  for (const world of worlds) {
    const worldMs = performance.now();
    let toldMs = worldMs;
    const exploration = await explore(world, {
      isExact,
      losesAll: true,
      mostStates: MOST_STATES,
      onProgress(states, transitions, waiting) {
        if (performance.now() - toldMs < PROGRESS_MS) return;
        toldMs = performance.now();
        console.log(`  ${world.name}: ${states} states, ${transitions} transitions, ${waiting} waiting`);
      },
    });
    console.log(explorationRow(exploration, (performance.now() - worldMs) / 1_000));
    const violations = unexpected(exploration);
    for (const finding of tellsAll ? firstOfEach(exploration.findings) : violations) {
      console.log(`\n${findingText(world, finding)}\n`);
    }
    totals.states += exploration.states;
    totals.transitions += exploration.transitions;
    totals.taken += exploration.taken;
    totals.violations += violations.length;
  }
  const { states, transitions, taken, violations } = totals;
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
  console.log(
    `${size}: ${worlds.length} worlds, ${states} states, ${transitions} transitions (${taken} of them run), ${seconds} s, ${violations} violations`,
  );
  return violations === 0 ? 0 : 1;
}

async function replay(name: string | undefined, path: string | undefined): Promise<number> {
  const world = worldNamed(name ?? "");
  if (world === undefined || (path !== undefined && !/^\d+(,\d+)*$/.test(path))) return usage();
  const run = await runPath(world, path?.split(",").map(Number) ?? []);
  console.log(storyText(run.story));
  console.log("what can happen next:");
  for (const [at, { label }] of run.choices().entries()) console.log(`  ${at}  ${label}`);
  await run.abandon();
  return 0;
}

function readOptions(rest: readonly string[]): Options {
  const options: Options = { size: "small", only: "", isExact: false, tellsAll: false };
  for (let at = 0; at < rest.length; at++) {
    const arg = rest[at] ?? "";
    const size = SIZES.find((it) => it === arg);
    if (size !== undefined) options.size = size;
    else if (arg === "--exact") options.isExact = true;
    else if (arg === "--stories") options.tellsAll = true;
    else if (arg === "--only") options.only = rest[++at] ?? "";
    else process.exit(usage());
  }
  return options;
}

function usage(): number {
  console.error("usage: npm run explore -- [small | medium | large] [--only TEXT] [--exact] [--stories]");
  console.error("       npm run explore -- --replay WORLD CHOICE,...");
  return 2;
}
