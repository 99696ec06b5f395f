/**
 * The states of a hosted conversation: what it reads, whether its handler is at work, what has become of its answer.
 * A missing entry is the error. docs/protocol.md, "the host".
 */
import type { HoStage, Table } from "./stages.ts";

export type HostedState =
  /** reads, and no script of it runs */
  | "idle"
  /** reads, and its script waits for a place */
  | "queued"
  /** reads, and its script runs */
  | "running"
  /** has failed: reads to its end, and lands nothing */
  | "skipping"
  /** the same, and a handler has not ended yet */
  | "skippingRunning"
  /** all of it is read, and its script waits for a place */
  | "readQueued"
  /** all of it is read, and its script runs */
  | "readRunning"
  /** the same, and the handler has asked for the send turn */
  | "sending"
  /** all of it is read, and its script has ended */
  | "ended"
  /** the answer is complete and not written, or the connection is lost; a handler has not ended yet */
  | "answeringRunning"
  /** the answer is written or will never be; a handler has not ended yet */
  | "answeredRunning"
  /** the answer is complete and not written; no handler is at work */
  | "answering"
  | "closed";

export type HostedEvent =
  /** its script is kept until there is a place */
  | "queue"
  /** its script runs */
  | "run"
  /** its script has ended, or the handler of a script that was given up */
  | "end"
  /** co_end has come */
  | "received"
  /** the handler sends as it goes on */
  | "startSend"
  /** nothing is added to the answer any more */
  | "complete"
  /** the last packet of the answer is written, or will never be */
  | "written"
  /** the conversation has failed, and the peer is told */
  | "fail"
  /** the connection is lost */
  | "lose";

export const HOSTED_STATES: Table<HostedState, HostedEvent> = {
  // a poster of the seed era is answered before co_end: startSend changes nothing there
  idle: { queue: "queued", run: "running", received: "ended", startSend: "idle", fail: "skipping", lose: "answering" },
  queued: { run: "running", received: "readQueued", fail: "skipping", lose: "answering" },
  running: {
    end: "idle",
    received: "readRunning",
    startSend: "running",
    fail: "skippingRunning",
    lose: "answeringRunning",
  },
  skipping: { received: "ended", lose: "answering" },
  skippingRunning: { end: "skipping", received: "readRunning", lose: "answeringRunning" },
  readQueued: { run: "readRunning", fail: "ended", lose: "answering" },
  readRunning: {
    end: "ended",
    startSend: "sending",
    complete: "answeringRunning",
    fail: "readRunning",
    lose: "answeringRunning",
  },
  sending: {
    end: "ended",
    startSend: "sending",
    complete: "answeringRunning",
    fail: "sending",
    lose: "answeringRunning",
  },
  ended: { complete: "answering", fail: "ended", lose: "answering" },
  answeringRunning: { end: "answering", written: "answeredRunning", lose: "answeringRunning" },
  answeredRunning: { end: "closed", lose: "answeredRunning" },
  answering: { written: "closed", lose: "answering" },
  closed: {},
};

/** What a handler sees of it, as `co.stage`. */
export const STAGE_OF: Readonly<Record<HostedState, HoStage>> = {
  idle: "recv",
  queued: "recv",
  running: "recv",
  skipping: "recv",
  skippingRunning: "recv",
  readQueued: "work",
  readRunning: "work",
  ended: "work",
  sending: "send",
  answeringRunning: "closed",
  answeredRunning: "closed",
  answering: "closed",
  closed: "closed",
};
