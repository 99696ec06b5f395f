/**
 * Memory: what remains after garbage collection. Requires node's --expose-gc; without it, nothing is detected.
 */
const MAX_GROWTH_BYTES = 96 * 1_024 * 1_024;

export class Memory {
  #leastBytes = Number.POSITIVE_INFINITY;

  /** The violation, if any. */
  look(): string | undefined {
    const { gc } = globalThis as { gc?: () => void };
    if (gc === undefined) return undefined;
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    this.#leastBytes = Math.min(this.#leastBytes, heapUsed + arrayBuffers);
    const grownBytes = heapUsed + arrayBuffers - this.#leastBytes;
    return grownBytes > MAX_GROWTH_BYTES ? `${Math.round(grownBytes / 1_048_576)} MiB more are held` : undefined;
  }
}
