// npm run fuzz: builds the targets and the library, and runs them. The fuzzer that follows coverage is installed once, if it can be;
// without it the same targets run on generated and changed inputs.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { install, npm, root, run } from "./setup.mjs";

const fuzz = `${root}fuzz/`;

/** A package of its own, since nobody else needs it. Not a failure: an offline machine fuzzes as well. */
function installFuzzer() {
  if (existsSync(`${fuzz}node_modules/@jazzer.js/core/package.json`)) return;
  console.log("Installing the fuzzer that follows coverage (once)...");
  const args = ["--prefix", fuzz, "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync(npm, args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) console.log("It could not be installed: inputs are generated without it.");
}

const args = process.argv.slice(2);
install();
if (!args.includes("--smoke") && !args.includes("--plain")) installFuzzer();
run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", `${fuzz}tsconfig.json`]);
run(process.execPath, ["--enable-source-maps", "--expose-gc", `${fuzz}.cache/fuzz/main.js`, ...args]);
