// What was reached, as a table of folders, and each branch that was not, with its place.
import { readFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import coverageLibrary from "istanbul-lib-coverage";

const FOLDERS = ["src/parser", "src/registry", "src/wire", "src/endpoints"];
const KINDS = ["statements", "branches", "functions", "lines"];

/** @param path of a coverage map as JSON  @param folders whose unreached branches are listed */
export function report(path, root, folders = FOLDERS) {
  const map = coverageLibrary.createCoverageMap(JSON.parse(readFileSync(path, "utf8")));
  const files = map.files().map((file) => [relative(root, file).replaceAll("\\", "/"), map.fileCoverageFor(file)]);
  const inFolder = (folder) => files.filter(([name]) => dirname(name) === folder);
  const rows = FOLDERS.map((folder) => [folder, sumOf(inFolder(folder))]);
  console.log(["", "reached, %".padEnd(14), ...KINDS.map((kind) => kind.padStart(20))].join(""));
  for (const [name, sum] of [...rows, ["all of src", sumOf(files)]]) {
    console.log([name.padEnd(14), ...KINDS.map((kind) => share(sum[kind]).padStart(20))].join(""));
  }
  for (const folder of folders) {
    const places = inFolder(folder).flatMap(([name, file]) => unreached(name, file, root));
    console.log(`\n${folder}: ${places.length === 0 ? "every branch is reached" : "branches that are not reached"}`);
    for (const place of places.sort()) console.log(`  ${place}`);
  }
}

function sumOf(files) {
  const sum = coverageLibrary.createCoverageSummary();
  for (const [, file] of files) sum.merge(file.toSummary());
  return sum;
}

/** Cut, not rounded: 100 is all of them. */
function share({ covered, total }) {
  const percent = total === 0 ? "100.00" : (Math.floor((covered / total) * 10_000) / 100).toFixed(2);
  return `${percent} (${covered}/${total})`;
}

function unreached(name, { branchMap, b: counts }, root) {
  const lines = readFileSync(`${root}${name}`, "utf8").split("\n");
  return Object.entries(branchMap).flatMap(([id, { type, loc, locations }]) =>
    locations.flatMap((location, i) => {
      if (counts[id][i] > 0) return [];
      const { line, column } = location.start.line === undefined ? loc.start : location.start; // an `else` that is not written
      const side = type === "if" ? ["the condition is never true", "the condition is never false"][i] : type;
      return [`${name}:${line}:${column + 1}  ${side}: ${lines[line - 1].trim()}`];
    }),
  );
}
