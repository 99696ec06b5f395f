/**
 * What a run tells: how much was done, what went wrong on purpose, how the calls ended, and how to see one world again.
 */
import type { Summary } from "./run.ts";

export function summaryText(summary: Summary, tookMs: number): string {
  const { seed, conversations, worlds, steps, spanMs, faults, settled, longest, mostAtWork, mostUnread } = summary;
  const seconds = tookMs / 1_000;
  return [
    `seed ${seed}: ${conversations} conversations in ${worlds} worlds, ${steps} steps, ${seconds.toFixed(1)} s (${Math.round(conversations / seconds)}/s), ${Math.round(spanMs / 60_000)} minutes of their time`,
    `faults: ${counted(faults)}`,
    `settled: ${counted(settled)}`,
    `worst: ${longest.steps} steps in world ${longest.world}, ${mostAtWork} handlers at work at once, ${mostUnread} bytes held unread`,
    `all histories: ${summary.digest}`,
  ].join("\n");
}

export function replayCommand(seed: number, world: number, actions?: readonly number[]): string {
  const only = actions === undefined ? "" : ` --only ${actions.join(",")}`;
  return `npm run simulate -- 1 ${seed} --world ${world}${only}`;
}

function counted(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what} ${count}`)
    .join(", ");
}
