/**
 * Rows that fail, by suite, and what is seen. A row that is mended loses its line here; in the end none is left.
 */
import type { KnownToFail } from "./suite.ts";

export const KNOWN_TO_FAIL: Readonly<Record<"steady" | "load", KnownToFail>> = {
  steady: {},
  load: {},
};
