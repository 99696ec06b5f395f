/**
 * Heeding an AbortSignal: a caller may pass the same one to thousands of calls. The platform takes many listeners on one
 * signal for a leak and warns, so a signal has one listener here, while anything heeds it.
 */

/** What heeds a signal, in order. A function heeds it once. */
interface Heeding {
  readonly all: Set<() => void>;
  readonly listener: () => void;
}

const HEEDED = new WeakMap<AbortSignal, Heeding>();

/** Runs `run` once when the signal aborts, which it has not yet. It must not throw. */
export function heed(signal: AbortSignal, run: () => void): void {
  let heeding = HEEDED.get(signal);
  if (heeding === undefined) {
    const all = new Set<() => void>();
    const listener = (): void => {
      HEEDED.delete(signal);
      for (const each of all) each(); // those that are removed meanwhile are not run
    };
    heeding = { all, listener };
    HEEDED.set(signal, heeding);
    signal.addEventListener("abort", listener, { once: true });
  }
  heeding.all.add(run);
}

/** Has no effect if `run` does not heed it. */
export function heedNoMore(signal: AbortSignal, run: () => void): void {
  const heeding = HEEDED.get(signal);
  if (heeding === undefined || !heeding.all.delete(run) || heeding.all.size > 0) return;
  HEEDED.delete(signal);
  signal.removeEventListener("abort", heeding.listener);
}
