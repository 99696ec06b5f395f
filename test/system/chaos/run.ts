/**
 * A run: episode after episode until so many processes were killed, or one of them shows a failure.
 */
import { type Outcome, runEpisode } from "./episode.ts";
import { type Plan, planOf } from "./plan.ts";

export interface Summary {
  episodes: number;
  kills: number;
  /** by act and by place */
  readonly faults: Map<string, number>;
  /** what became of the calls */
  readonly calls: Map<string, number>;
  failed: Outcome | undefined;
}

export async function run(
  kills: number,
  plans: Iterable<Plan>,
  onEpisode: (summary: Summary) => void = () => undefined,
): Promise<Summary> {
  const summary: Summary = { episodes: 0, kills: 0, faults: new Map(), calls: new Map(), failed: undefined };
  for (const plan of plans) {
    add(summary, await runEpisode(plan));
    onEpisode(summary);
    if (summary.failed !== undefined || summary.kills >= kills) break;
  }
  return summary;
}

export function* plansOf(seed: number, first = 0): Generator<Plan> {
  for (let episode = first; ; episode++) yield planOf(seed, episode);
}

function add(summary: Summary, outcome: Outcome): void {
  summary.episodes += 1;
  for (const { fault } of outcome.sprung) {
    if (fault.act.startsWith("kill")) summary.kills += 1;
    tally(summary.faults, fault.act, 1);
    tally(summary.faults, `in ${fault.place}`, 1);
  }
  for (const [what, count] of outcome.counts) tally(summary.calls, what, count);
  if (outcome.violations.length > 0) summary.failed = outcome;
}

function tally(counts: Map<string, number>, key: string, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more);
}

export function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([what, count]) => `${what} ${count}`)
    .join(", ");
}
