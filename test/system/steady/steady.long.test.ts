/**
 * Steady but slow, the quick rows; `npm run steady` runs all of them.
 */
import { testRows } from "../../support/row-tests.ts";
import { STEADY } from "./suite.ts";

testRows(STEADY);
