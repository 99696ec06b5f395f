// npm run bench: installs what is missing, also what the benchmark alone needs, builds both, and runs it.
import { lstatSync, mkdirSync, symlinkSync, unlinkSync } from "node:fs";
import { build, install, installIn, root, run } from "./setup.mjs";

const bench = `${root}bench/`;

/** The benchmark imports the built library by its name. Not a dependency: npm would install this package's own for it. */
function linkLibrary() {
  mkdirSync(`${bench}node_modules`, { recursive: true });
  const link = `${bench}node_modules/hbi`;
  const found = lstatSync(link, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) unlinkSync(link); // the folder may have been moved
  symlinkSync(root, link, "junction");
}

const args = process.argv.slice(2);
/** Compares this library with itself: no other is needed, nor are the types of others. */
const isAlone = args.some((arg) => /^--(compare|gate)(=|$)/.test(arg));

install();
build();
if (!isAlone) installIn(bench, "Installing what is measured (once)...");
linkLibrary();
const compiler = [`${root}node_modules/typescript/bin/tsc`, "-p", `${bench}tsconfig.json`];
run(process.execPath, isAlone ? [...compiler, "--noCheck"] : compiler);
run(process.execPath, ["--enable-source-maps", `${bench}.cache/main.js`, ...args]);
