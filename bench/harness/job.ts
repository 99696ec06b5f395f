/**
 * Job: a part of the benchmark.
 */
import type { Section } from "./section.ts";

export interface Effort {
  readonly rounds: number;
  /** of each measurement */
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** rows, of the jobs that have contenders; all of them when it is left out */
  readonly only?: readonly string[];
}

export interface Job {
  readonly name: string;
  /** Whether everything answers, and answers correctly. @throws Error */
  check(): Promise<void>;
  measure(effort: Effort): Promise<readonly Section[]>;
}

export function note(text: string): void {
  console.log(`  ${text}`);
}
