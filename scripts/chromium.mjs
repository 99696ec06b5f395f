// Finds a Chromium for the tests that need a real browser, and installs Debian's where that is possible.
//
//   node scripts/chromium.mjs    installs it if there is none
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { pathToFileURL } from "node:url";

/** What it is called by Debian, by Ubuntu and by Google. */
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** Its path, or why there is none. CHROMIUM names another one, or `none`. */
export function findChromium() {
  const { CHROMIUM: named, PATH = "" } = process.env;
  if (named === "none") return { why: "CHROMIUM is none" };
  const names = named === undefined ? NAMES : [named];
  const folders = [...PATH.split(delimiter), "/usr/bin"];
  const paths = names.flatMap((name) => (isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name))));
  const path = paths.find((it) => existsSync(it));
  if (path !== undefined) return { path };
  return { why: named === undefined ? "no Chromium: install it, or set CHROMIUM to its path" : `no ${named}` };
}

/** As root on Debian and its like; elsewhere nothing happens, and the tests say what they have skipped. */
export function installChromium() {
  if (findChromium().path !== undefined || process.env.CHROMIUM !== undefined) return;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return;
  console.log("Installing Chromium, for the tests in a browser (once)...");
  const options = {
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 300_000,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]]) {
    if (spawnSync("apt-get", ["-q", ...args], options).status !== 0) return;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) installChromium();
