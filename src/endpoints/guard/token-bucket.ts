/**
 * TokenBucket: so much at once, and so much a second from then on. docs/errors-and-limits.md.
 */
import type { Clock } from "../../clock.ts";

export class TokenBucket {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #perSecond: number;
  #tokens: number;
  #atMs: number;

  constructor(clock: Clock, capacity: number, perSecond: number) {
    this.#clock = clock;
    this.#capacity = capacity;
    this.#perSecond = perSecond;
    this.#tokens = capacity;
    this.#atMs = clock.now();
  }

  /** Takes one; false when none is left. */
  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes what has been spent already, also when that is more than is left: for what is known only afterwards. */
  charge(count: number): void {
    this.#refill();
    this.#tokens -= count;
  }

  /** Milliseconds until there is `count` again; 0 when there is. */
  waitMs(count: number): number {
    this.#refill();
    return Math.max(Math.ceil(((count - this.#tokens) / this.#perSecond) * 1_000), 0);
  }

  get isFull(): boolean {
    return this.waitMs(this.#capacity) === 0;
  }

  #refill(): void {
    const nowMs = this.#clock.now();
    this.#tokens = Math.min(this.#tokens + ((nowMs - this.#atMs) / 1_000) * this.#perSecond, this.#capacity);
    this.#atMs = nowMs;
  }
}
