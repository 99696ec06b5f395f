/**
 * Nothing is kept of what is over: listeners on signals that outlive calls, connections and peers that have gone, timers, sockets.
 */
import { getEventListeners } from "node:events";
import { HostingEnv, type LinkOptions, parseAddress, resolveLimits } from "hbi";
import { connect, HBIC, serve } from "hbi/node";
import { ManualClock, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { TcpAddress } from "../../../src/endpoints/address.ts";
import { AcceptGuard, Place } from "../../../src/endpoints/guard/accept-guard.ts";
import { MethodGate } from "../../../src/endpoints/guard/method-gate.ts";
import { dialSocket } from "../../../src/wire/transport/node-socket.ts";
import { alive } from "../../support/heap.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

const QUICK = { initialDelayMs: 100, maxDelayMs: 1_000, jitter: 0 };
const quietly = { log: () => undefined };
const ignore = () => undefined;

async function start(link: LinkOptions<Kinds> = {}) {
  const clock = new ManualClock();
  const work = new Work();
  const test = await testLink<Kinds, ReturnType<ReturnType<typeof handlersOf>>>(kinds, handlersOf(work), {
    reactions: new Reactions().all,
    host: { ...quietly, clock, describe: true },
    link: { ...quietly, clock, reconnect: QUICK, ...link },
  });
  return { test, link: test.link, clock, work };
}
type Started = Awaited<ReturnType<typeof start>>;

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

type Run = (it: Started, signal: AbortSignal) => Promise<unknown>;

/** On a connection that continues. */
const HEEDING: Readonly<Record<string, Run>> = {
  "a call that is answered": ({ link }, signal) => link.call.add({ a: 1, b: 2 }, { signal }),
  "a call that is refused": ({ link }, signal) => link.call.fail({ how: "hbi" }, { signal }),
  "a call that is not sent": ({ link }, signal) => link.call.add({ a: "no number" as never, b: 2 }, { signal }),
  "a call that is too late": ({ link, clock }, signal) => {
    const late = link.call.hold({ name: "late" }, { signal, timeoutMs: 500 });
    return Promise.all([late, clock.advance(500)]);
  },
  "a post": async ({ link }, signal) => (await link.post.nothing({}, { signal })).waitCompleted(),
  "a script": ({ link }, signal) => link.script((s) => [s.add({ a: 1, b: 2 }), s.nothing()], { signal }),
  "a call with a body": ({ link }, signal) =>
    link.call.upload({ size: 100_000 }, { signal, body: new Uint8Array(100_000) }),
  "a call whose answer has a body": async ({ link }, signal) =>
    (await link.call.download({ size: 100_000, fill: 1 }, { signal })).body.bytes(),
  "a call whose answer's body is dropped": async ({ link }, signal) =>
    (await link.call.download({ size: 100_000, fill: 1 }, { signal })).body.discard(),
  "a ping": ({ link }, signal) => link.ping({ signal }),
  "a description": ({ link }, signal) => link.describe({ signal }),
  "a conversation": ({ link }, signal) =>
    link.po.converse(
      async (co) => {
        await co.sendCode("upload(size = 5)", { signal });
        await co.sendData(new Uint8Array(5), { signal });
        await co.recvObj(undefined, { signal });
      },
      { signal },
    ),
  "an object that is asked for": ({ link }, signal) =>
    link.po.converse((co) => co.getObj("add(1, 2)", z.number(), { signal }), { signal }),
  "a notification": async ({ link }, signal) =>
    (await link.po.notif("nothing()", { signal })).waitCompleted({ signal }),
};

/** Whose connection goes. */
const LOST: Readonly<Record<string, Run>> = {
  "a call that is lost": async ({ test, link, work }, signal) => {
    const lost = link.call.hold({ name: "lost" }, { signal });
    await work.holding(1);
    test.cut();
    await lost;
  },
  "a call that waits for the next connection": async ({ test, link, clock }, signal) => {
    test.cut();
    await quiet();
    const parked = link.call.add({ a: 1, b: 2 }, { signal });
    await clock.advance(100);
    await parked;
  },
  "a call that waits for a connection in vain": async ({ test, link }, signal) => {
    test.cut();
    await quiet();
    const parked = link.call.add({ a: 1, b: 2 }, { signal });
    await link.disconnect();
    await parked;
  },
  "a ping that waits for a connection in vain": async ({ test, link }, signal) => {
    test.cut();
    await quiet();
    const parked = link.ping({ signal });
    await link.disconnect();
    await parked;
  },
};

describe("a signal that outlives what it was given to has no listener left:", () => {
  it.each(Object.entries({ ...HEEDING, ...LOST }))("%s", async (_, run) => {
    const started = await start();
    const { signal } = new AbortController();
    await run(started, signal).catch(ignore);
    await quiet();
    expect(listenersOf(signal)).toBe(0);
    await started.link.disconnect();
  });

  it.each(["begins", "is given up", "fails"] as const)("a call that waits at a gate and %s", async (how) => {
    const gate = new MethodGate("m", 1);
    const [first, given] = [new AbortController(), new AbortController()];
    let end: () => void = ignore;
    const running = gate.run({ signal: first.signal }, () => new Promise<void>((resolve) => (end = resolve)));
    const waiting = gate.run({ signal: given.signal }, () => {
      if (how === "fails") throw new Error("at once");
    }) as Promise<void>;
    expect(listenersOf(given.signal)).toBe(1);
    if (how === "is given up") given.abort();
    end();
    await Promise.allSettled([running, waiting]);
    expect([listenersOf(first.signal), listenersOf(given.signal)]).toEqual([0, 0]);
  });

  it.each(["is there", "is not there", "gives it up"] as const)("a dial, where the server %s", async (how) => {
    const server = await serve(kinds, "127.0.0.1:0", handlersOf(new Work()), quietly);
    const { address } = server;
    if (how === "is not there") await server.close();
    const { signal } = how === "gives it up" ? { signal: AbortSignal.abort() } : new AbortController();
    const target = parseAddress(address) as TcpAddress;
    const dialed = await dialSocket(target, { timeoutMs: 5_000, signal }).catch(ignore);
    expect([listenersOf(signal), dialed !== undefined]).toEqual([0, how === "is there"]);
    dialed?.destroy();
    const link = await connect(kinds, address, new Reactions().all, { ...quietly, signal }).catch(ignore);
    const client = new HBIC(address, () => new HostingEnv(), { ...quietly, signal });
    await client.connect().catch(ignore);
    await Promise.all([link?.disconnect(), client.disconnect()]);
    expect(listenersOf(signal)).toBe(0);
    await server.close();
  });
});

describe("objects of what is over are not kept:", () => {
  it("conversations of either side, of a connection that goes on", async () => {
    const seen: WeakRef<object>[] = [];
    const clock = new ManualClock();
    const work = new Work();
    const test = await testLink<Kinds, ReturnType<ReturnType<typeof handlersOf>>>(kinds, handlersOf(work), {
      reactions: new Reactions().all,
      host: {
        ...quietly,
        clock,
        interceptors: [
          (call, next) => {
            seen.push(new WeakRef(call.co), new WeakRef(call.draining));
            return next();
          },
        ],
      },
      link: { ...quietly, clock },
    });
    const { link } = test;
    const { signal } = new AbortController();
    const round = async () => {
      for (const run of Object.values(HEEDING)) await run({ test, link, clock, work }, signal).catch(ignore);
      for (const name of ["nothing", "hold"]) {
        const co = await link.po.co({ signal });
        seen.push(new WeakRef(co));
        await co.sendCode(name === "hold" ? 'hold("a")' : "nothing()");
        if (name === "nothing") await co.waitCompleted();
        else await Promise.all([co.recvObj(undefined, { timeoutMs: 5 }).catch(ignore), clock.advance(5)]);
        await co.close();
      }
      const givenUp = new AbortController();
      await link.po.converse(
        async (co) => {
          seen.push(new WeakRef(co));
          await co.sendCode('hold("b")');
          givenUp.abort();
        },
        { signal: givenUp.signal },
      );
      work.releaseAll();
      await link.call.nothing();
      await quiet();
      return clock.timerCount;
    };
    const timers = await round();
    expect(await round()).toBe(timers);
    expect(seen.length).toBeGreaterThan(2 * Object.keys(HEEDING).length);
    expect((await alive(seen)).length).toBeLessThan(3); // the last ones may be
    await link.disconnect();
  });

  const ENDS: Readonly<Record<string, (it: Started) => unknown>> = {
    "the network breaks it": ({ test }) => test.cut(),
    "the service drains it": ({ test }) => test.peer.drain(),
    "the service closes it": ({ test }) => test.peer.disconnect("enough"),
  };
  it.each(Object.entries(ENDS))("connections and peers, when %s", async (_, end) => {
    const it = await start();
    const seen: WeakRef<object>[] = [];
    const timers: number[] = [];
    for (let i = 0; i < 4; i++) {
      await it.link.call.nothing();
      seen.push(new WeakRef(it.link.po), new WeakRef(it.test.peer));
      const held = it.link.call.hold({ name: "held" }).catch(ignore);
      await it.work.holding(1);
      end(it);
      await quiet();
      it.work.started.length = 0;
      it.work.releaseAll();
      await held;
      await it.clock.advance(QUICK.maxDelayMs);
      expect(await it.link.call.add({ a: 1, b: 2 })).toBe(3);
      await quiet();
      timers.push(it.clock.timerCount);
    }
    expect(new Set(timers).size).toBe(1);
    expect(await alive(seen)).toEqual([]);
    expect([it.test.connectionCount, it.test.host.connectionCount, it.test.host.peers.size]).toEqual([5, 1, 1]);
    await it.link.disconnect();
  });

  it("addresses that have left, when their rate would be allowed again", async () => {
    const clock = new ManualClock();
    const guard = new AcceptGuard(resolveLimits({ acceptsPerSecond: 1_000 }), clock);
    const seen: WeakRef<object>[] = [];
    const visit = (address: string): void => {
      const place = guard.enter(address);
      if (!(place instanceof Place) || place.neighbours === undefined) throw new Error("refused");
      seen.push(new WeakRef(place.neighbours));
      place.leave();
    };
    for (let i = 0; i < 200; i++) visit(`10.0.0.${i}`);
    expect((await alive(seen)).length).toBe(200);
    await clock.advance(10_000);
    for (let i = 0; i < 150; i++) guard.enter("10.1.0.1");
    expect(await alive(seen)).toEqual([]);
  });
});

it("a listener of a link's state that has been taken away is called no more, and the others are", async () => {
  const { link } = await start();
  const heard: string[] = [];
  const leave = link.onState((state) => void heard.push(`first ${state}`));
  link.onState((state) => void heard.push(`second ${state}`));
  leave();
  leave();
  await link.disconnect();
  expect(heard).toEqual(["second closed"]);
});
