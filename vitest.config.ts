import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));
const report = process.env["VITEST_JSON"];
/** What takes minutes is in files of its own, which `npm run test:long` and continuous integration run. */
const LONG = "test/**/*.long.test.ts";
const isLong = process.env["HBI_LONG"] === "1";
/** Of a run that measures what the tests reach: `npm run coverage`. */
const leftOut = process.env["HBI_LEAVE_OUT"]?.split(" ") ?? [];
/** What looks at the whole process (its heap, its globals, the time that it takes) has a process of its own. All other files share the
 *  processes that there are, one file at a time, as importing the library again for each of them would take longer than the tests. */
const ALONE = [
  "test/**/*{memory,heap,hostile,retention}*.test.ts",
  "test/endpoints/guard/**/*.test.ts",
  "test/endpoints/session/limits.test.ts",
  "test/wire/{portable,packet-reader}.test.ts",
  "test/wire/transport/tls/resumption.test.ts", // a fake setTimeout, on which the timers of the process would wait for ever
  "test/system/{explore,load,simulation}/*.test.ts",
];

const alias = [
  { find: /^hbi$/, replacement: source("index.ts") },
  { find: /^hbi\/node$/, replacement: source("node.ts") },
  { find: /^hbi\/testing$/, replacement: source("testing.ts") },
];
const test = {
  testTimeout: 120_000, // for a busy machine; nothing takes more than some seconds on an idle one
  hookTimeout: 120_000,
  // No script text reaches the engine: shown for every test, not only said.
  execArgv: ["--disallow-code-generation-from-strings"],
};
const shared = {
  resolve: { alias },
  test: {
    ...test,
    name: "shared",
    include: ["test/**/*.test.ts"],
    exclude: [LONG, ...leftOut, ...ALONE],
    isolate: false,
  },
};
const alone = { resolve: { alias }, test: { ...test, name: "alone", include: ALONE, exclude: [LONG, ...leftOut] } };
const long = { resolve: { alias }, test: { ...test, name: "long", include: [LONG] } };
/** The properties once more, with several times as many runs. */
const properties = {
  resolve: { alias },
  test: {
    ...test,
    name: "properties",
    include: [
      "test/**/*property.test.ts",
      "test/testing/{schema,call}-arbitrary.test.ts",
      "test/parser/repr.test.ts",
      "test/registry/description/compare-schema.test.ts",
    ],
    env: { HBI_RUNS: "1000" },
    testTimeout: 120_000,
  },
};

export default defineConfig({
  test: {
    projects: isLong ? [long, properties] : [shared, alone],
    maxWorkers: "100%",
    reporters: report === undefined ? ["default"] : ["default", "json"],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
