/**
 * A clock whose time stands still until the test moves it: deadlines are tested without waiting for them.
 */
import type { Clock, Timer } from "hbi";

interface Entry {
  readonly atMs: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Entry>();

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): Timer {
    const entry = { atMs: this.#nowMs + ms, run };
    this.#timers.add(entry);
    return { cancel: () => this.#timers.delete(entry) };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  endOfTurn(run: () => void): void {
    process.nextTick(run);
  }

  /** Timers that are set: a finished conversation leaves none. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Moves the time, and runs what is due, in order. */
  async advance(ms: number): Promise<void> {
    await quiet();
    const until = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
      await quiet();
    }
    this.#nowMs = until;
    await quiet();
  }
}

/** Lets everything that is under way in memory come to rest. */
export async function quiet(turns = 30): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise(setImmediate);
}
