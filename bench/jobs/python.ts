/**
 * The same calls in Python style (single quotes, True, None) and in JSON style, both as text through the HBI layer.
 */
import type { Job } from "../harness/job.ts";
import { checkAll, type Entry, interleave } from "../harness/pairs.ts";

const METRIC = "64 in flight";
const entries: readonly Entry[] = [
  {
    row: "json",
    title: "text in JSON style",
    contender: "hbi",
    loads: [{ metric: METRIC, load: { kind: "callByText", inFlight: 64 } }],
  },
  {
    row: "python",
    title: "text in Python style",
    contender: "hbi",
    loads: [{ metric: METRIC, load: { kind: "callInPython", inFlight: 64 } }],
  },
];

export const python: Job = {
  name: "python",
  entries,
  check: () => checkAll(entries),
  async measure(effort) {
    const { rows, samples, remarks } = await interleave(entries, effort);
    return [
      {
        name: "python",
        title: "Scripts in Python style",
        rows,
        metrics: [{ name: METRIC, unit: "calls/s", better: "more" }],
        samples: samples.all(),
        remarks,
      },
    ];
  },
};
