/**
 * One-way messages, landed and acknowledged at the end, beside messages of 60 bytes that the receiver of a bare socket
 * counts.
 */
import type { Job } from "../harness/job.ts";
import { checkAll, type Entry, interleave } from "../harness/pairs.ts";

const METRIC = "one way";
const entries: readonly Entry[] = (["hbi", "prototype", "raw-messages"] as const).map((contender) => ({
  row: contender,
  contender,
  loads: [{ metric: METRIC, load: { kind: "post", inFlight: 1 } }],
}));

export const posts: Job = {
  name: "posts",
  entries,
  check: () => checkAll(entries),
  async measure(effort) {
    const { rows, samples, remarks } = await interleave(entries, effort);
    return [
      {
        name: "posts",
        title: "One-way messages, landed and acknowledged",
        rows,
        metrics: [{ name: METRIC, unit: "messages/s", better: "more" }],
        samples: samples.all(),
        remarks,
      },
    ];
  },
};
