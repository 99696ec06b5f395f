/**
 * Clock: the only source of time. The core never reads the time or sets a timer in another way, so tests and
 * simulations can pass in a clock and need no sleeps.
 */
import { Chain, type Chained } from "./chain.ts";
import { indented } from "./errors.ts";

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds from an arbitrary start; never decreases. */
  now(): number;
  /** Runs `run` once after at least `ms`; never for `Infinity`. A timer does not keep the process alive unless
   *  `keepsAlive` is set. A wait for a peer does not need that, because its socket keeps the process alive. */
  after(ms: number, run: () => void, keepsAlive?: boolean): Timer;
  /** Runs `run` after the event loop has handled what is already waiting. */
  soon(run: () => void): void;
  /** Runs `run` after the current task and all its promise reactions; like `soon` on platforms without this. */
  endOfTurn(run: () => void): void;
  /** Total milliseconds for which the event loop was blocked, so that no input could be handled. A peer is not late if
   *  it is late by this time. A clock without it is never blocked. */
  readonly heldUpMs?: number;
  /** Calls `listener` when the process has not run for some seconds: the machine has slept, or the page was frozen. Returns a function that
   *  removes it. A clock without it never sleeps. */
  onWake?(listener: () => void): () => void;
}

export function heldUpMs({ heldUpMs = 0 }: Clock): number {
  return heldUpMs;
}

/** Runs `run` after `ms` in which input from the peer could be handled: time in which the event loop was blocked does
 *  not count. For deadlines that blame the peer. */
export function afterHearing(clock: Clock, ms: number, run: () => void): Timer {
  const hearing = new Hearing(clock, run);
  hearing.goOn(ms);
  return hearing;
}

class Hearing implements Timer {
  readonly #clock: Clock;
  readonly #run: () => void;
  #timer: Timer | undefined;
  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }
  goOn(ms: number): void {
    const before = heldUpMs(this.#clock);
    this.#timer = this.#clock.after(ms, () => {
      const moreMs = heldUpMs(this.#clock) - before;
      if (moreMs > 0) this.goOn(moreMs);
      else this.#run();
    });
  }
  cancel(): void {
    this.#timer?.cancel();
  }
}

const TICK_MS = 20;
/** A timer that fires later than this was delayed by a blocked event loop. */
const LATE_MS = 100;
/** Whoever has not run for so long has probably slept, and may have lost its connections without a word. */
const ASLEEP_MS = 5_000;
const NEVER: Timer = { cancel() {} };

class Entry implements Timer, Chained {
  run: (() => void) | undefined;
  readonly keepsAlive: boolean;
  readonly bucket: Bucket;
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #wheel: TimerWheel;
  constructor(run: () => void, keepsAlive: boolean, bucket: Bucket, wheel: TimerWheel) {
    this.run = run;
    this.keepsAlive = keepsAlive;
    this.bucket = bucket;
    this.#wheel = wheel;
  }
  cancel(): void {
    if (this.run === undefined) return;
    this.run = undefined;
    this.#wheel.forget(this);
  }
}

/** The timers of one tick. */
interface Bucket {
  readonly tick: number;
  readonly timers: Chain<Entry>;
}

/** All timers of a process on one engine timer, in buckets of 20 ms. Setting and cancelling a timer costs almost
 *  nothing, and a hundred thousand waits need no hundred thousand engine timers. */
class TimerWheel implements Clock {
  readonly #buckets = new Map<number, Bucket>();
  /** the bucket of the last timer; kept even if empty, because the next timer usually belongs there too */
  #recent: Bucket = { tick: -1, timers: new Chain() };
  #handle: unknown;
  #tick = 0;
  /** when the event loop is expected to continue */
  #expectedMs = 0;
  #heldUpMs = 0;
  /** the same by the time of day, as the other one may stop while the machine sleeps */
  #expectedAtMs = 0;
  readonly #wakeListeners = new Set<() => void>();
  /** number of timers that keep the process alive */
  #keepers = 0;

  now(): number {
    return readMs();
  }

  get heldUpMs(): number {
    return this.#heldUpMs;
  }

  onWake(listener: () => void): () => void {
    this.#wakeListeners.add(listener);
    return () => void this.#wakeListeners.delete(listener);
  }

  after(ms: number, run: () => void, keepsAlive = false): Timer {
    if (ms === Number.POSITIVE_INFINITY) return NEVER;
    if (this.#handle === undefined) this.#start();
    const tick = Math.max(Math.ceil((this.now() + ms) / TICK_MS), this.#tick + 1);
    const bucket = tick === this.#recent.tick ? this.#recent : this.#bucketAt(tick);
    const entry = new Entry(run, keepsAlive, bucket, this);
    bucket.timers.add(entry);
    if (keepsAlive) this.#keep(1);
    return entry;
  }

  #bucketAt(tick: number): Bucket {
    this.#dropIfEmpty(this.#recent);
    let bucket = this.#buckets.get(tick);
    if (bucket === undefined) {
      bucket = { tick, timers: new Chain() };
      this.#buckets.set(tick, bucket);
    }
    this.#recent = bucket;
    return bucket;
  }

  #dropIfEmpty(bucket: Bucket): void {
    if (bucket.timers.size === 0) this.#buckets.delete(bucket.tick);
  }

  soon(run: () => void): void {
    setSoon(run);
  }

  endOfTurn(run: () => void): void {
    setEndOfTurn(run);
  }

  forget(entry: Entry): void {
    if (entry.keepsAlive) this.#keep(-1);
    const { bucket } = entry;
    bucket.timers.remove(entry);
    if (bucket !== this.#recent) this.#dropIfEmpty(bucket);
  }

  #start(): void {
    this.#tick = Math.floor(this.now() / TICK_MS);
    this.#arm();
  }

  #arm(): void {
    this.#expectedMs = this.now() + TICK_MS;
    this.#expectedAtMs = Date.now() + TICK_MS;
    this.#handle = startTimer(() => this.#due(), TICK_MS);
    this.#keep(0);
  }

  /** A deadline concerns input that did not arrive, so the sockets are read once more before any deadline fires. */
  #due(): void {
    const hasSlept = Math.max(this.now() - this.#expectedMs, Date.now() - this.#expectedAtMs) > ASLEEP_MS;
    this.#noteHoldUp();
    if (hasSlept) for (const listener of [...this.#wakeListeners]) runGuarded(listener);
    setSoon(() => {
      // Reading may itself have blocked the loop. Checked once only, because a permanently blocked loop must fire its
      // timers too.
      if (this.#noteHoldUp()) setSoon(() => this.#advance());
      else this.#advance();
    });
  }

  #noteHoldUp(): boolean {
    const nowMs = this.now();
    const lateMs = nowMs - this.#expectedMs;
    this.#expectedMs = nowMs;
    if (lateMs <= LATE_MS) return false;
    this.#heldUpMs += lateMs;
    return true;
  }

  #keep(more: number): void {
    this.#keepers += more;
    const handle = this.#handle as Partial<Keeping> | undefined; // a number in a browser
    if (this.#keepers > 0) handle?.ref?.();
    else handle?.unref?.();
  }

  #advance(): void {
    this.#runDue();
    this.#dropIfEmpty(this.#recent);
    if (this.#buckets.size > 0) this.#arm();
    else {
      this.#handle = undefined;
      this.#recent = { tick: -1, timers: new Chain() };
    }
  }

  #runDue(): void {
    const until = Math.floor(this.now() / TICK_MS);
    while (this.#tick < until) {
      this.#tick += 1;
      const bucket = this.#buckets.get(this.#tick);
      if (bucket === undefined) continue;
      this.#buckets.delete(this.#tick);
      this.#runAll(bucket);
    }
  }

  #runAll({ timers }: Bucket): void {
    for (let entry = timers.shift(); entry !== undefined; entry = timers.shift()) {
      const { run } = entry;
      entry.run = undefined;
      if (entry.keepsAlive) this.#keep(-1);
      if (run !== undefined) runGuarded(run);
    }
  }
}

/** A timer must not throw: that would end the process and skip the other timers. */
function runGuarded(run: () => void): void {
  try {
    run();
  } catch (thrown) {
    console.error(`hbi: a timer has failed:\n${indented(thrown)}`);
  }
}

// --- the platform: its own functions, taken when this file is loaded, so that fake timers which a test installs later
// stop nothing. If fake ones are installed already, they are not used: they end with their test, and this clock does not.

interface Keeping {
  ref(): void;
  unref(): void;
}

/** Passes `run` to `guard` as an argument, so that no closure is created per call. */
type Later = (guard: (run: () => void) => void, run: () => void) => unknown;

/** What some platforms have. */
const platform: {
  readonly setImmediate?: Later;
  readonly process?: { readonly nextTick?: Later };
  readonly Atomics?: { readonly waitAsync?: (cell: Int32Array, index: 0, value: 0, ms: number) => WaitAsync };
} = globalThis as never; // each member is checked

interface WaitAsync {
  readonly value: Promise<unknown>;
}

/** Undefined for the replacements of @sinonjs/fake-timers (vitest, Jest), of mock functions, and of `node:test`. */
function genuine<F extends object & { readonly name: string }>(own: F | undefined): F | undefined {
  if (own === undefined || Object.hasOwn(own, "clock") || "_isMockFunction" in own) return undefined;
  return own.name.startsWith("bound ") ? undefined : own;
}

/** An event has the time of the platform even while `performance` is replaced. */
const readMs: () => number =
  Object.prototype.toString.call(performance) === "[object Performance]"
    ? performance.now.bind(performance)
    : () => new Event("now").timeStamp;

const startTimer: (run: () => void, ms: number) => unknown = (() => {
  const { Atomics: atomics } = platform;
  if (genuine(setTimeout) !== undefined || atomics?.waitAsync === undefined) return setTimeout;
  if (typeof SharedArrayBuffer !== "function") return setTimeout; // a page that is not isolated has none
  const cell = new Int32Array(new SharedArrayBuffer(4));
  return (run, ms) => {
    atomics.waitAsync?.(cell, 0, 0, ms).value.then(run);
    return NEVER;
  };
})();

const setSoon: (run: () => void) => void = (() => {
  const immediate = genuine(platform.setImmediate); // Node and Bun provide it
  if (immediate !== undefined) return (run) => void immediate(runGuarded, run);
  const { port1, port2 } = new MessageChannel();
  const port: Partial<Keeping> = port1 as never; // in Node, a port keeps the process alive
  const queue: (() => void)[] = [];
  port1.onmessage = () => {
    const run = queue.shift();
    if (queue.length === 0) port.unref?.();
    if (run !== undefined) runGuarded(run);
  };
  port.unref?.();
  return (run) => {
    if (queue.length === 0) port.ref?.();
    queue.push(run);
    port2.postMessage(0);
  };
})();

/** Node and Bun: after the microtasks, before the event loop continues, so nothing else runs in between. */
const setEndOfTurn: (run: () => void) => void = (() => {
  const nextTick = genuine(platform.process?.nextTick);
  return nextTick === undefined ? setSoon : (run) => void nextTick(runGuarded, run);
})();

export const systemClock: Clock = new TimerWheel();
