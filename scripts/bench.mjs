// npm run bench: installs what is missing, also what the benchmark alone needs, builds both, and runs it.
import { lstatSync, symlinkSync, unlinkSync } from "node:fs";
import { build, install, installIn, root, run } from "./setup.mjs";

const bench = `${root}bench/`;

/** The benchmark imports the built library by its name. Not a dependency: npm would install this package's own for it. */
function linkLibrary() {
  const link = `${bench}node_modules/hbi`;
  const found = lstatSync(link, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) unlinkSync(link); // the folder may have been moved
  symlinkSync(root, link, "junction");
}

install();
build();
installIn(bench, "Installing what is measured (once)...");
linkLibrary();
run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", `${bench}tsconfig.json`]);
run(process.execPath, ["--enable-source-maps", `${bench}.cache/main.js`, ...process.argv.slice(2)]);
