/**
 * npm run bench -- stream: raw data from one process to another, with the memory of both.
 */
import { stream } from "./stream.ts";

const BENCHES: Readonly<Record<string, () => Promise<boolean>>> = { stream };

const name = process.argv[2] ?? "";
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (bench === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(BENCHES).join("|")}`);
  process.exit(2);
}
process.exit((await bench()) ? 0 : 1);
