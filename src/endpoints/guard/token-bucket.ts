/**
 * TokenBucket: a burst and a rate. docs/errors-and-limits.md.
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

  /** Takes one token; false if none is left. */
  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes tokens that have already been spent, even if fewer are left: for costs known only afterwards. */
  charge(count: number): void {
    this.#refill();
    this.#tokens -= count;
  }

  /** Milliseconds until `count` tokens are available; 0 if they are. */
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
