/**
 * Meter: what an attack costs this process: CPU, memory, and the longest time for which one turn of the event loop held it.
 */
export interface Cost {
  readonly cpuMs: number;
  readonly growthMib: number;
  readonly heldMs: number;
}

const TICK_MS = 5;
const TICKS_PER_LOOK = 5;
const MIB = 1024 * 1024;

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
    this.#lastCpuMs = cpuMs();
    this.#heldMs = 0;
    this.#beganCpuMs = this.#lastCpuMs;
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

  /** On a busy machine a tick is late because others run: only time in which this process has used the CPU was held by it. */
  #tick(): void {
    const nowMs = performance.now();
    const usedMs = cpuMs();
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

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
