// What the project's commands share: installs what is missing, builds what has changed, runs programs written in TypeScript.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs a command in the project's folder; ends this process with its code if it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error !== undefined) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

export const npm = process.platform === "win32" ? "npm.cmd" : "npm";

export function install() {
  const wanted = readFileSync(`${root}package-lock.json`, "utf8");
  const isInstalled =
    existsSync(`${root}node_modules/.package-lock.json`) &&
    Object.entries(JSON.parse(wanted).packages).every(
      ([path, { optional }]) => path === "" || optional === true || existsSync(`${root}${path}/package.json`),
    );
  if (isInstalled) return;
  console.log("Installing the development tools (once)...");
  run(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    shell: process.platform === "win32",
  });
}

/** The same for a folder that is a package of its own, since only one command needs what it depends on. */
export function installIn(folder, announcement) {
  const { packages } = JSON.parse(readFileSync(`${folder}package-lock.json`, "utf8"));
  const isInstalled = Object.entries(packages).every(
    ([path, { version, optional, peer }]) =>
      path === "" || optional === true || peer === true || versionAt(`${folder}${path}`) === version,
  );
  if (isInstalled) return;
  console.log(announcement);
  run(npm, ["--prefix", folder, "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    shell: process.platform === "win32",
  });
}

function versionAt(path) {
  if (!existsSync(`${path}/package.json`)) return undefined;
  return JSON.parse(readFileSync(`${path}/package.json`, "utf8")).version;
}

const tsc = `${root}node_modules/typescript/bin/tsc`;

/** The library into dist/, where nothing earlier is left. Its source maps name files that are not published. */
export function build({ sourceMap = true, isChecked = true } = {}) {
  rmSync(`${root}dist`, { recursive: true, force: true });
  run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--sourceMap", String(sourceMap), ...unchecked(isChecked)]);
}

/** For whoever checks the types anyway: the compiler only translates, which takes a quarter of the time. */
const unchecked = (isChecked) => (isChecked ? [] : ["--noCheck"]);

/** Examples, benchmarks and test programs into .cache/programs/, where they import the built library by its name. */
export function buildPrograms({ isChecked = true } = {}) {
  build({ isChecked });
  run(process.execPath, [tsc, "-p", "tsconfig.programs.json", ...unchecked(isChecked)]);
}

/** The built form of a program: "examples/jobs/main.ts". */
export function program(path) {
  return `${root}.cache/programs/${path.replace(/\.ts$/, ".js")}`;
}
