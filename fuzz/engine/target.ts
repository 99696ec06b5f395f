/**
 * Target: what is fuzzed, and what must hold of every input. The input is bytes, so that a fuzzer that knows nothing of it can
 * change it, and a file can keep it.
 */
import type fc from "fast-check";

export interface Target {
  readonly name: string;
  /** one line: what is fed, and what must hold */
  readonly about: string;
  /** Nearly valid inputs: of random bytes hardly any would be read beyond the first. */
  readonly inputs: fc.Arbitrary<Uint8Array>;
  /** Words that a fuzzer puts in. */
  readonly words: readonly string[];
  /** Whether it may take as long as it is: an input twice as long is this one twice. */
  readonly isText: boolean;
  /** What a run may take, beside the time for each KiB: turns of the event loop take their own. */
  readonly baseMs: number;
  /** Runs it. What it throws, but for a `Violation`, is a finding as well. */
  run(input: Uint8Array): void | Promise<void>;
}

/** Something does not hold. */
export class Violation extends Error {}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Violation(what);
}
