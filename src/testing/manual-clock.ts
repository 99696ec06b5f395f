/**
 * A clock whose time stands still until the test moves it: deadlines are tested without waiting for them. docs/testing.md.
 */
import { type Clock, systemClock, type Timer } from "../clock.ts";

interface Due {
  readonly atMs: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  #heldUpMs = 0;
  readonly #timers = new Set<Due>();

  now(): number {
    return this.#nowMs;
  }

  get heldUpMs(): number {
    return this.#heldUpMs;
  }

  /** As if the event loop had been busy for so long: what a peer has sent could not be looked at. The time itself is moved by `advance`. */
  holdUp(ms: number): void {
    this.#heldUpMs += ms;
  }

  after(ms: number, run: () => void): Timer {
    const due = { atMs: this.#nowMs + ms, run };
    this.#timers.add(due);
    return { cancel: () => void this.#timers.delete(due) };
  }

  soon(run: () => void): void {
    systemClock.soon(run);
  }

  endOfTurn(run: () => void): void {
    systemClock.endOfTurn(run);
  }

  /** Timers that are set: what is finished leaves none. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Moves the time, runs what is due, in order, and lets what follows from it happen. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (await quiet(); ; await quiet()) {
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
    await quiet();
  }
}

/** Lets what is under way in memory come to rest: so many turns of the event loop. */
export async function quiet(turns = 30): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => systemClock.soon(resolve));
}
