/**
 * The tests of everything that carries a connection, in other runtimes: both ends of the conversations of an application, the recorded
 * conversations, and transports. They are installed from npm; where that is not possible, they are skipped.
 */
import { describe, expect, it } from "vitest";
import { RUNTIMES, runTests, type TestRun } from "../../scripts/runtimes.mjs";

/** What `npm run test:long` must have run at least, so that nothing is left out unnoticed. */
const LEAST = 1_000;

describe.runIf(process.platform === "linux")("the tests of carriers run in", () => {
  it.for(Object.keys(RUNTIMES))("%s", { timeout: 900_000 }, async (name, { skip }) => {
    let run: TestRun;
    try {
      run = await runTests(name);
    } catch (error) {
      skip(`${name} cannot be installed: ${error}`);
      return;
    }
    console.log(`${name}: ${run.passed} passed`);
    expect(run.isRight, run.output.slice(-5_000)).toBe(true);
    expect(run.passed).toBeGreaterThan(LEAST);
  });
});
