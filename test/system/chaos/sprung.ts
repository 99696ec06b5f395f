/**
 * Sprung: a fault of the plan that has happened, and the call in whose middle it did.
 */
import type { Fault } from "./plan.ts";

export interface Sprung {
  readonly id: string;
  readonly fault: Fault;
}
