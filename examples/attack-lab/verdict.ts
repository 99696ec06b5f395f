/**
 * The texts of a result, for the table of the report and the output of the lab.
 */
import type { Attack } from "./attack.ts";
import { tooDear } from "./lab.ts";
import type { Exchange, Result } from "./result.ts";

export type Verdict = "held" | "not held" | "open";

/** `open`: not held, for a known reason. */
export function verdictOf(attack: Attack, result: Result): Verdict {
  if (problemsOf(attack, result).length === 0) return "held";
  if (result.before === result.during) return "not held"; // a process has ended, which is never a known defect
  return attack.open === undefined ? "not held" : "open";
}

export function problemsOf(attack: Attack, result: Result): readonly string[] {
  return [...result.problems, ...tooDear(attack, result)];
}

export function sentText({ connections, sentBytes, sentPackets }: Exchange): string {
  const packets = sentPackets === 0 ? "" : `, ${counted(sentPackets, "packet")}`;
  return `${connections > 1 ? `${counted(connections, "connection")}, ` : ""}${bytesText(sentBytes)}${packets}`;
}

export function caughtText({ caught }: Attack): string {
  return typeof caught === "string" ? caught : caught.by;
}

/** The final message, or how the connection ended without one. */
export function sawText({ lastWords, fates, connections }: Exchange): string {
  const endings = (["closed", "reset", "refused", "open"] as const)
    .filter((fate) => fates[fate] > 0)
    .map((fate) => `${fates[fate] === connections ? "" : `${grouped(fates[fate])} `}${ENDINGS[fate]}`);
  return [...(lastWords === "" ? [] : [`"${lastWords}"`]), ...endings].join(", ");
}

const ENDINGS = { closed: "closed", reset: "reset", refused: "refused", open: "left open" };

export function costText({ cost: { cpuMs, growthMib, heldMs } }: Result): string {
  return `${cpuMs.toFixed(0)} ms CPU, ${growthMib.toFixed(0)} MiB, held ${heldMs.toFixed(0)} ms`;
}

export function goodText({ before, during }: Result): string {
  const failed = during.failures.length;
  const calls = `${counted(during.calls, "call")}${failed === 0 ? "" : `, ${grouped(failed)} failed`}`;
  return `${calls}, p99 ${before.p99Ms.toFixed(0)} → ${during.p99Ms.toFixed(0)} ms`;
}

export function bytesText(bytes: number): string {
  if (bytes < 10_000) return `${grouped(bytes)} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function counted(count: number, what: string): string {
  return `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
