/**
 * An older commit, built in a temporary folder, with the present programs of the benchmark, which import it by its name.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROGRAMS } from "../contenders/contenders.ts";
import { note } from "./job.ts";

/** The commit of a name in the repository at `root`. @throws Error if there is none */
export function commitOf(root: string, ref: string): string {
  const { status, stdout, error } = git(
    root,
    "rev-parse",
    "--verify",
    "--quiet",
    "--end-of-options",
    `${ref}^{commit}`,
  );
  if (error !== undefined) throw new Error(`git: ${error.message}`);
  if (status === 0) return stdout.trim();
  const shallow = git(root, "rev-parse", "--is-shallow-repository");
  if (shallow.status !== 0) throw new Error(`no ${ref}: ${root} is not a git repository`);
  if (shallow.stdout.trim() === "true")
    throw new Error(`no ${ref} in this shallow checkout: git fetch --unshallow --tags gets what is missing`);
  throw new Error(`no ${ref} in this repository: git log and git tag list what there is`);
}

/** The newest release before the present commit; as long as there is none, the commit in bench/baseline. */
export function lastRelease(root: string): string {
  const own = ["--merged", "HEAD", "--no-contains", "HEAD"];
  const { stdout } = git(root, "-c", "versionsort.suffix=-", "tag", "--list", "v*", "--sort=-v:refname", ...own);
  const [tag = ""] = (stdout ?? "").split("\n");
  if (tag !== "") return tag;
  const lines = readFileSync(join(root, "bench/baseline"), "utf8").split("\n");
  return lines.find((line) => line !== "" && !line.startsWith("#")) ?? "";
}

/**
 * Builds a commit in a folder that is removed when this process ends.
 * @returns the folder of the programs beside that build
 * @throws Error that names the step which failed
 */
export function buildOld(root: string, commit: string): string {
  const folder = mkdtempSync(join(tmpdir(), "hbi-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const tree = join(folder, "hbi");
  const archive = join(folder, "hbi.tar");
  mkdirSync(tree);
  step(commit, root, "git", "archive", "--output", archive, commit);
  step(commit, tree, "tar", "-xf", archive);
  if (existsSync(join(root, "node_modules")) && dependencies(tree) === dependencies(root)) {
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"), "junction");
  } else {
    note("its dependencies differ from the present ones: npm install");
    // Not `npm ci`, which refuses locks of other versions of npm.
    step(commit, tree, NPM, "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error");
  }
  step(commit, tree, NPM, "run", "build");
  const programs = join(tree, ".cache", "bench");
  cpSync(PROGRAMS, programs, { recursive: true });
  return programs;
}

const isWindows = process.platform === "win32";
const NPM = isWindows ? "npm.cmd" : "npm";

function git(root: string, ...args: readonly string[]) {
  return spawnSync("git", args, { cwd: root, encoding: "utf8" });
}

/** The locked dependencies, without the package itself, whose version changes with each release. */
function dependencies(folder: string): string {
  const text = readFileSync(join(folder, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(text) as { packages: Record<string, unknown> }; // as npm writes it
  const { "": _, ...others } = packages;
  return JSON.stringify(others);
}

const MOST_LINES = 20;

function step(commit: string, cwd: string, command: string, ...args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    shell: isWindows && command === NPM,
  });
  if (status === 0) return;
  const output = error?.message ?? `${stdout}${stderr}`.trimEnd().split("\n").slice(0, MOST_LINES).join("\n");
  throw new Error(`${commit} cannot be built: ${command} ${args.join(" ")}\n${output}`);
}
