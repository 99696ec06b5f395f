/**
 * A soak of a few seconds: that it works. What it is for takes longer: `npm run soak`.
 */
import { expect, it } from "vitest";
import { growthOf } from "./growth.ts";
import { plot } from "./plot.ts";
import { csv, METRICS, type Moment, type Sample } from "./sample.ts";
import { soak } from "./soak.ts";

it("holds a mixed load for a few seconds, verified, without growth", async () => {
  const { moments, counts, troubles } = await soak({ forMs: 2_000, leastConversations: 5_000 });
  expect(troubles).toEqual([]);
  const conversations = moments.at(-1)?.conversations ?? 0;
  console.log(`${conversations} conversations: ${JSON.stringify(counts)}`);
  for (const what of ["add", "post", "script", "push", "told", "asked", "upload", "download", "exchange"]) {
    expect(counts[what], what).toBeGreaterThan(0);
  }
  for (const what of ["refused", "cancelled", "connections"]) expect(counts[what], what).toBeGreaterThan(0);
  expect(csv(moments).split("\n").length).toBe(moments.length + 2);
  expect(plot("a run", moments)).toContain("</svg>");
}, 120_000);

const FLAT: Sample = { heapMiB: 20, rssMiB: 100, handles: 8, timers: 2, connections: 4 };

/** A run in which one metric is `of(i)` at sample `i`. */
function moments(metric: keyof Sample, of: (i: number) => number): Moment[] {
  return Array.from({ length: 30 }, (_, i) => ({
    seconds: i,
    conversations: i,
    perSecond: 1,
    server: FLAT,
    client: { ...FLAT, [metric]: of(i) },
  }));
}

it.each(METRICS)("sees %s grow, and nothing where it does not", (metric) => {
  const start = FLAT[metric];
  expect(growthOf(moments(metric, (i) => start + i * start * 0.3))).toEqual([
    expect.stringMatching(`client: ${metric} grew`),
  ]);
  expect(growthOf(moments(metric, (i) => start + (i % 2)))).toEqual([]);
  expect(growthOf(moments(metric, (i) => start * Math.min(i, 10)))).toEqual([]); // warms up, and stays there
});

it("sees a small leak of the heap: 64 bytes for each of 4 million conversations", () => {
  const leaked = (64 * 4e6) / 1024 ** 2;
  expect(growthOf(moments("heapMiB", (i) => 20 + (leaked * i) / 30))).toHaveLength(1);
});

it("cannot tell from two samples", () => {
  expect(growthOf(moments("heapMiB", () => 20).slice(0, 2))).toEqual(["too few samples to tell"]);
});
