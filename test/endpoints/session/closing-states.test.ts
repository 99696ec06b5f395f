/**
 * The states of a connection: every (state, event) pair, as a connection shows it.
 */
import { Connection, HostingEnv, memoryTransportPair, method } from "hbi";
import { conversation, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { CONNECTION_EVENTS, CONNECTION_STATES, type ConnectionEvent } from "../../../src/endpoints/session/closing.ts";

/** What each event leads to; where nothing stands, it changes nothing. */
const LEADS: typeof CONNECTION_STATES = {
  starting: { started: "open", peerEnds: "startingHalf", end: "closing", part: "parting", closes: "closed" },
  startingHalf: { started: "openHalf", end: "closing", part: "parting", closes: "closed" },
  open: { peerEnds: "openHalf", end: "closing", part: "parting", closes: "closed" },
  openHalf: { end: "closing", part: "parting", closes: "closed" },
  closing: { part: "parting", closes: "closed" },
  parting: { closes: "closed" },
  closed: {},
};

/** The ways into each state, as events from the start. */
const WAYS: Readonly<Record<keyof typeof CONNECTION_STATES, readonly ConnectionEvent[]>> = {
  starting: [],
  startingHalf: ["peerEnds"],
  open: ["started"],
  openHalf: ["started", "peerEnds"],
  closing: ["started", "end"],
  parting: ["started", "part"],
  closed: ["started", "closes"],
};

const OPEN: readonly string[] = ["starting", "startingHalf", "open", "openHalf"];

/** A connection to which each event can be made to happen. Its peer reads nothing, so that FIN is not answered.
 *  @param isWorking a handler is at work, so that the end of the peer is not the end of all */
function connected(isWorking: boolean) {
  const [near, far] = memoryTransportPair();
  let init: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    init = resolve;
  });
  const env = new HostingEnv().expose("hold", method({ params: {} }), () => new Promise(() => undefined));
  env.onInit(() => started);
  const lost: unknown[] = [];
  const options = { extension: false, log: () => undefined, onLost: (reason: unknown) => lost.push(reason) };
  const connection = new Connection(near, () => env, options);
  connection.start().catch(() => undefined);
  far.start({ onData: () => undefined, onDrain: () => undefined, onEnd: () => undefined, onClose: () => undefined });
  if (isWorking) far.write(conversation("101", "hold()"));
  far.pause();
  const happen: Record<ConnectionEvent, () => unknown> = {
    started: init,
    peerEnds: () => far.end(),
    end: () => connection.disconnect(),
    part: () => connection.drain(),
    closes: () => far.destroy(),
  };
  return { connection, happen, lost };
}

describe.each(Object.keys(WAYS) as (keyof typeof WAYS)[])("a connection that is %s", (state) => {
  it.each(CONNECTION_EVENTS)("%s", async (event) => {
    const steps = [...WAYS[state], event];
    const { connection, happen, lost } = connected(steps.includes("peerEnds") && state !== "parting");
    await quiet();
    for (const step of steps) {
      happen[step]();
      await quiet();
    }
    // With a handler at work, a drain has yet to part.
    const isWaiting = state === "openHalf" && event === "part";
    const next = isWaiting ? state : (LEADS[state][event] ?? state);
    expect(connection.isOpen).toBe(OPEN.includes(next));
    expect(lost.length).toBe(OPEN.includes(next) && next !== "openHalf" ? 0 : 1);
    const isOver = await Promise.race([connection.closed.then(() => true), quiet().then(() => false)]);
    expect(isOver).toBe(next === "closed");
  });
});

it("the table says the same", () => expect(CONNECTION_STATES).toEqual(LEADS));
