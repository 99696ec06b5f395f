/**
 * What a second worker process is worth: ROUNDS SECONDS (5 3). Calls that compute for some milliseconds, and calls that do
 * nothing, with one worker process and with two, by turns. The client runs in the primary; for small calls, it needs a
 * core of its own. `bare` are processes that compute the same without any call, which shows what the machine has left.
 * Prints the medians of the times per second and of the ratios of neighbouring runs; and the times per second of CPU that
 * the processes have used, which other load on the machine changes little.
 */
import { fork } from "node:child_process";
import { pbkdf2Sync } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { defineService, method } from "hbi";
import { type Cluster, serveOnAllCores } from "hbi/cluster";
import { connect } from "hbi/node";
import { z } from "zod";

/** of PBKDF2: about 5 ms */
const ROUNDS = 8_000;
const LINKS = 8;
const IN_FLIGHT = { compute: 4, nothing: 32 };

const cores = defineService({
  name: "cores",
  version: "1.0.0",
  methods: {
    compute: method({ params: { rounds: z.int().min(1).max(1e6) }, result: z.int() }),
    nothing: method({ params: { rounds: z.int() }, result: z.int() }),
    /** what its process has used so far, in seconds */
    used: method({ params: {}, result: z.strictObject({ pid: z.int(), seconds: z.number() }) }),
  },
});

const compute = (rounds: number) => pbkdf2Sync("password", "salt", rounds, 32, "sha256").length;

const usedSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** How much was done in one second, and in one second of CPU. */
interface Rate {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

if (process.argv[2] === "bare") {
  const before = usedSeconds();
  const end = performance.now() + Number(process.argv[3]) * 1_000;
  let count = 0;
  for (; performance.now() < end; count++) compute(ROUNDS);
  const seconds = usedSeconds() - before;
  await new Promise(() => process.send?.({ count, seconds }, () => process.exit()));
}

/** In so many processes. */
async function bare(processes: number): Promise<Rate> {
  const counts = Array.from({ length: processes }, async () => {
    const child = fork(fileURLToPath(import.meta.url), ["bare", String(seconds)]);
    const [done] = (await once(child, "message")) as [{ count: number; seconds: number }];
    await once(child, "exit");
    return done;
  });
  const all = await Promise.all(counts);
  const sum = (of: (done: { count: number; seconds: number }) => number) => all.reduce((s, done) => s + of(done), 0);
  const count = sum((done) => done.count);
  return { perSecond: count / seconds, perCpuSecond: count / sum((done) => done.seconds) };
}

const [rounds = 5, seconds = 3] = process.argv.slice(2).map(Number);

/** In a worker process, this never resolves. */
const open = (workers: number): Promise<Cluster> =>
  serveOnAllCores(
    cores,
    "127.0.0.1:0",
    () => ({
      compute: ({ rounds }) => compute(rounds),
      nothing: ({ rounds }) => rounds,
      used: () => ({ pid: process.pid, seconds: usedSeconds() }),
    }),
    { workers, program: new URL(import.meta.url) },
  );

type Name = keyof typeof IN_FLIGHT;

async function measure(name: Name, { address }: Cluster): Promise<Rate> {
  const links = await Promise.all(Array.from({ length: LINKS }, () => connect(cores, address)));
  const call = async (link: (typeof links)[number]) => void (await link.call[name]({ rounds: ROUNDS }));
  await Promise.all(links.map(call));
  const used = async () => {
    const byProcess = new Map<number, number>();
    for (const link of links) {
      const { pid, seconds } = await link.call.used();
      byProcess.set(pid, seconds);
    }
    return [...byProcess.values()].reduce((sum, each) => sum + each, 0);
  };
  const before = await used();
  const start = performance.now();
  const end = start + seconds * 1_000;
  let calls = 0;
  const caller = async (link: (typeof links)[number]) => {
    for (; performance.now() < end; calls++) await call(link);
  };
  await Promise.all(links.flatMap((link) => Array.from({ length: IN_FLIGHT[name] }, () => caller(link))));
  const perSecond = (calls * 1_000) / (performance.now() - start);
  const perCpuSecond = calls / ((await used()) - before);
  for (const link of links) await link.close();
  return { perSecond, perCpuSecond };
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const measured: Record<Name | "bare", Rate[][]> = { bare: [[], []], compute: [[], []], nothing: [[], []] };
for (let round = 0; round < rounds; round++) {
  for (const workers of [1, 2]) {
    const cluster = await open(workers);
    for (const name of ["compute", "nothing"] as const) measured[name][workers - 1]?.push(await measure(name, cluster));
    await cluster.drain();
    measured.bare[workers - 1]?.push(await bare(workers));
  }
}
for (const [name, [one = [], two = []]] of Object.entries(measured)) {
  const ratios = two.map(({ perSecond }, at) => perSecond / (one[at]?.perSecond ?? Number.NaN));
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  const of = (key: keyof Rate) =>
    [one, two].map((rates) => median(rates.map((rate) => rate[key])).toFixed(0)).join(" and ");
  const times = `${of("perSecond")} a second, ${of("perCpuSecond")} a second of CPU`;
  console.log(`${name}, 1 and 2 processes: ${times}; ratio ${median(ratios).toFixed(2)} (${least} to ${most})`);
}
