/**
 * A copy of the project whose source has all mutants, and vitest in it, which runs one file of tests at a time in a process of its own.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createVitest, type Vitest } from "vitest/node";
import type { Entry, Job } from "./job.ts";

const COPIED = [
  "src",
  "test",
  "examples",
  "docs",
  "bench",
  "scripts",
  "package.json",
  "tsconfig.json",
  "tsconfig.base.json",
];

export interface Ran {
  /** what was tried when it ended */
  readonly last: { readonly test: string; readonly mutant: string } | undefined;
  readonly entries: readonly Entry[];
  /** it has come to its end; otherwise its process has been ended */
  readonly isComplete: boolean;
  /** the file could not even be loaded */
  readonly isBroken: boolean;
}

export class Sandbox {
  readonly path: string;
  #vitest: Vitest | undefined;

  /** @param root of the project, with a slash at its end */
  constructor(root: string, path: string, mutated: readonly { readonly name: string; readonly content: string }[]) {
    this.path = path;
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
    for (const name of COPIED) cpSync(`${root}${name}`, `${path}${name}`, { recursive: true });
    // Programs that tests start are built without mutants.
    for (const name of ["node_modules", ".cache"]) symlinkSync(`${root}${name}`, `${path}${name}`, "dir");
    for (const { name, content } of mutated) writeFileSync(`${path}${name}`, content);
  }

  async open(): Promise<void> {
    const source = (file: string) => `${this.path}src/${file}`;
    this.#vitest = await createVitest(
      "test",
      {
        config: false,
        root: this.path,
        watch: false,
        include: ["test/**/*.test.ts"],
        exclude: ["**/*.long.test.ts"],
        runner: fileURLToPath(new URL("../runner.ts", import.meta.url)),
        pool: "forks",
        maxWorkers: 1,
        fileParallelism: false,
        testTimeout: 60_000,
        hookTimeout: 10_000,
        retry: 0,
        silent: true,
        reporters: [{}],
        snapshotFormat: {},
      },
      {
        cacheDir: `${this.path}.vite`,
        logLevel: "silent",
        server: { watch: null },
        resolve: {
          alias: [
            { find: /^hbi$/, replacement: source("index.ts") },
            { find: /^hbi\/node$/, replacement: source("node.ts") },
            { find: /^hbi\/ws$/, replacement: source("ws.ts") },
            { find: /^hbi\/testing$/, replacement: source("testing.ts") },
          ],
        },
      },
    );
  }

  async close(): Promise<void> {
    await this.#vitest?.close();
  }

  async run(file: string, asked: Omit<Job, "records" | "current">): Promise<Ran> {
    if (this.#vitest === undefined) throw new Error("the sandbox is not open");
    const job: Job = { ...asked, records: `${this.path}records`, current: `${this.path}current` };
    writeFileSync(job.records, "");
    writeFileSync(job.current, "");
    writeFileSync(`${this.path}job.json`, JSON.stringify(job));
    process.env["HBI_MUTATE_JOB"] = `${this.path}job.json`; // the new process inherits it
    process.env["VITEST"] = "true";
    this.#vitest.state.filesMap.clear();
    this.#vitest.state.errorsSet.clear();
    const modules = await quietly(() => this.#vitest?.start([`${this.path}${file}`]));
    const entries = readFileSync(job.records, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Entry);
    const isComplete = entries.at(-1)?.kind === "end";
    const isBroken = (modules?.testModules ?? []).some(
      (module) => module.errors().length > 0 && module.children.size === 0,
    );
    const [test = "", mutant] = readFileSync(job.current, "utf8").trim().split(" ");
    return { entries, isComplete, isBroken, last: mutant === undefined ? undefined : { test, mutant } };
  }
}

/** vitest reports that a process has ended, which is meant. */
async function quietly<T>(run: () => Promise<T> | undefined): Promise<T | undefined> {
  const { error } = console;
  console.error = () => {};
  try {
    return await run();
  } finally {
    console.error = error;
    process.exitCode = 0;
  }
}
