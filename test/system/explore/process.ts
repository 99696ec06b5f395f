/**
 * Process: the clock of one side, which the scheduler moves. The clocks of both sides are independent, like those of two machines.
 */
import type { Clock, Timer } from "hbi";
import type { Choice } from "./choice.ts";
import type { Side } from "./world.ts";

/** The length of a timer tells its purpose, given the limits of the worlds.
 *  - `delay`: before the next dial, up to 100 ms
 *  - `idle`: for idle and lingering connections, below 2 s
 *  - `deadline`: guards against a peer, a handler or a network that is stuck; the shortest is `headerTimeoutMs`, 5 s */
export type TimerKind = "delay" | "idle" | "deadline";

const MAX_DELAY_MS = 100;
const MIN_DEADLINE_MS = 2_000;

interface Due {
  readonly ms: number;
  readonly atMs: number;
  readonly run: () => void;
}

export class Process implements Clock {
  readonly #side: Side;
  readonly #endOfTurn: (() => void)[] | undefined;
  #nowMs = 0;
  #timers: Due[] = [];
  readonly #turns: (() => void)[] = [];

  /** @param endOfTurn the queue of `Clock.endOfTurn`; without one it is the same as `soon` */
  constructor(side: Side, endOfTurn: (() => void)[] | undefined) {
    this.#side = side;
    this.#endOfTurn = endOfTurn;
  }

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): Timer {
    if (ms === Number.POSITIVE_INFINITY) return { cancel: () => undefined };
    const due: Due = { ms, atMs: this.#nowMs + ms, run };
    this.#timers.push(due);
    return { cancel: () => this.#forget(due) };
  }

  soon(run: () => void): void {
    this.#turns.push(run);
  }

  endOfTurn(run: () => void): void {
    (this.#endOfTurn ?? this.#turns).push(run);
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  /** The next turn of the event loop, if something waits for it. */
  turns(): Choice[] {
    if (this.#turns.length === 0) return [];
    return [{ label: `${this.#side}: a later turn`, sides: [this.#side], run: () => this.#turns.shift()?.() }];
  }

  /** The timer of a kind that is due first. */
  timers(kind: TimerKind): Choice[] {
    let next: Due | undefined;
    for (const due of this.#timers)
      if (kindOf(due) === kind && (next === undefined || due.atMs < next.atMs)) next = due;
    if (next === undefined) return [];
    const due = next;
    return [
      {
        label: `${this.#side}: the ${kind} timer of ${due.ms} ms fires`,
        sides: [this.#side],
        run: () => this.#pass(due),
      },
    ];
  }

  #pass(due: Due): void {
    this.#forget(due);
    this.#nowMs = Math.max(this.#nowMs, due.atMs);
    due.run();
  }

  #forget(due: Due): void {
    this.#timers = this.#timers.filter((other) => other !== due);
  }

  /** Timers in the order in which they are due: of a deadline its length alone, as it may pass at any time; of others the time left. */
  get fingerprint(): string {
    const dues = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
    const left = dues.map((due) => (kindOf(due) === "deadline" ? due.ms : due.atMs - this.#nowMs));
    return `${this.#turns.length} ${left}`;
  }
}

function kindOf({ ms }: Due): TimerKind {
  if (ms >= MIN_DEADLINE_MS) return "deadline";
  return ms > MAX_DELAY_MS ? "idle" : "delay";
}
