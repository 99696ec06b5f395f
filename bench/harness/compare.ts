/**
 * Compares two builds of this library in one pair of processes, each with a connection of its own, whose short slices
 * alternate. What slows the machine for longer than a slice slows both, and both have the same heap, so the ratio of
 * neighbouring slices is steadier than any figure.
 */
import type { Load } from "./client-role.ts";
import { type Effort, type Job, note } from "./job.ts";
import { checkOne, type Entry, Pair } from "./pairs.ts";
import { figure, quartiles, type Spread, spread, spreadText } from "./section.ts";
import { asText, type Table } from "./tables.ts";

/** One load of one row of a job. */
export interface Compared {
  readonly name: string;
  /** CPU microseconds of one operation, client and server */
  readonly oldMicros: number;
  readonly newMicros: number;
  /** new / old, of each round */
  readonly cpu: Spread;
  readonly rate: Spread;
}

/** The rows that are this library. Each load has a name, by which the gate asks for it again. */
function entriesOf(jobs: readonly Job[], { only }: Effort): (Entry & { readonly job: string })[] {
  const own = jobs.flatMap(({ name: job, entries = [] }) =>
    entries.filter(({ contender }) => contender === "hbi").map((entry) => ({ ...entry, job })),
  );
  const chosen = own.filter(({ row }) => only?.includes(row) !== false);
  if (chosen.length === 0)
    throw new Error(`no such rows: ${only?.join(", ")}; ${own.map(({ row }) => row).join(", ")}`);
  return chosen;
}

const nameOf = (job: string, row: string, metric: string) => `${job}: ${row}, ${metric}`;

/** Every load once, beside the old build. @throws Error if it cannot run the present programs */
export async function checkOld(jobs: readonly Job[], effort: Effort, programs: string): Promise<void> {
  for (const entry of entriesOf(jobs, effort)) {
    await checkOne(entry, programs).catch((thrown: unknown) => {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new Error(`the present programs do not run with the older build: ${entry.job}, ${why}`);
    });
  }
}

/** @param isWanted the loads to measure */
export async function compare(
  jobs: readonly Job[],
  effort: Effort,
  oldPrograms: string,
  isWanted: (name: string) => boolean = () => true,
): Promise<Compared[]> {
  const compared: Compared[] = [];
  for (const { job, ...entry } of entriesOf(jobs, effort)) {
    const loads = entry.loads.filter(({ metric }) => isWanted(nameOf(job, entry.row, metric)));
    if (loads.length > 0) compared.push(...(await compareEntry(job, { ...entry, loads }, effort, oldPrograms)));
  }
  return compared;
}

async function compareEntry(job: string, entry: Entry, effort: Effort, oldPrograms: string): Promise<Compared[]> {
  const measured = entry.loads.map(({ metric, load }) => ({ metric, load, old: [] as Slice[], new: [] as Slice[] }));
  const half = Math.ceil(effort.rounds / 2);
  await alternate(entry, ["old", "new"], half);
  await alternate(entry, ["new", "old"], effort.rounds - half);
  note(`${job}: ${entry.row}: ${effort.rounds} rounds`);

  /** Whatever a process loads first may stay a little faster or slower, so both orders have their turn. */
  async function alternate(started: Entry, order: readonly ["old" | "new", "old" | "new"], rounds: number) {
    if (rounds === 0) return;
    const pair = await Pair.start(
      started,
      order.map((build) => (build === "old" ? oldPrograms : undefined)),
    );
    const run = (load: Omit<Load, "seconds">, build: number, seconds: number) => pair.run({ ...load, seconds }, build);
    const warmupSeconds = effort.warmupSeconds / measured.length;
    for (const { load } of measured) for (const build of [0, 1]) await run(load, build, warmupSeconds);
    for (let round = 0; round < rounds; round++) {
      for (const { load, ...slices } of measured) {
        for (const build of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
          slices[order[build]].push(sliceOf(await run(load, build, effort.seconds)));
        }
      }
    }
    await pair.stop();
  }

  return measured.map(({ metric, old, new: present }) => {
    const ratios = (of: keyof Slice) => quartiles(present.map((slice, i) => slice[of] / (old[i]?.[of] ?? Number.NaN)));
    return {
      name: nameOf(job, entry.row, metric),
      oldMicros: spread(old.map(({ cpu }) => cpu)).median,
      newMicros: spread(present.map(({ cpu }) => cpu)).median,
      cpu: ratios("cpu"),
      rate: ratios("rate"),
    };
  });
}

interface Slice {
  readonly cpu: number;
  readonly rate: number;
}

function sliceOf({ value, clientMicros = 0, serverMicros = 0 }: Awaited<ReturnType<Pair["run"]>>): Slice {
  return { cpu: clientMicros + serverMicros, rate: value };
}

export function comparedText(compared: readonly Compared[]): string {
  const table: Table = {
    title: "Medians of all rounds, in brackets the middle half of them",
    header: ["", "CPU of one, old", "new", "CPU, new / old", "rate, new / old"],
    rows: compared.map(({ name, oldMicros, newMicros, cpu, rate }) => [
      name,
      `${figure(oldMicros)} µs`,
      `${figure(newMicros)} µs`,
      spreadText(cpu),
      spreadText(rate),
    ]),
  };
  return asText(table);
}
