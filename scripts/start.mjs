// npm start: installs what is missing, builds, and runs the jobs example end to end on this repository's own files.
import { buildPrograms, install, program, root, run } from "./setup.mjs";

install();
buildPrograms();
run(process.execPath, ["--enable-source-maps", program("examples/jobs/main.ts"), root, ...process.argv.slice(2)]);
