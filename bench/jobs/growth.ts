/**
 * What must not grow: the time of a call with the number of calls in flight, and the time of a byte with the size of
 * its message and the way in which it is split.
 */
import { type Effort, type Job, note } from "../harness/job.ts";
import { checkAll, type Entry, interleave } from "../harness/pairs.ts";
import { Child, CORES } from "../harness/processes.ts";
import { Samples, type Section } from "../harness/section.ts";
import type { Feed, Move } from "./growth-role.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

const IN_FLIGHT = [1, 10, 100, 1_000, 10_000];
const SIZES = [
  { metric: "1 KiB", size: KIB, count: 2_000 },
  { metric: "16 KiB", size: 16 * KIB, count: 1_000 },
  { metric: "256 KiB", size: 256 * KIB, count: 200 },
  { metric: "4 MiB", size: 4 * MIB, count: 24 },
  { metric: "64 MiB", size: 64 * MIB, count: 2 },
];
const KINDS = ["packets", "bodies"] as const;
const FED_SIZES = [
  { metric: "64 KiB", size: 64 * KIB },
  { metric: "256 KiB", size: 256 * KIB },
  { metric: "1 MiB", size: MIB },
];
const CHUNKS = [
  { row: "1", title: "in chunks of 1 byte", chunkBytes: 1 },
  { row: "64", title: "in chunks of 64 bytes", chunkBytes: 64 },
  { row: "4096", title: "in chunks of 4 KiB", chunkBytes: 4 * KIB },
  { row: "65536", title: "in chunks of 64 KiB", chunkBytes: 64 * KIB },
];

const levels: readonly Entry[] = (["hbi", "hbi-wide"] as const).map((contender) => ({
  row: contender,
  contender,
  loads: IN_FLIGHT.map((inFlight) => ({ metric: String(inFlight), load: { kind: "call", inFlight } })),
}));

async function inFlight(effort: Effort): Promise<Section> {
  const { rows, samples, remarks } = await interleave(levels, effort);
  return {
    name: "growth-in-flight",
    title: "The time of a call, by calls in flight",
    rows,
    metrics: IN_FLIGHT.map((level) => ({ name: String(level), unit: "µs", better: "less" })),
    samples: samples
      .all()
      .map(({ row, metric, values }) => ({ row, metric, values: values.map((rate) => 1e6 / rate) })),
    remarks,
  };
}

async function sizes(rounds: number, sizes: typeof SIZES): Promise<Samples> {
  const samples = new Samples();
  const server = await Child.start("jobs/growth-role.js", "growth, server", CORES?.server);
  const client = await Child.start("jobs/growth-role.js", "growth, client", CORES?.client);
  await client.ask("connect", await server.ask<string>("serve"));
  for (const kind of KINDS) await client.ask<number>("move", { kind, size: KIB, count: 2_000 } satisfies Move);
  for (let round = 1; round <= rounds; round++) {
    for (const { metric, size, count } of sizes) {
      for (const kind of KINDS) {
        samples.add(kind, metric, { value: await client.ask<number>("move", { kind, size, count } satisfies Move) });
      }
    }
    note(`sizes, round ${round} of ${rounds}`);
  }
  await client.stop();
  await server.stop();
  return samples;
}

async function chunks(rounds: number, sizes: typeof FED_SIZES): Promise<Samples> {
  const samples = new Samples();
  const child = await Child.start("jobs/growth-role.js", "growth", CORES?.server);
  for (let round = 0; round <= rounds; round++) {
    for (const { row, chunkBytes } of CHUNKS) {
      for (const { metric, size } of sizes) {
        const value = await child.ask<number>("feed", { size, chunkBytes } satisfies Feed);
        if (round > 0) samples.add(row, metric, { value }); // the first round warms up
      }
    }
    if (round > 0) note(`chunks, round ${round} of ${rounds}`);
  }
  await child.stop();
  return samples;
}

export const growth: Job = {
  name: "growth",
  async check() {
    await checkAll(levels.map((entry) => ({ ...entry, loads: entry.loads.slice(0, 3) })));
    await sizes(1, [{ metric: "16 KiB", size: 16 * KIB, count: 4 }]);
    await chunks(1, FED_SIZES.slice(0, 1));
    note("texts and bodies land whole");
  },
  async measure(effort) {
    return [
      await inFlight(effort),
      {
        name: "growth-size",
        title: "The time of a byte, by the size of the packet or body",
        rows: [
          { name: "packets", title: "a text in a script" },
          { name: "bodies", title: "a body behind a call" },
        ],
        metrics: SIZES.map(({ metric }) => ({ name: metric, unit: "ns/byte", better: "less" })),
        samples: (await sizes(effort.rounds, SIZES)).all(),
        remarks: ["Small ones carry the cost of their call: what matters is that nothing rises to the right."],
      },
      {
        name: "growth-chunks",
        title: "The time of a byte, by the size of a script and the chunks that it comes in",
        rows: CHUNKS.map(({ row, title }) => ({ name: row, title })),
        metrics: FED_SIZES.map(({ metric }) => ({ name: metric, unit: "ns/byte", better: "less" })),
        samples: (await chunks(effort.rounds, FED_SIZES)).all(),
        remarks: ["Without a network: each chunk is handed to the connection by itself."],
      },
    ];
  },
};
