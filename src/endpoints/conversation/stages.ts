/**
 * Stages: the life of a hosted conversation as a table, and what a table is. A missing entry is the error.
 * docs/protocol.md, section 4.
 */
import { failure } from "../../errors.ts";

export type Table<Stage extends string, Event extends string> = {
  readonly [S in Stage]: { readonly [E in Event]?: Stage };
};

/** The hosting side: receives, works while the wire serves others, sends, is closed. */
export type HoStage = "recv" | "work" | "send" | "closed";
export type HoEvent = "received" | "startSend" | "close" | "lost";

export const HO_STAGES: Table<HoStage, HoEvent> = {
  recv: { received: "work", lost: "closed" },
  work: { startSend: "send", close: "closed", lost: "closed" },
  send: { close: "closed", lost: "closed" },
  closed: {},
};

/** @throws HbiError failed_precondition when the table has no such step */
export function nextStage<S extends string, E extends string>(table: Table<S, E>, stage: S, event: E): S {
  const next = table[stage][event];
  if (next === undefined) throw failure("wrong_stage", `${event} in stage ${stage}`);
  return next;
}
