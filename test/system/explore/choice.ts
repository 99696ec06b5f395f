/**
 * Choice: an event that can happen next. The explorer takes each of them in turn.
 */
import type { Side } from "./world.ts";

export interface Choice {
  /** "client: call work(1)" */
  readonly label: string;
  /** the sides that it affects: events of different sides commute */
  readonly sides: readonly Side[];
  readonly run: () => void;
}
