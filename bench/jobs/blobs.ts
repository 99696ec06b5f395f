/**
 * A blob with each call and a small reply, 8 in flight. This library's handler reads it as it arrives, and in another
 * row as a whole with `call.bytes()`; the others receive it as a whole.
 */
import type { ContenderName } from "../contenders/contenders.ts";
import type { Job } from "../harness/job.ts";
import { checkAll, type Entry, interleave } from "../harness/pairs.ts";

const SIZES = [
  { metric: "64 KiB", bytes: 64 * 1024 },
  { metric: "1 MiB", bytes: 1024 * 1024 },
];

function entry(contender: ContenderName, kind: "sendBlob" | "sendWholeBlob" = "sendBlob") {
  return { contender, loads: SIZES.map(({ metric, bytes }) => ({ metric, load: { kind, inFlight: 8, bytes } })) };
}

const entries: readonly Entry[] = [
  { row: "hbi", ...entry("hbi") },
  { row: "hbi-bytes", title: "hbi, call.bytes()", ...entry("hbi", "sendWholeBlob") },
  { row: "socket.io", ...entry("socket.io") },
  { row: "capnweb", ...entry("capnweb") },
  { row: "grpc-js", ...entry("grpc-js"), warmupSeconds: 10 },
  { row: "raw-blobs", ...entry("raw-blobs") },
];

export const blobs: Job = {
  name: "blobs",
  entries,
  check: () => checkAll(entries),
  async measure(effort) {
    const { rows, samples, remarks } = await interleave(entries, effort);
    return [
      {
        name: "blobs",
        title: "A blob with each call, 8 in flight",
        rows,
        metrics: SIZES.map(({ metric }) => ({ name: metric, unit: "MB/s", better: "more" })),
        samples: samples.all(),
        remarks,
      },
    ];
  },
};
