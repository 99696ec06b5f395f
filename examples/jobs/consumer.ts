/**
 * The consumer: lets the service process every file of a folder, downloads the file again, and checks everything against its
 * own results. Usage: consumer HOST:PORT FOLDER. Exits 0 only if everything was verified.
 */
import { createReadStream } from "node:fs";
import { connect } from "hbi/node";
import { perform } from "./actions.ts";
import { chart, note } from "./chart.ts";
import { check, type FolderFile, type Job, listFiles, queueJobs, verify, workOff } from "./queue.ts";
import { ACTIONS, type JobResult, jobs as service } from "./service.ts";

const IN_FLIGHT = 32;

const [address = "127.0.0.1:3232", folder = "."] = process.argv.slice(2);

const files = await listFiles(folder);
if (files.length === 0) throw new Error(`no files in ${folder}`);
console.log(`${files.length} files, ${ACTIONS.length} jobs with each: ${ACTIONS.join(", ")}`);
const jobs = await queueJobs(files);

const pushed = new Map<number, JobResult>();
let pushes = 0;
let losses = 0;
let opened = 0;

const link = await connect(
  service,
  address,
  {
    job_done({ id, result }) {
      pushed.set(id, result);
      pushes += 1;
    },
  },
  { reconnect: { initialDelayMs: 20, maxAttempts: 50 }, retries: 3 },
);
link.onState((state, reason) => {
  if (state === "connecting") losses += 1;
  if (state !== "closed") note(state === "open" ? "connected again" : `connection lost (${reason?.message})`);
});

async function doJob({ id, action, file, expected }: Job): Promise<number> {
  // A stream can be sent once. A function that creates it lets the call be sent again after a lost connection.
  const body = () => {
    opened += 1;
    return createReadStream(file.path);
  };
  const result = await link.call.do_job({ id, action, dataLen: expected.bytes }, { body });
  verify(file, "answer", result, expected);
  verify(file, "push", pushed.get(id), expected); // sent before the result, so it has arrived
  pushed.delete(id);
  return expected.bytes;
}

async function download(file: FolderFile): Promise<number> {
  const { result, body } = await link.call.fetch_part({ name: file.name });
  const copy = await perform("sha256", body); // streamed from the wire into the hash
  check(file, "size", copy.bytes, result.size);
  check(file, "checksum of the download", copy.result, sha256Of(file));
  return copy.bytes;
}

function sha256Of(file: FolderFile): string | undefined {
  return jobs.find((job) => job.file === file && job.action === "sha256")?.expected.result;
}

const pipelined = await workOff("pipelined", jobs, IN_FLIGHT, doJob);
const single = await workOff("one at a time", jobs, 1, doJob);
const downloads = await workOff("downloads", files, IN_FLIGHT, download);

// A script: the service finds the name and uses it, in one round trip.
const largest = await link.script((s) => s.check_part(s.largest_part()));
const file = files.find(({ name }) => name === largest.name);
if (file === undefined) throw new Error(`${largest.name} is not in ${folder}`);
check(file, "size as the largest", largest.size, Math.max(...files.map(({ size }) => size)));
check(file, "checksum by script", largest.sha256, sha256Of(file));

await link.close();

const megabytes = (downloads.bytes / 1e6).toFixed(1);
console.log(`
${chart([pipelined, single])}

  Pipelined, ${IN_FLIGHT} in flight on one connection, is ${(single.seconds / pipelined.seconds).toFixed(1)} times as fast.
  ${jobs.length * 2} jobs: each result is what this side computed, and was pushed as well (${pushes} pushes).
  ${files.length} downloads: ${megabytes} MB streamed back, each checksum is right.
  The largest file, ${largest.name}, was found and hashed by one script in one round trip.
  The service dropped the connection ${losses === 1 ? "once" : `${losses} times`}: the link dialed again, ${opened - jobs.length * 2} lost calls were sent again.
  Everything is verified.`);
