/**
 * Transit: estimates how much of what the platform has taken may still be on its way to the peer. No platform reports
 * this, and it may hold megabytes. The estimate assumes a peer that reads as slowly as permitted, until it confirms more.
 */

/** The slowest rate at which a peer may read indefinitely without being considered stalled. */
export const LEAST_BYTES_PER_S = 16 * 1024;
/** No known platform holds more (Linux: the third number of net.ipv4.tcp_wmem). */
const MOST_BYTES = 4 * 1024 * 1024;

export class Transit {
  #bytes = 0;
  #atMs = 0;

  add(bytes: number, nowMs: number): void {
    this.#bytes = Math.min(this.#left(nowMs) + bytes, MOST_BYTES);
    this.#atMs = nowMs;
  }

  /** The peer has confirmed what was sent before the last `bytes`. */
  confirmed(bytes: number, nowMs: number): void {
    this.#bytes = Math.min(this.#left(nowMs), bytes);
    this.#atMs = nowMs;
  }

  /** The time until the peer has received everything. */
  ms(nowMs: number): number {
    return (this.#left(nowMs) / LEAST_BYTES_PER_S) * 1_000;
  }

  #left(nowMs: number): number {
    return Math.max(this.#bytes - ((nowMs - this.#atMs) / 1_000) * LEAST_BYTES_PER_S, 0);
  }
}
