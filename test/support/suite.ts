/**
 * A suite of rows as a program.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Row, runRows } from "./rows.ts";

/** @throws Error for two rows of one name */
export function checkNames(rows: readonly Row[]): void {
  const names = new Set(rows.map(({ name }) => name));
  if (names.size < rows.length) throw new Error("two rows have the same name");
}

const PROGRESS_MS = 10_000;
/** So many rows may have failed because the machine was too busy. Those that fail alone as well fail. */
const MOST_AGAIN = 20;

export interface Suite {
  readonly title: string;
  readonly rows: readonly Row[];
  /** rows that run beside each other */
  readonly atOnce: number;
}

/** Runs the rows that are asked for: all, `quick`, or those whose names match a pattern. Gives the exit code. */
export async function runSuite({ title, rows, atOnce }: Suite, words: readonly string[]): Promise<number> {
  checkNames(rows);
  const chosen = chosenOf(rows, words.join(" "));
  if (chosen.length === 0) throw new Error("no row is called so");
  const unheard: unknown[] = [];
  process.on("unhandledRejection", (reason) => void unheard.push(reason));
  const startMs = performance.now();
  const seconds = () => ((performance.now() - startMs) / 1_000).toFixed(0).padStart(4);
  const failed = new Set<Row>();
  let over = 0;
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  console.log(`${title}: ${chosen.length} rows, at most ${atOnce} at once`);
  const progress = setInterval(() => console.log(`${seconds()} s  ${over} of ${chosen.length} are over`), PROGRESS_MS);
  const run = (some: readonly Row[]) =>
    runRows(some, {
      atOnce,
      onOver: ({ row, tookMs, failure, told }) => {
        over += 1;
        if (failure === undefined) failed.delete(row);
        else failed.add(row);
        console.log(
          `${seconds()} s  ${failure === undefined ? "ok" : "FAILED"}  ${row.name}, ${(tookMs / 1_000).toFixed(1)} s: ${failure ?? told}`,
        );
      },
    });
  await run(chosen);
  if (failed.size > 0 && failed.size <= MOST_AGAIN) {
    console.log(`${seconds()} s  ${failed.size} failed, and run again without the others, which kept the machine busy`);
    over -= failed.size;
    await run([...failed]);
  }
  clearInterval(progress);
  for (const reason of unheard) console.log(`UNHEARD  ${String(reason)}`);
  const lag = `the event loop was late by ${(delay.percentile(99) / 1e6 - 10).toFixed(0)} ms in 1 of 100 turns, by ${(delay.max / 1e6 - 10).toFixed(0)} ms at the most`;
  console.log(`${title}: ${over - failed.size} passed, ${failed.size} failed, in${seconds()} s; ${lag}`);
  return failed.size + unheard.length === 0 ? 0 : 1;
}

function chosenOf(rows: readonly Row[], words: string): readonly Row[] {
  if (words === "") return rows;
  if (words === "quick") return rows.filter(({ isQuick }) => isQuick);
  const pattern = new RegExp(words);
  return rows.filter(({ name }) => pattern.test(name));
}
