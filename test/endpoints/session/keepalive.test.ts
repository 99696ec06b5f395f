/**
 * Keepalive: a peer that says nothing is asked, is dropped when nothing comes, and is not blamed for what this side has not read, has
 * not sent, or could not look at. docs/services.md, "a peer that is gone".
 */
import { type ConnectionOptions, HostingEnv, method } from "hbi";
import { answer, conversation, ManualClock, packet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type BarePeer, barePeer } from "../../support/pair.ts";

const SILENCE_MS = 30_000;
const ANSWER_MS = 20_000;
/** What the question may need to get there, over the slowest line that is allowed. */
const TRANSIT_MS = 10;
const INTRODUCTION = packet("co_begin", "100;x;n") + packet("co_end", "100;x;n");

interface Asked {
  readonly clock: ManualClock;
  readonly peer: BarePeer;
  /** how often the peer was asked since the last look */
  readonly questions: () => number;
}

/** @param introduction what the peer says first */
async function start(introduction = INTRODUCTION, options: ConnectionOptions = {}): Promise<Asked> {
  const clock = new ManualClock();
  const env = new HostingEnv();
  env.expose("wait", method({ params: {} }), () => new Promise(() => undefined));
  env.expose("take", method({ params: { n: z.int() }, body: ({ n }) => n }), () => new Promise(() => undefined));
  const peer = await barePeer(env, { clock, ...options });
  await peer.say(introduction);
  const questions = () => (peer.heard().match(/\$hbi\.ping\(\)/g) ?? []).length;
  questions();
  return { clock, peer, questions };
}

const isOpen = ({ peer }: Asked): boolean => peer.connection.isOpen;

it("pings after keepaliveMs of silence, drops the peer after keepaliveTimeoutMs, and logs it", async () => {
  const told: string[] = [];
  const it = await start(INTRODUCTION, { log: ({ error }) => void told.push(`${error.reason}: ${error.message}`) });
  await it.clock.advance(SILENCE_MS - 1);
  expect(it.questions()).toBe(0);
  await it.clock.advance(1);
  expect(it.questions()).toBe(1);
  await it.clock.advance(ANSWER_MS - 1);
  expect(isOpen(it)).toBe(true);
  await it.clock.advance(1 + TRANSIT_MS);
  expect([isOpen(it), it.peer.isClosed, it.questions()]).toEqual([false, true, 0]);
  expect(told).toEqual(["unresponsive: the peer does not answer: no data for 50 s"]);
  expect(it.clock.timerCount).toBe(0);
});

const HEARD: readonly (readonly [string, (id: string) => string | Uint8Array])[] = [
  ["its answer", (id) => answer(id, packet("co_recv", "null"))],
  ["a call", () => conversation("101;x;n", "wait()")],
  ["one byte of a packet", () => "["],
];

describe("a silence", () => {
  it.each(HEARD)("ends with %s, and begins anew", async (_, words) => {
    const it = await start(INTRODUCTION, { limits: { headerTimeoutMs: 3_600_000 } });
    await it.clock.advance(SILENCE_MS + ANSWER_MS - 1);
    const id = /#co_begin\](\d+)[^[]*\[\d+#\]\$hbi\.ping/.exec(it.peer.heard())?.[1] ?? "";
    await it.peer.say(words(id));
    await it.clock.advance(SILENCE_MS - 1);
    expect([isOpen(it), it.questions()]).toEqual([true, 0]);
    await it.clock.advance(1);
    expect([isOpen(it), it.questions()]).toEqual([true, 1]);
  });
});

it("asks no more than once in a silence, however long it is talked to in between", async () => {
  const it = await start();
  for (let i = 0; i < 100; i++) {
    await it.clock.advance(SILENCE_MS - 1);
    await it.peer.say(conversation(`${101 + i};x;n`, ""));
  }
  expect([isOpen(it), it.questions()]).toEqual([true, 0]);
});

const NOT_ASKED: readonly (readonly [string, string, ConnectionOptions])[] = [
  ["a peer that has not said whether it speaks the extension", "", {}],
  ["a peer that speaks the reference's protocol alone", conversation("101", ""), {}],
  ["anybody, where the extension is off", INTRODUCTION, { extension: false }],
  ["anybody, where keepaliveMs is Infinity", INTRODUCTION, { limits: { keepaliveMs: Number.POSITIVE_INFINITY } }],
];

it.each(NOT_ASKED)("does not ask %s", async (_, introduction, options) => {
  const it = await start(introduction, options);
  await it.clock.advance(3_600_000);
  expect([isOpen(it), it.questions()]).toEqual([true, 0]);
});

describe("no peer is blamed", () => {
  it("for what this side does not read", async () => {
    const it = await start();
    // Its handler asks for none of it, and more stands behind it than is taken.
    const body = packet("co_begin", "101;x;b=900000") + packet("", "take(900000)");
    await it.peer.say(body, new Uint8Array(400_000));
    await it.clock.advance(SILENCE_MS + ANSWER_MS + TRANSIT_MS);
    expect(isOpen(it)).toBe(true);
  });

  it.each([0, 700, 40_000])("for the %i ms in which this side could not look", async (heldUpMs) => {
    const it = await start();
    it.clock.holdUp(heldUpMs);
    await it.clock.advance(SILENCE_MS + heldUpMs - 1);
    expect(it.questions()).toBe(0);
    await it.clock.advance(1);
    expect(it.questions()).toBe(1);
    it.clock.holdUp(heldUpMs);
    await it.clock.advance(ANSWER_MS + heldUpMs - 1);
    expect(isOpen(it)).toBe(true);
    await it.clock.advance(1 + TRANSIT_MS);
    expect(isOpen(it)).toBe(false);
  });
});

describe("who takes for long what the peer sends shows that it lives", () => {
  it("once in half of the time, unless it sends something else", async () => {
    const it = await start(INTRODUCTION, { limits: { handlerTimeoutMs: 600_000 } }); // it sends nothing of its own accord
    await it.peer.say(packet("co_begin", "101;x;b=900000") + packet("", "take(900000)"), new Uint8Array(400_000));
    for (let half = 1; half <= 4; half++) {
      await it.clock.advance(SILENCE_MS / 2);
      const told = await it.peer.say(new Uint8Array(1)); // it arrives slowly
      const isTold = half > 1; // before that it has sent its hello
      expect([half, isOpen(it), told.includes("$hbi.ping()")]).toEqual([half, true, isTold]);
    }
  });

  it("not where nothing is taken", async () => {
    const it = await start();
    for (let half = 1; half <= 4; half++) {
      await it.peer.say(conversation(`${100 + half};x;n`, ""));
      it.peer.heard();
      await it.clock.advance(SILENCE_MS / 2);
      expect([half, isOpen(it), it.questions()]).toEqual([half, true, 0]);
    }
  });
});
