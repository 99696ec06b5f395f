/**
 * The states of a conversation as a table, linked so that a step is cheap. A missing entry is the error.
 * docs/protocol.md, section 4.
 */
import { failure, type HbiError } from "../../errors.ts";

export type Table<Stage extends string, Event extends string> = {
  readonly [S in Stage]: { readonly [E in Event]?: Stage };
};

/** A state with its stage and its successors. A step is one load, where the table would need two lookups by name. */
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
  return rows as Readonly<Record<State, Linked<State, Event, Stage>>>; // the loop above has filled in a row for each state
}

/** @throws HbiError failed_precondition if the table has no such step */
export function step<State extends string, Event extends string, Stage extends string>(
  from: Linked<State, Event, Stage>,
  event: Event,
): Linked<State, Event, Stage> {
  const next = from.next[event];
  if (next === undefined) throw noStep(from.state, event);
  return next;
}

/** The table has no such step. */
export function noStep(state: string, event: string): HbiError {
  return failure("wrong_stage", `${event} in state ${state}`);
}
