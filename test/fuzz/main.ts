/**
 * npm run fuzz -- [TARGET] [RUNS]: the properties of the tests, for as long as one likes.
 */
import { fuzzParser } from "./parser.ts";

const [target = "parser", runs = "200000"] = process.argv.slice(2);
if (target !== "parser" || !/^\d+$/.test(runs)) {
  console.error("usage: npm run fuzz -- parser [RUNS]");
  process.exit(2);
}
const { runs: done, accepted, found } = fuzzParser(Number(runs), (count) => console.log(`  ${count} of ${runs}`));
if (found !== undefined) {
  console.error(`${target}: the two paths differ for ${JSON.stringify(found)}`);
  process.exit(1);
}
console.log(`${target}: ${done} scripts, ${accepted} accepted, ${done - accepted} refused, 0 differences`);
