// npm test: installs what is missing (Chromium too, as root on Debian), builds, checks types, lint and format, and runs every test but the long ones.
// npm run test:long (--long): builds, and runs those alone.
import { installChromium } from "./chromium.mjs";
import { buildPrograms, install, root, run } from "./setup.mjs";

const bin = (path) => `${root}node_modules/${path}`;
const isLong = process.argv[2] === "--long";
const args = process.argv.slice(isLong ? 3 : 2);
const took = [];

/** Does one part, and notes how long it has taken. A command that fails ends this process. */
function part(name, work) {
  const startMs = performance.now();
  work();
  took.push(`${name} ${((performance.now() - startMs) / 1_000).toFixed(1)} s`);
}

part("install", install);
part("browser", installChromium);
part("build", () => buildPrograms({ isChecked: isLong })); // else the types are checked next, of the same files
if (!isLong) {
  part("types", () => {
    run(process.execPath, [bin("typescript/bin/tsc"), "-p", "tsconfig.portable.json"]);
    run(process.execPath, [bin("typescript/bin/tsc"), "-p", "tsconfig.json"]);
  });
  part("lint and format", () => run(process.execPath, [bin("@biomejs/biome/bin/biome"), "check", "."]));
}
part("tests", () =>
  run(process.execPath, [bin("vitest/vitest.mjs"), "run", ...args], {
    env: { ...process.env, ...(isLong ? { HBI_LONG: "1" } : {}) },
  }),
);
console.log(took.join(", "));
