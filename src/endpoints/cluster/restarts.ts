/**
 * Restarts: when a worker process that has failed is replaced, and when there were too many. docs/all-cores.md.
 */
import type { Clock } from "../../clock.ts";
import { backoff } from "../service/backoff.ts";

export class Restarts {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #windowMs: number;
  readonly #backoff = backoff({});
  /** when they were, within the window */
  #failures: number[] = [];

  constructor(clock: Clock, most: number, windowMs: number) {
    this.#clock = clock;
    this.#most = most;
    this.#windowMs = windowMs;
  }

  /** How long to wait after one more failure; undefined if there were too many. */
  delayAfterFailure(): number | undefined {
    const now = this.#clock.now();
    this.#failures = this.#failures.filter((at) => now - at < this.#windowMs);
    this.#failures.push(now);
    const count = this.#failures.length;
    return count > this.#most ? undefined : this.#backoff.delayMs(count);
  }
}
