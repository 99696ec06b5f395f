import { HO_STAGES } from "hbi";
import { describe, expect, it } from "vitest";
import { HO_START, HO_STATES, type HoEvent } from "../../../src/endpoints/session/ho-states.ts";
import { itWalksEveryPair, reachedFrom } from "../../support/states.ts";

const EVENTS: readonly HoEvent[] = ["queue", "run", "end", "received", "startSend", "close", "written", "fail", "lost"];

/** The state that follows, for each event that is not refused. */
const STEPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "recv.idle": {
    queue: "recv.queued",
    run: "recv.running",
    received: "work.ended",
    startSend: "recv.idle",
    fail: "recv.failed",
    lost: "closed.unwritten",
  },
  "recv.queued": { run: "recv.running", received: "work.queued", fail: "recv.failed", lost: "closed.unwritten" },
  "recv.running": {
    end: "recv.idle",
    received: "work.running",
    startSend: "recv.running",
    fail: "recv.failedRunning",
    lost: "closed.unwrittenRunning",
  },
  "recv.failed": { received: "work.ended", close: "closed.told", lost: "closed.unwritten" },
  "recv.failedRunning": {
    end: "recv.failed",
    received: "work.running",
    close: "closed.toldRunning",
    lost: "closed.unwrittenRunning",
  },
  "work.queued": { run: "work.running", fail: "work.ended", lost: "closed.unwritten" },
  "work.running": {
    end: "work.ended",
    startSend: "send.running",
    close: "closed.unwrittenRunning",
    fail: "work.running",
    lost: "closed.unwrittenRunning",
  },
  "work.ended": { close: "closed.unwritten", fail: "work.ended", lost: "closed.unwritten" },
  "send.running": {
    end: "send.ended",
    startSend: "send.running",
    close: "closed.unwrittenRunning",
    fail: "send.running",
    lost: "closed.unwrittenRunning",
  },
  "send.ended": { close: "closed.unwritten", fail: "send.ended", lost: "closed.unwritten" },
  "closed.unwrittenRunning": {
    end: "closed.unwritten",
    written: "closed.writtenRunning",
    lost: "closed.unwrittenRunning",
  },
  "closed.writtenRunning": { end: "over", lost: "closed.writtenRunning" },
  "closed.unwritten": { written: "over", lost: "closed.unwritten" },
  "closed.told": { received: "closed.unwritten", written: "closed.toldWritten", lost: "closed.unwritten" },
  "closed.toldRunning": {
    end: "closed.told",
    received: "closed.unwrittenRunning",
    written: "closed.toldWrittenRunning",
    lost: "closed.unwrittenRunning",
  },
  "closed.toldWritten": { received: "over", lost: "over" },
  "closed.toldWrittenRunning": {
    end: "closed.toldWritten",
    received: "closed.writtenRunning",
    lost: "closed.writtenRunning",
  },
  over: {},
};

const REACHED = reachedFrom([HO_START]);

describe("the states of a hosted conversation", () => {
  itWalksEveryPair(REACHED, HO_STATES, EVENTS, STEPS);

  it("pass from stage to stage as HO_STAGES says, and by no other step", () => {
    const changes = new Set<string>();
    for (const at of REACHED.values()) {
      for (const event of EVENTS) {
        const next = at.next[event];
        if (next !== undefined && next.stage !== at.stage) changes.add(`${at.stage} ${event} ${next.stage}`);
      }
    }
    const stages = Object.entries(HO_STAGES).flatMap(([stage, steps]) =>
      Object.entries(steps).map(([event, next]) => `${stage} ${event} ${next}`),
    );
    expect([...changes].sort()).toEqual(stages.sort());
  });
});
