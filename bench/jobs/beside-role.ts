/**
 * A process of the beside job: serves a contender, or calls it while its connection carries bulk in both directions.
 */
import type { Served } from "../contenders/contender.ts";
import { type ContenderName, loadContender } from "../contenders/contenders.ts";
import type { Requests } from "../harness/child.ts";

export interface Measure {
  readonly name: ContenderName;
  readonly port: number;
  /** for which calls are made on an idle connection */
  readonly seconds: number;
  /** each way */
  readonly bytes: number;
}

/** Milliseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface Measured {
  readonly alone: Latency;
  readonly beside: Latency;
  /** until both transfers were over, both together */
  readonly bytesPerSecond: number;
}

function latencyOf(times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

export const requests = {
  serve: async (name: ContenderName): Promise<Served> => await (await loadContender(name)).serve(),

  async measure({ name, port, seconds, bytes }: Measure): Promise<Measured> {
    const { call, upload, download } = await (await loadContender(name)).connect(port);
    if (call === undefined || upload === undefined || download === undefined) throw new Error(`${name} takes no part`);
    let n = 0;
    /** One call after the other. */
    const callUntil = async (isOver: () => boolean): Promise<Latency> => {
      const times: number[] = [];
      while (times.length === 0 || !isOver()) {
        const start = performance.now();
        const answer = await call("resize", n);
        times.push(performance.now() - start);
        if (answer.n !== n) throw new Error("the answer of another call");
        n += 1;
      }
      return latencyOf(times);
    };
    const callFor = (ms: number) => {
      const end = performance.now() + ms;
      return callUntil(() => performance.now() >= end);
    };
    await callFor(500); // until what is hot is compiled
    const alone = await callFor(seconds * 1000);
    let isOver = false;
    const start = performance.now();
    const transfers = Promise.all([upload(bytes), download(bytes)]).finally(() => {
      isOver = true;
    });
    const beside = await callUntil(() => isOver);
    await transfers;
    return { alone, beside, bytesPerSecond: (2 * bytes) / ((performance.now() - start) / 1000) };
  },
} satisfies Requests;
