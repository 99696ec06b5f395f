/**
 * The time of one run: a process of the simulation, without lateness; all that can happen happens, in one order.
 */
import type { Clock } from "../../src/index.ts";
import { Random } from "../../test/simulation/random.ts";
import { type Process, Time } from "../../test/simulation/time.ts";
import { must, Violation } from "./target.ts";

export class StillTime {
  readonly #time: Time;
  readonly #process: Process;

  constructor() {
    this.#time = new Time(new Random(1), (thrown) => {
      throw thrown instanceof Error ? thrown : new Violation(String(thrown));
    });
    this.#process = this.#time.process({ startMs: 0, maxLateMs: 0, knowsEndOfTurn: true });
  }

  get clock(): Clock {
    return this.#process.clock;
  }

  get timerCount(): number {
    return this.#process.timerCount;
  }

  /** Runs what can be run now, or so many tasks of it. */
  async settle(most = 10_000): Promise<void> {
    await this.#time.settle();
    const { nowMs } = this.#time;
    for (let i = 0; i < most && this.#time.isBusyAt(nowMs); i++) await this.#time.step();
  }

  /** Runs until nothing is left to do. */
  async finish(most: number): Promise<void> {
    await this.#time.settle();
    for (let steps = 0; await this.#time.step(); steps++) must(steps < most, `not over after ${most} steps`);
  }
}
