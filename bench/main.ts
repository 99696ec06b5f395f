/**
 * npm run bench [-- JOB ...] [--rounds N] [--only ROW,ROW] [--smoke]: measures this library beside others. Exits with 1
 * if an answer is wrong, a process fails, or a forbidden event occurs. A missed ratio is reported but is not a failure.
 */
import { parseArgs } from "node:util";
import type { Effort, Job } from "./harness/job.ts";
import { CORES } from "./harness/processes.ts";
import { writeResults } from "./harness/results.ts";
import type { Section } from "./harness/section.ts";
import { asText, tablesOf, verdictTable } from "./harness/tables.ts";
import { verdictsOf } from "./harness/targets.ts";
import { blobs } from "./jobs/blobs.ts";
import { calls } from "./jobs/calls.ts";
import { growth } from "./jobs/growth.ts";
import { idle } from "./jobs/idle.ts";
import { parse } from "./jobs/parse.ts";
import { posts } from "./jobs/posts.ts";
import { python } from "./jobs/python.ts";
import { refused } from "./jobs/refused.ts";
import { stream } from "./jobs/stream.ts";

const JOBS: readonly Job[] = [calls, posts, python, blobs, stream, idle, growth, refused, parse];
const NAMES = JOBS.map(({ name }) => name);

/** A job takes less than two minutes, all jobs about twenty. */
const PART: Effort = { rounds: 3, seconds: 0.7, warmupSeconds: 2 };
const WHOLE: Effort = { rounds: 5, seconds: 1.5, warmupSeconds: 4 };

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { smoke: { type: "boolean", default: false }, rounds: { type: "string" }, only: { type: "string" } },
    });
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 100))
      throw new Error("--rounds 1 to 100");
    const unknown = positionals.find((name) => !NAMES.includes(name));
    if (unknown !== undefined) throw new Error(`no such job: ${unknown}`);
    const jobs = positionals.length === 0 ? JOBS : JOBS.filter(({ name }) => positionals.includes(name));
    const effort = positionals.length === 0 ? WHOLE : PART;
    const only = values.only === undefined ? {} : { only: values.only.split(",") };
    const asked: Effort = { ...effort, ...(rounds === undefined ? {} : { rounds }), ...only };
    return { jobs, isSmoke: values.smoke, effort: asked };
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    console.error(`usage: npm run bench -- [${NAMES.join("|")} ...] [--rounds N] [--only ROW,ROW] [--smoke]`);
    process.exit(2);
  }
}

async function main(): Promise<boolean> {
  const { jobs, isSmoke, effort } = readArguments();
  if (CORES === undefined) console.log("no taskset or no second core: client and server share what there is");
  const sections: Section[] = [];
  for (const job of jobs) {
    console.log(job.name);
    if (isSmoke) {
      await job.check();
      continue;
    }
    const measured = await job.measure(effort);
    for (const section of measured) show(section);
    sections.push(...measured);
    if (effort.only === undefined) writeResults(measured, effort.rounds, NAMES); // kept, whatever happens later
  }
  if (isSmoke) console.log("every answer is right");
  const verdicts = sections.flatMap(verdictsOf);
  if (verdicts.length > 0) console.log(`\n${asText(verdictTable(verdicts))}`);
  return sections.every(({ failures = [] }) => failures.length === 0);
}

function show(section: Section): void {
  for (const table of tablesOf(section)) console.log(`\n${asText(table)}`);
  for (const remark of section.remarks) console.log(`\n  ${remark}`);
  for (const failure of section.failures ?? []) console.log(`\n  FAILED: ${failure}`);
  console.log();
}

try {
  process.exit((await main()) ? 0 : 1);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.stack : thrown);
  process.exit(1);
}
