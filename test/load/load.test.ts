/**
 * Call-backs, drains and restarts under load, the quick rows; HBI_LOAD=long asks for all of them, as `npm run load` does.
 */
import { testRows } from "../support/row-tests.ts";
import { LOAD } from "./suite.ts";

testRows(LOAD, process.env["HBI_LOAD"] === "long");
