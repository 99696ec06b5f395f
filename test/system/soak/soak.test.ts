/**
 * Whether something grows is seen in the samples of a soak.
 */
import { expect, it } from "vitest";
import { growthOf } from "./growth.ts";
import { METRICS, type Moment, type Sample } from "./sample.ts";

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
