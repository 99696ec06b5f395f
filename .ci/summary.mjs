// The slowest test files of the reports in a folder, then how many tests have passed and failed in all of them. A step that failed counts as one
// failure where no test of it did.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const [folder, failed] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };
const files = [];
for (const name of readdirSync(folder).filter((it) => it.endsWith(".json"))) {
  let report;
  try {
    report = JSON.parse(readFileSync(join(folder, name), "utf8"));
  } catch {
    continue; // its step ended before it was written whole, and has failed
  }
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests;
  for (const { name: path, startTime, endTime } of report.testResults) {
    files.push({ path: relative(process.cwd(), path), seconds: (endTime - startTime) / 1_000 });
  }
}
console.log("\nThe slowest test files:");
for (const { path, seconds } of files.sort((a, b) => b.seconds - a.seconds).slice(0, 15)) {
  console.log(`${seconds.toFixed(1).padStart(8)} s  ${path}`);
}
if (failed !== "" && sum.failed === 0) sum.failed = 1;
const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : "";
console.log(`\n${sum.passed} passed, ${sum.failed} failed${skipped}`);
