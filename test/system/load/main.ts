/**
 * npm run load [-- quick | PATTERN]: call-backs at every limit, drains and restarts under load. Exits with 1 when a row
 * fails.
 */
import { runSuite } from "../../support/suite.ts";
import { LOAD } from "./suite.ts";

process.exit(await runSuite(LOAD, process.argv.slice(2)));
