/**
 * Call-backs, drains and restarts under load, the quick rows; `npm run load` runs all of them.
 */
import { testRows } from "../../support/row-tests.ts";
import { LOAD } from "./suite.ts";

testRows(LOAD);
