/**
 * Transit: how much of what the platform has taken may still be on its way to the peer. No platform tells, and it may hold
 * megabytes; the estimate supposes a peer that reads as slowly as one may.
 */

/** As slowly as a peer may read for ever without being taken for one that has stopped. */
export const LEAST_BYTES_PER_S = 16 * 1024;
/** More is held by no platform that we know of (Linux: the third number of net.ipv4.tcp_wmem). */
const MOST_BYTES = 4 * 1024 * 1024;

export class Transit {
  #bytes = 0;
  #atMs = 0;

  add(bytes: number, nowMs: number): void {
    this.#bytes = Math.min(this.#left(nowMs) + bytes, MOST_BYTES);
    this.#atMs = nowMs;
  }

  /** How long until the peer has it all. */
  ms(nowMs: number): number {
    return (this.#left(nowMs) / LEAST_BYTES_PER_S) * 1_000;
  }

  #left(nowMs: number): number {
    return Math.max(this.#bytes - ((nowMs - this.#atMs) / 1_000) * LEAST_BYTES_PER_S, 0);
  }
}
