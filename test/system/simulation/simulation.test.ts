/**
 * The simulation as a test: what must hold does in every world, a seed gives the same history each time, and the checks see.
 */
import { HbiError } from "hbi";
import { describe, expect, it } from "vitest";
import { violationsOf } from "./checks.ts";
import type { CallRecord, Ledger } from "./ledger.ts";
import { minimised } from "./minimise.ts";
import { Random } from "./random.ts";
import { replayCommand } from "./report.ts";
import { run } from "./run.ts";
import type { Facts } from "./site.ts";
import { type Outcome, runWorld } from "./world.ts";

const CONVERSATIONS = Number(process.env["HBI_CONVERSATIONS"] ?? 1_000);
const SEED = Number(process.env["HBI_SEED"] ?? 1);

it(`${CONVERSATIONS} conversations, cut, delayed, split, stalled, given up, broken`, { timeout: 600_000 }, async () => {
  const { failed, conversations, settled, faults } = await run(CONVERSATIONS, SEED);
  if (failed !== undefined) {
    throw new Error(`${failed.violations.join("\n")}\nreplay it: ${replayCommand(SEED, failed.world)}`);
  }
  expect(conversations).toBeGreaterThanOrEqual(CONVERSATIONS);
  // A simulation in which nothing happens finds nothing.
  for (const code of ["ok", "unavailable", "deadline_exceeded", "cancelled", "internal", "not_found"]) {
    expect(settled.get(code), code).toBeGreaterThan(CONVERSATIONS / 200);
  }
  for (const fault of ["cut", "stall", "deaf", "drain", "goodbye", "close", "break", "failing dial", "bad source"]) {
    expect(faults.get(fault), fault).toBeGreaterThan(CONVERSATIONS / 2_000);
  }
});

it("one seed gives one history, byte by byte; another gives another", { timeout: 60_000 }, async () => {
  for (const world of [0, 1, 2, 3]) {
    const { history } = await runWorld(SEED, world);
    const { history: again } = await runWorld(SEED, world);
    expect(again.text).toBe(history.text);
    expect((await runWorld(SEED + 1, world)).history.text).not.toBe(history.text);
  }
});

it("chance is the same for a seed and a stream, and differs between streams", () => {
  const drawn = (...path: number[]) => {
    const random = new Random(7, ...path);
    return Array.from({ length: 20 }, () => random.below(1_000));
  };
  expect(drawn(1, 2)).toEqual(drawn(1, 2));
  expect(drawn(1, 2)).not.toEqual(drawn(2, 1));
  expect(Math.max(...drawn(3), ...drawn(4), ...drawn(5))).toBeGreaterThan(900);
});

describe("the checks see", async () => {
  const outcome = await quietWorld();
  const lost = new HbiError("unavailable", "lost", undefined, { reason: "disconnected", mayHaveLanded: false });
  type Tampered = (record: CallRecord, records: CallRecord[]) => Partial<CallRecord>;
  const tampered: Readonly<Record<string, Tampered>> = {
    "settled exactly once": () => ({ settlements: 2 }),
    "settled by its deadline": (record) => ({ settledAtMs: record.invokedAtMs + record.timeoutMs + 1_000 }),
    "acknowledged implies landed": () => ({ landings: [] }),
    "its own result": () => ({ value: "somebody else's" }),
    "not landed is not landed": () => ({ error: lost }),
    "a lost call says whether it may have landed": () => ({
      error: new HbiError("unavailable", "lost", undefined, { reason: "disconnected" }),
    }),
    "landed at most once for each attempt": ({ landings }) => ({ landings: [...landings, ...landings] }),
    "a failure has its reason": () => ({ error: new HbiError("data_loss", "why") }),
    "an answer is not lost": () => ({
      error: new HbiError("deadline_exceeded", "late", undefined, { reason: "timeout" }),
      settledAtMs: 900_000,
      quietMs: 900_000,
    }),
    "order on a connection": ({ landings: [landing] }, records) => ({
      landings: landing === undefined ? [] : [{ ...landing, order: records.length * 100 }],
      invokedAtMs: -1,
    }),
  };
  it.each(Object.entries(tampered))("%s", (check, tamper) => {
    const { facts, ledger, record } = outcome;
    const calls = ledger.calls.map((call) => (call === record ? { ...call, ...tamper(call, ledger.calls) } : call));
    expect(violationsOf(ledger, facts)).toEqual([]);
    expect(violationsOf({ ...ledger, calls } as Ledger, facts).map(([name]) => name)).toContain(check);
  });
});

it("a failure is made smaller", { timeout: 60_000 }, async () => {
  const { outcome } = await quietWorld();
  const { plan, world } = outcome;
  const none: Outcome = { ...outcome, violations: ["never seen: it does not fail"] };
  expect(await minimised(SEED, none)).toHaveLength(plan.actions.length); // nothing can be left out of what does not fail
  const { ledger } = await runWorld(SEED, world, new Set([0]));
  expect(ledger.calls.length).toBeLessThan(outcome.ledger.calls.length);
});

/** A world without trouble, and one of its simplest calls, which is not the last. */
async function quietWorld(): Promise<{
  readonly outcome: Outcome;
  readonly ledger: Ledger;
  readonly facts: Facts;
  readonly record: CallRecord;
}> {
  for (let world = 0; ; world++) {
    const outcome = await runWorld(SEED, world);
    const { plan, ledger } = outcome;
    const simple = ledger.calls.filter(
      ({ plan: { way, method }, error, wasConnected }) =>
        wasConnected && way === "call" && method === "act" && error === undefined,
    );
    const [record, ...others] = simple;
    const next = others.find(({ from }) => from === record?.from);
    if (plan.mood !== "calm" || record === undefined || next === undefined) continue;
    return { outcome, ledger, record, facts: { plan, sites: [], endingAtMs: outcome.spanMs, maxLateMs: 20 } };
  }
}
