/**
 * Small worlds, explored exhaustively: every property holds in every state, but for what is marked as known. And the checks work.
 */
import { HbiError } from "hbi";
import { describe, expect, it } from "vitest";
import { expectRightMerges, expectRightOmissions, properties } from "./agreement.ts";
import { explore, runPath } from "./explorer.ts";
import { Knowledge } from "./knowledge.ts";
import type { Call } from "./ledger.ts";
import { heldInVain, leftBehind, violationsOf, violationsWhereQuiet } from "./properties.ts";
import type { Property } from "./property.ts";
import { firstWithoutEnd } from "./reach.ts";
import { findingText, unexpected } from "./report.ts";
import type { Run } from "./run.ts";
import type { CallPlan, World } from "./world.ts";
import { worldsOf } from "./worlds.ts";

const call: CallPlan = { from: "client", handler: ["wait"] };
const TWO_CALLS: World = { name: "two calls", size: "small", calls: [{ ...call, mayAbort: true }, call] };

describe("in every state of", () => {
  it.each(worldsOf("small"))("$name", { timeout: 60_000 }, async (world) => {
    const exploration = await explore(world);
    const stories = unexpected(exploration).map((finding) => findingText(world, finding));
    expect(stories.join("\n\n")).toBe("");
    // Red as well when a mark is out of date: whoever mends a fault removes it.
    expect(properties(exploration)).toEqual(new Set(world.known));
    expect(exploration.ends + exploration.findings.length).toBeGreaterThan(0);
  });
});

describe("the explorer", () => {
  it("finds a deadlock, on a shortest path", async () => {
    // The only place of each side is taken by a handler that waits for a place of the other side.
    const world: World = {
      name: "after you",
      size: "small",
      calls: [
        { from: "client", handler: ["back"] },
        { from: "server", handler: ["back"] },
      ],
      clientLimits: { maxInFlight: 1 },
      serverLimits: { maxInFlight: 1 },
    };
    const { findings } = await explore(world);
    expect(findings[0]).toMatchObject({
      property: "every call settles without a deadline",
      what: "work(1) waits for ever",
    });
    expect(findings[0]?.story.path).toHaveLength(4); // two calls, which are read; the call-backs wait for a place
  });

  it("merges no states that differ", { timeout: 60_000 }, () => expectRightMerges("call-backs, two places"));

  it("is right about the transitions that it does not run", { timeout: 60_000 }, () =>
    expectRightOmissions("three calls, one handler at once"),
  );

  it("reaches the same state by the same choices", async () => {
    const path = [0, 1, 0, 0, 1];
    const [one, other] = [await runPath(TWO_CALLS, path), await runPath(TWO_CALLS, path)];
    expect(other.story).toEqual(one.story);
    expect(other.exactFingerprint).toBe(one.exactFingerprint);
    expect(one.story.events).toHaveLength(6);
  });

  it("stops at the maximum of states, and reports it", async () => {
    expect(await explore(TWO_CALLS, { mostStates: 10 })).toMatchObject({ isWhole: false });
    expect(await explore(TWO_CALLS)).toMatchObject({ isWhole: true });
  });
});

describe("the checks see", () => {
  const lost = (mayHaveLanded?: boolean) => {
    const landed = mayHaveLanded === undefined ? {} : { mayHaveLanded };
    return new HbiError("unavailable", "lost", undefined, { reason: "disconnected", ...landed });
  };
  type Tamper = (first: Call, second: Call, run: Run) => void;
  const tampers: Partial<Record<Property, Tamper>> = {
    "nothing is thrown": (_first, _second, { ledger }) => void ledger.faults.push("thrown: something"),
    "closing resolves when it is closed": (_first, _second, run) => {
      run.closedEarly = "client1";
    },
    "settled once": (first) => void first.settlements++,
    "its own result": (first) => {
      first.value = 20;
    },
    "answered only if handled": (first) => void first.landings.pop(),
    "handled once": (first) => void first.landings.push(...first.landings),
    "in the order of the calls": (first, second) => {
      [first.order, second.order] = [second.order, first.order];
    },
    "nothing is lost that need not be": (first) => {
      first.error = lost(true);
    },
    "mayHaveLanded false is true": (first) => {
      first.error = lost(false);
    },
    "a lost call says whether it may have landed": (first) => {
      first.error = lost();
    },
    "what was cancelled before does not begin": (first) => {
      first.landings = first.landings.map((landing) => ({ ...landing, wasCancelled: true }));
    },
    "every call settles without a deadline": (first) => {
      first.settlements = 0;
    },
    "a cancellation reaches the handler": (first) => {
      first.isGivenUp = true;
      for (const landing of first.landings) landing.isOver = false;
    },
  };
  it.each(Object.entries(tampers))("%s", async (property, tamper) => {
    const run = await ended(TWO_CALLS);
    const [first, second] = run.ledger.calls as [Call, Call]; // as planned
    const seen = () => [...violationsOf(run), ...violationsWhereQuiet(run, true)].map(([name]) => name);
    expect(seen()).toEqual([]);
    tamper(first, second, run);
    expect(seen()).toContain(property);
    await run.abandon();
  });

  it("nothing is left behind", async () => {
    const run = await ended(TWO_CALLS);
    expect(heldInVain(run)).toBeUndefined();
    expect(leftBehind(run)).toMatch(/is not closed/);
    await run.finish();
    expect(leftBehind(run)).toBeUndefined();
    const timer = run.ends.processes.server.after(30_000, () => undefined);
    expect(leftBehind(run)).toBe("1 timers of the server");
    timer.cancel();
    run.ledger.calls[0]?.abort?.signal.addEventListener("abort", () => undefined);
    expect(leftBehind(run)).toBe("a listener to the signal of work(1)");

    const waiting = await runPath(TWO_CALLS, [0, 0]);
    expect(heldInVain(waiting)).toBe("1 places for calls of client1");
    await waiting.abandon();
  });

  it("mayHaveLanded is true only where it can be", async () => {
    const known = async (...landed: boolean[]) => {
      const knowledge = new Knowledge();
      for (const [at, isLanded] of landed.entries()) {
        const run = await ended(TWO_CALLS);
        const [first] = run.ledger.calls as [Call, Call]; // as planned
        first.knowledge = "what it has read";
        if (!isLanded) first.landings = [];
        knowledge.learn(run, at);
        await run.abandon();
      }
      return knowledge.falsehoods();
    };
    expect(await known(false, false)).toMatchObject([[0, expect.stringContaining("work(1)")]]);
    expect(await known(false, true)).toEqual([]);
  });

  it("an end can be reached", () => {
    interface State {
      readonly origins: { readonly from: State }[];
    }
    const states: State[] = [0, 1, 2, 3].map(() => ({ origins: [] }));
    const [start, end, round, back] = states as [State, State, State, State]; // as made
    const lead = (from: State, to: State) => void to.origins.push({ from });
    lead(start, end);
    lead(start, round);
    lead(round, back);
    lead(back, round);
    expect(firstWithoutEnd(states, [end])).toBe(round);
    lead(back, end);
    expect(firstWithoutEnd(states, [end])).toBeUndefined();
  });
});

/** A run in which every call was answered. */
async function ended(world: World): Promise<Run> {
  const run = await runPath(world, []);
  for (let choices = run.choices(); choices.length > 0; choices = run.choices()) {
    await run.take(choices.findIndex(({ label }) => !label.includes("give up")));
  }
  return run;
}
