/**
 * Rows: things that take long and do not work much, such as transfers over slow lines: many of them run beside each other, each with
 * a deadline and a scope that ends whatever it has started.
 */

import { systemClock } from "hbi";

/** What a row has started, ended in the opposite order whatever happens. */
export class Scope {
  readonly #ends: (() => unknown)[] = [];
  /** what is known of a row that does not end */
  told: () => string = () => "";

  add(end: () => unknown): void {
    this.#ends.push(end);
  }

  /** @throws Error the first that has failed, when all of them have been tried */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

export interface Row {
  readonly name: string;
  /** belongs to the quick suite */
  readonly isQuick: boolean;
  /** seconds that it takes where the machine takes none: what its line needs, or the deadline that it waits for */
  readonly seconds: number;
  /** runs by itself, before those that run beside each other: it uses up what the process allows */
  readonly isAlone?: boolean;
  /** Gives what there is to tell of it. @throws Error what is wrong */
  run(scope: Scope): Promise<string>;
}

export interface Outcome {
  readonly row: Row;
  readonly tookMs: number;
  /** what is wrong; undefined: it passed */
  readonly failure: string | undefined;
  readonly told: string;
}

export interface RunOptions {
  /** rows that run beside each other */
  readonly atOnce?: number;
  readonly onOver?: (outcome: Outcome) => void;
}

/** Runs all of them, the longest first. A row begins when the event loop keeps up: a busy machine runs fewer of them beside each other.
 *  Never rejects. */
export async function runRows(rows: readonly Row[], { atOnce = 64, onOver }: RunOptions = {}): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let running = 0;
  let beginning: Promise<void> = Promise.resolve();
  const begin = async (): Promise<void> => {
    while (running > 0 && !(await keepsUp()));
    running += 1;
  };
  const runAll = async (waiting: Row[]): Promise<void> => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
      beginning = beginning.then(begin); // one at a time
      await beginning;
      const outcome = await runRow(row);
      running -= 1;
      outcomes.push(outcome);
      onOver?.(outcome);
    }
  };
  const isAlone = (row: Row): boolean => row.isAlone === true;
  await runAll(rows.filter(isAlone));
  const others = rows.filter((row) => !isAlone(row)).sort((a, b) => b.seconds - a.seconds);
  await Promise.all(Array.from({ length: atOnce }, () => runAll(others)));
  return outcomes;
}

const PROBE_MS = 20;
const LATE_MS = 40;

/** Whether a timer comes in time. */
async function keepsUp(): Promise<boolean> {
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
  return performance.now() - startMs < PROBE_MS + LATE_MS;
}

/** Twice as long as it takes, and a minute for a machine that has other things to do. */
export const deadlineMs = ({ seconds }: Row): number => (seconds * 2 + 60) * 1_000;

export async function runRow(row: Row): Promise<Outcome> {
  const scope = new Scope();
  const startMs = performance.now();
  let failure: string | undefined;
  let told = "";
  try {
    const late = () => `not over after ${deadlineMs(row) / 1_000} s; ${scope.told()}`;
    told = await within(row.run(scope), deadlineMs(row), late);
  } catch (thrown) {
    failure = thrown instanceof Error ? explained(thrown) : String(thrown);
  }
  const tookMs = performance.now() - startMs;
  await scope.close().catch((thrown) => {
    failure = `${failure === undefined ? "" : `${failure}; `}closing: ${explained(thrown)}`;
  });
  return { row, tookMs, failure, told };
}

/** A deadline, not a sleep. For as long as this process was held up it passes later, as those of the library do. */
export async function within<T>(promise: Promise<T>, ms: number, late: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    const lateAfter = (leftMs: number): void => {
      const { heldUpMs: before = 0 } = systemClock;
      timer = setTimeout(() => {
        const moreMs = (systemClock.heldUpMs ?? 0) - before;
        if (moreMs > 0) lateAfter(moreMs);
        else reject(new Error(late()));
      }, leftMs);
    };
    lateAfter(ms);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

/** An error in one line. */
export function explained(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code, reason, mayHaveLanded } = thrown as { code?: string; reason?: string; mayHaveLanded?: boolean }; // of an HbiError
  const kind = [code, reason].filter((word) => word !== undefined).join("/");
  const landed = mayHaveLanded === undefined ? "" : `, mayHaveLanded ${mayHaveLanded}`;
  const cause = thrown.cause === undefined ? "" : `, because of ${String(thrown.cause)}`;
  return `${kind === "" ? "" : `${kind}: `}${thrown.message}${landed}${cause}`.replaceAll("\n", " ");
}
