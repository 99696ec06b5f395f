/**
 * Rows that fail, and what is seen. A row that is mended loses its line here; in the end none is left.
 */
import type { KnownToFail } from "../support/suite.ts";

export const KNOWN_TO_FAIL: KnownToFail = {};
