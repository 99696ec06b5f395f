import { PO_STAGES } from "hbi";
import { describe, expect, it } from "vitest";
import { PO_EVENTS, PO_STATES, SENDING_PO, WHOLE_PO } from "../../../src/endpoints/session/po-states.ts";
import { itWalksEveryPair, reachedFrom } from "../../support/states.ts";

/** The state that follows, for each event of `PO_EVENTS` that is not refused. */
const STEPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
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

const REACHED = reachedFrom([SENDING_PO, WHOLE_PO]);

describe("the states of a posted conversation", () => {
  itWalksEveryPair(REACHED, PO_STATES, PO_EVENTS, STEPS);

  it("pass from stage to stage as PO_STAGES says, given up or acknowledged as closed, and by no other step", () => {
    const changes = new Set<string>();
    for (const at of REACHED.values()) {
      for (const event of PO_EVENTS) {
        const next = at.next[event];
        const isEnd = event === "giveUp" || event === "acknowledged";
        if (next !== undefined && next.stage !== at.stage)
          changes.add(`${at.stage} ${isEnd ? "close" : event} ${next.stage}`);
      }
    }
    const stages = Object.entries(PO_STAGES).flatMap(([stage, steps]) =>
      Object.entries(steps).map(([event, next]) => `${stage} ${event} ${next}`),
    );
    expect([...changes].sort()).toEqual(stages.sort());
  });

  it.each([...REACHED.values()].map((at) => [at.state, at] as const))("%s is what its name says", (state, at) => {
    const [who = "", progress = ""] = state.split(".");
    expect(at).toMatchObject({
      stage: who === "send" || who === "recv" ? who : "closed",
      isUnsent: progress === "unsent",
      isSending: ["begun", "early"].includes(progress),
      isWritten: ["sent", "answering"].includes(progress),
      isAnswering: ["early", "answering"].includes(progress),
      isGivenUp: who === "dropped",
      isRefused: who === "refused",
      isOver: state === "over",
    });
  });
});
