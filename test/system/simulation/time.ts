/**
 * Time: the scheduler of a simulated world. Nothing runs but by it: one task at a time, chosen by chance among the processes
 * that have one, and when none has, the time goes on to the next timer. Nobody waits for real time.
 */
import type { Clock, Timer } from "hbi";
import type { Random } from "./random.ts";

interface Due {
  readonly atMs: number;
  readonly run: () => void;
  readonly owner: Set<Due>;
}

export interface ProcessOptions {
  /** clocks of two machines do not agree */
  readonly startMs: number;
  /** A timer runs so much too late at the most. */
  readonly maxLateMs: number;
  /** Whether the platform can tell when a turn of the event loop ends. */
  readonly knowsEndOfTurn: boolean;
}

export interface Process {
  readonly clock: Clock;
  /** Timers of it that are set: what is finished leaves none. */
  readonly timerCount: number;
}

export class Time {
  nowMs = 0;
  /** tasks that have run */
  steps = 0;
  readonly #random: Random;
  readonly #onThrown: (thrown: unknown) => void;
  readonly #processes: (() => void)[][] = [];
  readonly #timers = new Set<Due>();
  #endOfTurn: (() => void)[] = [];

  constructor(random: Random, onThrown: (thrown: unknown) => void) {
    this.#random = random;
    this.#onThrown = onThrown;
  }

  /** One more process: its tasks keep their order, those of different ones mix. */
  process({ startMs, maxLateMs, knowsEndOfTurn }: ProcessOptions): Process {
    const tasks: (() => void)[] = [];
    this.#processes.push(tasks);
    const timers = new Set<Due>();
    const soon = (run: () => void) => void tasks.push(run);
    const after = (ms: number, run: () => void): Timer => {
      if (ms === Number.POSITIVE_INFINITY) return { cancel: () => undefined };
      const lateMs = maxLateMs === 0 ? 0 : this.#random.between(0, maxLateMs);
      const due: Due = { atMs: this.nowMs + ms + lateMs, run, owner: timers };
      timers.add(due);
      this.#timers.add(due);
      return { cancel: () => this.#forget(due) };
    };
    const endOfTurn = knowsEndOfTurn ? (run: () => void) => void this.#endOfTurn.push(run) : soon;
    return {
      clock: { now: () => startMs + this.nowMs, after, soon, endOfTurn },
      get timerCount() {
        return timers.size;
      },
    };
  }

  #forget(due: Due): void {
    this.#timers.delete(due);
    due.owner.delete(due);
  }

  /** Whether there is a task for this moment. */
  isBusyAt(nowMs: number): boolean {
    if (this.#processes.some((tasks) => tasks.length > 0)) return true;
    for (const { atMs } of this.#timers) if (atMs <= nowMs) return true;
    return false;
  }

  /** Runs one task and all that its promises set off. False when there is nothing left to do. */
  async step(): Promise<boolean> {
    const task = this.#chosen() ?? this.#nextDue();
    if (task === undefined) return false;
    this.steps += 1;
    this.#run(task);
    await this.settle();
    return true;
  }

  /** Lets the promises run, and what waits for the end of the turn. */
  async settle(): Promise<void> {
    await turn();
    while (this.#endOfTurn.length > 0) {
      const tasks = this.#endOfTurn;
      this.#endOfTurn = [];
      for (const task of tasks) this.#run(task);
      await turn();
    }
  }

  #chosen(): (() => void) | undefined {
    const ready = this.#processes.filter((tasks) => tasks.length > 0);
    return ready[ready.length > 1 ? this.#random.below(ready.length) : 0]?.shift();
  }

  /** The earliest, of several the one that was set first. */
  #nextDue(): (() => void) | undefined {
    let next: Due | undefined;
    for (const due of this.#timers) if (next === undefined || due.atMs < next.atMs) next = due;
    if (next === undefined) return undefined;
    this.#forget(next);
    this.nowMs = Math.max(this.nowMs, next.atMs);
    return next.run;
  }

  #run(task: () => void): void {
    try {
      task();
    } catch (thrown) {
      this.#onThrown(thrown); // it would have ended the process
    }
  }
}

/** One turn of the engine's event loop: every promise that can has run then, and what nobody handles has been told. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
