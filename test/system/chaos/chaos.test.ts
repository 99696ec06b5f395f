/**
 * Peers that are killed, stopped and cut off in the middle of a script, of data, of an answer, of a push and of work. The long run is
 * `npm run chaos`.
 */
import { expect, it } from "vitest";
import { coverage } from "./plan.ts";
import { listed, run } from "./run.ts";

const SEED = 4;

it("whatever is killed, stopped or cut off: what was acknowledged has landed, nothing twice, the links go on", async () => {
  const summary = await run(Number.POSITIVE_INFINITY, coverage(SEED, 1));
  expect(summary.failed?.violations ?? []).toEqual([]);
  expect(summary.kills).toBe(14);
  console.log(`${summary.kills} kills: ${listed(summary.faults)}; calls: ${listed(summary.calls)}`);
  for (const what of ["acknowledged", "lost, may have landed", "lost, cannot have landed", "landed, and not known"]) {
    expect(summary.calls.get(what), what).toBeGreaterThan(0);
  }
}, 120_000);
