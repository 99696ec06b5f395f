/**
 * What a process has used so far, including another process that belongs to it.
 */
import { readFileSync } from "node:fs";

export interface Usage {
  readonly cpuMicros: number;
  readonly rssBytes: number;
}

export function usage(otherPid?: number): Usage {
  const { user, system } = process.cpuUsage();
  const other = otherPid === undefined ? undefined : usageOf(otherPid);
  return {
    cpuMicros: user + system + (other?.cpuMicros ?? 0),
    rssBytes: process.memoryUsage.rss() + (other?.rssBytes ?? 0),
  };
}

/** Clock ticks of Linux are 10 ms for every process that reads them. */
const TICK_MICROS = 10_000;
const PAGE_BYTES = 4_096;

function usageOf(pid: number): Usage | undefined {
  if (process.platform !== "linux") return undefined;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")
    .map(Number);
  const [userTicks = 0, systemTicks = 0] = fields.slice(11, 13); // proc(5): utime and stime, counted from the state
  return { cpuMicros: (userTicks + systemTicks) * TICK_MICROS, rssBytes: (fields[21] ?? 0) * PAGE_BYTES };
}
