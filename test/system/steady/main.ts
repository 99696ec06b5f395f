/**
 * npm run steady [-- quick | PATTERN]: slow lines, lines that stall, busy servers; some minutes. Exits with 1 when a
 * row fails.
 */
import { runSuite } from "../../support/suite.ts";
import { STEADY } from "./suite.ts";

process.exit(await runSuite(STEADY, process.argv.slice(2)));
