/**
 * Meter: what an attack costs this process: CPU, memory, and the longest turn of the event loop.
 */
import { existsSync, readFileSync } from "node:fs";

export interface Cost {
  readonly cpuMs: number;
  readonly growthMib: number;
  readonly heldMs: number;
}

const TICK_MS = 5;
const TICKS_PER_LOOK = 5;
const MIB = 1024 * 1024;
/** first: nanoseconds on the CPU */
const THREAD = `/proc/self/task/${process.pid}/schedstat`;
const isThreadTold = existsSync(THREAD);

export class Meter {
  #ticks = 0;
  #lastMs = 0;
  #lastCpuMs = 0;
  #heldMs = 0;
  #beganCpuMs = 0;
  #beganRss = 0;
  #mostRss = 0;

  constructor() {
    this.begin();
    setInterval(() => this.#tick(), TICK_MS);
  }

  begin(): void {
    this.#lastMs = performance.now();
    this.#lastCpuMs = threadMs();
    this.#heldMs = 0;
    this.#beganCpuMs = cpuMs();
    this.#beganRss = process.memoryUsage.rss();
    this.#mostRss = this.#beganRss;
  }

  end(): Cost {
    this.#tick();
    this.#look();
    return {
      cpuMs: cpuMs() - this.#beganCpuMs,
      growthMib: (this.#mostRss - this.#beganRss) / MIB,
      heldMs: this.#heldMs,
    };
  }

  /** On a busy machine, a tick is late because other processes run. Only time in which this thread used the CPU
   *  counts. */
  #tick(): void {
    const nowMs = performance.now();
    const usedMs = threadMs();
    this.#heldMs = Math.max(this.#heldMs, Math.min(nowMs - this.#lastMs - TICK_MS, usedMs - this.#lastCpuMs));
    this.#lastMs = nowMs;
    this.#lastCpuMs = usedMs;
    this.#ticks += 1;
    if (this.#ticks % TICKS_PER_LOOK === 0) this.#look();
  }

  #look(): void {
    this.#mostRss = Math.max(this.#mostRss, process.memoryUsage.rss());
  }
}

/** CPU time of the event loop's thread; on Linux without the threads of the garbage collector and the compiler. */
function threadMs(): number {
  return isThreadTold ? Number(readFileSync(THREAD, "utf8").split(" ")[0]) / 1e6 : cpuMs();
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
