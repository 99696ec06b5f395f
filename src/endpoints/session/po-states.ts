/**
 * The states of a posted conversation in one table. A state tells what this side is doing, and how far the conversation
 * is on the wire. A missing entry is the error. docs/protocol.md, section 4.
 */
import { type Linked, linked, type Table } from "../conversation/stages.ts";

/** What the poster may do: send, receive, or neither. */
export type PoStage = "send" | "recv" | "closed";

/** The stages as an application sees them: `PO_STATES` without the state of the wire. */
export const PO_STAGES: Table<PoStage, "sent" | "close" | "lost"> = {
  send: { sent: "recv", close: "closed", lost: "closed" },
  recv: { close: "closed", lost: "closed" },
  closed: {},
};

/** `unsent`: nothing is on the wire; `begun`: a part is; `early`: a part is, and the host already answers, because it
 *  refuses, or as seed-era hosts do; `sent`: everything is; `answering`: and the answer has begun. */
type Progress = "unsent" | "begun" | "early" | "sent" | "answering";

/** `send`, `recv` and `closed` are the stages; `dropped` is a closed conversation that was cancelled: what is on the
 *  wire is completed, and the answer is read to its end and dropped; `refused`: the answer has ended, before everything
 *  was sent. */
export type PoState =
  | "send.unsent"
  | "send.begun"
  | "send.early"
  | `recv.${Progress}`
  | `closed.${Progress}`
  | `dropped.${Exclude<Progress, "unsent">}`
  | "refused.begun"
  | "over";

/** `sent`: the application has sent everything and receives; `close`: it does neither; `begun`, `written`: the first
 *  and the last packet are on the wire; `answered`, `acknowledged`: the first and the last packet of the answer
 *  arrived; `giveUp`: cancelled by the caller, its deadline or its signal; `lost`: no answer can arrive. */
export type PoEvent = (typeof PO_EVENTS)[number];
export const PO_EVENTS = ["sent", "close", "begun", "written", "answered", "acknowledged", "giveUp", "lost"] as const;

export const PO_STATES: Table<PoState, PoEvent> = {
  "send.unsent": { sent: "recv.unsent", close: "closed.unsent", begun: "send.begun", giveUp: "over", lost: "over" },
  "send.begun": {
    sent: "recv.begun",
    close: "closed.begun",
    answered: "send.early",
    giveUp: "dropped.begun",
    lost: "over",
  },
  "send.early": {
    sent: "recv.early",
    close: "closed.early",
    acknowledged: "refused.begun",
    giveUp: "dropped.early",
    lost: "over",
  },
  "recv.unsent": { close: "closed.unsent", begun: "recv.begun", giveUp: "over", lost: "over" },
  "recv.begun": {
    close: "closed.begun",
    written: "recv.sent",
    answered: "recv.early",
    giveUp: "dropped.begun",
    lost: "over",
  },
  "recv.early": {
    close: "closed.early",
    written: "recv.answering",
    acknowledged: "refused.begun",
    giveUp: "dropped.early",
    lost: "over",
  },
  "recv.sent": { close: "closed.sent", answered: "recv.answering", giveUp: "dropped.sent", lost: "over" },
  "recv.answering": { close: "closed.answering", acknowledged: "over", giveUp: "dropped.answering", lost: "over" },
  "closed.unsent": { begun: "closed.begun", giveUp: "over", lost: "over" },
  "closed.begun": { written: "closed.sent", answered: "closed.early", giveUp: "dropped.begun", lost: "over" },
  "closed.early": {
    written: "closed.answering",
    acknowledged: "refused.begun",
    giveUp: "dropped.early",
    lost: "over",
  },
  "closed.sent": { answered: "closed.answering", giveUp: "dropped.sent", lost: "over" },
  "closed.answering": { acknowledged: "over", giveUp: "dropped.answering", lost: "over" },
  "dropped.begun": { written: "dropped.sent", answered: "dropped.early", lost: "over" },
  "dropped.early": { written: "dropped.answering", acknowledged: "refused.begun", lost: "over" },
  "dropped.sent": { answered: "dropped.answering", lost: "over" },
  "dropped.answering": { acknowledged: "over", lost: "over" },
  "refused.begun": { written: "over", lost: "over" },
  over: {},
};

/** A state with its properties and its successors. */
export interface PoAt extends Linked<PoState, PoEvent, PoStage> {
  readonly isUnsent: boolean;
  /** Whether a part of it, but not its end, is on the wire. */
  readonly isSending: boolean;
  readonly isWritten: boolean;
  /** Whether the host has begun to answer. */
  readonly isAnswering: boolean;
  readonly isGivenUp: boolean;
  readonly isRefused: boolean;
  readonly isOver: boolean;
  readonly next: { readonly [E in PoEvent]: PoAt | undefined };
}

const ROWS = linked(PO_STATES, stageOf);
for (const row of Object.values(ROWS)) Object.assign(row, factsOf(row.state));
const AT = ROWS as Readonly<Record<PoState, PoAt>>; // with the properties

/** The initial states: for content that the application will send, and for content that is available as a whole. */
export const SENDING_PO = AT["send.unsent"];
export const WHOLE_PO = AT["recv.unsent"];

function stageOf(state: PoState): PoStage {
  if (state.startsWith("send.")) return "send";
  return state.startsWith("recv.") ? "recv" : "closed";
}

function factsOf(state: PoState): Omit<PoAt, "state" | "stage" | "next"> {
  const progress = state.slice(state.indexOf(".") + 1);
  return {
    isUnsent: progress === "unsent",
    isSending: progress === "begun" || progress === "early",
    isWritten: progress === "sent" || progress === "answering",
    isAnswering: progress === "early" || progress === "answering",
    isGivenUp: state.startsWith("dropped."),
    isRefused: state === "refused.begun",
    isOver: state === "over",
  };
}
