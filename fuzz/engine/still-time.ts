/**
 * The clock of one run: everything happens in a fixed order, without waiting for real time. Like a process of the
 * simulation without delays, but with cheaper turns, because a run has thousands of them.
 */
import type { Clock } from "../../src/index.ts";
import { must } from "./target.ts";
import { turn } from "./turn.ts";

interface Due {
  readonly atMs: number;
  readonly run: () => void;
}

export class StillTime {
  readonly clock: Clock = {
    now: () => this.#nowMs,
    after: (ms, run) => {
      if (ms === Number.POSITIVE_INFINITY) return { cancel: () => undefined };
      const due: Due = { atMs: this.#nowMs + ms, run };
      this.#timers.add(due);
      return { cancel: () => void this.#timers.delete(due) };
    },
    soon: (run) => void this.#tasks.push(run),
    endOfTurn: (run) => void this.#endOfTurn.push(run),
  };
  #nowMs = 0;
  #tasks: (() => void)[] = [];
  #nextTask = 0;
  #endOfTurn: (() => void)[] = [];
  readonly #timers = new Set<Due>();

  get timerCount(): number {
    return this.#timers.size;
  }

  /** Runs what can run now, or this many tasks of it. */
  async settle(most = 10_000): Promise<void> {
    await this.#endTurn();
    const nowMs = this.#nowMs;
    for (let i = 0; i < most && this.#isBusyAt(nowMs); i++) await this.#step();
  }

  /** Runs what is due next, and its consequences. */
  async pass(): Promise<void> {
    await this.#step();
    await this.settle();
  }

  /** Runs until nothing is left. */
  async finish(most: number): Promise<void> {
    await this.#endTurn();
    for (let steps = 0; await this.#step(); steps++) must(steps < most, () => `not over after ${most} steps`);
  }

  #isBusyAt(nowMs: number): boolean {
    if (this.#nextTask < this.#tasks.length) return true;
    for (const { atMs } of this.#timers) if (atMs <= nowMs) return true;
    return false;
  }

  /** Runs one task and its promise reactions. Returns false if there is none. */
  async #step(): Promise<boolean> {
    const task = this.#takeTask() ?? this.#takeDue();
    if (task === undefined) return false;
    task();
    await this.#endTurn();
    return true;
  }

  /** Runs promise reactions, and what waits for the end of the turn. */
  async #endTurn(): Promise<void> {
    await turn();
    while (this.#endOfTurn.length > 0) {
      const tasks = this.#endOfTurn;
      this.#endOfTurn = [];
      for (const task of tasks) task();
      await turn();
    }
  }

  #takeTask(): (() => void) | undefined {
    const task = this.#tasks[this.#nextTask];
    if (task === undefined) return undefined;
    this.#nextTask += 1;
    if (this.#nextTask === this.#tasks.length) {
      this.#tasks = [];
      this.#nextTask = 0;
    }
    return task;
  }

  /** The earliest timer; among equals, the one set first. */
  #takeDue(): (() => void) | undefined {
    let next: Due | undefined;
    for (const due of this.#timers) if (next === undefined || due.atMs < next.atMs) next = due;
    if (next === undefined) return undefined;
    this.#timers.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    return next.run;
  }
}
