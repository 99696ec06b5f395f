/**
 * No peer is blamed for time in which this side was blocked: every deadline that ends a connection because the peer is
 * late is extended by that time. And the clock that measures it.
 */
import { type Connection, HostingEnv, type LimitOptions, method, ServiceHost, systemClock } from "hbi";
import { hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { afterHearing } from "../../../src/clock.ts";
import { failure } from "../../../src/errors.ts";
import { barePeer } from "../../support/pair.ts";
import { guarded } from "../../system/steady/busy-service.ts";

const n = z.int().min(0);

function exposed(): HostingEnv {
  return new HostingEnv().expose("take", method({ params: { n }, body: ({ n }) => n }), async ({ n }, co) => {
    await co.recvData(new Uint8Array(n));
  });
}

/** What the peer is late with, and since when; whether it is over. */
type Late = (clock: ManualClock) => Promise<() => boolean>;

const says =
  (said: string, limits: LimitOptions = {}): Late =>
  async (clock) => {
    const peer = await barePeer(exposed(), { clock, limits });
    await peer.say(said);
    return () => !peer.connection.isOpen;
  };

const closes =
  (close: (connection: Connection) => unknown, over: "hasEnded" | "isClosed"): Late =>
  async (clock) => {
    const peer = await barePeer(exposed(), { clock });
    close(peer.connection);
    await quiet();
    return () => peer[over];
  };

const showsNoCredentials: Late = async (clock) => {
  const { transport, peer } = hostileTransport();
  const options = { clock, log: () => undefined, authenticate: () => true };
  const handlers = { twice: () => 0, take: () => 0, put: () => "", get: () => Promise.reject(), ask: () => 0 };
  const host = new ServiceHost(guarded, () => handlers, options);
  host.accept(transport).catch(() => undefined); // it never authenticates
  await quiet();
  return () => peer.hasEnded;
};

/** The only place that a call of ours has is taken by one that was given up. */
const answersNothingGivenUp: Late = async (clock) => {
  const limits = { maxPostedInFlight: 1, keepaliveMs: Number.POSITIVE_INFINITY };
  const peer = await barePeer(exposed(), { clock, limits });
  const call = { name: "call", code: "call()", results: [], wantsResults: false, timeoutMs: 1 };
  const { promise } = peer.connection.posting.call(call);
  promise.catch(() => undefined); // it is given up
  await clock.advance(1);
  return () => !peer.connection.isOpen;
};

const CASES: readonly (readonly [string, number, Late])[] = [
  ["the rest of a header", 5_000, says("[1")],
  ["the rest of a payload", 11_000, says(`${packet("co_begin", "101")}[100#]not`)],
  ["the next packet of a conversation", 30_000, says(packet("co_begin", "101"))],
  [
    "raw data",
    10_000,
    says(`${packet("co_begin", "101") + packet("", "take(10)")}12345`, { gapTimeoutMs: Number.POSITIVE_INFINITY }),
  ],
  ["its credentials", 10_000, showsNoCredentials],
  ["the answer to what was given up", 90_000, answersNothingGivenUp],
  ["its FIN", 5_000, closes((connection) => connection.disconnect(), "isClosed")],
  ["its FIN after an error", 1_000, closes((connection) => connection.cut(failure("bad_frame")), "isClosed")],
  ["saying whether it speaks the extension", 1_000, closes((connection) => connection.drain(), "hasEnded")],
];

describe("late with", () => {
  it.each(CASES)("%s after %i ms, and as much later as this side was held up", async (_, ms, late) => {
    for (const heldUp of [0, 700]) {
      const clock = new ManualClock();
      const isOver = await late(clock);
      clock.holdUp(heldUp);
      await clock.advance(ms + heldUp - 1);
      expect(isOver()).toBe(false);
      await clock.advance(1);
      expect(isOver()).toBe(true);
    }
  });
});

/** Where in a turn of the event loop it is held up. */
const PLACES: readonly (readonly [string, (block: () => void) => unknown])[] = [
  // These wait for nothing: they say where in the event loop it is held up.
  ["a timer", (block) => setTimeout(block, 30)],
  ["a promise", (block) => setTimeout(() => void Promise.resolve().then(block), 30)],
  // The clock's own timer comes behind this one, and looks for the last time behind what this one does.
  ["the turn in which a deadline passes", (block) => setTimeout(() => setImmediate(block), 20)],
];

it.each(PLACES)("the clock of the system knows how long the event loop was held up: by %s", async (_, holdUp) => {
  const DEADLINE_MS = 60;
  const BUSY_MS = 300;
  const TICK_MS = 20;
  const startMs = systemClock.now();
  let isHeldUp = false;
  const heard = new Promise<void>((resolve) => {
    holdUp(() => {
      isHeldUp = true;
      for (const untilMs = systemClock.now() + BUSY_MS; systemClock.now() < untilMs; );
    });
    afterHearing(systemClock, DEADLINE_MS, resolve);
  });
  await heard;
  expect(isHeldUp).toBe(true);
  expect(systemClock.now() - startMs).toBeGreaterThanOrEqual(DEADLINE_MS + BUSY_MS - TICK_MS);
});
