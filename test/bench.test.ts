/**
 * The benchmark, without measuring: every contender and every job runs, and each answer is right. The peers are installed by
 * `npm run bench` alone, so this is skipped where nobody has run it; CI installs them.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const isInstalled = existsSync(`${root}bench/node_modules/.package-lock.json`);
const TIMEOUT_MS = 300_000;

it("every contender of the benchmark answers correctly", { timeout: TIMEOUT_MS }, async ({ skip }) => {
  if (!isInstalled && process.env["CI"] !== "true") {
    const reason = "the benchmark's peers are not installed: npm run bench -- --smoke installs them";
    console.warn(`skipped: ${reason}`);
    skip(reason);
  }
  expect(isInstalled, "CI has installed the benchmark's peers").toBe(true);
  const program = [`${root}scripts/bench.mjs`, "--no-build", "--smoke"];
  const { stdout } = await promisify(execFile)(process.execPath, program, { timeout: TIMEOUT_MS });
  expect(stdout).toContain("every answer is right");
  for (const job of ["calls", "posts", "python", "blobs", "stream", "idle", "growth", "refused", "parse"]) {
    expect(stdout).toMatch(new RegExp(`^${job}$`, "m"));
  }
});
