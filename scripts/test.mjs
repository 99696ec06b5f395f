// npm test: installs what is missing, builds, checks types, lint and format, and runs every test.
import { buildPrograms, install, root, run } from "./setup.mjs";

const bin = (path) => `${root}node_modules/${path}`;

install();
buildPrograms();
run(process.execPath, [bin("typescript/bin/tsc"), "-p", "tsconfig.portable.json"]);
run(process.execPath, [bin("typescript/bin/tsc"), "-p", "tsconfig.json"]);
run(process.execPath, [bin("@biomejs/biome/bin/biome"), "check", "."]);
run(process.execPath, [bin("vitest/vitest.mjs"), "run", ...process.argv.slice(2)]);
