/**
 * The goals of this library: ratios of two samples of one run, and a few amounts. `main` prints whether they are met.
 */
import { figure, ratio, type Section, type Spread, sampleOf, spread, spreadText } from "./section.ts";

interface Place {
  readonly row: string;
  readonly metric: string;
}

type Target = {
  readonly section: string;
  readonly ours: Place;
  /** the divisor; omitted for an amount */
  readonly theirs?: Place;
} & ({ readonly atLeast: number } | { readonly atMost: number });

const pipelined = ["64 in flight", "256 in flight"].flatMap((metric) =>
  (
    [
      ["grpc-js", 25],
      ["capnweb", 7],
      ["socket.io", 4],
      ["ws-json", 3],
      ["prototype", 0.85],
    ] as const
  ).map(([row, atLeast]) => ({ section: "calls", ours: { row: "hbi", metric }, theirs: { row, metric }, atLeast })),
);

const single = (
  [
    ["raw", 0.8],
    ...(["ws-json", "socket.io", "capnweb", "nats", "vscode-jsonrpc", "trpc", "grpc-js"] as const).map(
      (row) => [row, 1] as const,
    ),
  ] as const
).map(([row, atLeast]) => {
  const metric = "1 in flight";
  return { section: "calls", ours: { row: "hbi", metric }, theirs: { row, metric }, atLeast };
});

const blobs = (
  [
    ["64 KiB", "grpc-js", 10],
    ["1 MiB", "grpc-js", 6],
    ["64 KiB", "socket.io", 1.5],
    ["1 MiB", "socket.io", 1.5],
  ] as const
).map(([metric, row, atLeast]) => ({
  section: "blobs",
  ours: { row: "hbi", metric },
  theirs: { row, metric },
  atLeast,
}));

const streams = [
  ...["upload", "download"].map((row) => ({
    section: "stream",
    ours: { row, metric: "speed" },
    theirs: { row: "raw", metric: "speed" },
    atLeast: 0.9,
  })),
  ...["upload", "download", "upload-slow", "download-slow"].flatMap((row) =>
    ["growth, client", "growth, server"].map((metric) => ({ section: "stream", ours: { row, metric }, atMost: 32 })),
  ),
];

const beside = [
  {
    section: "beside",
    ours: { row: "hbi", metric: "p99" },
    theirs: { row: "hbi", metric: "p99 alone" },
    atMost: 3,
  },
  { section: "beside", ours: { row: "hbi", metric: "p99" }, theirs: { row: "grpc-js", metric: "p99" }, atMost: 1 },
  {
    section: "beside",
    ours: { row: "hbi", metric: "bulk" },
    theirs: { row: "hbi-one-lane", metric: "bulk" },
    atLeast: 0.7,
  },
];

/** On a shared machine, a constant may appear as half or twice its value. */
const CONSTANT = 2;

const growth = [
  ...["1", "100", "1000", "10000"].map((metric) => ({
    section: "growth-in-flight",
    ours: { row: "hbi-wide", metric },
    theirs: { row: "hbi-wide", metric: "10" },
    atMost: metric === "1" ? Number.POSITIVE_INFINITY : CONSTANT, // a single call waits for the network
  })),
  ...["packets", "bodies"].flatMap((row) =>
    ["4 MiB", "64 MiB"].map((metric) => ({
      section: "growth-size",
      ours: { row, metric },
      theirs: { row, metric: "256 KiB" },
      atMost: CONSTANT,
    })),
  ),
  ...["1", "64", "4096", "65536"].map((row) => ({
    section: "growth-chunks",
    ours: { row, metric: "1 MiB" },
    theirs: { row, metric: "64 KiB" },
    atMost: CONSTANT,
  })),
].filter(({ atMost }) => Number.isFinite(atMost));

const TARGETS: readonly Target[] = [
  ...pipelined,
  ...single,
  {
    section: "posts",
    ours: { row: "hbi", metric: "one way" },
    theirs: { row: "raw-messages", metric: "one way" },
    atLeast: 0.1,
  },
  {
    section: "python",
    ours: { row: "python", metric: "64 in flight" },
    theirs: { row: "json", metric: "64 in flight" },
    atLeast: 0.7,
  },
  ...blobs,
  ...streams,
  ...beside,
  {
    section: "idle",
    ours: { row: "hbi", metric: "server memory" },
    theirs: { row: "raw", metric: "server memory" },
    atMost: 1.5,
  },
  ...growth,
];

export interface Verdict {
  readonly section: string;
  readonly what: string;
  readonly wanted: string;
  readonly measured: Spread;
  readonly isReached: boolean;
}

export function verdictsOf(section: Section): Verdict[] {
  const targets = [...TARGETS, ...refusedTargets(section)];
  return targets.filter((target) => target.section === section.name).flatMap((target) => verdict(section, target));
}

/** No refused script may cost more than the most expensive accepted one of its size; otherwise an attacker would send
 *  refused ones. */
function refusedTargets(section: Section): Target[] {
  if (section.name !== "refused") return [];
  return section.metrics.flatMap(({ name: metric }) => {
    const median = (row: string) => spread(sampleOf(section, row, metric)?.values ?? []).median;
    const names = section.rows.map(({ name }) => name).sort((a, b) => median(b) - median(a));
    const accepted = names.find((name) => name.startsWith("accepted"));
    const refused = names.find((name) => !name.startsWith("accepted"));
    if (accepted === undefined || refused === undefined) return [];
    return [{ section: section.name, ours: { row: refused, metric }, theirs: { row: accepted, metric }, atMost: 1 }];
  });
}

function verdict(section: Section, target: Target): Verdict[] {
  const { ours, theirs } = target;
  const over = sampleOf(section, ours.row, ours.metric);
  const under = theirs === undefined ? undefined : sampleOf(section, theirs.row, theirs.metric);
  if (over === undefined || (theirs !== undefined && under === undefined)) return []; // a contender that was left out
  const measured = under === undefined ? spread(over.values) : ratio(over, under);
  const amount = under === undefined ? measured.max : measured.median; // memory must never grow by more
  const by =
    theirs === undefined
      ? ""
      : theirs.metric === ours.metric
        ? ` / ${theirs.row}`
        : ` / ${theirs.metric}${theirs.row === ours.row ? "" : ` of ${theirs.row}`}`;
  const isReached = "atLeast" in target ? amount >= target.atLeast : amount <= target.atMost;
  const wanted = "atLeast" in target ? `>= ${figure(target.atLeast)}` : `<= ${figure(target.atMost)}`;
  return [{ section: section.name, what: `${ours.row}, ${ours.metric}${by}`, wanted, measured, isReached }];
}

export function verdictText({ measured, isReached }: Verdict): readonly [measured: string, reached: string] {
  return [spreadText(measured), isReached ? "yes" : "NO"];
}
