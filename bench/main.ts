/**
 * npm run bench [-- JOB ...] [--rounds N] [--only ROW,ROW] [--smoke]: measures this library beside others. Exits with 1
 * if an answer is wrong, a process fails, or a forbidden event occurs. A missed ratio is reported but is not a failure.
 * With --compare REF: measures this library beside an older build of itself. With --gate: exits with 1 if it is slower.
 */
import { fileURLToPath } from "node:url";
import { type Asked, type Comparison, readArguments, usageText } from "./harness/arguments.ts";
import { checkOld, compare, comparedText } from "./harness/compare.ts";
import { gate } from "./harness/gate.ts";
import type { Effort, Job } from "./harness/job.ts";
import { buildOld, commitOf, lastRelease } from "./harness/old-build.ts";
import { CORES } from "./harness/processes.ts";
import { writeResults } from "./harness/results.ts";
import type { Section } from "./harness/section.ts";
import { asText, tablesOf, verdictTable } from "./harness/tables.ts";
import { verdictsOf } from "./harness/targets.ts";
import { beside } from "./jobs/beside.ts";
import { blobs } from "./jobs/blobs.ts";
import { calls } from "./jobs/calls.ts";
import { growth } from "./jobs/growth.ts";
import { idle } from "./jobs/idle.ts";
import { parse } from "./jobs/parse.ts";
import { posts } from "./jobs/posts.ts";
import { python } from "./jobs/python.ts";
import { refused } from "./jobs/refused.ts";
import { stream } from "./jobs/stream.ts";

const JOBS: readonly Job[] = [calls, posts, python, blobs, stream, beside, idle, growth, refused, parse];
const NAMES = JOBS.map(({ name }) => name);

const COMPARABLE = JOBS.filter(({ entries }) => entries !== undefined).map(({ name }) => name);
/** Built into bench/.cache. */
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function asked(): Asked {
  try {
    return readArguments(process.argv.slice(2), NAMES, COMPARABLE);
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    console.error(usageText(NAMES));
    process.exit(2);
  }
}

async function main(): Promise<boolean> {
  const { jobs: names, isSmoke, effort, comparison } = asked();
  const jobs = JOBS.filter(({ name }) => names.includes(name));
  if (CORES === undefined) console.log("no taskset or no second core: client and server share what there is");
  if (comparison !== undefined) return await compareBuilds(jobs, effort, comparison);
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

async function compareBuilds(jobs: readonly Job[], effort: Effort, comparison: Comparison): Promise<boolean> {
  const { gate: atLeast, tries } = comparison;
  const programs = await olderPrograms(jobs, effort, comparison.ref);
  if (programs === undefined) return true;
  const measure = async (isWanted?: (name: string) => boolean) => {
    const compared = await compare(jobs, effort, programs, isWanted);
    console.log(`\n${comparedText(compared)}\n`);
    return compared;
  };
  if (atLeast === undefined) {
    await measure();
    return true;
  }
  const below = await gate(atLeast, tries, measure);
  for (const name of below)
    console.log(
      `FAILED: ${name}: CPU old / new below ${atLeast} in ${tries === 1 ? "the only try" : `each of ${tries} tries`}`,
    );
  if (below.length === 0) console.log(`CPU old / new: at least ${atLeast} everywhere`);
  return below.length === 0;
}

/** @returns undefined in a checkout without the last release, if no commit was named; ends this process if it cannot be built */
async function olderPrograms(
  jobs: readonly Job[],
  effort: Effort,
  named: string | undefined,
): Promise<string | undefined> {
  const ref = named ?? lastRelease(ROOT);
  let isFound = false;
  try {
    const commit = commitOf(ROOT, ref);
    isFound = true;
    console.log(`old: ${ref}${commit === ref ? "" : `, ${commit}`}; new: what is here`);
    const programs = buildOld(ROOT, commit);
    await checkOld(jobs, effort, programs);
    return programs;
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    if (named === undefined && !isFound) {
      console.log(`SKIPPED: no last release to compare with: ${why}`);
      return undefined;
    }
    console.error(why);
    process.exit(1);
  }
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
