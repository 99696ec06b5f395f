/**
 * Call-backs, drains and restarts under load: all rows. Call-backs come one after the other, since they share what the
 * process allows.
 */
import type { Suite } from "../../support/suite.ts";
import { CALLBACK_ROWS } from "./callbacks.ts";
import { RESTART_ROWS } from "./restarts.ts";

export const LOAD: Suite = {
  title: "load",
  rows: [...RESTART_ROWS, ...CALLBACK_ROWS],
  atOnce: 4,
};
