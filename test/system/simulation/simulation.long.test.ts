/**
 * The same for many conversations.
 */
import { expect, it } from "vitest";
import { replayCommand } from "./report.ts";
import { run } from "./run.ts";

it.each([1, 2])("20,000 conversations, seed %i", { timeout: 600_000 }, async (seed) => {
  const { failed, conversations } = await run(20_000, seed);
  if (failed !== undefined) {
    throw new Error(`${failed.violations.join("\n")}\nreplay it: ${replayCommand(seed, failed.world)}`);
  }
  expect(conversations).toBeGreaterThanOrEqual(20_000);
});
