/**
 * Job: a part of the benchmark.
 */
import type { Entry } from "./pairs.ts";
import type { Section } from "./section.ts";

export interface Effort {
  readonly rounds: number;
  /** of each measurement */
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** the rows of jobs that have contenders; all of them if omitted */
  readonly only?: readonly string[];
}

export interface Job {
  readonly name: string;
  /** what its pairs of processes do; only such jobs can compare two builds */
  readonly entries?: readonly Entry[];
  /** Checks that everything answers correctly. @throws Error */
  check(): Promise<void>;
  measure(effort: Effort): Promise<readonly Section[]>;
}

export function note(text: string): void {
  console.log(`  ${text}`);
}
