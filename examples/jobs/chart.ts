/**
 * What the consumer shows: progress while it works, and bars at the end.
 */

const WIDTH = 40;

/** One line that is updated on a terminal; elsewhere, a line for each quarter. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  #done = 0;
  #shownQuarter = 0;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
  }

  step(): void {
    this.#done += 1;
    const share = this.#done / this.#total;
    const line = `  ${this.#label.padEnd(14)} ${bar(share)} ${this.#done}/${this.#total}`;
    if (process.stdout.isTTY) {
      process.stdout.write(`\r${line}${share === 1 ? "\n" : ""}`);
      return;
    }
    const quarter = Math.floor(share * 4);
    if (quarter === this.#shownQuarter) return;
    this.#shownQuarter = quarter;
    console.log(line);
  }
}

/** Prints a line between those of the progress. */
export function note(text: string): void {
  console.log(`${process.stdout.isTTY ? "\r\x1b[K" : ""}  ${text}`);
}

export function bar(share: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * WIDTH);
  return "█".repeat(full) + "░".repeat(WIDTH - full);
}

export interface Measured {
  readonly label: string;
  readonly jobs: number;
  readonly bytes: number;
  readonly seconds: number;
}

export function chart(rows: readonly Measured[]): string {
  const fastest = Math.max(...rows.map(({ jobs, seconds }) => jobs / seconds));
  return rows
    .map(({ label, jobs, bytes, seconds }) => {
      const rate = jobs / seconds;
      const megabytes = (bytes / 1e6 / seconds).toFixed(1);
      return `  ${label.padEnd(14)} ${bar(rate / fastest)} ${rate.toFixed(0).padStart(6)} jobs/s, ${megabytes} MB/s`;
    })
    .join("\n");
}
