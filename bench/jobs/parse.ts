/**
 * The cost of parsing, writing and validating alone, in one process.
 */
import { type Effort, type Job, note } from "../harness/job.ts";
import { Child, CORES } from "../harness/processes.ts";
import { Samples } from "../harness/section.ts";

async function run(rounds: number, seconds: number) {
  const samples = new Samples();
  const child = await Child.start("jobs/parse-role.js", "parse", CORES?.server);
  const rows = await child.ask<string[]>("rows");
  const kilobytes = Math.round((await child.ask<number>("largeBytes")) / 1000);
  const metrics = [
    { size: "small", metric: "small call" },
    { size: "large", metric: `${kilobytes} KB` },
  ];
  for (let round = 0; round <= rounds; round++) {
    for (const row of rows) {
      for (const { size, metric } of metrics) {
        const value = await child.ask<number>("run", { row, size, seconds });
        if (round > 0) samples.add(row, metric, { value }); // the first round warms up
      }
    }
    if (round > 0) note(`round ${round} of ${rounds}`);
  }
  await child.stop();
  return { rows, samples, metrics };
}

export const parse: Job = {
  name: "parse",
  async check() {
    const { rows } = await run(0, 0.01);
    note(`${rows.join(", ")}: all give a value`);
  },
  async measure(effort: Effort) {
    const { rows, samples, metrics } = await run(effort.rounds, effort.seconds / 2);
    return [
      {
        name: "parse",
        title: "Reading, writing, validating, in one process",
        rows: rows.map((row) => ({ name: row, title: row })),
        metrics: metrics.map(({ metric }) => ({ name: metric, unit: "µs", better: "less" })),
        samples: samples.all(),
        remarks: [],
      },
    ];
  },
};
