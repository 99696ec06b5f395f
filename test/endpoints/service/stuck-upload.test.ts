/**
 * An upload that is given up half-way, of a source that gives no more, without lanes: its host waits for every byte that was promised, and everything that
 * this side sends waits behind it. At default limits it is ended early and with a reason, and what nobody has seen goes to the next connection.
 * If its deadline has passed, its host knows as well and refuses it, so that the connection lives.
 */
import type { HbiError } from "hbi";
import { ManualClock, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { handlersOf, kinds, Reactions, Work } from "./fixture.ts";

const STALLED_MS = 1_000;
const RECONNECT = { initialDelayMs: 100, maxDelayMs: 1_000, jitter: 0 };

/** Half of what is promised, and then nothing. */
async function* half(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(50_000);
  await new Promise(() => undefined);
}

async function start(reconnect: typeof RECONNECT | undefined) {
  const clock = new ManualClock();
  const test = await testLink(kinds, handlersOf(new Work()), {
    reactions: new Reactions().all,
    host: { clock, log: () => undefined },
    link: { clock, log: () => undefined, lanes: false, ...(reconnect === undefined ? {} : { reconnect }) },
  });
  const stop = new AbortController();
  const upload = test.link.call
    .upload({ size: 100_000 }, { body: half, signal: stop.signal })
    .catch((error: HbiError) => error.code);
  await clock.advance(500);
  stop.abort();
  expect(await upload).toBe("cancelled"); // its caller learns at once
  const calls = [1, 2, 3].map((a) => test.link.call.add({ a, b: 1 }).catch((error: HbiError) => error));
  await clock.advance(STALLED_MS - 1);
  expect([test.link.state, test.connectionCount]).toEqual(["open", 1]);
  await clock.advance(1);
  return { test, clock, calls };
}

describe("an upload given up half-way, whose source has stopped", () => {
  it("is ended after a second; calls that were made meanwhile are made on the next connection", async () => {
    const { test, clock, calls } = await start(RECONNECT);
    expect(test.link.state).toBe("connecting");
    await clock.advance(100);
    expect(await Promise.all(calls)).toEqual([2, 3, 4]);
    expect([test.link.state, test.connectionCount]).toEqual(["open", 2]);
    await test.link.disconnect();
  });

  it("of a link without reconnect, they fail with the reason, as not landed", async () => {
    const { test, calls } = await start(undefined);
    for (const call of await Promise.all(calls)) {
      expect(call).toMatchObject({ code: "unavailable", mayHaveLanded: false });
      expect((call as HbiError).message).toContain("upload was given up and its source has stopped");
    }
    await quiet();
    expect(test.link.state).toBe("closed");
  });

  it("after its deadline is refused by its host: calls that were made meanwhile are answered", async () => {
    const clock = new ManualClock();
    const test = await testLink(kinds, handlersOf(new Work()), {
      reactions: new Reactions().all,
      host: { clock, log: () => undefined },
      link: { clock, log: () => undefined },
    });
    const upload = test.link.call
      .upload({ size: 100_000 }, { body: half, timeoutMs: 500 })
      .catch((error: HbiError) => error.code);
    await clock.advance(499);
    const calls = [1, 2, 3].map((a) => test.link.call.add({ a, b: 1 }));
    await clock.advance(1);
    expect(await upload).toBe("deadline_exceeded");
    expect(await Promise.all(calls)).toEqual([2, 3, 4]);
    expect([test.link.state, test.connectionCount]).toEqual(["open", 1]);
    await test.link.disconnect();
  });

  it("continues as long as its source does, without ending the connection", async () => {
    const clock = new ManualClock();
    const test = await testLink(kinds, handlersOf(new Work()), {
      reactions: new Reactions().all,
      link: { clock, log: () => undefined },
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 10; i++) {
        yield new Uint8Array(10_000);
        await new Promise<void>((resolve) => clock.after(STALLED_MS - 100, resolve));
      }
    }
    const upload = test.link.call.upload({ size: 100_000 }, { body: slow, timeoutMs: 500 }).catch(() => "given up");
    await clock.advance(500);
    expect(await upload).toBe("given up");
    const call = test.link.call.add({ a: 1, b: 1 });
    await clock.advance(10_000);
    expect(await call).toBe(2);
    expect(test.connectionCount).toBe(1);
    await test.link.disconnect();
  });
});
