/**
 * Guided by coverage: runs the target under Jazzer.js in a separate process, if its addon loads. It requires glibc
 * 2.38, or the libraries that scripts/fuzz-libc.mjs provides.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { folderOf, keep } from "./corpus.ts";
import { generated } from "./inputs.ts";
import { type Bounds, type OnProgress, type RunReport, smallest, wrongWith } from "./run.ts";
import type { Target } from "./target.ts";

const cache = fileURLToPath(new URL("../../", import.meta.url)); // compiled: fuzz/.cache/
const fuzz = fileURLToPath(new URL("../../../", import.meta.url));

/** Initial inputs in addition to the stored ones. */
const GENERATED = 200;
/** the number of new inputs to store, the smallest ones */
const KEPT = 40;
/** The end of the fuzzer's output: its statistics, and a stack. */
const TOLD_LENGTH = 100_000;
const TELL_EVERY_MS = 1_000;

/** Undefined if it is not available here. */
export async function guidedRun(
  target: Target,
  bounds: Bounds,
  seed: number,
  onProgress?: OnProgress,
): Promise<RunReport | undefined> {
  const node = nodeThatLoads();
  if (node === undefined) return undefined;
  const { name, words } = target;
  const folder = `${cache}guided/${name}/`;
  const [corpus, grown, artifacts] = [folderOf("corpus", name), `${folder}corpus/`, `${folder}found/`];
  rmSync(artifacts, { recursive: true, force: true });
  for (const made of [corpus, grown, artifacts]) mkdirSync(made, { recursive: true });
  for (let i = 0; i < GENERATED; i++) writeFileSync(`${grown}generated-${i}`, generated(target, seed, i));
  writeFileSync(`${folder}words`, words.map((word) => `"${escaped(word)}"\n`).join(""));
  const { seconds, executions } = bounds;
  const startMs = performance.now();
  const { status, stderr } = await ended(
    [
      ...node,
      ...[`${fuzz}node_modules/@jazzer.js/core/dist/cli.js`, `${cache}fuzz/engine/guided-entry.js`, grown, corpus],
      ...["--includes", ".cache/src/", "--excludes", "node_modules", "--timeout", "20000"],
      ...["--disable_bug_detectors", ".*", "--", `-seed=${seed}`, "-max_len=4096", `-dict=${folder}words`],
      ...(seconds === undefined ? [] : [`-max_total_time=${Math.ceil(seconds)}`]),
      ...(executions === undefined ? [] : [`-runs=${executions}`]),
      ...[`-artifact_prefix=${artifacts}`],
    ],
    name,
    onProgress,
  );
  const runs = toldRuns(stderr);
  if (status === 0 && runs === 0) throw new Error(`the fuzzer ran nothing:\n${stderr.slice(-4_000)}`);
  const report = { runs, seconds: (performance.now() - startMs) / 1_000, isGuided: true };
  if (status === 0) return { ...report, found: undefined };
  const [artifact] = readdirSync(artifacts);
  if (artifact === undefined) throw new Error(`the fuzzer failed:\n${stderr.slice(-4_000)}`);
  const input = new Uint8Array(readFileSync(`${artifacts}${artifact}`));
  const why = (await wrongWith(target, input, true)) ?? `only under the fuzzer:\n${stderr.slice(-2_000)}`;
  return { ...report, found: await smallest(target, input, undefined, why) };
}

/** Runs the fuzzer, which reports its progress at each input that reaches more code, and at powers of two. */
function ended([command = process.execPath, ...args]: readonly string[], name: string, onProgress?: OnProgress) {
  const child = spawn(command, args, {
    cwd: fuzz,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HBI_FUZZ_TARGET: name },
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-TOLD_LENGTH);
  });
  const telling = setInterval(() => onProgress?.(toldRuns(stderr)), TELL_EVERY_MS);
  return new Promise<{ readonly status: number | null; readonly stderr: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stderr }));
  }).finally(() => clearInterval(telling));
}

/** The last reported count; the final statistics are lost if the pipe is full. */
function toldRuns(stderr: string): number {
  return Number([...stderr.matchAll(/^#(\d+)\t/gm)].at(-1)?.[1] ?? 0);
}

/** Copies the smallest new inputs into the stored corpus. */
export function keepGrown({ name }: Target): number {
  const grown = `${cache}guided/${name}/corpus/`;
  if (!existsSync(grown)) return 0;
  const files = readdirSync(grown)
    .filter((file) => !file.startsWith("generated-"))
    .map((file) => ({ file, bytes: statSync(`${grown}${file}`).size }))
    .sort((a, b) => a.bytes - b.bytes || (a.file < b.file ? -1 : 1));
  const step = Math.max(files.length / KEPT, 1); // of every size except the largest quarter
  const chosen = files.slice(0, Math.ceil(files.length * 0.75)).filter((_, i) => Math.floor(i % step) === 0);
  for (const { file } of chosen.slice(0, KEPT)) keep("corpus", name, new Uint8Array(readFileSync(`${grown}${file}`)));
  return Math.min(chosen.length, KEPT);
}

/** The command of a node in which the addon loads: this one, or this one started with the newer loader. */
function nodeThatLoads(): readonly string[] | undefined {
  if (!existsSync(`${fuzz}node_modules/@jazzer.js/core/dist/cli.js`)) return undefined;
  const libc = `${fuzz}.cache/libc/`;
  const loader = `${libc}ld-linux-x86-64.so.2`;
  const commands = [[process.execPath], [loader, "--library-path", libc, process.execPath]];
  return commands.find(([command = "", ...args]) => {
    const load = ["-e", 'require("@jazzer.js/fuzzer")'];
    return existsSync(command) && spawnSync(command, [...args, ...load], { cwd: fuzz, stdio: "ignore" }).status === 0;
  });
}

function escaped(word: string): string {
  const hex = (byte: number) => `\\x${byte.toString(16).padStart(2, "0")}`;
  return [...new TextEncoder().encode(word)].map(hex).join("");
}
