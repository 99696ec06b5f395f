// Builds, then runs one program: node scripts/run.mjs bench/main.ts stream
import { buildPrograms, install, program, run } from "./setup.mjs";

const [path, ...args] = process.argv.slice(2);
if (path === undefined) {
  console.error("usage: node scripts/run.mjs PROGRAM.ts [ARGUMENT ...]");
  process.exit(2);
}
install();
buildPrograms();
run(process.execPath, ["--enable-source-maps", program(path), ...args]);
