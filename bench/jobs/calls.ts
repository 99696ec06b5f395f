/**
 * Small calls `do_job(action, n)` that return both values: 1, 64 and 256 in flight on one connection.
 */

import type { ContenderName } from "../contenders/contenders.ts";
import type { Job } from "../harness/job.ts";
import { checkAll, type Entry, interleave } from "../harness/pairs.ts";

export const IN_FLIGHT = [1, 64, 256];
const CONTENDERS: readonly ContenderName[] = [
  "hbi",
  "prototype",
  "ws-json",
  "socket.io",
  "capnweb",
  "nats",
  "vscode-jsonrpc",
  "trpc",
  "grpc-js",
];

const loads = (levels: readonly number[]) =>
  levels.map((inFlight) => ({ metric: `${inFlight} in flight`, load: { kind: "call", inFlight } as const }));

const entries: readonly Entry[] = [
  ...CONTENDERS.map((contender) => ({
    row: contender,
    contender,
    loads: loads(IN_FLIGHT),
    ...(contender === "grpc-js" ? { warmupSeconds: 10 } : {}), // it is slow for this long
  })),
  { row: "raw", contender: "raw", loads: loads([1]) },
];

export const calls: Job = {
  name: "calls",
  entries,
  check: () => checkAll(entries),
  async measure(effort) {
    const { rows, samples, remarks } = await interleave(entries, effort);
    return [
      {
        name: "calls",
        title: "Small calls",
        rows,
        metrics: IN_FLIGHT.map((level) => ({ name: `${level} in flight`, unit: "calls/s", better: "more" })),
        samples: samples.all(),
        remarks,
      },
    ];
  },
};
