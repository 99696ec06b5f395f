/**
 * The states of a hosted conversation in one table. A state tells what is still to be read, whether a script waits or
 * runs, and what has become of the answer. A missing entry is the error. docs/protocol.md, section 4.
 */
import { linked, type Table } from "../conversation/stages.ts";

/** The host's stages: receives, works while the wire serves others, sends, is closed. */
export type HoStage = "recv" | "work" | "send" | "closed";

/** The stages as an application sees them: `HO_STATES` without their details. */
export const HO_STAGES: Table<HoStage, "received" | "startSend" | "close" | "lost"> = {
  recv: { received: "work", close: "closed", lost: "closed" },
  work: { startSend: "send", close: "closed", lost: "closed" },
  send: { close: "closed", lost: "closed" },
  closed: {},
};

/** After the stage: `idle`: no script runs; `queued`: the script waits for a slot; `running`: it runs; `failed`:
 *  nothing more is landed, and what arrives is skipped; `ended`: the script is done, and the answer is not closed;
 *  `unwritten` and `written`: the closed answer; `told`: the same before everything has arrived, because it was refused:
 *  the rest is skipped; `over`: no handler is running either. */
export type HoState =
  | "recv.idle"
  | "recv.queued"
  | "recv.running"
  | "recv.failed"
  | "recv.failedRunning"
  | "work.queued"
  | "work.running"
  | "work.ended"
  | "send.running"
  | "send.ended"
  | "closed.unwrittenRunning"
  | "closed.writtenRunning"
  | "closed.unwritten"
  | "closed.told"
  | "closed.toldRunning"
  | "closed.toldWritten"
  | "closed.toldWrittenRunning"
  | "over";

/** `queue`: the script waits for a slot; `run`: it runs; `end`: its handlers have ended, wanted or not; `received`:
 *  co_end arrived; `startSend`: data goes out at once; `close`: nothing more is added to the answer; `written`: its
 *  last packet is on the wire, or never will be; `fail`: nothing more is landed, and the peer is told; `lost`: the
 *  connection is lost. */
export type HoEvent = "queue" | "run" | "end" | "received" | "startSend" | "close" | "written" | "fail" | "lost";

export const HO_STATES: Table<HoState, HoEvent> = {
  "recv.idle": {
    queue: "recv.queued",
    run: "recv.running",
    received: "work.ended",
    startSend: "recv.idle", // seed-era posters are answered before co_end
    fail: "recv.failed",
    lost: "closed.unwritten",
  },
  "recv.queued": { run: "recv.running", received: "work.queued", fail: "recv.failed", lost: "closed.unwritten" },
  "recv.running": {
    end: "recv.idle",
    received: "work.running",
    startSend: "recv.running", // likewise
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

/** The initial state. */
export const HO_START = linked<HoState, HoEvent, HoStage>(
  HO_STATES,
  (state) => (state === "over" ? "closed" : state.split(".")[0]) as HoStage, // names begin with the stage
)["recv.idle"];
