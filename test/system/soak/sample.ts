/**
 * Sample: what a process holds at one moment, with nothing in flight and the garbage collected.
 */
export interface Sample {
  readonly heapMiB: number;
  readonly rssMiB: number;
  /** everything that could keep the process alive, but timers */
  readonly handles: number;
  readonly timers: number;
  readonly connections: number;
}

export const METRICS = ["heapMiB", "rssMiB", "handles", "timers", "connections"] as const satisfies (keyof Sample)[];

const MIB = 1024 ** 2;

/** Run with `--expose-gc`. */
export function sampleOf(connections: number): Sample {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  globalThis.gc();
  const { heapUsed, rss } = process.memoryUsage();
  const kinds = process.getActiveResourcesInfo();
  const timers = kinds.filter((kind) => kind === "Timeout" || kind === "Immediate").length;
  return { heapMiB: heapUsed / MIB, rssMiB: rss / MIB, handles: kinds.length - timers, timers, connections };
}

/** What both processes held at a time. */
export interface Moment {
  readonly seconds: number;
  readonly conversations: number;
  readonly perSecond: number;
  readonly server: Sample;
  readonly client: Sample;
}

export const SIDES = ["server", "client"] as const;

export function csv(moments: readonly Moment[]): string {
  const columns = SIDES.flatMap((side) => METRICS.map((metric) => `${side}_${metric}`));
  const rows = moments.map(({ seconds, conversations, perSecond, ...moment }) => {
    const figures = SIDES.flatMap((side) => METRICS.map((metric) => Number(moment[side][metric].toFixed(3))));
    return [seconds.toFixed(1), conversations, perSecond.toFixed(0), ...figures].join(",");
  });
  return `${[["seconds", "conversations", "per_second", ...columns].join(","), ...rows].join("\n")}\n`;
}
