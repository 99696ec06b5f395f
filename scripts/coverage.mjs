// npm run coverage: which statements, branches, functions and lines of src/ the tests reach, and each branch that they do not. What
// counts them is installed once. Tests that start processes are left out, as are those that measure time: counting slows them.

import { install, installIn, root } from "./setup.mjs";

const coverage = `${root}coverage/`;

const LEFT_OUT = [
  ...[
    "test/project/**",
    "test/system/hostile-texts.test.ts",
    "test/{types,system/{attacks,chaos,load,soak,steady,storm}}/**",
    "test/endpoints/node/processes.test.ts",
  ],
  ...["test/endpoints/node/many-at-once.test.ts", "test/parser/hostile.test.ts"],
];

install();
installIn(coverage, "Installing what counts coverage (once)...");
process.env.HBI_LEAVE_OUT = LEFT_OUT.join(" "); // vitest.config.ts gives it to each of its projects
const { startVitest } = await import("vitest/node");
const vitest = await startVitest("test", process.argv.slice(2), {
  root,
  watch: false,
  reporters: ["dot"],
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
