// npm run bench: installs what is missing, also what the benchmark alone needs, builds both, and runs it.
import { existsSync, lstatSync, readFileSync, symlinkSync, unlinkSync } from "node:fs";
import { build, install, npm, root, run } from "./setup.mjs";

const bench = `${root}bench/`;

/** The peers: a package of its own, since nobody else needs them. */
function installBench() {
  const { packages } = JSON.parse(readFileSync(`${bench}package-lock.json`, "utf8"));
  const isInstalled = Object.entries(packages).every(
    ([path, { version, optional, peer }]) =>
      path === "" || optional === true || peer === true || versionAt(`${bench}${path}`) === version,
  );
  if (isInstalled) return;
  console.log("Installing what is measured (once)...");
  run(npm, ["--prefix", bench, "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    shell: process.platform === "win32",
  });
}

function versionAt(path) {
  if (!existsSync(`${path}/package.json`)) return undefined;
  return JSON.parse(readFileSync(`${path}/package.json`, "utf8")).version;
}

/** The benchmark imports the built library by its name. Not a dependency: npm would install this package's own for it. */
function linkLibrary() {
  const link = `${bench}node_modules/hbi`;
  const found = lstatSync(link, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) unlinkSync(link); // the folder may have been moved
  symlinkSync(root, link, "junction");
}

install();
build();
installBench();
linkLibrary();
run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", `${bench}tsconfig.json`]);
run(process.execPath, ["--enable-source-maps", `${bench}.cache/main.js`, ...process.argv.slice(2)]);
