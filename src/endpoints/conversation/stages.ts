/**
 * Stages: the life of a conversation on either side, as tables. A missing entry is the error.
 * docs/protocol.md, section 4.
 */
import { failure } from "../../errors.ts";

export type Table<Stage extends string, Event extends string> = {
  readonly [S in Stage]: { readonly [E in Event]?: Stage };
};

/** The posting side: sends, then receives the answer, then is closed. */
export type PoStage = "send" | "recv" | "closed";
export type PoEvent = "sent" | "close" | "lost";

export const PO_STAGES: Table<PoStage, PoEvent> = {
  send: { sent: "recv", close: "closed", lost: "closed" },
  recv: { close: "closed", lost: "closed" },
  closed: {},
};

/** @throws HbiError failed_precondition when the table has no such step */
export function nextStage<S extends string, E extends string>(table: Table<S, E>, stage: S, event: E): S {
  const next = table[stage][event];
  if (next === undefined) throw failure("wrong_stage", `${event} in stage ${stage}`);
  return next;
}

/** A state of a table with its stage, and the states that follow: a step is one load, where the table takes two look-ups by text. */
export interface Linked<State extends string, Event extends string, Stage extends string> {
  readonly state: State;
  readonly stage: Stage;
  readonly next: { readonly [E in Event]: Linked<State, Event, Stage> | undefined };
}

export function linked<State extends string, Event extends string, Stage extends string>(
  table: Table<State, Event>,
  stageOf: (state: State) => Stage,
): Readonly<Record<State, Linked<State, Event, Stage>>> {
  const states = Object.keys(table) as State[]; // the keys of its type
  const none = Object.fromEntries(
    states.flatMap((state) => Object.keys(table[state]).map((event) => [event, undefined])),
  );
  const rows = Object.fromEntries(states.map((state) => [state, { state, stage: stageOf(state), next: { ...none } }]));
  for (const state of states) {
    for (const [event, to] of Object.entries(table[state]))
      Object.assign(rows[state]?.next ?? {}, { [event]: rows[to as State] });
  }
  return rows as Readonly<Record<State, Linked<State, Event, Stage>>>; // a row for each state, filled in above
}

/** @throws HbiError failed_precondition when the table has no such step */
export function step<State extends string, Event extends string, Stage extends string>(
  from: Linked<State, Event, Stage>,
  event: Event,
): Linked<State, Event, Stage> {
  const next = from.next[event];
  if (next === undefined) throw failure("wrong_stage", `${event} in state ${from.state}`);
  return next;
}
