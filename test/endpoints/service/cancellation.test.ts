/**
 * Deadlines and cancellation: what ends, what the other side learns, and that no other call is affected.
 */
import { Link, type LinkOptions, memoryTransportPair } from "hbi";
import {
  answer,
  conversation,
  hostileTransport,
  ManualClock,
  packet,
  quiet,
  type TestLink,
  testLink,
} from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { helloOf, withoutHello } from "../../support/hello.ts";
import { chunksOf, handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

let open: TestLink<Kinds, undefined>[] = [];
afterEach(async () => {
  for (const { link } of open) await link.disconnect();
  open = [];
});

async function start(link: LinkOptions<Kinds> = {}, host: { clock?: ManualClock; limits?: object } = {}) {
  const work = new Work();
  const test = await testLink(kinds, handlersOf(work), {
    reactions: new Reactions().all,
    host: { log: () => undefined, ...host },
    link: { log: () => undefined, ...link },
  });
  open.push(test);
  await test.link.call.nothing(); // now it knows that its peer speaks the extension
  return { ...test, link: test.link, peer: test.peer, work };
}

describe("an aborted call", () => {
  it("rejects at once, and aborts the signal of its handler", async () => {
    const { link, work } = await start();
    const abort = new AbortController();
    const held = link.call.hold({ name: "a" }, { signal: abort.signal });
    await work.holding(1);
    abort.abort("enough");
    await expect(held).rejects.toMatchObject({ code: "cancelled", cause: "enough" });
    await quiet();
    expect(work.aborted).toEqual(["a"]);
  });

  it("disturbs no other, and its place is free again", async () => {
    const { link, work } = await start({ limits: { maxPostedInFlight: 3 } });
    const abort = new AbortController();
    const held = ["a", "b", "c"].map((name) =>
      link.call.hold({ name }, name === "b" ? { signal: abort.signal } : {}).catch((error) => error.code),
    );
    const waiting = link.call.add({ a: 1, b: 2 });
    await work.holding(3);
    abort.abort();
    expect(await waiting).toBe(3);
    work.releaseAll();
    expect(await Promise.all(held)).toEqual(["a", "cancelled", "c"]);
  });

  it("that was not sent yet is never sent", async () => {
    const { link, work } = await start({ limits: { maxPostedInFlight: 1 } });
    const abort = new AbortController();
    const first = link.call.hold({ name: "a" });
    const second = link.call.note({ text: "never" }, { signal: abort.signal });
    await work.holding(1);
    abort.abort();
    await expect(second).rejects.toMatchObject({ code: "cancelled", mayHaveLanded: false });
    work.releaseAll();
    await first;
    await link.call.nothing();
    expect(work.noted).toEqual([]);
  });

  it("is not sent when the signal has aborted before", async () => {
    const { link, work } = await start();
    const signal = AbortSignal.abort();
    await expect(link.call.note({ text: "x" }, { signal })).rejects.toMatchObject({ code: "cancelled" });
    await expect(link.call.store({ size: 5 }, { signal, body: new Uint8Array(5) })).rejects.toMatchObject({
      code: "cancelled",
    });
    await expect(link.post.note({ text: "x" }, { signal })).rejects.toMatchObject({ code: "cancelled" });
    await link.call.nothing();
    expect(work.noted).toEqual([]);
  });

  it("reaches a host all of whose places are taken", async () => {
    const { link, work } = await start();
    const abort = new AbortController();
    const held = Array.from({ length: 100 }, (_, i) =>
      link.call.hold({ name: `${i}` }, i === 50 ? { signal: abort.signal } : {}).catch((error) => error.code),
    );
    const waiting = link.call.add({ a: 1, b: 2 });
    await work.holding(100);
    abort.abort();
    expect(await waiting).toBe(3);
    expect(work.aborted).toEqual(["50"]);
    work.releaseAll();
    expect((await Promise.all(held)).filter((name) => name === "cancelled").length).toBe(1);
  });

  it("continues its upload without lanes, because the host waits for every byte; then the host learns of it", async () => {
    const { link, work } = await start({ lanes: false });
    const abort = new AbortController();
    let given = 0;
    const body = (async function* () {
      for (const chunk of chunksOf(500_000, 1)) {
        given += chunk.length;
        if (given === 300_000) abort.abort();
        yield chunk;
      }
    })();
    const upload = link.call.upload({ size: 500_000 }, { body, signal: abort.signal });
    const others = [link.call.add({ a: 1, b: 2 }), link.call.hold({ name: "later" })];
    await expect(upload).rejects.toMatchObject({ code: "cancelled" });
    expect(await others[0]).toBe(3);
    expect(given).toBe(500_000);
    await work.holding(1);
    work.releaseAll();
    expect(await others[1]).toBe("later");
  });

  it("goes on to be uploaded as well when it is the peer that stands still, not the source", async () => {
    const clock = new ManualClock();
    const [near, far] = memoryTransportPair();
    let heardBytes = 0;
    far.start({
      onData(chunk) {
        heardBytes += chunk.length;
      },
      onDrain() {},
      onEnd() {},
      onClose() {},
    });
    const options = { clock, log: () => undefined };
    const link = await new Link<Kinds>(kinds, async () => near, new Reactions().all, options).open();
    far.write(answer("100")); // to the introduction
    await quiet();
    far.pause();
    const text = "x".repeat(200_000);
    for (let i = 0; i < 10; i++) link.post.note({ text }).catch(() => undefined); // more than is written ahead
    await quiet();
    const abort = new AbortController();
    const body = chunksOf(500_000, 1);
    const given = link.call.upload({ size: 500_000 }, { body, signal: abort.signal });
    await quiet();
    abort.abort();
    await expect(given).rejects.toMatchObject({ code: "cancelled" });
    await clock.advance(20_000);
    expect(link.state).toBe("open");
    far.resume();
    await quiet(200);
    expect(heardBytes).toBeGreaterThan(2_500_000);
    void link.disconnect();
    far.destroy();
  });

  it("releases the raw data of an answer whenever its call is cancelled", async () => {
    const { link } = await start();
    for (let turns = 0; turns < 40; turns += 3) {
      const abort = new AbortController();
      const download = link.call.download({ size: 300_000, fill: 1 }, { signal: abort.signal }).catch(() => undefined);
      await quiet(turns);
      abort.abort();
      (await download)?.body.discard();
      expect(await link.call.add({ a: turns, b: 1 })).toBe(turns + 1);
    }
  });
});

describe("raw data of an answer that is on the wire", () => {
  /** A host whose answer stops half-way until the test resumes it. */
  async function halfway(clock?: ManualClock, lanes = true) {
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        download: (_, call) => ({
          result: { size: 200_000, fill: 1 },
          body: (async function* () {
            yield new Uint8Array(100_000).fill(1);
            await work.hold("half", new AbortController().signal);
            yield new Uint8Array(100_000).fill(1);
            call.signal.throwIfAborted();
          })(),
        }),
      }),
      {
        reactions: new Reactions().all,
        host: { log: () => undefined, ...(clock === undefined ? {} : { clock }) },
        link: { lanes },
      },
    );
    open.push(test);
    await test.link.call.nothing();
    return { link: test.link, work };
  }

  it("goes on to its end when the call is cancelled", async () => {
    const { link, work } = await halfway();
    const abort = new AbortController();
    const { body } = await link.call.download({ size: 1, fill: 1 }, { signal: abort.signal });
    await work.holding(1);
    void link.po.callBuiltin("$hbi.cancel", {}, '"102"');
    await quiet();
    work.releaseAll();
    expect((await body.bytes()).length).toBe(200_000);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("is never begun when the call was given up while it waited for its turn, which it does without lanes", async () => {
    const { link, work } = await halfway(undefined, false);
    const first = await link.call.download({ size: 1, fill: 1 }); // has the turn
    await work.holding(1);
    const abort = new AbortController();
    const second = link.call.download({ size: 1, fill: 1 }, { signal: abort.signal }).catch((error) => error.code);
    await quiet();
    abort.abort();
    expect(await second).toBe("cancelled");
    await quiet();
    work.releaseAll();
    expect((await first.body.bytes()).length).toBe(200_000);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("goes on to its end when the deadline passes", async () => {
    const clock = new ManualClock();
    const { link, work } = await halfway(clock);
    const { body } = await link.call.download({ size: 1, fill: 1 }, { timeoutMs: 1_000 });
    await work.holding(1);
    await clock.advance(1_000);
    work.releaseAll();
    expect((await body.bytes()).length).toBe(200_000);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });
});

describe("a deadline", () => {
  it("is 30 s when nothing is said, and counts on both sides", async () => {
    const clock = new ManualClock();
    const { link, work } = await start({ clock }, { clock });
    const late = link.call.hold({ name: "a" }).catch((error) => error);
    await work.holding(1);
    await clock.advance(29_999);
    expect(work.aborted).toEqual([]);
    await clock.advance(1);
    expect(await late).toMatchObject({ code: "deadline_exceeded" });
    expect(work.aborted).toEqual(["a"]);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("travels to a host that speaks the extension", async () => {
    const clock = new ManualClock(); // the caller's stands still: the host alone knows that time is over
    const { link, work } = await start({}, { clock });
    const held = link.call.hold({ name: "a" }, { timeoutMs: 5_000 }).catch((error) => error);
    await work.holding(1);
    await clock.advance(5_000);
    expect(await held).toMatchObject({ code: "deadline_exceeded", reason: "handler_timeout" });
    expect(work.aborted).toEqual(["a"]);
  });

  it("is what is left of it after waiting for a place", async () => {
    const clock = new ManualClock();
    const { transport, peer } = hostileTransport();
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, {
      clock,
      limits: { maxPostedInFlight: 1 },
      log: () => undefined,
    }).open();
    const first = link.call.add({ a: 1, b: 2 });
    const second = link.call.add({ a: 3, b: 4 }, { timeoutMs: 10_000 }).catch(() => undefined);
    expect(await peer.play({ hear: "co_end" })).toContain("101;x;n;d=30000");
    await clock.advance(4_000);
    await peer.play({ say: answer("101", packet("co_recv", "3")) });
    await first;
    expect(await peer.play({ hear: "co_end" })).toContain("102;x;n;d=6000");
    await peer.play("reset");
    await second;
  });

  it.each([
    ["call", Number.POSITIVE_INFINITY],
    ["upload", Number.POSITIVE_INFINITY],
  ])("can be none: %s", async (kind, timeoutMs) => {
    const clock = new ManualClock();
    const { link, work } = await start({ clock });
    const held =
      kind === "call"
        ? link.call.hold({ name: "a" }, { timeoutMs })
        : link.call.upload({ size: 0 }, { body: new Uint8Array(0), timeoutMs });
    if (kind === "call") await work.holding(1);
    await clock.advance(10_000_000);
    work.releaseAll();
    await held;
  });

  it.each([0, -1, Number.NaN])("of %s is refused here", async (timeoutMs) => {
    const { link } = await start();
    await expect(link.call.nothing({}, { timeoutMs })).rejects.toMatchObject({ reason: "bad_option" });
    await expect(link.call.store({ size: 0 }, { timeoutMs, body: new Uint8Array() })).rejects.toMatchObject({
      reason: "bad_option",
    });
  });

  it("is known to the handler, which hands it on", async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        nothing: (_, call) =>
          void seen.push(call.remainingMs, Math.round((call.deadline.getTime() - Date.now()) / 1_000)),
      }),
      { reactions: new Reactions().all, host: { clock } },
    );
    open.push(test);
    await test.link.call.nothing({}, { timeoutMs: 5_000 });
    await test.link.call.nothing({}, { timeoutMs: 500_000 });
    expect(seen).toEqual([5_000, 5, 60_000, 60]);
  });
});

describe("a late answer", () => {
  it.each([
    ["an object", packet("co_recv", "3")],
    ["an error", packet("co_recv", 'HbiError("internal","late")')],
    ["a script and an object", packet("", "told('late')") + packet("co_recv", "3")],
    ["nothing", ""],
  ])("of %s is dropped", async (_, late) => {
    const { transport, peer } = hostileTransport();
    const reactions = new Reactions();
    const link = await new Link<Kinds>(kinds, async () => transport, reactions.all, { log: () => undefined }).open();
    const abort = new AbortController();
    const given = link.call.add({ a: 1, b: 2 }, { signal: abort.signal }).catch((error) => error.code);
    await peer.play({ hear: "co_end" });
    abort.abort();
    expect(await given).toBe("cancelled");
    const next = link.call.add({ a: 3, b: 4 });
    await peer.play({ hear: "co_end" }, { say: answer("101", late) + answer("102", packet("co_recv", "7")) });
    expect(await next).toBe(7);
    await peer.play("reset");
  });

  it("to an upload may be of any kind", async () => {
    const { transport, peer } = hostileTransport();
    const options = { log: () => undefined };
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, options).open();
    const abort = new AbortController();
    const body = new Uint8Array(5);
    const given = link.call.upload({ size: 5 }, { body, signal: abort.signal }).catch((error) => error.code);
    await peer.play({ hear: "co_end" });
    abort.abort();
    expect(await given).toBe("cancelled");
    const next = link.call.add({ a: 3, b: 4 });
    const late = answer("101", packet("co_recv", "NoSuchThing(1)"));
    await peer.play({ hear: "co_end" }, { say: late + answer("102", packet("co_recv", "7")) });
    expect(await next).toBe(7);
    await peer.play("reset");
  });

  it("with raw data behind it is drained to its declared end", async () => {
    const { transport, peer } = hostileTransport();
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, {
      log: () => undefined,
      lanes: false,
    }).open();
    const abort = new AbortController();
    const given = link.call.download({ size: 5, fill: 1 }, { signal: abort.signal }).catch((error) => error.code);
    await peer.play({ hear: "co_end" });
    abort.abort();
    expect(await given).toBe("cancelled");
    const next = link.call.add({ a: 3, b: 4 });
    const smuggled = packet("co_ack_end", "101") + packet("err", "smuggled");
    await peer.play(
      { hear: "co_end" },
      { say: packet("co_ack_begin", "101") + packet("co_recv", `{"size":${smuggled.length},"fill":1}`) + smuggled },
      { say: packet("co_ack_end", "101") + answer("102", packet("co_recv", "7")) },
    );
    expect(await next).toBe(7);
    await peer.play("reset");
  });
});

describe("cancelling at the peer", () => {
  it("waits until the peer has shown that it speaks the extension, and is not tried at one that does not", async () => {
    const { transport, peer } = hostileTransport();
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, {
      log: () => undefined,
    }).open();
    const given = (abort: AbortController) =>
      link.call.add({ a: 1, b: 2 }, { signal: abort.signal }).catch((error) => error.code);
    const first = new AbortController();
    const gone = given(first);
    await peer.play({ hear: /co_end\]101/ });
    first.abort();
    expect(await gone).toBe("cancelled");
    await quiet();
    expect(peer.heard()).toBe("");
    await peer.play({ say: answer("100") }); // the bare id: it does
    expect(await peer.play({ hear: "co_end" })).toContain('$hbi.cancel("101")');
    const second = new AbortController();
    const again = given(second);
    await peer.play({ hear: "co_end" });
    second.abort();
    expect(await again).toBe("cancelled");
    expect(await peer.play({ hear: "co_end" })).toContain('$hbi.cancel("103")');
    await peer.play("reset");
    const other = hostileTransport();
    const reference = await new Link<Kinds>(kinds, async () => other.transport, new Reactions().all, {
      log: () => undefined,
    }).open();
    const third = new AbortController();
    const call = reference.call.add({ a: 1, b: 2 }, { signal: third.signal }).catch((error) => error.code);
    await other.peer.play({ hear: /co_end\]101/ }, { say: answer(helloOf("client", { name: "kinds" })) });
    third.abort();
    expect(await call).toBe("cancelled");
    await quiet();
    expect(other.peer.heard()).toBe("");
    await other.peer.play("reset");
  });

  it.each([
    ["of a conversation that is over", "101"],
    ["of none", "999"],
    ["of nonsense", "x".repeat(16)],
  ])("%s changes nothing", async (_, id) => {
    const { transport, peer } = hostileTransport();
    const { host } = await start();
    void host.accept(transport);
    const said = await peer.play(
      { say: conversation("101;x;n", "add(1,2)") + conversation("102;x;n", `$hbi.cancel(${JSON.stringify(id)})`) },
      { hear: /co_ack_end\]102/ },
    );
    expect(withoutHello(said)).toBe(answer("101", packet("co_recv", "3")) + answer("102"));
    await peer.play("end");
  });

  it("is no name to peers without the extension, nor to a second connection", async () => {
    const { host, link, work } = await start();
    const held = link.call.hold({ name: "a" }); // conversation 102 of its own connection
    await work.holding(1);
    const { transport, peer } = hostileTransport();
    void host.accept(transport);
    await peer.play({ say: conversation("101;x;n", '$hbi.cancel("102")') }, { hear: /co_ack_end\]101/ });
    await peer.play({ say: conversation("102", '$hbi.cancel("102")') }, { hear: "err" });
    await quiet();
    expect(work.aborted).toEqual([]);
    work.releaseAll();
    expect(await held).toBe("a");
    await peer.play("reset");
  });
});
