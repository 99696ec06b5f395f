/**
 * The queue of a consumer: the files of a folder, their jobs with the expected results, and workers.
 */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { perform } from "./actions.ts";
import { type Measured, Progress } from "./chart.ts";
import { ACTIONS, type Action, type JobResult } from "./service.ts";

export interface FolderFile {
  /** relative to the folder */
  readonly name: string;
  readonly path: string;
  readonly size: number;
}

export interface Job {
  readonly id: number;
  readonly file: FolderFile;
  readonly action: Action;
  readonly expected: JobResult;
}

const MAX_FILE_BYTES = 8_000_000;
const MAX_FILES = 150;
const SKIPPED = new Set(["node_modules", "dist"]);

async function* walk(directory: string): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

export async function listFiles(folder: string): Promise<FolderFile[]> {
  const files: FolderFile[] = [];
  for await (const path of walk(folder)) {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) continue;
    files.push({ name: relative(folder, path), path, size });
    if (files.length === MAX_FILES) break;
  }
  return files;
}

/** Every file with every action and the expected result. */
export async function queueJobs(files: readonly FolderFile[]): Promise<Job[]> {
  const jobs: Job[] = [];
  const progress = new Progress("local results", files.length);
  for (const file of files) {
    for (const action of ACTIONS) {
      const expected = await perform(action, createReadStream(file.path));
      jobs.push({ id: jobs.length, file, action, expected });
    }
    progress.step();
  }
  return jobs;
}

/** Processes the items, with limited concurrency. `work` returns the number of bytes on the wire. */
export async function workOff<T>(
  label: string,
  items: readonly T[],
  inFlight: number,
  work: (item: T) => Promise<number>,
): Promise<Measured> {
  const progress = new Progress(label, items.length);
  const queue = items.values();
  let bytes = 0;
  const start = performance.now();
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      const moved = await work(item); // awaited first, because others change the sum meanwhile
      bytes += moved;
      progress.step();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { label, jobs: items.length, bytes, seconds: (performance.now() - start) / 1000 };
}

/** @throws Error with the difference */
export function verify(file: FolderFile, what: string, given: JobResult | undefined, expected: JobResult): void {
  for (const key of ["action", "bytes", "result"] as const)
    check(file, `${key} of the ${what}`, given?.[key], expected[key]);
}

/** @throws Error with the difference */
export function check(file: FolderFile, what: string, given: unknown, expected: unknown): void {
  if (given !== expected) throw new Error(`${file.name}: ${what} is ${given}, should be ${expected}`);
}
