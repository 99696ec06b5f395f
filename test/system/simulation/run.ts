/**
 * A run: world after world until so many conversations have been held, or one of them shows a failure.
 */
import { createHash } from "node:crypto";
import { type Outcome, runWorld } from "./world.ts";

export interface Summary {
  readonly seed: number;
  conversations: number;
  worlds: number;
  steps: number;
  /** simulated */
  spanMs: number;
  readonly faults: Map<string, number>;
  /** "ok", or the code of the failure */
  readonly settled: Map<string, number>;
  mostAtWork: number;
  mostUnread: number;
  /** most steps of one world, and which */
  longest: { world: number; steps: number };
  /** of all histories */
  digest: string;
  failed: Outcome | undefined;
}

export async function run(
  conversations: number,
  seed: number,
  onWorld: (summary: Summary) => void = () => undefined,
): Promise<Summary> {
  const summary: Summary = {
    seed,
    conversations: 0,
    worlds: 0,
    steps: 0,
    spanMs: 0,
    faults: new Map(),
    settled: new Map(),
    mostAtWork: 0,
    mostUnread: 0,
    longest: { world: 0, steps: 0 },
    digest: "",
    failed: undefined,
  };
  while (summary.conversations < conversations && summary.failed === undefined) {
    add(summary, await runWorld(seed, summary.worlds));
    onWorld(summary);
  }
  return summary;
}

function add(summary: Summary, outcome: Outcome): void {
  const { ledger, world, steps, faults } = outcome;
  summary.worlds += 1;
  summary.digest = createHash("sha256").update(summary.digest).update(outcome.history.digest).digest("hex");
  summary.conversations += ledger.calls.length;
  summary.steps += steps;
  summary.spanMs += outcome.spanMs;
  summary.mostAtWork = Math.max(summary.mostAtWork, ledger.mostAtWork);
  summary.mostUnread = Math.max(summary.mostUnread, outcome.mostUnread);
  if (steps > summary.longest.steps) summary.longest = { world, steps };
  for (const [fault, count] of faults) tally(summary.faults, fault, count);
  for (const { settlements, error, plan, abortedAtMs } of ledger.calls) {
    tally(summary.settled, error?.code ?? (settlements > 0 ? "ok" : "never"), 1);
    if (abortedAtMs !== undefined) tally(summary.faults, "cancellation", 1);
    if (plan.handler.ending !== "value") tally(summary.faults, "failing handler", 1);
    if (plan.handler.waitMs >= 6_000) tally(summary.faults, "handler beyond its time", 1);
    if (plan.source === "fails" || plan.source === "short" || plan.source === "long")
      tally(summary.faults, "bad source", 1);
  }
  if (outcome.violations.length > 0) summary.failed = outcome;
}

function tally(counts: Map<string, number>, key: string, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}
