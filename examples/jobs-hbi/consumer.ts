/**
 * The consumer, in the style of HBI's own documents: lets the service process every file of a folder, in both of their
 * styles, and checks every result against its own. examples/jobs is the typed form. Usage: consumer HOST:PORT FOLDER. Exits 0
 * only if everything was verified.
 */
import { createReadStream } from "node:fs";
import { HbiError, HostingEnv, script } from "hbi";
import { HBIC, type PeerEnds } from "hbi/node";
import { chart, type Measured, note } from "../jobs/chart.ts";
import { type Job, listFiles, queueJobs, verify, workOff } from "../jobs/queue.ts";
import { ACTIONS, type JobResult } from "../jobs/service.ts";
import { consumer, JobResult as JobResultSchema } from "./contract.ts";

const IN_FLIGHT = 32;
const REDIALS = 20;

const [address = "127.0.0.1:3232", folder = "."] = process.argv.slice(2);

/** The callbacks of conversations without an answer. */
const asked = new Map<string, (result: JobResult) => void>();

function context(): HostingEnv {
  const env = new HostingEnv();
  env.exposeAll(consumer, {
    job_done({ result }, co) {
      // An answer arrives in the conversation of its request, in any order.
      const answered = asked.get(co.coSeq);
      asked.delete(co.coSeq);
      answered?.(result);
    },
  });
  return env;
}

/** Posts without waiting; the answer is a script, landed in `context`. */
async function postJob({ po }: PeerEnds, { action, file, expected }: Job): Promise<JobResult> {
  await using co = await po.co({ rawBytes: expected.bytes });
  let result: JobResult | undefined;
  asked.set(co.coSeq, (value) => {
    result = value;
  });
  await co.sendCode(script`do_job(${action}, ${expected.bytes})`);
  await co.sendData(createReadStream(file.path));
  await co.waitCompleted();
  if (result === undefined) throw new HbiError("data_loss", "acknowledged, and no answer");
  return result;
}

/** Asks and waits; the answer is an object. */
function askJob({ po }: PeerEnds, { action, file, expected }: Job): Promise<JobResult> {
  return po.converse(
    async (co) => {
      await co.sendCode(script`run_job(${action}, ${expected.bytes})`);
      await co.sendData(createReadStream(file.path));
      return co.recvObj(JobResultSchema);
    },
    { rawBytes: expected.bytes },
  );
}

const client = new HBIC(address, context);
let redials = 0;

/** Reconnects after a lost connection and repeats the current job. */
async function untilDone(attempt: (ends: PeerEnds) => Promise<JobResult>): Promise<JobResult> {
  for (;;) {
    try {
      return await attempt(await client.connect());
    } catch (error) {
      const isLost = error instanceof HbiError && (error.code === "unavailable" || error.reason === "peer_error");
      if (!isLost || redials >= REDIALS * IN_FLIGHT) throw error;
      if (redials === 0) note(`lost the connection (${error.message}); dialing again, resuming the jobs at hand`);
      redials += 1;
    }
  }
}

let verified = 0;

function runAll(label: string, inFlight: number, run: typeof askJob): Promise<Measured> {
  return workOff(label, jobs, inFlight, async (job) => {
    verify(job.file, "answer", await untilDone((ends) => run(ends, job)), job.expected);
    verified += 1;
    return job.expected.bytes;
  });
}

const files = await listFiles(folder);
if (files.length === 0) throw new Error(`no files in ${folder}`);
console.log(`${files.length * ACTIONS.length} jobs (${files.length} files, ${ACTIONS.join(", ")}) for ${address}`);
const jobs = await queueJobs(files);

const pipelined = await runAll("pipelined", IN_FLIGHT, postJob);
const single = await runAll("one at a time", 1, askJob);
await client.drain();

console.log(`
${chart([pipelined, single])}

  pipelined is ${(single.seconds / pipelined.seconds).toFixed(1)} times as fast
  ${verified} of ${jobs.length * 2} results verified, ${redials} jobs resumed on a new connection`);
process.exit(verified === jobs.length * 2 ? 0 : 1);
