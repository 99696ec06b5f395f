/**
 * 1 GiB each way through sendData and recvData, with a fast and a slow reader, beside the same bytes through a bare
 * socket. Fails if the memory of either process grows by 64 MiB or more.
 */
import { type Effort, type Job, note } from "../harness/job.ts";
import { Child, CORES } from "../harness/processes.ts";
import { Samples, type Section } from "../harness/section.ts";
import type { Streamed, Streaming } from "./stream-client.ts";
import { MIB } from "./stream-data.ts";

const GIB = 1024 * MIB;
const MAX_GROWTH_MIB = 64;
const PATIENCE_MS = 120_000;

const ROWS = [
  { name: "upload", title: "sendData, fast reader", kind: "upload", bytes: GIB, pauseMs: 0 },
  { name: "download", title: "recvData, fast reader", kind: "download", bytes: GIB, pauseMs: 0 },
  { name: "upload-slow", title: "sendData, slow reader", kind: "upload", bytes: GIB / 4, pauseMs: 2 },
  { name: "download-slow", title: "recvData, slow reader", kind: "download", bytes: GIB / 4, pauseMs: 2 },
] as const;

const SPEED = "speed";
const GROWTH_HERE = "growth, client";
const GROWTH_THERE = "growth, server";

async function run(rounds: number, share: number): Promise<Samples> {
  const server = await Child.start("jobs/stream-server.js", "stream, server", CORES?.server);
  const client = await Child.start("jobs/stream-client.js", "stream, client", CORES?.client);
  const { address, rawPort } = await server.ask<{ address: string; rawPort: number }>("serve");
  const samples = new Samples();
  const rate = (bytes: number, seconds: number) => bytes / 1e6 / seconds;
  for (let round = 1; round <= rounds; round++) {
    const bare = await client.ask<{ seconds: number }>("raw", { port: rawPort, bytes: GIB * share }, PATIENCE_MS);
    samples.add("raw", SPEED, { value: rate(GIB * share, bare.seconds) });
    for (const { name, kind, bytes: whole, pauseMs } of ROWS) {
      const bytes = whole * share;
      const streaming: Streaming = { address, bytes, pauseMs };
      const { seconds, growthHere, growthThere } = await client.ask<Streamed>(kind, streaming, PATIENCE_MS);
      samples.add(name, SPEED, { value: rate(bytes, seconds) });
      samples.add(name, GROWTH_HERE, { value: growthHere / MIB });
      samples.add(name, GROWTH_THERE, { value: growthThere / MIB });
    }
    note(`round ${round} of ${rounds}`);
  }
  await client.stop();
  await server.stop();
  return samples;
}

async function measure({ rounds }: Effort): Promise<readonly Section[]> {
  const samples = (await run(rounds, 1)).all();
  const failures = samples
    .filter(({ metric, values }) => metric !== SPEED && Math.max(...values) >= MAX_GROWTH_MIB)
    .map(({ row, metric, values }) => `${row}: ${metric} ${Math.max(...values).toFixed(0)} MiB`);
  return [
    {
      name: "stream",
      title: "1 GiB of raw data one way (256 MiB where the reader is slow)",
      rows: [{ name: "raw", title: "bare socket", isPeer: true }, ...ROWS.map(({ name, title }) => ({ name, title }))],
      metrics: [
        { name: SPEED, unit: "MB/s", better: "more" },
        { name: GROWTH_HERE, unit: "MiB", better: "less" },
        { name: GROWTH_THERE, unit: "MiB", better: "less" },
      ],
      samples,
      remarks: [`The memory of both processes grows by less than ${MAX_GROWTH_MIB} MiB, or the run fails.`],
      failures,
    },
  ];
}

export const stream: Job = {
  name: "stream",
  async check() {
    await run(1, 1 / 256);
    note("raw, uploads, downloads: every byte arrives");
  },
  measure,
};
