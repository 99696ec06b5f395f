/**
 * The consumer: walks a folder, has every file worked on by the service, in both styles of HBI's documents, and checks every
 * result against its own. Usage: consumer HOST:PORT FOLDER. Exits 0 only if everything was verified.
 */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { HbiError, HostingEnv, script } from "hbi";
import { HBIC, type PeerEnds } from "hbi/node";
import { perform } from "./actions.ts";
import { chart, type Measured, Progress } from "./chart.ts";
import { ACTIONS, type Action, consumer, JobResult } from "./contract.ts";

interface Job {
  readonly path: string;
  readonly action: Action;
  readonly bytes: number;
  readonly expected: JobResult;
}

const MAX_FILE_BYTES = 8 * 1024 * 1024;
const MAX_FILES = 150;
const IN_FLIGHT = 32;
const REDIALS = 20;
const SKIPPED = new Set(["node_modules", "dist"]);

const [address = "127.0.0.1:3232", folder = "."] = process.argv.slice(2);

async function* walk(directory: string): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

/** The queue: every file with every action, and what this side makes of it. */
async function queueJobs(): Promise<Job[]> {
  const jobs: Job[] = [];
  let files = 0;
  for await (const path of walk(folder)) {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) continue;
    for (const action of ACTIONS) {
      const expected = await perform(action, createReadStream(path));
      jobs.push({ path, action, bytes: expected.bytes, expected });
    }
    files += 1;
    if (files === MAX_FILES) break;
  }
  return jobs;
}

/** Jobs whose answer has not come, by the conversation that asked. */
const asked = new Map<string, { job: Job; done: (result: JobResult) => void }>();

function context(): HostingEnv {
  const env = new HostingEnv();
  env.exposeAll(consumer, {
    job_done({ result }, co) {
      // The answer comes in the conversation of its question, whatever the order.
      const question = asked.get(co.coSeq);
      asked.delete(co.coSeq);
      question?.done(result);
    },
  });
  return env;
}

/** Posts without waiting; the answer is a script, landed in `context`. */
async function postJob({ po }: PeerEnds, job: Job): Promise<JobResult> {
  await using co = await po.co({ rawBytes: job.bytes });
  let result: JobResult | undefined;
  asked.set(co.coSeq, { job, done: (value) => (result = value) });
  await co.sendCode(script`do_job(${job.action}, ${job.bytes})`);
  await co.sendData(createReadStream(job.path));
  await co.waitCompleted();
  if (result === undefined) throw new HbiError("data_loss", "acknowledged, and no answer");
  return result;
}

/** Asks and waits; the answer is an object. */
function askJob({ po }: PeerEnds, job: Job): Promise<JobResult> {
  return po.converse(
    async (co) => {
      await co.sendCode(script`run_job(${job.action}, ${job.bytes})`);
      await co.sendData(createReadStream(job.path));
      return co.recvObj(JobResult);
    },
    { rawBytes: job.bytes },
  );
}

const client = new HBIC(address, context);
let redials = 0;

/** Dials again after a lost connection and goes on with the job at hand. */
async function untilDone(progress: Progress, attempt: (ends: PeerEnds) => Promise<JobResult>): Promise<JobResult> {
  for (;;) {
    try {
      return await attempt(await client.connect());
    } catch (error) {
      const isLost = error instanceof HbiError && (error.code === "unavailable" || error.reason === "peer_error");
      if (!isLost || redials >= REDIALS * IN_FLIGHT) throw error;
      if (redials === 0)
        progress.note(`lost the connection (${error.message}); dialing again, resuming the jobs at hand`);
      redials += 1;
    }
  }
}

async function runAll(label: string, jobs: readonly Job[], inFlight: number, run: typeof askJob): Promise<Measured> {
  const progress = new Progress(label, jobs.length);
  const queue = jobs.values();
  let bytes = 0;
  const start = performance.now();
  const worker = async (): Promise<void> => {
    for (const job of queue) {
      const result = await untilDone(progress, (ends) => run(ends, job));
      verify(job, result);
      bytes += result.bytes;
      progress.step();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { label, jobs: jobs.length, bytes, seconds: (performance.now() - start) / 1000 };
}

let verified = 0;

function verify({ path, expected }: Job, result: JobResult): void {
  for (const key of ["action", "bytes", "result"] as const) {
    if (result[key] === expected[key]) continue;
    throw new Error(`${relative(folder, path)}: ${key} is ${result[key]}, should be ${expected[key]}`);
  }
  verified += 1;
}

const jobs = await queueJobs();
if (jobs.length === 0) throw new Error(`no files in ${folder}`);
console.log(`${jobs.length} jobs (${jobs.length / ACTIONS.length} files, ${ACTIONS.join(", ")}) for ${address}`);

const rows = [await runAll("pipelined", jobs, IN_FLIGHT, postJob), await runAll("one at a time", jobs, 1, askJob)];
await client.drain();

const [pipelined, single] = rows;
console.log(`\n${chart(rows)}`);
if (pipelined !== undefined && single !== undefined) {
  console.log(`\n  pipelined is ${(single.seconds / pipelined.seconds).toFixed(1)} times as fast`);
}
console.log(
  `  ${verified} of ${jobs.length * rows.length} results verified, ${redials} jobs resumed on a new connection`,
);
process.exit(verified === jobs.length * rows.length ? 0 : 1);
