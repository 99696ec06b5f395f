/**
 * Clock: the only source of time. The core never reads the time or sets a timer by itself, so tests and simulations hand
 * in a clock of their own and need no sleeps.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds from an arbitrary start; never goes back. */
  now(): number;
  /** Runs `run` once after at least `ms`; `Infinity` never does. A wait for a peer does not keep a process alive, as the socket
   *  does; one that has no socket (`keepsAlive`) must. */
  after(ms: number, run: () => void, keepsAlive?: boolean): Timer;
  /** Runs `run` when the event loop has handled what is already waiting. */
  soon(run: () => void): void;
  /** Runs `run` when what runs now, and all that its promises set off, is done; where the platform can't tell, `soon`. */
  endOfTurn(run: () => void): void;
}

const TICK_MS = 20;
const NEVER: Timer = { cancel() {} };

class Entry implements Timer {
  run: (() => void) | undefined;
  readonly tick: number;
  readonly keepsAlive: boolean;
  readonly #wheel: TimerWheel;
  constructor(tick: number, run: () => void, keepsAlive: boolean, wheel: TimerWheel) {
    this.tick = tick;
    this.run = run;
    this.keepsAlive = keepsAlive;
    this.#wheel = wheel;
  }
  cancel(): void {
    if (this.run === undefined) return;
    this.run = undefined;
    this.#wheel.forget(this);
  }
}

/** All timers of a process on one engine timer, in buckets of 20 ms: setting and cancelling costs a Set operation, and a
 *  hundred thousand waits need no hundred thousand engine timers. */
class TimerWheel implements Clock {
  readonly #buckets = new Map<number, Set<Entry>>();
  #handle: ReturnType<typeof setTimeout> | undefined;
  #tick = 0;
  /** timers that keep the process alive */
  #keepers = 0;

  now(): number {
    return performance.now();
  }

  after(ms: number, run: () => void, keepsAlive = false): Timer {
    if (ms === Number.POSITIVE_INFINITY) return NEVER;
    if (this.#handle === undefined) this.#start();
    const tick = Math.max(Math.ceil((this.now() + ms) / TICK_MS), this.#tick + 1);
    const entry = new Entry(tick, run, keepsAlive, this);
    if (keepsAlive) this.#keep(1);
    const bucket = this.#buckets.get(tick);
    if (bucket === undefined) this.#buckets.set(tick, new Set([entry]));
    else bucket.add(entry);
    return entry;
  }

  soon(run: () => void): void {
    setSoon(run);
  }

  endOfTurn(run: () => void): void {
    setEndOfTurn(run);
  }

  forget(entry: Entry): void {
    if (entry.keepsAlive) this.#keep(-1);
    const bucket = this.#buckets.get(entry.tick);
    if (bucket === undefined) return;
    bucket.delete(entry);
    if (bucket.size === 0) this.#buckets.delete(entry.tick);
  }

  #start(): void {
    this.#tick = Math.floor(this.now() / TICK_MS);
    this.#arm();
  }

  #arm(): void {
    this.#handle = setTimeout(() => this.#advance(), TICK_MS);
    this.#keep(0);
  }

  #keep(more: number): void {
    this.#keepers += more;
    const handle = this.#handle as { ref?: () => void; unref?: () => void } | undefined; // a number in a browser
    if (this.#keepers > 0) handle?.ref?.();
    else handle?.unref?.();
  }

  #advance(): void {
    const until = Math.floor(this.now() / TICK_MS);
    while (this.#tick < until) {
      this.#tick += 1;
      const bucket = this.#buckets.get(this.#tick);
      if (bucket === undefined) continue;
      this.#buckets.delete(this.#tick);
      for (const entry of bucket) {
        const { run } = entry;
        if (run === undefined) continue;
        entry.run = undefined;
        if (entry.keepsAlive) this.#keep(-1);
        run();
      }
    }
    if (this.#buckets.size === 0) this.#handle = undefined;
    else this.#arm();
  }
}

const setSoon: (run: () => void) => void = (() => {
  const global: { setImmediate?: (run: () => void) => unknown } = globalThis as never; // Node and Bun have it
  const immediate = global.setImmediate;
  if (immediate !== undefined) return (run) => void immediate(run);
  const { port1, port2 } = new MessageChannel();
  const queue: (() => void)[] = [];
  port1.onmessage = () => queue.shift()?.();
  return (run) => {
    queue.push(run);
    port2.postMessage(0);
  };
})();

/** Node and Bun: behind the microtasks, before the event loop goes on, so that nothing is waited for. */
const setEndOfTurn: (run: () => void) => void = (() => {
  const { process }: { process?: { nextTick?: (run: () => void) => void } } = globalThis as never; // Node and Bun have it
  return process?.nextTick ?? setSoon;
})();

export const systemClock: Clock = new TimerWheel();
