/**
 * Programs of this repository as processes: built by the test command, found in .cache/programs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** From the source, or from a program that uses this file. */
const BUILT = import.meta.url.includes("/.cache/programs/") ? "../../" : "../../.cache/programs/";

export const program = (path: string) =>
  fileURLToPath(new URL(`${BUILT}${path.replace(/\.ts$/, ".js")}`, import.meta.url));
const FLAGS = ["--disallow-code-generation-from-strings", "--enable-source-maps"];

export interface Running {
  readonly child: ChildProcess;
  readonly address: string;
  /** what it has written to standard error */
  readonly errors: () => string;
}

/** Starts a program that says `listening on HOST:PORT`. End it by its handle: closing its standard input ends it. */
export async function startProgram(path: string, args: readonly string[], flags = FLAGS): Promise<Running> {
  const child = spawn(process.execPath, [...flags, program(path), ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const lines = createInterface(child.stdout);
  const [line] = (await Promise.race([once(lines, "line"), once(child, "exit").then(() => [`exited: ${errors}`])])) as [
    string,
  ];
  const address = /^listening on (.+)$/.exec(line)?.[1];
  if (address === undefined) throw new Error(`${path}: ${line}`);
  return { child, address, errors: () => errors };
}

/** @throws Error when it has ended by something that nobody has caught */
export async function stopProgram({ child, errors }: Running): Promise<void> {
  child.stdin?.end();
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  if (child.exitCode !== 0 && child.signalCode === null) throw new Error(`exit code ${child.exitCode}: ${errors()}`);
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end. */
export async function runProgram(path: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [...FLAGS, program(path), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}
