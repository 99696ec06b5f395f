import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));
const report = process.env["VITEST_JSON"];
/** What takes minutes is in files of its own, which `npm run test:long` and continuous integration run. */
const LONG = "test/**/*.long.test.ts";
const isLong = process.env["HBI_LONG"] === "1";

export default defineConfig({
  resolve: {
    alias: [
      { find: /^hbi$/, replacement: source("index.ts") },
      { find: /^hbi\/node$/, replacement: source("node.ts") },
      { find: /^hbi\/testing$/, replacement: source("testing.ts") },
    ],
  },
  test: {
    include: [isLong ? LONG : "test/**/*.test.ts"],
    exclude: isLong ? [] : [LONG],
    typecheck: { enabled: !isLong, include: ["test/types/**/*.test-d.ts"], tsconfig: "test/types/tsconfig.json" },
    maxWorkers: "100%",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // No script text reaches the engine: shown for every test, not only said.
    execArgv: ["--disallow-code-generation-from-strings"],
    reporters: report === undefined ? ["default"] : ["default", "json"],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
