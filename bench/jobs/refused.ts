/**
 * The CPU that a script costs its host: refused scripts beside accepted ones of the same size.
 */
import { type Effort, type Job, note } from "../harness/job.ts";
import { Child, CORES } from "../harness/processes.ts";
import { Samples } from "../harness/section.ts";
import type { Usage } from "../harness/usage.ts";
import type { Sent } from "./refused-role.ts";
import { type Script, scriptsOf } from "./refused-scripts.ts";

const SIZES = [
  { metric: "40 bytes", bytes: 40 },
  { metric: "32 KiB", bytes: 32 * 1024 },
];

async function run(rounds: number, seconds: number): Promise<Samples> {
  const samples = new Samples();
  const server = await Child.start("jobs/refused-role.js", "refused, server", CORES?.server);
  const client = await Child.start("jobs/refused-role.js", "refused, client", CORES?.client);
  await client.ask("connect", await server.ask<string>("serve"));
  const micros = async ({ text, isAccepted }: Script): Promise<number> => {
    const before = await server.ask<Usage>("usage");
    const count = await client.ask<number>("run", { text, isAccepted, seconds } satisfies Sent);
    const after = await server.ask<Usage>("usage");
    return (after.cpuMicros - before.cpuMicros) / count;
  };
  for (let round = 0; round <= rounds; round++) {
    for (const { metric, bytes } of SIZES) {
      for (const script of scriptsOf(bytes)) {
        const value = await micros(script);
        if (round > 0) samples.add(script.row, metric, { value }); // the first round warms up
      }
    }
    if (round > 0) note(`round ${round} of ${rounds}`);
  }
  await client.stop();
  await server.stop();
  return samples;
}

export const refused: Job = {
  name: "refused",
  async check() {
    await run(0, 0.01);
    note("what must be accepted is, what must be refused is, and the connection goes on");
  },
  async measure(effort: Effort) {
    const samples = await run(effort.rounds, effort.seconds / 4);
    return [
      {
        name: "refused",
        title: "CPU of the host for each script, accepted and refused",
        rows: scriptsOf(0x100).map(({ row }) => ({ name: row, title: row })),
        metrics: SIZES.map(({ metric }) => ({ name: metric, unit: "µs", better: "less" })),
        samples: samples.all(),
        remarks: ["With all that belongs to it: reading, the answer or the refusal, writing."],
      },
    ];
  },
};
