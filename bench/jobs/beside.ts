/**
 * The time of a small call while 1 GiB goes up and 1 GiB comes down on the same connection.
 */
import type { Served } from "../contenders/contender.ts";
import { loadContender } from "../contenders/contenders.ts";
import { type Effort, type Job, note } from "../harness/job.ts";
import { Child, CORES } from "../harness/processes.ts";
import { Samples, type Section } from "../harness/section.ts";
import type { Measure, Measured } from "./beside-role.ts";
import { MIB } from "./stream-data.ts";

const GIB = 1024 * MIB;
const PATIENCE_MS = 600_000;
const CONTENDERS = ["hbi", "hbi-one-lane", "grpc-js", "socket.io", "capnweb"] as const;

const METRICS = [
  { name: "p50 alone", unit: "ms", better: "less", of: ({ alone }: Measured) => alone.p50 },
  { name: "p99 alone", unit: "ms", better: "less", of: ({ alone }: Measured) => alone.p99 },
  { name: "p50", unit: "ms", better: "less", of: ({ beside }: Measured) => beside.p50 },
  { name: "p99", unit: "ms", better: "less", of: ({ beside }: Measured) => beside.p99 },
  { name: "p99.9", unit: "ms", better: "less", of: ({ beside }: Measured) => beside.p999 },
  { name: "bulk", unit: "MB/s", better: "more", of: ({ bytesPerSecond }: Measured) => bytesPerSecond / 1e6 },
] as const;

async function run(
  wanted: readonly (typeof CONTENDERS)[number][],
  effort: Pick<Effort, "rounds" | "seconds">,
  bytes: number,
) {
  const samples = new Samples();
  for (let round = 1; round <= effort.rounds; round++) {
    for (const name of wanted) {
      const server = await Child.start("jobs/beside-role.js", `${name}, server`, CORES?.server);
      const client = await Child.start("jobs/beside-role.js", `${name}, client`, CORES?.client);
      const { port } = await server.ask<Served>("serve", name);
      const asked: Measure = { name, port, seconds: effort.seconds, bytes };
      const measured = await client.ask<Measured>("measure", asked, PATIENCE_MS);
      for (const { name: metric, of } of METRICS) samples.add(name, metric, { value: of(measured) });
      await client.stop();
      await server.stop();
    }
    note(`round ${round} of ${effort.rounds}`);
  }
  return samples;
}

async function measure(effort: Effort): Promise<readonly Section[]> {
  const wanted = CONTENDERS.filter((name) => effort.only?.includes(name) ?? true);
  const samples = await run(wanted, effort, GIB);
  const rows = await Promise.all(
    wanted.map(async (name) => ({
      name,
      title: (await loadContender(name)).title,
      isPeer: !name.startsWith("hbi"),
    })),
  );
  return [
    {
      name: "beside",
      title: "One small call after another while 1 GiB goes up and 1 GiB comes down on the connection",
      rows,
      metrics: METRICS.map(({ name, unit, better }) => ({ name, unit, better })),
      samples: samples.all(),
      remarks: ['"alone": before, on the idle connection. "bulk": both directions together.'],
    },
  ];
}

export const beside: Job = {
  name: "beside",
  async check() {
    await run(CONTENDERS, { rounds: 1, seconds: 0.1 }, 4 * MIB);
    note("uploads, downloads and calls beside them: every byte arrives");
  },
  measure,
};
