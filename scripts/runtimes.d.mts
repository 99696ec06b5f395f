export const RUNTIMES: Readonly<Record<string, object>>;
export function installed(...names: string[]): Promise<string>;
export interface TestRun {
  readonly isRight: boolean;
  readonly passed: number;
  readonly output: string;
}
export function runTests(name: string): Promise<TestRun>;
