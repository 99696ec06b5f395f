/**
 * Fuzzes one target for some seconds, guided by coverage if available, and reports.
 */
import { guidedRun } from "./guided.ts";
import { type RunReport, run, runOnly } from "./run.ts";
import type { Target } from "./target.ts";

export interface SessionOptions {
  readonly seconds: number;
  readonly seed: number;
  /** only this input */
  readonly only: number | undefined;
  /** without coverage, even if available */
  readonly isPlain: boolean;
}

export async function runTarget(target: Target, { seconds, seed, only, isPlain }: SessionOptions): Promise<RunReport> {
  const report = await (only === undefined ? runFor(target, seconds, seed, isPlain) : runOnly(target, seed, only));
  tell(target, report, seed);
  return report;
}

async function runFor(target: Target, seconds: number, seed: number, isPlain: boolean): Promise<RunReport> {
  const guided = isPlain ? undefined : await guidedRun(target, { seconds }, seed);
  return guided ?? (await run(target, { seconds }, seed));
}

function tell(target: Target, report: RunReport, seed: number): void {
  const { runs, seconds, isGuided, found } = report;
  const rate = Math.round(runs / Math.max(seconds, 0.001));
  const how = isGuided ? ", by coverage" : "";
  const end = found === undefined ? "nothing found" : "FOUND";
  console.log(
    `${target.name.padEnd(12)}${runs} inputs in ${seconds.toFixed(1)} s${how}, ${rate}/s, seed ${seed}: ${end}`,
  );
  const perChar = report.heap?.worst?.bytesPerChar;
  if (perChar !== undefined) console.log(`${"".padEnd(12)}at most ${perChar.toFixed(1)} bytes of heap for a character`);
  tellFound(target, report, seed);
}

export function tellFound({ name }: Target, { found }: RunReport, seed: number): void {
  if (found === undefined) return;
  const { why, input, file, number } = found;
  console.error(`  ${why.replaceAll("\n", "\n  ")}`);
  console.error(`  ${input.length} bytes: ${JSON.stringify(new TextDecoder().decode(input.subarray(0, 300)))}`);
  if (file !== "") console.error(`  again:  npm run fuzz -- ${name} --input ${file}`);
  if (number !== undefined) console.error(`  or:     npm run fuzz -- ${name} --seed ${seed} --run ${number}`);
}
