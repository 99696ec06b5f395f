/**
 * npm run fuzz -- [TARGET] [RUNS]: the properties of the tests, for as long as one likes.
 */
import { fuzzParser } from "./parser.ts";
import type { Target } from "./target.ts";

const TARGETS: ReadonlyMap<string, Target> = new Map([["parser", fuzzParser]]);

const [name = "parser", runs = "200000"] = process.argv.slice(2);
const target = TARGETS.get(name);
if (target === undefined || !/^[1-9]\d*$/.test(runs)) {
  console.error(`usage: npm run fuzz -- [${[...TARGETS.keys()].join("|")}] [RUNS]`);
  process.exit(2);
}
const { runs: done, accepted, found } = target(Number(runs), (count) => console.log(`  ${count} of ${runs}`));
if (found !== undefined) {
  console.error(`${name}: a difference for ${JSON.stringify(found)}`);
  process.exit(1);
}
console.log(`${name}: ${done} scripts, ${accepted} accepted, ${done - accepted} refused, 0 differences`);
