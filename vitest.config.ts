import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { findChromium } from "./scripts/chromium.mjs";

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const source = (path: string) => file(`./src/${path}`);
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

/** A page says by its policy that nothing is evaluated, and playwright-core compiles the functions that it sends to pages. */
const BROWSER = "test/system/browser/**/*.test.ts";
const LONG_BROWSER = "test/system/browser/**/*.long.test.ts";
const IN_CHROMIUM = "test/system/in-chromium/*.test.ts";

/** What needs more of Node than can be seen in its file: its heap, its time, the addresses of its sockets, how it collects writes. */
const NOT_IN_CHROMIUM = [
  "test/endpoints/service/{authentication,fake-timers,many-methods,not-loaded,one-write,service-host,waking}.test.ts",
  "test/endpoints/session/{application-callbacks,failures,limits}.test.ts",
  "test/parser/{differential,hostile,memory,recorded}.test.ts",
  "test/registry/schema-memory.test.ts",
  "test/registry/description/hostile-description.test.ts",
  "test/testing/manual-clock.test.ts",
];

/** What `test/support/node-in-page.ts` does not replace. */
const OF_NODE = /from "node:(?!stream")|from "hbi\/(?:ws|cluster)"|\bBuffer\b|new SharedArrayBuffer/;

function needingNode(): string[] {
  const paths = readdirSync(file("test"), { recursive: true, encoding: "utf8" }).map(
    (path) => `test/${path.replaceAll("\\", "/")}`,
  );
  return paths.filter((path) => path.endsWith(".test.ts") && OF_NODE.test(readFileSync(file(path), "utf8")));
}

const alias = [
  { find: /^hbi$/, replacement: source("index.ts") },
  { find: /^hbi\/node$/, replacement: source("node.ts") },
  { find: /^hbi\/cluster$/, replacement: source("cluster.ts") },
  { find: /^hbi\/ws$/, replacement: source("ws.ts") },
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
    exclude: [LONG, ...leftOut, ...ALONE, BROWSER, IN_CHROMIUM],
    isolate: false,
  },
};
const alone = { resolve: { alias }, test: { ...test, name: "alone", include: ALONE, exclude: [LONG, ...leftOut] } };
const browser = {
  resolve: { alias },
  test: { ...test, name: "browser", include: [BROWSER], exclude: [LONG, ...leftOut], execArgv: [], isolate: false },
};
const long = { resolve: { alias }, test: { ...test, name: "long", include: [LONG], exclude: [LONG_BROWSER] } };
const longBrowser = {
  resolve: { alias },
  test: { ...test, name: "long, browser", include: [LONG_BROWSER], execArgv: [] },
};
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

/** What carries a connection, in another runtime: scripts/runtimes.mjs. */
const carried = {
  resolve: { alias },
  test: {
    ...test,
    name: "carried",
    include: [
      "test/endpoints/session/conversations.test.ts",
      "test/system/conformance/*.test.ts",
      "test/endpoints/node/message-ports.test.ts",
      "test/wire/transport/{message-port,transports}.test.ts",
    ],
    execArgv: [],
    testTimeout: 30_000,
    server: { deps: { inline: [/zod/] } }, // what Bun imports for Vitest lacks some of its exports
  },
};
function projects() {
  if (process.env["HBI_RUNTIME"] !== undefined) return [carried];
  return isLong ? [long, longBrowser, properties] : [shared, alone, browser];
}

/** The tests of the portable part once more, in a page of Chromium: what they test and they themselves run there. */
async function inChromium() {
  const { path, why } = findChromium();
  if (path === undefined && process.env["HBI_REQUIRE_BROWSER"] !== "1") {
    console.warn(`Skipped, the tests that run in a browser: ${why}`);
    return [];
  }
  const { playwright } = await import("@vitest/browser-playwright");
  return [
    {
      resolve: {
        alias: [
          { find: /^(hbi\/node|node:stream)$/, replacement: file("test/support/node-in-page.ts") },
          { find: /^.*\/support\/carriers\.ts$/, replacement: file("test/support/carriers-in-page.ts") },
          ...alias.filter(({ find }) => !/node|ws/.test(find.source)),
        ],
      },
      optimizeDeps: { include: ["acorn", "fast-check", "zod", "zod/mini"] },
      test: {
        name: "in Chromium",
        sequence: { groupOrder: 1 }, // behind the others: it has one worker
        include: [
          "test/{endpoints/{conversation,lane,service,session},parser,registry,testing}/**/*.test.ts",
          IN_CHROMIUM,
        ],
        exclude: [LONG, ...NOT_IN_CHROMIUM, ...needingNode()],
        setupFiles: [file("test/support/in-page.ts")],
        globalSetup: [file("test/support/relay.ts")],
        isolate: false,
        fileParallelism: false,
        testTimeout: 30_000,
        hookTimeout: 30_000,
        browser: {
          enabled: true,
          headless: true,
          screenshotFailures: false,
          provider: playwright({
            launchOptions: { executablePath: path ?? "chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] },
          }),
          instances: [{ browser: "chromium" as const }],
        },
      },
    },
  ];
}

export default defineConfig(async () => ({
  test: {
    projects: [...projects(), ...(isLong ? await inChromium() : [])],
    maxWorkers: "100%",
    reporters: report === undefined ? ["default"] : ["default", "json"],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
}));
