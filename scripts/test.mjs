// npm test: installs what is missing, builds, checks types, lint and format, and runs every test but the long ones.
// npm run test:long (--long): builds, and runs those alone.
import { buildPrograms, install, root, run } from "./setup.mjs";

const bin = (path) => `${root}node_modules/${path}`;
const isLong = process.argv[2] === "--long";
const args = process.argv.slice(isLong ? 3 : 2);

install();
buildPrograms();
if (!isLong) {
  run(process.execPath, [bin("typescript/bin/tsc"), "-p", "tsconfig.portable.json"]);
  run(process.execPath, [bin("typescript/bin/tsc"), "-p", "tsconfig.json"]);
  run(process.execPath, [bin("@biomejs/biome/bin/biome"), "check", "."]);
}
run(process.execPath, [bin("vitest/vitest.mjs"), "run", ...args], {
  env: { ...process.env, ...(isLong ? { HBI_LONG: "1" } : {}) },
});
