/**
 * The memory that an idle connection costs a server: 2,000 connections, with each server in a separate process in each
 * round.
 */
import type { Connected } from "../harness/client-role.ts";
import { type Effort, type Job, note } from "../harness/job.ts";
import { Child, CORES } from "../harness/processes.ts";
import { type Row, Samples, type Section } from "../harness/section.ts";
import type { Usage } from "../harness/usage.ts";

const CONNECTIONS = 2_000;
/** opened before the first measurement, so that one-time allocations do not count */
const EARLY = 200;
const CONTENDERS = ["hbi", "raw", "ws-json"] as const;
const METRIC = "server memory";

async function connectionBytes(name: string, count: number): Promise<{ bytes: number; row: Row }> {
  const server = await Child.start("harness/server-role.js", `${name}, server`, CORES?.server);
  const client = await Child.start("harness/client-role.js", `${name}, client`, CORES?.client);
  const port = await server.ask<number>("serve", { name });
  const { title } = await client.ask<Connected>("connect", { name, port });
  await client.ask("connectIdle", { name, port, count: EARLY });
  const before = await server.ask<Usage>("usageAfterCollection");
  await client.ask("connectIdle", { name, port, count });
  const after = await server.ask<Usage>("usageAfterCollection");
  await client.stop();
  await server.stop();
  const row = { name, title: title.replace(/ ping-pong$/, ""), ...(name === "hbi" ? {} : { isPeer: true }) };
  return { bytes: (after.rssBytes - before.rssBytes) / count, row };
}

async function measure({ rounds }: Effort): Promise<readonly Section[]> {
  const samples = new Samples();
  const rows = new Map<string, Row>();
  for (let round = 1; round <= rounds; round++) {
    for (const name of CONTENDERS) {
      const { bytes, row } = await connectionBytes(name, CONNECTIONS);
      samples.add(name, METRIC, { value: bytes / 1024 });
      rows.set(name, row);
    }
    note(`round ${round} of ${rounds}`);
  }
  return [
    {
      name: "idle",
      title: `${CONNECTIONS} idle connections`,
      rows: [...rows.values()],
      metrics: [{ name: METRIC, unit: "KiB/connection", better: "less" }],
      samples: samples.all(),
      remarks: [],
    },
  ];
}

export const idle: Job = {
  name: "idle",
  async check() {
    for (const name of CONTENDERS) await connectionBytes(name, 50);
    note(`${CONTENDERS.join(", ")}: connections are accepted`);
  },
  measure,
};
