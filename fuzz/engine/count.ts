/**
 * A given number of executions, divided among the targets by their shares, one target after another: the progress, and
 * the final table. A finding ends only its target.
 */
import { guidedRun } from "./guided.ts";
import { type RunReport, run } from "./run.ts";
import { tellFound } from "./session.ts";
import type { Target } from "./target.ts";

/** The part guided by coverage, if available: each such execution costs as much as several others. */
const GUIDED_SHARE = 0.05;
const TELL_EVERY_MS = 20_000;

export interface CountOptions {
  readonly executions: number;
  readonly seed: number;
  /** without coverage, even if available */
  readonly isPlain: boolean;
}

interface Counted {
  readonly target: Target;
  readonly guided: RunReport | undefined;
  readonly plain: RunReport | undefined;
}

/** The number of targets with findings. */
export async function countedRun(targets: readonly Target[], options: CountOptions): Promise<number> {
  const { executions, seed } = options;
  const all = targets.reduce((sum, { share }) => sum + share, 0);
  const done: Counted[] = [];
  let left = executions;
  for (const [i, target] of targets.entries()) {
    const isLast = i === targets.length - 1; // takes the remainder of rounding
    const count = isLast ? left : Math.round((executions * target.share) / all);
    left -= count;
    const counted = await runCounted(target, count, options);
    done.push(counted);
    for (const report of [counted.guided, counted.plain]) if (report) tellFound(target, report, seed);
  }
  console.log(`\n${table(done, seed)}`);
  return done.filter((counted) => findings(counted) > 0).length;
}

async function runCounted(target: Target, count: number, { seed, isPlain }: CountOptions): Promise<Counted> {
  const guidedCount = isPlain ? 0 : Math.round(count * GUIDED_SHARE);
  const told = new Told(target.name, count);
  told.tell(0, "begins");
  const guided =
    guidedCount === 0
      ? undefined
      : await guidedRun(target, { executions: guidedCount }, seed, (runs) => told.maybe(runs, "by coverage"));
  const ran = guided?.runs ?? 0;
  if (guided?.found !== undefined) return { target, guided, plain: undefined };
  const plain = await run(target, { executions: Math.max(count - ran, 0) }, seed, (runs) => told.maybe(ran + runs));
  told.tell(ran + plain.runs, plain.found === undefined ? "nothing found" : "FOUND");
  return { target, guided, plain };
}

/** The lines of one target. */
class Told {
  readonly #name: string;
  readonly #count: number;
  readonly #startMs = performance.now();
  #at = { ms: performance.now(), runs: 0 };

  constructor(name: string, count: number) {
    this.#name = name;
    this.#count = count;
  }

  /** Not too often. */
  maybe(runs: number, what?: string): void {
    if (performance.now() - this.#at.ms >= TELL_EVERY_MS) this.tell(runs, what);
  }

  tell(runs: number, what?: string): void {
    const ms = performance.now();
    const rate = ((runs - this.#at.runs) * 1_000) / Math.max(ms - this.#at.ms, 1); // since the last line
    this.#at = { ms, runs };
    const parts = [
      `${counted(runs)} of ${counted(this.#count)}`,
      `${counted(rate)}/s`,
      `${duration((ms - this.#startMs) / 1_000)} gone`,
      ...(rate > 0 ? [`${duration((this.#count - runs) / rate)} left`] : []),
      ...(what === undefined ? [] : [what]),
    ];
    console.log(`${this.#name.padEnd(12)}${parts.join(", ")}`);
  }
}

function table(done: readonly Counted[], seed: number): string {
  const head = [
    "target",
    "executions",
    "by coverage",
    "generated",
    "seconds",
    "findings",
    "worst ms/KiB",
    "worst B/char",
    "seed",
  ];
  const rows = done.map((it) => [it.target.name, ...sums([it]), worstOf(it), heapOf(it), `${seed}`]);
  const lines = [head, ...rows, ["all", ...sums(done), "", "", `${seed}`]];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))))
    .map((cells) => cells.join("  "))
    .join("\n");
}

function sums(done: readonly Counted[]): string[] {
  const sum = (of: (it: Counted) => number) => done.reduce((total, it) => total + of(it), 0);
  const guided = sum((it) => it.guided?.runs ?? 0);
  const plain = sum((it) => it.plain?.runs ?? 0);
  const seconds = sum((it) => (it.guided?.seconds ?? 0) + (it.plain?.seconds ?? 0));
  return [guided + plain, guided, plain, seconds, sum(findings)].map(counted);
}

function findings({ guided, plain }: Counted): number {
  return [guided, plain].filter((report) => report?.found !== undefined).length;
}

function worstOf({ plain }: Counted): string {
  return plain?.worst?.msPerKib?.toPrecision(2) ?? "";
}

function heapOf({ plain }: Counted): string {
  return plain?.heap?.worst?.bytesPerChar.toFixed(0) ?? "";
}

/** 1,234,567 */
function counted(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${Math.round(seconds)} s` : `${minutes} min ${Math.floor(seconds % 60)} s`;
}
