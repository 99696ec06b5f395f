/**
 * Worst: the most milliseconds per KiB of one reading, over all inputs of a text target.
 */

/** The cost of shorter inputs depends on the fixed cost of a reading. */
const MIN_BYTES = 1_024;
const MAX_BYTES = 65_536;
/** This many are kept, so that inputs slowed down by chance do not hide a slow one. */
const KEPT = 12;
const TIMES = 3;

interface Slow {
  readonly input: Uint8Array;
  /** the shortest measurement */
  msPerKib: number;
}

export class Worst {
  readonly #readOnce: ((input: Uint8Array) => void) | undefined;
  #slowest: Slow[] = [];

  constructor(readOnce: ((input: Uint8Array) => void) | undefined) {
    this.#readOnce = readOnce;
  }

  /** Keeps it if it is among the slowest. */
  offer(whole: Uint8Array): void {
    if (this.#readOnce === undefined || whole.length < MIN_BYTES) return;
    const input = whole.subarray(0, MAX_BYTES);
    const last = this.#slowest.length < KEPT ? 0 : (this.#slowest.at(-1)?.msPerKib ?? 0);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TIMES && least > last; i++) least = Math.min(least, this.#measured(input));
    if (least > last) this.#keep({ input: input.slice(), msPerKib: least });
  }

  /** Measures the kept inputs again, because the engine had compiled less code before, or the machine was busy. */
  measureAgain(times = 1): void {
    for (const slow of this.#slowest) {
      for (let i = 0; i < times; i++) slow.msPerKib = Math.min(slow.msPerKib, this.#measured(slow.input));
    }
    this.#slowest.sort((a, b) => b.msPerKib - a.msPerKib);
  }

  /** Of the slowest; undefined if no input was long enough. */
  get msPerKib(): number | undefined {
    return this.#slowest[0]?.msPerKib;
  }

  get input(): Uint8Array | undefined {
    return this.#slowest[0]?.input;
  }

  #keep(slow: Slow): void {
    this.#slowest.push(slow);
    this.#slowest.sort((a, b) => b.msPerKib - a.msPerKib);
    this.#slowest.length = Math.min(this.#slowest.length, KEPT);
  }

  #measured(input: Uint8Array): number {
    const startMs = performance.now();
    this.#readOnce?.(input);
    return ((performance.now() - startMs) * 1_024) / input.length;
  }
}
