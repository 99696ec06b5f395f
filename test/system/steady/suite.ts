/**
 * Steady but slow: all rows.
 */

import type { Suite } from "../../support/suite.ts";
import { BUSY_ROWS } from "./busy-rows.ts";
import { ENDING_ROWS } from "./ending-rows.ts";
import { STALL_ROWS } from "./stall-rows.ts";
import { STEADY_ROWS } from "./steady-rows.ts";

export const STEADY: Suite = {
  title: "steady but slow",
  rows: [...STEADY_ROWS, ...ENDING_ROWS, ...STALL_ROWS, ...BUSY_ROWS],
  atOnce: 120,
};
