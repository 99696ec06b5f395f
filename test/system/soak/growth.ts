/**
 * Growth: whether the last third of a run holds more than the second, beyond what is noise. The first third is for warming up.
 */
import { type Moment, type Sample, SIDES } from "./sample.ts";

interface Tolerance {
  readonly part: number;
  readonly atLeast: number;
}

/** The heap after garbage collection decides: the rest depends on the system and on what is under way. */
const TOLERANCES: Readonly<Record<keyof Sample, Tolerance>> = {
  heapMiB: { part: 0.03, atLeast: 1 },
  rssMiB: { part: 0.15, atLeast: 24 },
  handles: { part: 0, atLeast: 1 },
  timers: { part: 0, atLeast: 2 },
  connections: { part: 0, atLeast: 0.5 },
};

/** In words, what has grown. */
export function growthOf(moments: readonly Moment[]): string[] {
  const third = Math.floor(moments.length / 3);
  if (third === 0) return ["too few samples to tell"];
  const second = moments.slice(-2 * third, -third);
  const last = moments.slice(-third);
  return SIDES.flatMap((side) =>
    Object.entries(TOLERANCES).flatMap(([name, { part, atLeast }]) => {
      const metric = name as keyof Sample; // a key of the table
      const [before, after] = [second, last].map((each) => mean(each.map((moment) => moment[side][metric])));
      if (before === undefined || after === undefined || after - before <= Math.max(part * before, atLeast)) return [];
      return [`${side}: ${metric} grew from ${before.toFixed(2)} to ${after.toFixed(2)}`];
    }),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
