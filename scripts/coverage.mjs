// npm run coverage: which statements, branches, functions and lines of src/ the tests reach, and each branch that they do not. What
// counts them is installed once. Tests that start processes are left out, as are those that measure time: counting slows them.

import { existsSync, readFileSync } from "node:fs";
import { install, npm, root, run } from "./setup.mjs";

const coverage = `${root}coverage/`;

/** A package of its own, since nobody else needs it. */
function installCoverage() {
  const wanted = JSON.parse(readFileSync(`${coverage}package.json`, "utf8")).dependencies["@vitest/coverage-v8"];
  const manifest = `${coverage}node_modules/@vitest/coverage-v8/package.json`;
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === wanted) return;
  console.log("Installing what counts coverage (once)...");
  run(npm, ["--prefix", coverage, "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    shell: process.platform === "win32",
  });
}

const LEFT_OUT = [
  ...["test/*.test.ts", "test/{attacks,chaos,soak,storm,types}/**", "test/services/processes.test.ts"],
  ...["test/endpoints/load.test.ts", "test/parser/hostile.test.ts"],
];

install();
installCoverage();
const { startVitest } = await import("vitest/node");
const vitest = await startVitest("test", process.argv.slice(2), {
  root,
  watch: false,
  exclude: LEFT_OUT,
  reporters: ["dot"],
  typecheck: { enabled: false },
  coverage: {
    enabled: true,
    provider: "custom",
    customProviderModule: `${coverage}provider.js`,
    include: ["src/**/*.ts"],
    reportsDirectory: `${root}.cache/coverage`,
    reporter: ["json"],
    reportOnFailure: true,
  },
});
await vitest.close();
const { report } = await import("../coverage/report.js");
report(`${root}.cache/coverage/coverage-final.json`, root);
