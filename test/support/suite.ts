/**
 * A suite of rows as a program, and what is known of its rows: a row that fails as it is known to is a note, one that passes although it is
 * marked is a failure, so that no mark outlives its reason.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Outcome, type Row, runRows } from "./rows.ts";

/** What is seen of rows that fail, by their names. What begins with "sometimes" may also pass. */
export type KnownToFail = Readonly<Record<string, string>>;

export type Verdict = "passed" | "failed" | "known to fail" | "passes, and is marked";

export function verdictOf({ row, failure }: Outcome, known: KnownToFail): Verdict {
  const seen = known[row.name];
  if (failure !== undefined) return seen === undefined ? "failed" : "known to fail";
  return seen === undefined || seen.startsWith("sometimes") ? "passed" : "passes, and is marked";
}

export const isGood = (verdict: Verdict): boolean => verdict === "passed" || verdict === "known to fail";

/** @throws Error for two rows of one name, and for a mark that is no row's */
export function checkNames(rows: readonly Row[], known: KnownToFail): void {
  const names = new Set(rows.map(({ name }) => name));
  if (names.size < rows.length) throw new Error("two rows have the same name");
  const unused = Object.keys(known).filter((name) => !names.has(name));
  if (unused.length > 0) throw new Error(`known to fail, but no row: ${unused.join("; ")}`);
}

const PROGRESS_MS = 10_000;

export interface Suite {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly known: KnownToFail;
  /** rows that run beside each other */
  readonly atOnce: number;
}

/** Runs the rows that are asked for: all, `quick`, or those whose names match a pattern. Gives the exit code. */
export async function runSuite({ title, rows, known, atOnce }: Suite, words: readonly string[]): Promise<number> {
  checkNames(rows, known);
  const chosen = chosenOf(rows, words.join(" "));
  if (chosen.length === 0) throw new Error("no row is called so");
  const unheard: unknown[] = [];
  process.on("unhandledRejection", (reason) => void unheard.push(reason));
  const startMs = performance.now();
  const seconds = () => ((performance.now() - startMs) / 1_000).toFixed(0).padStart(4);
  const counts: Record<Verdict, number> = { passed: 0, failed: 0, "known to fail": 0, "passes, and is marked": 0 };
  let over = 0;
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  console.log(`${title}: ${chosen.length} rows, at most ${atOnce} at once`);
  const progress = setInterval(() => console.log(`${seconds()} s  ${over} of ${chosen.length} are over`), PROGRESS_MS);
  await runRows(chosen, {
    atOnce,
    onOver: (outcome) => {
      const verdict = verdictOf(outcome, known);
      counts[verdict] += 1;
      over += 1;
      const { row, tookMs, failure, told } = outcome;
      const mark = verdict === "passed" ? "ok" : verdict.toUpperCase();
      console.log(`${seconds()} s  ${mark}  ${row.name}, ${(tookMs / 1_000).toFixed(1)} s: ${failure ?? told}`);
    },
  });
  clearInterval(progress);
  for (const reason of unheard) console.log(`UNHEARD  ${String(reason)}`);
  const lag = `the event loop was late by ${(delay.percentile(99) / 1e6 - 10).toFixed(0)} ms in 1 of 100 turns, by ${(delay.max / 1e6 - 10).toFixed(0)} ms at the most`;
  console.log(`${title}: ${listed(counts)}, in${seconds()} s; ${lag}`);
  const bad = counts.failed + counts["passes, and is marked"] + unheard.length;
  return bad === 0 ? 0 : 1;
}

function chosenOf(rows: readonly Row[], words: string): readonly Row[] {
  if (words === "") return rows;
  if (words === "quick") return rows.filter(({ isQuick }) => isQuick);
  const pattern = new RegExp(words);
  return rows.filter(({ name }) => pattern.test(name));
}

const listed = (counts: Readonly<Record<Verdict, number>>): string =>
  Object.entries(counts)
    .filter(([verdict, count]) => count > 0 || verdict === "failed")
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(", ");
