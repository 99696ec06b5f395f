/**
 * Scheduler: how the connections of a process share its event loop. Each works for its own turn; when all of them together have worked
 * for long enough, the rest waits until the loop has looked at its sockets and timers again, and there whoever has the least to do
 * goes first. docs/errors-and-limits.md, "maxTurnMs".
 */
import { Chain, type Chained } from "../../chain.ts";
import type { Clock } from "../../clock.ts";

/** All connections together in one turn of the event loop; what has been begun is ended. */
const MOST_MS = 10;
/** From so much work on, what was worked is forgotten when the loop comes round: asking to be told for each packet would cost a
 *  system call. */
const MARK_MS = 2;
/** Up to so many bytes to handle, up to twice as many, and so on. */
const LEAST_BYTES = 1_024;
const LEVELS = 9;
/** what is put off of one connection, in one turn */
const SHORT_MS = 1;

/** Something that waits for a turn of the event loop. */
export interface Waiting extends Chained {
  run(): void;
}

/** The event loop of a clock. */
export class Scheduler {
  readonly #clock: Clock;
  /** by how much there is to do */
  readonly #waiting = Array.from({ length: LEVELS }, () => new Chain<Waiting>());
  /** whose turn it is when there is no time for all */
  #next = 0;
  #workedMs = 0;
  #isWorking = false;
  #fromMs = 0;
  #isMarked = false;

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The one of all connections with that clock. */
  static of(clock: Clock): Scheduler {
    let scheduler = SCHEDULERS.get(clock);
    if (scheduler === undefined) {
      scheduler = new Scheduler(clock);
      SCHEDULERS.set(clock, scheduler);
    }
    return scheduler;
  }

  /** Whether whoever has not begun had better wait. */
  get isOver(): boolean {
    return this.#workedMs > MOST_MS;
  }

  /** Work begins, until `end`; false: within other work, which is counted as a whole. */
  begin(nowMs: number): boolean {
    if (this.#isWorking) return false;
    this.#isWorking = true;
    this.#fromMs = nowMs;
    return true;
  }

  end(): void {
    this.#isWorking = false;
    this.#workedMs += this.#clock.now() - this.#fromMs;
    if (this.#workedMs > MARK_MS) this.#mark();
  }

  /** Runs it in a later turn of the event loop. Again while it waits: there is more to do.
   *  @param bytes that it has to handle, or what is as much work: how long it takes is known only afterwards */
  later(waiting: Waiting, bytes: number): void {
    const level = Math.ceil(Math.log2(bytes / LEAST_BYTES));
    const chain = this.#waiting[Math.min(Math.max(level, 0), LEVELS - 1)] as Chain<Waiting>; // there is one of each level
    if (waiting.chain === chain) return;
    this.#waiting.find((it) => it === waiting.chain)?.remove(waiting);
    chain.add(waiting);
    this.#mark();
  }

  #mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    this.#clock.soon(() => {
      this.#isMarked = false;
      this.#workedMs = 0;
      try {
        this.#serve();
      } finally {
        if (this.#waiting.some(({ size }) => size > 0)) this.#mark();
      }
    });
  }

  /** Those that wait now; who comes meanwhile waits for the next turn. Half of the time is for those with the least to do, the other half,
   *  and one in any case, for all levels in turn: nobody waits for ever. */
  #serve(): void {
    const levels = this.#waiting.map((chain) => ({ chain, left: chain.size }));
    for (const level of levels) {
      for (; level.left > 0 && this.#workedMs < MOST_MS / 2; level.left--) this.#run(level.chain);
    }
    while (levels.some(({ left }) => left > 0)) {
      this.#next = (this.#next + 1) % LEVELS;
      const level = levels[this.#next];
      if (level === undefined || level.left === 0) continue;
      level.left -= 1;
      this.#run(level.chain);
      if (this.isOver) return;
    }
  }

  #run(chain: Chain<Waiting>): void {
    const isCounted = this.begin(this.#clock.now());
    try {
      chain.shift()?.run();
    } finally {
      if (isCounted) this.end();
    }
  }
}

const SCHEDULERS = new WeakMap<Clock, Scheduler>();

/** What goes on when handlers of one connection end, where it had to wait: one of them at a time, or a few short ones, as others have
 *  their turn. Who has many of them waits longer. */
export class PutOff implements Waiting {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #clock: Clock;
  readonly #runs: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whoever comes behind them waits as well: what ends first is answered first. */
  get isWaiting(): boolean {
    return this.#runs.length > 0;
  }

  add(run: () => void): void {
    this.#runs.push(run);
    this.#wait();
  }

  run(): void {
    const untilMs = this.#clock.now() + SHORT_MS;
    try {
      do this.#runs.shift()?.();
      while (this.#runs.length > 0 && this.#clock.now() < untilMs);
    } finally {
      if (this.#runs.length > 0) this.#wait();
    }
  }

  #wait(): void {
    Scheduler.of(this.#clock).later(this, LEAST_BYTES * this.#runs.length);
  }
}
