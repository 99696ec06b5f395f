/**
 * Scheduler: shares the event loop among the connections of a process. Each connection bounds its own turn. When all of
 * them together have worked long enough, the remaining work waits until the loop has handled its sockets and timers;
 * then the connection with the least work goes first. docs/errors-and-limits.md, "maxTurnMs".
 */
import { Chain, type Chained } from "../../chain.ts";
import type { Clock } from "../../clock.ts";

/** The time for all connections together in one turn of the event loop. Work that has begun is completed. */
const MOST_MS = 10;
/** Beyond this, the counted work is reset when the loop comes round. Scheduling the reset for every packet would cost a
 *  system call. */
const MARK_MS = 2;
/** Level 0 has up to this many bytes to handle; each further level twice as many. */
const LEAST_BYTES = 1_024;
const LEVELS = 9;
/** time per turn for the postponed work of one connection */
const SHORT_MS = 1;

/** Something that waits for a turn of the event loop. */
export interface Waiting extends Chained {
  run(): void;
}

/** The scheduler of one event loop, represented by its clock. */
export class Scheduler {
  readonly #clock: Clock;
  /** by the amount of work */
  readonly #waiting = Array.from({ length: LEVELS }, () => new Chain<Waiting>());
  /** the level that goes next if there is no time for all */
  #next = 0;
  #workedMs = 0;
  #isWorking = false;
  #fromMs = 0;
  #isMarked = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when new work should be deferred to a later turn. */
  get isOver(): boolean {
    return this.#workedMs > MOST_MS;
  }

  /** Work begins, until `end`. Returns false inside other work, which is counted as a whole. */
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

  /** Runs it in a later turn of the event loop. If it already waits, its amount of work is updated.
   *  @param bytes the amount to handle, or its equivalent; the actual time is known only afterwards */
  later(waiting: Waiting, bytes: number): void {
    const level = Math.ceil(Math.log2(bytes / LEAST_BYTES));
    const chain = this.#waiting[Math.min(Math.max(level, 0), LEVELS - 1)] as Chain<Waiting>; // there is a chain for each level
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

  /** Serves those that wait now; later ones wait for the next turn. Half of the time goes to those with the least work.
   *  The other half, and at least one entry, goes to all levels in turn, so that none starves. */
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

/** Postponed work after handlers of one connection have ended: one at a time, or a few short ones, while others have
 *  their turn. A connection with many of them waits longer. */
export class PutOff implements Waiting {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #runs: (() => void)[] = [];

  constructor(clock: Clock, scheduler: Scheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  /** Later work of the connection must wait as well: what ends first is answered first. */
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
    this.#scheduler.later(this, LEAST_BYTES * this.#runs.length);
  }
}
