/**
 * Steady but slow, the quick rows; HBI_STEADY=long asks for all of them, as `npm run steady` does.
 */
import { testRows } from "../support/row-tests.ts";
import { STEADY } from "./suite.ts";

testRows(STEADY, process.env["HBI_STEADY"] === "long");
