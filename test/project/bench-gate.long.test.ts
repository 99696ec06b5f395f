/**
 * `npm run bench -- --compare` and `--gate` on copies of this repository: one whose present build is slower than the
 * commit before it, one that is as fast, and commits that cannot be compared.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "hbi-gate-test-"));
const copy = join(folder, "copy");
afterAll(() => rmSync(folder, { recursive: true }));

function git(...args: string[]): string {
  const as = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
  return execFileSync("git", [...as, ...args], { cwd: copy, encoding: "utf8", stdio: "pipe" }).trim();
}

function commit(): string {
  git("add", "--all");
  git("commit", "--quiet", "--allow-empty", "-m", "a commit");
  return git("rev-parse", "HEAD");
}

/** Each turn in which something is sent takes 2 ms longer. */
const SLOWER = `
const endOfTurn = systemClock.endOfTurn.bind(systemClock);
systemClock.endOfTurn = (run) => {
  for (const end = performance.now() + 2; performance.now() < end; );
  endOfTurn(run);
};
`;

/** As `npm run bench` does, or only its last step, which needs what an earlier test has built. */
function bench(
  program: "scripts/bench.mjs" | "bench/.cache/main.js",
  ...args: string[]
): { code: number | null; output: string } {
  const temporary = mkdtempSync(join(folder, "tmp-"));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: copy,
    encoding: "utf8",
    env: { ...process.env, TMPDIR: temporary, TEMP: temporary },
  });
  expect(readdirSync(temporary)).toEqual([]); // the older build is removed
  return { code: status, output: stdout + stderr };
}

let fast = "";
let broken = "";
let without = "";
beforeAll(() => {
  const options = { cwd: root, encoding: "utf8" } as const;
  const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], options).trim().split("\n");
  for (const file of files.filter((path) => existsSync(join(root, path)))) cpSync(join(root, file), join(copy, file));
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction");
  git("init", "--quiet");
  writeFileSync(join(copy, ".git/info/exclude"), "node_modules\n");
  writeFileSync(join(copy, "bench/baseline"), "none\n");
  fast = commit();
  appendFileSync(join(copy, "src/node.ts"), "export const port: number = 'seven';\n");
  broken = commit();
  writeFileSync(join(copy, "src/node.ts"), "export {};\n");
  without = commit();
  git("checkout", "--quiet", fast, "--", "src/node.ts");
  commit();
});

const QUICK = ["posts", "--rounds", "8"];

it("passes a build that is as fast", () => {
  const { code, output } = bench("scripts/bench.mjs", "--compare", fast, "--gate", "0.5", "--tries", "3", ...QUICK);
  expect(output).toMatch(/posts: hbi, one way .*µs .*µs .*\(.* to .*\)/);
  expect(output).toContain("CPU old / new: at least 0.5 everywhere");
  expect(code).toBe(0);
});

it.each([
  ["a name that nothing has", () => "nothing", /^no nothing in this repository: git log/m],
  ["a commit that does not compile", () => broken, /cannot be built: npm run build[\s\S]*src\/node\.ts/],
  [
    "a commit without what the programs use",
    () => without,
    /programs do not run with the older build: posts, [\s\S]*connect/,
  ],
])("says why it cannot compare: %s", (_, ref, message) => {
  const { code, output } = bench("bench/.cache/main.js", "--compare", ref(), ...QUICK);
  expect(output).toMatch(message);
  expect(code).toBe(1);
});

it("is skipped, and says so, where the last release is not there", () => {
  const { code, output } = bench("bench/.cache/main.js", "--gate", "0.85", ...QUICK);
  expect(output).toContain("SKIPPED: no last release to compare with: no none in this repository");
  expect(code).toBe(0);
});

it("fails for a build that is slower", () => {
  appendFileSync(join(copy, "src/clock.ts"), SLOWER);
  const { code, output } = bench("scripts/bench.mjs", "--compare", fast, "--gate", "0.85", "--tries", "1", ...QUICK);
  git("checkout", "--quiet", "--", "src/clock.ts");
  expect(output).toContain("FAILED: posts: hbi, one way: CPU old / new below 0.85 in the only try");
  expect(code).toBe(1);
});
