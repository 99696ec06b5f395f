/**
 * Target: what is fuzzed, and the properties of every input. Inputs are bytes, so that a fuzzer can mutate them without
 * further knowledge, and a file can store them.
 */
import type fc from "fast-check";

/** A text, and a function that reads it; its result is held. */
export interface Held {
  readonly chars: number;
  read(): unknown;
}

export interface Target {
  readonly name: string;
  /** one line: the input, and the properties */
  readonly about: string;
  /** Nearly valid inputs; random bytes would be refused at once. */
  readonly inputs: fc.Arbitrary<Uint8Array>;
  /** Words that a fuzzer inserts. */
  readonly words: readonly string[];
  /** The permitted time of a run, in addition to the time per KiB: turns of the event loop take time. */
  readonly baseMs: number;
  /** The number of a hundred executions that this target gets: parsers are cheap, turns of the event loop expensive. */
  readonly share: number;
  /** For text of any length: reads it once as a program does; its time per KiB is reported. */
  readonly readOnce?: (input: Uint8Array) => void;
  /** A long text derived from an input; undefined if the input cannot be read. */
  readonly held?: (input: Uint8Array) => Held | undefined;
  /** The permitted heap bytes per character. */
  readonly maxBytesPerChar?: number;
  /** Runs the input. Any exception other than a `Violation` is a finding as well. */
  run(input: Uint8Array): void | Promise<void>;
}

/** A property does not hold. */
export class Violation extends Error {}

/** @param what a function if the description costs more than the check */
export function must(holds: boolean, what: string | (() => string)): asserts holds {
  if (!holds) throw new Violation(typeof what === "string" ? what : what());
}
