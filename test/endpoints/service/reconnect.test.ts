/**
 * Links that dial again: states, backoff, what happens to calls, credentials, and leaving a server that goes away.
 */
import {
  defineService,
  HbiError,
  type HostOptions,
  isConnectionLost,
  Link,
  type LinkOptions,
  type LinkState,
  memoryTransportPair,
  method,
  ServiceHost,
  type Transport,
} from "hbi";
import { connect, serve } from "hbi/node";
import { answer, conversation, HostilePeer, ManualClock, quiet, type TestLink, testLink } from "hbi/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { chunksOf, handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

let open: TestLink<Kinds, undefined>[] = [];
afterEach(async () => {
  for (const { link } of open) await link.disconnect();
  open = [];
});

const QUICK = { initialDelayMs: 100, maxDelayMs: 1_000, jitter: 0 };

async function start(options: LinkOptions<Kinds> = {}, host: HostOptions<Kinds, undefined> = {}) {
  const clock = new ManualClock();
  const work = new Work();
  const reactions = new Reactions();
  const test = await testLink(kinds, handlersOf(work), {
    reactions: reactions.all,
    host: { log: () => undefined, ...host },
    link: { clock, reconnect: QUICK, log: () => undefined, ...options },
  });
  open.push(test);
  const states: [LinkState, string | undefined][] = [];
  test.link.onState((state, reason) => states.push([state, reason?.reason]));
  return { test, link: test.link, clock, work, reactions, states };
}

/** A link whose dials a test answers one by one. */
function dialed(options: LinkOptions<Kinds> = {}, reactions: Partial<Reactions["all"]> = {}) {
  const clock = new ManualClock();
  const dials: { succeed: () => Transport; fail: (error: Error) => void }[] = [];
  const dial = () =>
    new Promise<Transport>((resolve, reject) => {
      dials.push({
        succeed() {
          const [near, far] = memoryTransportPair();
          resolve(near);
          return far;
        },
        fail: reject,
      });
    });
  const all = { ...new Reactions().all, ...reactions };
  const link = new Link<Kinds>(kinds, dial, all, { clock, log: () => undefined, ...options });
  return { link, dials, clock };
}

const unreachable = new HbiError("unavailable", "nobody there", undefined, { reason: "connect_failed" });

describe("a link", () => {
  it("is closed when its connection is lost, unless reconnect is set", async () => {
    const work = new Work();
    const test = await testLink(kinds, handlersOf(work), { reactions: new Reactions().all });
    const states: LinkState[] = [];
    test.link.onState((state) => states.push(state));
    test.cut();
    expect(await test.link.closed).toMatchObject({ code: "unavailable" });
    expect(states).toEqual(["closed"]);
    await expect(test.link.call.nothing()).rejects.toMatchObject({ code: "unavailable", mayHaveLanded: false });
  });

  it("fails to open when the first dial fails, reconnecting or not", async () => {
    const { link, dials } = dialed({ reconnect: QUICK });
    const opening = link.open();
    dials[0]?.fail(unreachable);
    await expect(opening).rejects.toMatchObject({ reason: "connect_failed" });
    expect(link.state).toBe("closed");
    expect(dials.length).toBe(1);
  });

  it("dials again, and makes its calls on the new connection", async () => {
    const { test, link, clock, states } = await start();
    test.cut();
    await quiet();
    expect(link.state).toBe("connecting");
    const waiting = link.call.add({ a: 1, b: 2 });
    await clock.advance(100);
    expect(await waiting).toBe(3);
    expect(states).toEqual([
      ["connecting", "disconnected"],
      ["open", undefined],
    ]);
    expect(test.connectionCount).toBe(2);
    expect(await test.peer.call.asked({ question: "still there" })).toBe("still there?");
  });

  it("rejects what was in flight, and says whether it may have landed", async () => {
    const { test, link, clock, work } = await start({ limits: { maxPostedInFlight: 2 } });
    const calls = ["a", "b", "c"].map((name) => link.call.hold({ name }).catch((error: HbiError) => error));
    await work.holding(2);
    test.cut();
    const [a, b] = await Promise.all(calls.slice(0, 2));
    expect(a).toMatchObject({ code: "unavailable", mayHaveLanded: true });
    expect(b).toMatchObject({ code: "unavailable", mayHaveLanded: true });
    await clock.advance(100);
    await work.holding(3); // what had not been sent goes to the next connection
    work.releaseAll();
    expect(await calls[2]).toBe("c");
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("has one dial at a time, with delays that double up to the largest", async () => {
    const { link, dials, clock } = dialed({ reconnect: QUICK });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    await quiet();
    const delays: number[] = [];
    for (let attempt = 1; attempt <= 6; attempt++) {
      let waitedMs = 0;
      while (dials.length === attempt) {
        await clock.advance(50);
        waitedMs += 50;
      }
      delays.push(waitedMs);
      await clock.advance(5_000);
      expect(dials.length).toBe(attempt + 1); // none beside it
      dials[attempt]?.fail(unreachable);
      await quiet();
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    await link.disconnect();
  });

  it.each([
    ["has lived for maxDelayMs counts as the first to fail", 1_000, [100, 200, 100, 200]],
    ["was lost a moment before counts with those before it", 999, [100, 200, 400, 800]],
  ])("a connection that %s", async (_, livedMs, expected) => {
    const { link, dials, clock } = dialed({ reconnect: { ...QUICK, maxAttempts: 5 } });
    const host = new ServiceHost<Kinds, undefined>(kinds, handlersOf(new Work()), { log: () => undefined });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    const delays: number[] = [];
    const dialedAgain = async () => {
      const before = dials.length;
      let waitedMs = 0;
      for (await quiet(); dials.length === before; waitedMs += 50) await clock.advance(50);
      delays.push(waitedMs);
      return dials[before];
    };
    (await dialedAgain())?.fail(unreachable);
    const far = (await dialedAgain())?.succeed();
    if (far !== undefined) await host.accept(far);
    await quiet();
    expect(link.state).toBe("open");
    await clock.advance(livedMs);
    far?.destroy();
    (await dialedAgain())?.fail(unreachable);
    await dialedAgain();
    expect(delays).toEqual(expected);
    await link.disconnect();
  });

  it("leaves a part of each delay to chance", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.75);
    const { test, clock } = await start({ reconnect: { ...QUICK, initialDelayMs: 1_000, jitter: 1 } });
    test.cut();
    await quiet();
    await clock.advance(249);
    expect(test.connectionCount).toBe(1);
    await clock.advance(1);
    expect(test.connectionCount).toBe(2);
    vi.restoreAllMocks();
  });

  it("gives up after maxAttempts, and fails waiting calls", async () => {
    const { link, dials, clock } = dialed({ reconnect: { ...QUICK, maxAttempts: 2 } });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    await quiet();
    const waiting = link.call.nothing().catch((error) => error);
    await clock.advance(100);
    dials[1]?.fail(unreachable);
    await clock.advance(200);
    dials[2]?.fail(unreachable);
    expect(await link.closed).toMatchObject({ reason: "connect_failed" });
    expect(await waiting).toMatchObject({ code: "unavailable", mayHaveLanded: false, cause: unreachable });
    await clock.advance(10_000);
    expect(dials.length).toBe(3);
  });

  it("is not sent round in circles by services that send it away at once", async () => {
    const { link, dials, clock } = dialed({ reconnect: { ...QUICK, maxAttempts: 3 } });
    const opening = link.open();
    const away = conversation("101;x;n", "$hbi.goaway()");
    const first = new HostilePeer(dials[0]?.succeed() as Transport);
    await opening;
    await first.play({ say: away }, { hear: "co_ack_end" });
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect(dials.length).toBe(attempt); // not at once
      await clock.advance(1_000);
      const next = new HostilePeer(dials[attempt]?.succeed() as Transport);
      await quiet();
      await next.play({ say: away });
    }
    await clock.advance(60_000);
    expect([link.state, dials.length]).toEqual(["closed", 4]);
  });

  it("does not take a service for one that accepts and drops it at once", async () => {
    const { link, dials, clock } = dialed({ reconnect: { ...QUICK, maxAttempts: 3 } });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    for (let attempt = 1; attempt <= 3; attempt++) {
      await clock.advance(1_000);
      dials[attempt]?.succeed().destroy();
      await quiet();
    }
    await clock.advance(60_000);
    expect(link.state).toBe("closed");
    expect(dials.length).toBe(4);
  });

  it.each([
    ["its own deadline", (link: Link<Kinds>) => link.call.nothing({}, { timeoutMs: 500 }), "deadline_exceeded"],
    ["its signal", (link: Link<Kinds>) => link.call.nothing({}, { signal: AbortSignal.timeout(1) }), "cancelled"],
  ])("that waits for a connection heeds %s", async (_, call, code) => {
    const { link, dials, clock } = dialed({ reconnect: QUICK });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    await quiet();
    const waiting = call(link).catch((error) => error);
    await clock.advance(500);
    expect(await waiting).toMatchObject({ code });
    await link.disconnect();
  });

  it.each([
    ["call", (link: Link<Kinds>) => link.call.nothing({}, { timeoutMs: 10_000 })],
    ["script", (link: Link<Kinds>) => link.script((s) => s.nothing(), { timeoutMs: 10_000 })],
  ] as const)("has waited at the expense of a %s's own time", async (_, send) => {
    const { link, dials, clock } = dialed({ reconnect: { ...QUICK, initialDelayMs: 4_000, maxDelayMs: 4_000 } });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    await quiet();
    const waiting = send(link).catch(() => undefined);
    await clock.advance(4_000);
    const far = new HostilePeer(dials[1]?.succeed() as Transport);
    await far.play({ hear: /co_end\]100/ }, { say: answer("100") });
    expect(await far.play({ hear: /co_end\]101/ })).toContain(";d=6000");
    await far.play("reset");
    await waiting;
    await link.disconnect();
  });

  it("waits with no more calls than maxPostedWaiting", async () => {
    const { link, dials } = dialed({ reconnect: QUICK, limits: { maxPostedWaiting: 2 } });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    await quiet();
    const waiting = [link.call.nothing(), link.call.nothing()].map((call) => call.catch((error) => error.code));
    await expect(link.call.nothing()).rejects.toMatchObject({ reason: "too_many_waiting" });
    await link.disconnect();
    expect(await Promise.all(waiting)).toEqual(["unavailable", "unavailable"]);
  });

  it("moves to the next connection when the service has half-closed, although its data is not all read yet", async () => {
    const { link, dials, clock } = dialed(
      { reconnect: QUICK, limits: { maxInFlight: 1 } },
      { asked: () => new Promise<never>(() => undefined) as never },
    );
    const opening = link.open();
    const far = new HostilePeer(dials[0]?.succeed() as Transport);
    await opening;
    const push = (id: number) => conversation(`${id};x;n`, 'asked("?")');
    await far.play({ say: push(101) + push(102) + push(103) }, "end"); // the handler of the first is at work
    await quiet();
    const waiting = link.call.nothing();
    expect(link.state).toBe("connecting");
    await clock.advance(100);
    const next = new HostilePeer(dials[1]?.succeed() as Transport);
    await next.play({ hear: /co_end\]100/ }, { say: answer("100") }, { hear: /co_end\]101/ }, { say: answer("101") });
    await waiting;
    for (const peer of [far, next]) peer.reset();
    await link.disconnect();
  });

  it.each([["the first"], ["the second"]])(
    "has sent nothing when %s connection is taken and never read",
    async (which) => {
      const { link, dials, clock } = dialed({ reconnect: QUICK });
      const opening = link.open();
      let unread = new HostilePeer(dials[0]?.succeed() as Transport);
      await opening;
      let next = 1;
      if (which === "the second") {
        unread.reset();
        await clock.advance(100);
        unread = new HostilePeer(dials[next++]?.succeed() as Transport);
      }
      const calls = [link.call.nothing(), link.post.nothing(), link.script((s) => s.nothing())];
      await unread.play({ hear: /co_end\]100/ });
      await quiet();
      unread.reset();
      await clock.advance(1_000);
      const service = new HostilePeer(dials[next]?.succeed() as Transport);
      await service.play({ hear: /co_end\]100/ }, { say: answer("100") }, { hear: /co_end\]103/ });
      await service.play({ say: answer("101") + answer("102") + answer("103") });
      await Promise.all(calls);
      expect(unread.heard()).not.toContain("nothing");
      service.reset();
      await link.disconnect();
    },
  );

  it("stops dialing when it is closed", async () => {
    const { link, dials, clock } = dialed({ reconnect: QUICK });
    const opening = link.open();
    dials[0]?.succeed().destroy();
    await opening;
    await quiet();
    await link.close();
    await clock.advance(100_000);
    expect(dials.length).toBe(1);
    expect(await link.closed).toBeUndefined();
    expect(clock.timerCount).toBe(0);
  });

  it.each([
    [{ initialDelayMs: 0 }],
    [{ maxDelayMs: Number.NaN }],
    [{ maxDelayMs: Number.POSITIVE_INFINITY }],
    [{ jitter: 1.5 }],
    [{ jitter: -0.1 }],
    [{ maxAttempts: 0 }],
  ])("refuses %j", (reconnect) => {
    expect(() => dialed({ reconnect })).toThrow("reconnect.");
  });
});

it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])("retries of %s are refused", (retries) => {
  expect(() => dialed({ retries })).toThrow("retries must be a non-negative integer");
});

it("a throwing listener is logged, and the link continues", async () => {
  const logged: string[] = [];
  const { test, link, clock } = await start({ log: ({ where }) => void logged.push(where) });
  link.onState(() => {
    throw new Error("of the application");
  });
  test.cut();
  await clock.advance(100);
  expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  expect(logged).toEqual(["onState connecting", "onState open"]);
});

it("a listener and a log that both throw do not keep it from closing", async () => {
  const bad = () => {
    throw new Error("of the application");
  };
  const said = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { link } = await start({ log: bad });
  link.onState(bad);
  await link.disconnect();
  expect(await link.closed).toBeUndefined();
  expect(said).toHaveBeenCalled();
  said.mockRestore();
});

describe("idempotent calls", () => {
  it("are sent again when their connection was lost, as often as was said", async () => {
    const seen: number[] = [];
    const clock = new ManualClock();
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        async add({ a, b }, call) {
          seen.push(a);
          if (seen.length < 3) await work.hold("add", call.signal);
          return a + b;
        },
      }),
      {
        reactions: new Reactions().all,
        host: { log: () => undefined },
        link: { clock, reconnect: QUICK, retries: 2, log: () => undefined },
      },
    );
    open.push(test);
    const sum = test.link.call.add({ a: 1, b: 2 });
    await work.holding(1);
    test.cut();
    await clock.advance(100);
    await work.holding(2);
    test.cut();
    await clock.advance(200); // nothing was answered in between: the delay grows
    expect(await sum).toBe(3);
    expect(seen).toEqual([1, 1, 1]);
  });

  it("are not when the handler itself says unavailable", async () => {
    let calls = 0;
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        add() {
          calls += 1;
          throw new HbiError("unavailable", "no database");
        },
      }),
      { reactions: new Reactions().all, host: { log: () => undefined }, link: { retries: 3 } },
    );
    open.push(test);
    const error = await test.link.call.add({ a: 1, b: 2 }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "unavailable", message: "no database" });
    expect(isConnectionLost(error)).toBe(false);
    expect(calls).toBe(1);
    test.cut();
    expect(isConnectionLost(await test.link.call.nothing().catch((thrown) => thrown))).toBe(true);
  });

  it("have their own time for all attempts together", async () => {
    const clock = new ManualClock();
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        async add({ a, b }, call) {
          await work.hold("add", call.signal);
          return a + b;
        },
      }),
      {
        reactions: new Reactions().all,
        host: { log: () => undefined },
        link: { clock, reconnect: QUICK, retries: 9, log: () => undefined },
      },
    );
    open.push(test);
    const late = test.link.call.add({ a: 1, b: 2 }, { timeoutMs: 1_000 }).catch((error) => error.code);
    await work.holding(1);
    await clock.advance(800);
    test.cut();
    await clock.advance(199);
    await work.holding(2);
    await clock.advance(1);
    expect(await late).toBe("deadline_exceeded");
  });

  it("are not when their body is used up by sending it, and are when a function makes it", async () => {
    const seen: number[] = [];
    const clock = new ManualClock();
    const service = defineService({
      name: "s",
      version: "1.0.0",
      methods: {
        put: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int(), idempotent: true }),
      },
    });
    const work = new Work();
    const test = await testLink(
      service,
      () => ({
        async put({ size }, call) {
          seen.push((await call.bytes()).length);
          if (seen.length % 2 === 1) await work.hold("put", call.signal);
          return size;
        },
      }),
      { host: { log: () => undefined }, link: { clock, reconnect: QUICK, retries: 2, log: () => undefined } },
    );
    const once = test.link.call.put({ size: 9 }, { body: chunksOf(9, 1) }).catch((error) => error.code);
    await work.holding(1);
    test.cut();
    expect(await once).toBe("unavailable");
    await clock.advance(100);
    seen.length = 0;
    work.started.length = 0;
    const again = test.link.call.put({ size: 9 }, { body: () => chunksOf(9, 1) });
    await work.holding(1);
    test.cut();
    await clock.advance(200);
    expect(await again).toBe(9);
    expect(seen).toEqual([9, 9]);
    await test.link.disconnect();
  });

  it.each([
    ["not without retries", { retries: 0 }, (link: Link<Kinds>) => link.call.add({ a: 1, b: 2 })],
    ["not when they are not marked", { retries: 5 }, (link: Link<Kinds>) => link.call.hold({ name: "x" })],
  ])("%s", async (_, options, call) => {
    const clock = new ManualClock();
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        async add({ a, b }, call) {
          await work.hold("add", call.signal);
          return a + b;
        },
      }),
      {
        reactions: new Reactions().all,
        host: { log: () => undefined },
        link: { clock, reconnect: QUICK, log: () => undefined, ...options },
      },
    );
    open.push(test);
    const failed = call(test.link).catch((error) => error);
    await work.holding(1);
    test.cut();
    expect(await failed).toMatchObject({ code: "unavailable", mayHaveLanded: true });
    await clock.advance(100);
    expect(work.started.length).toBe(1);
  });
});

it.each([
  ["a source that can be read once is lost with it", () => chunksOf(300_000, 1, 100_000), { mayHaveLanded: false }],
  ["a function makes it anew for the next one", () => () => chunksOf(300_000, 1, 100_000), { sum: 300_000 }],
] as const)("a body that was begun for a connection which took nothing of it: %s", async (_, bodyOf, outcome) => {
  const { link, dials, clock } = dialed({ reconnect: QUICK, lanes: false });
  const opening = link.open();
  const far = dials[0]?.succeed();
  far?.start({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} });
  await opening;
  far?.write(answer("100")); // to the introduction
  await quiet();
  far?.pause();
  const text = "x".repeat(60_000);
  for (let i = 0; i < 20; i++) link.post.note({ text }).catch(() => undefined); // as much as the transport is given
  await quiet();
  const given = link.call.upload({ size: 300_000 }, { body: bodyOf() }).catch((error: unknown) => error);
  await quiet();
  far?.destroy();
  await quiet();
  await clock.advance(QUICK.maxDelayMs);
  const host = new ServiceHost<Kinds, undefined>(kinds, handlersOf(new Work()), { log: () => undefined });
  const next = dials[1]?.succeed();
  if (next !== undefined) await host.accept(next);
  expect(await given).toMatchObject(outcome);
  expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  expect([link.state, dials.length]).toEqual(["open", 2]);
  await link.disconnect();
});

describe("a server that drains", () => {
  it("answers what it has, refuses nothing that was sent before, and is left for another", async () => {
    const first = new Work();
    const second = new Work();
    const servers = [await serve(kinds, "127.0.0.1:0", handlersOf(first))];
    const address = servers[0]?.address ?? "";
    const link = await connect(kinds, address, new Reactions().all, {
      reconnect: { initialDelayMs: 1, maxDelayMs: 20 },
    });
    await link.call.nothing();
    const held = link.call.hold({ name: "a" });
    await first.holding(1);
    const drained = servers[0]?.drain("maintenance");
    const burst = Array.from({ length: 50 }, (_, i) => link.call.add({ a: i, b: 1 }));
    while (link.state === "open") await quiet(1);
    servers.push(await serve(kinds, address, handlersOf(second)));
    expect(await Promise.all(burst)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    const next = link.call.hold({ name: "b" });
    await second.holding(1);
    first.releaseAll();
    second.releaseAll();
    expect([await held, await next]).toEqual(["a", "b"]);
    await drained;
    await link.close();
    await servers[1]?.drain();
  });

  it.each([
    ["a ping", (link: Link<Kinds>) => link.ping()],
    ["a question what it offers", (link: Link<Kinds>) => link.describe()],
  ])("answers %s on the next connection, where it had not left for this one", async (_, ask) => {
    const { test, link, clock } = await start({}, { describe: true });
    await link.call.nothing();
    let give: () => void = () => undefined;
    const given = new Promise<void>((resolve) => (give = resolve));
    async function* body() {
      yield new Uint8Array(70_000);
      await given;
      yield new Uint8Array(30_000);
    }
    const uploading = link.call.upload({ size: 100_000 }, { body: body() });
    await quiet();
    const asked = ask(link); // behind the rest of it
    await quiet();
    const draining = test.peer.drain();
    await clock.advance(QUICK.initialDelayMs);
    await expect(asked).resolves.toBeDefined();
    expect(test.connectionCount).toBe(2);
    give();
    expect(await uploading).toMatchObject({ sum: 0 });
    await draining;
  });

  it("lets its handlers push while they finish", async () => {
    const { test, link, work, reactions } = await start({ reconnect: QUICK });
    await link.call.nothing();
    const held = link.call.hold({ name: "a" });
    await work.holding(1);
    const { peer } = test; // of the connection that is drained: the link gets another
    const drained = peer.drain();
    await quiet();
    await (await peer.post.told({ text: "one more" })).waitCompleted();
    work.releaseAll();
    expect(await held).toBe("a");
    await drained;
    expect(reactions.heard).toEqual(["one more"]);
    await expect(peer.post.told({ text: "too late" })).rejects.toMatchObject({ code: "unavailable" });
  });

  it.each([
    ["close", "a"],
    ["disconnect", "unavailable"],
  ] as const)("is left, and the link's %s ends that connection as well: its call gives %s", async (how, outcome) => {
    const { test, link, clock, work } = await start();
    await link.call.nothing();
    const held = link.call.hold({ name: "a" }).catch((error: HbiError) => error.code);
    await work.holding(1);
    const { peer } = test;
    const drained = peer.drain();
    await clock.advance(QUICK.initialDelayMs);
    await link.call.nothing();
    expect(test.connectionCount).toBe(2);
    let isOver = false;
    const ended = link[how]().then(() => {
      isOver = true;
    });
    if (how === "disconnect") expect(await held).toBe(outcome);
    await quiet();
    expect(isOver).toBe(false);
    work.releaseAll();
    expect(await held).toBe(outcome);
    await Promise.all([ended, drained, peer.closed]);
    expect([link.state, test.host.connectionCount]).toEqual(["closed", 0]);
  });

  it("is not left in the lurch by a link that does not reconnect", async () => {
    const work = new Work();
    const test = await testLink(kinds, handlersOf(work), { reactions: new Reactions().all });
    await test.link.call.nothing();
    const held = test.link.call.hold({ name: "a" });
    await work.holding(1);
    const drained = test.peer.drain("maintenance");
    await quiet();
    await expect(test.link.call.nothing()).rejects.toMatchObject({ reason: "draining", mayHaveLanded: false });
    work.releaseAll();
    expect(await held).toBe("a");
    await drained;
    expect(await test.link.closed).toBeUndefined();
  });
});
