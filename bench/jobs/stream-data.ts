/**
 * Shared by both processes of the stream job: its data, the measurement of memory, and the sizes.
 */

export const MIB = 1024 ** 2;
export const QUARTER_MIB = MIB / 4;
const CHUNK_BYTES = 64 * 1024;

/** Measures this process's memory from now on; returns its maximum growth. */
export function watchMemory(): () => number {
  global.gc?.();
  const start = process.memoryUsage.rss();
  let peak = start;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  return () => {
    clearInterval(timer);
    return Math.max(peak, process.memoryUsage.rss()) - start;
  };
}

export function* chunks(bytes: number): Generator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES).fill(7);
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) yield left >= CHUNK_BYTES ? chunk : chunk.subarray(0, left);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
