// Other runtimes than the Node that runs this: installs them from npm, and runs the tests of everything that carries a connection in them.
//
//   node scripts/runtimes.mjs [NAME ...]    "Node 24", Bun, Deno
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { npm, root } from "./setup.mjs";

const VERSIONS = JSON.parse(readFileSync(join(root, "package-check/runtimes.json"), "utf8"));
const INSTALL_MS = 120_000;
const RUN_MS = 600_000;

/** Installs a tool by itself, once, and returns its folder. @throws if it cannot be installed here */
export async function installed(...names) {
  const versions = names.map((name) => `${name}@${VERSIONS[name]}`);
  const folder = join(root, ".cache/runtimes", versions.join("+").replace(/[/:]/g, "_"));
  if (existsSync(folder)) return join(folder, "node_modules");
  const building = `${folder}.new`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  const dependencies = Object.fromEntries(names.map((name) => [name, VERSIONS[name]]));
  writeFileSync(join(building, "package.json"), JSON.stringify({ private: true, dependencies }));
  const args = ["install", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error"];
  await promisify(execFile)(npm, args, { cwd: building, timeout: INSTALL_MS, shell: process.platform === "win32" });
  renameSync(building, folder);
  return join(folder, "node_modules");
}

/** The Node of an npm package. */
async function nodeOf(name) {
  return [join(await installed(name), name, "bin/node")];
}

/** Each with its command, and a pattern of the tests that it cannot run. */
export const RUNTIMES = {
  "Node 24": { command: () => nodeOf("node-24") },
  Bun: {
    command: async () => [join(await installed("bun"), "bun/bin/bun.exe"), "--bun"],
    // Its application disconnects in the turn after a call, which Bun may deliver before the end of the conversation.
    without: "recorded client of disconnect-with-reason as",
  },
  Deno: {
    command: async () => [join(await installed("deno"), ".bin/deno"), "run", "-A", "--node-modules-dir=manual"],
    // A bare TLS socket of Deno at the other end gets no answer; two ends of this library do (conversations.test.ts).
    without: "over TLS our (server answers|client says)",
  },
};

/** Runs the tests. `passed` is their number; `output` says what has failed. */
export async function runTests(name) {
  const { command, without } = RUNTIMES[name];
  const [program, ...args] = await command();
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^(VITEST|NODE_OPTIONS|HBI_LONG)/.test(key)),
  );
  const filter = without === undefined ? [] : ["-t", `^(?!.*${without})`];
  const options = {
    cwd: root,
    timeout: RUN_MS,
    maxBuffer: 2 ** 26,
    env: { ...env, HBI_RUNTIME: name, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  };
  const run = promisify(execFile)(
    program,
    [...args, join(root, "node_modules/vitest/vitest.mjs"), "run", ...filter],
    options,
  );
  const { stdout, stderr, code = 0 } = await run.catch((error) => error);
  const passed = Number(/Tests .*?(\d+) passed/.exec(stdout)?.[1] ?? 0);
  return { isRight: code === 0, passed, output: `${stdout}${stderr}` };
}

async function main(names) {
  for (const name of names.length > 0 ? names : Object.keys(RUNTIMES)) {
    const { isRight, passed, output } = await runTests(name);
    console.log(`${name}: ${passed} passed`);
    if (isRight) continue;
    console.log(output);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(process.argv.slice(2));
