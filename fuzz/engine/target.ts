/**
 * Target: what is fuzzed, and what must hold of every input. The input is bytes, so that a fuzzer that knows nothing of it can
 * change it, and a file can keep it.
 */
import type fc from "fast-check";

/** A text, and reading it: what that gives is held. */
export interface Held {
  readonly chars: number;
  read(): unknown;
}

export interface Target {
  readonly name: string;
  /** one line: what is fed, and what must hold */
  readonly about: string;
  /** Nearly valid inputs: of random bytes hardly any would be read beyond the first. */
  readonly inputs: fc.Arbitrary<Uint8Array>;
  /** Words that a fuzzer puts in. */
  readonly words: readonly string[];
  /** What a run may take, beside the time for each KiB: turns of the event loop take their own. */
  readonly baseMs: number;
  /** How many of a hundred executions of all targets are its: what is read costs little, what has turns of the event loop much. */
  readonly share: number;
  /** Of text, which may take as long as it is: one reading of it as a program does it, whose time is told for each KiB. */
  readonly readOnce?: (input: Uint8Array) => void;
  /** A long text made of an input; undefined where it is none that can be read. */
  readonly held?: (input: Uint8Array) => Held | undefined;
  /** What it may take of the heap for each character. */
  readonly maxBytesPerChar?: number;
  /** Runs it. What it throws, but for a `Violation`, is a finding as well. */
  run(input: Uint8Array): void | Promise<void>;
}

/** Something does not hold. */
export class Violation extends Error {}

/** @param what a function where to say it costs more than to look */
export function must(holds: boolean, what: string | (() => string)): asserts holds {
  if (!holds) throw new Violation(typeof what === "string" ? what : what());
}
