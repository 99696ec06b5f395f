// npm run mutate -- FOLDER: how many changes of src/FOLDER its tests notice. mutate/README.md
import { install, installIn, root, run } from "./setup.mjs";

const mutate = `${root}mutate/`;

install();
installIn(mutate, "Installing the mutators (once)...");
run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", `${mutate}tsconfig.json`]);
run(process.execPath, [`${mutate}.cache/main.js`, ...process.argv.slice(2)]);
