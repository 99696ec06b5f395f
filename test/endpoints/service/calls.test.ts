/**
 * Typed calls, posts, bodies and pushes, as a service and its consumers use them.
 */
import { Readable } from "node:stream";
import { defineService, HbiError, type Link, method, PRESETS } from "hbi";
import type { TestLink } from "hbi/testing";
import { quiet, testLink } from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { chunksOf, handlersOf, type Kinds, kinds, Point, Reactions, Work } from "./fixture.ts";

let open: TestLink<Kinds, undefined>[] = [];
afterEach(async () => {
  for (const { link } of open) await link.disconnect();
  open = [];
});

async function start(memory: { cut?: (available: number) => number } = {}, lanes = true) {
  const work = new Work();
  const reactions = new Reactions();
  const test = await testLink(kinds, handlersOf(work), { reactions: reactions.all, memory, link: { lanes } });
  open.push(test);
  return { ...test, link: test.link, peer: test.peer, work, reactions };
}

describe("calls", () => {
  it("give the result, of synchronous and of asynchronous handlers", async () => {
    const { link, work } = await start();
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    const held = link.call.hold({ name: "a" });
    await work.holding(1);
    work.release("a");
    expect(await held).toBe("a");
  });

  it("give undefined for a method without a result, when it has been landed", async () => {
    const { link, work } = await start();
    expect(await link.call.nothing()).toBeUndefined();
    expect(await link.call.note({ text: "x" })).toBeUndefined();
    expect(work.noted).toEqual(["x"]);
  });

  it.each([
    [{ first: "a" }, ["a", null, 3]],
    [{ first: "a", second: "b" }, ["a", "b", 3]],
    [{ first: "a", third: 9 }, ["a", null, 9]],
    [{ first: "a", second: undefined, third: 9 }, ["a", null, 9]],
    [{ first: "a", second: "b", third: 9 }, ["a", "b", 9]],
  ])("leave out what is optional: %j", async (params, expected) => {
    const { link } = await start();
    expect(await link.call.options(params as { first: string })).toEqual(expected);
  });

  it.each([
    [null],
    [true],
    [-0],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [2 ** 53],
    [10n ** 20n],
    ["quotes \" and ' and \\ and \n and \0 and \u{1f600}"],
    [[1, [2, { a: [] }]]],
    [{ "": 1, "a b": { constructor: 2, toString: 3 } }],
    [new Uint8Array([0, 39, 92, 255])],
  ])("carry %s there and back", async (value) => {
    const { link } = await start();
    expect(await link.call.echo({ value })).toEqual(value);
  });

  it("without a result tell a refusal, and the link goes on", async () => {
    const { link, work } = await start();
    await expect(
      link.po.converse((co) => co.sendCode("note(5)").then(() => co.waitCompleted()), { hasNoRawData: true }),
    ).rejects.toMatchObject({ reason: "bad_argument" });
    const work2 = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work2)(peer),
        note: () => {
          throw new HbiError("permission_denied", "no notes");
        },
      }),
      { reactions: new Reactions().all, host: { log: () => undefined } },
    );
    open.push(test);
    await expect(test.link.call.note({ text: "x" })).rejects.toMatchObject({ code: "permission_denied" });
    expect(await test.link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(work.noted).toEqual([]);
  });

  it("carry values of the definition as instances", async () => {
    const { link } = await start();
    const mirrored = await link.call.mirror({ at: new Point(1, 2) });
    expect(mirrored).toBeInstanceOf(Point);
    expect(mirrored).toEqual(new Point(2, 1));
  });

  it("have dotted names", async () => {
    const { link } = await start();
    expect(await link.call["svc.ping"]({ n: 5 })).toBe(5);
  });

  it("can be taken out of their link", async () => {
    const { link } = await start();
    const { add } = link.call;
    expect(await add({ a: 1, b: 1 })).toBe(2);
    expect(link.call.add).toBe(add);
  });

  it("are pipelined, and answered out of order", async () => {
    const { link, work } = await start();
    const order: string[] = [];
    const calls = ["a", "b", "c"].map((name) => link.call.hold({ name }).then(() => order.push(name)));
    await work.holding(3);
    for (const name of ["c", "a", "b"]) {
      work.release(name);
      await quiet();
    }
    await Promise.all(calls);
    expect(order).toEqual(["c", "a", "b"]);
  });

  it("are the same byte by byte", async () => {
    const { link, reactions } = await start({ cut: () => 1 });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(await link.call.ask_back({ question: "why" })).toBe("why?!");
    expect(reactions.heard).toEqual(["why"]);
    const { result, body } = await link.call.both_ways({ size: 3 }, { body: new Uint8Array([1, 2, 3]) });
    expect([result, [...(await body.bytes())]]).toEqual([{ size: 3 }, [1, 2, 3]]);
  });
});

describe("posts", () => {
  it("resolve when they are on the wire, and can be awaited to the end", async () => {
    const { link, work } = await start();
    const posted = await link.post.hold_and_note({ name: "a" });
    await work.holding(1);
    let isCompleted = false;
    const completed = posted.waitCompleted().then(() => {
      isCompleted = true;
    });
    await quiet();
    expect(isCompleted).toBe(false);
    work.release("a");
    await completed;
    expect(work.noted).toEqual(["a"]);
  });

  it("drop a result, with its raw data", async () => {
    const { link } = await start();
    for (const posted of [
      await link.post.add({ a: 1, b: 2 }),
      await link.post.download({ size: 100_000, fill: 1 }),
      await link.post.upload({ size: 3 }, { body: new Uint8Array(3) }),
      await link.post.both_ways({ size: 70_000 }, { body: new Uint8Array(70_000) }),
    ]) {
      expect(await posted.waitCompleted()).toBeUndefined();
    }
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("report a refusal to a caller that waits", async () => {
    const { link } = await start();
    const posted = await link.post.fail({ how: "hbi" });
    await expect(posted.waitCompleted()).rejects.toMatchObject({ code: "not_found", details: { how: "hbi" } });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("that fail unheard end nothing", async () => {
    const { link } = await start();
    await link.post.fail({ how: "hbi" });
    await link.post.store({ size: 70_000 }, { body: chunksOf(60_000, 0) }).catch(() => undefined);
    await quiet();
  });
});

const BYTES = new Uint8Array(200_000).fill(1);

/** Without a diff of a megabyte. */
const isSame = (one: Uint8Array, other: Uint8Array) =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);

describe("bodies", () => {
  it.each([
    ["a buffer", () => BYTES],
    ["another view", () => new Float64Array(BYTES.buffer)],
    ["chunks", () => [...chunksOf(200_000, 1)]],
    ["a generator", () => chunksOf(200_000, 1)],
    [
      "an asynchronous generator",
      () =>
        (async function* () {
          for (const chunk of chunksOf(200_000, 1)) {
            await quiet(1);
            yield chunk;
          }
        })(),
    ],
    ["a blob", () => new Blob([BYTES])],
    ["a web stream", () => new Blob([BYTES]).stream()],
  ])("are sent from %s", async (_, make) => {
    const { link } = await start();
    const { sum } = await link.call.upload({ size: 200_000 }, { body: make() });
    expect(sum).toBe(make() instanceof Float64Array ? 200_000 : 200_000);
  });

  it.each([0, 1, 65_536, 65_537, 1_000_000])("of %i bytes go both ways", async (bytes) => {
    const { link } = await start();
    const sent = new Uint8Array(bytes).map((_, i) => i % 251);
    const { result, body } = await link.call.both_ways({ size: bytes }, { body: sent });
    expect(result).toEqual({ size: bytes });
    expect(body.length).toBe(bytes);
    expect(isSame(await body.bytes(), sent)).toBe(true);
    expect(body.unreadBytes).toBe(0);
  });

  it("are read in chunks, into buffers, or dropped, and the link goes on", async () => {
    const { link } = await start();
    const streamed = await link.call.download({ size: 100_000, fill: 7 });
    let length = 0;
    for await (const chunk of streamed.body) length += chunk.length;
    expect(length).toBe(100_000);

    const filled = await link.call.download({ size: 100_000, fill: 7 });
    const buffer = new Uint8Array(60_000);
    await filled.body.readInto(buffer);
    expect(filled.body.unreadBytes).toBe(40_000);
    expect(buffer.every((byte) => byte === 7)).toBe(true);
    expect((await filled.body.bytes()).length).toBe(40_000);

    (await link.call.download({ size: 100_000, fill: 7 })).body.discard();
    for await (const _ of (await link.call.download({ size: 100_000, fill: 7 })).body) break;
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("cannot be read twice, nor beyond their end", async () => {
    const { link } = await start();
    const { body } = await link.call.download({ size: 10, fill: 7 });
    await expect(body.readInto(new Uint8Array(11))).rejects.toMatchObject({ code: "out_of_range" });
    expect((await body.bytes()).length).toBe(10);
    await expect(body.bytes()).rejects.toMatchObject({ reason: "wrong_stage" });
    const { body: dropped } = await link.call.download({ size: 10, fill: 7 });
    dropped.discard();
    await expect(dropped.bytes()).rejects.toMatchObject({ reason: "wrong_stage" });
  });

  it.each([
    ["a shorter buffer", new Uint8Array(9)],
    ["a longer buffer", new Uint8Array(11)],
    ["a shorter blob", new Blob([new Uint8Array(9)])],
    ["fewer chunks", [new Uint8Array(9)]],
    ["more chunks", [new Uint8Array(9), new Uint8Array(2)]],
  ])("of another length than declared are refused here: %s", async (_, body) => {
    const { link } = await start();
    await expect(link.call.upload({ size: 10 }, { body })).rejects.toMatchObject({ reason: "body_mismatch" });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("that turn out longer when all that was declared is sent fail here alone", async () => {
    const { link } = await start();
    const body = () => [...chunksOf(200_000, 1), new Uint8Array(5)];
    await expect(link.call.upload({ size: 200_000 }, { body })).rejects.toMatchObject({ reason: "body_mismatch" });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it.each([
    ["end the connection without lanes, as the host waits for the rest", false],
    ["end their lane alone", true],
  ])("that turn out shorter when a part is sent %s", async (_, lanes) => {
    const { link } = await start({}, lanes);
    const body = () => chunksOf(190_000, 1);
    await expect(link.call.upload({ size: 200_000 }, { body })).rejects.toMatchObject({ reason: "body_mismatch" });
    const next = await link.call.add({ a: 1, b: 2 }).catch((error: unknown) => error);
    if (lanes) expect(next).toBe(3);
    else expect(next).toMatchObject({ code: "unavailable" });
  });

  it("are refused where none is declared, and asked for where one is", async () => {
    const { link } = await start();
    await expect(link.call.upload({ size: 10 }, {} as never)).rejects.toMatchObject({ reason: "bad_option" });
    await expect(link.call.upload({ size: 10 }, { body: "text" as never })).rejects.toMatchObject({
      reason: "bad_option",
    });
    await expect(link.call.add({ a: 1, b: 2 }, { body: BYTES } as never)).rejects.toMatchObject({
      reason: "bad_option",
    });
  });

  it("are no part of a call that declares none, or reads them by hand", async () => {
    const seen: unknown[] = [];
    const look = (call: { readonly body: unknown }) => {
      try {
        seen.push(call.body);
      } catch (error) {
        seen.push((error as HbiError).reason);
      }
    };
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        nothing: (_, call) => look(call),
        several(_, call) {
          look(call);
          return [];
        },
      }),
      { reactions: new Reactions().all },
    );
    open.push(test);
    await test.link.call.nothing();
    await test.link.call.several({ count: 0 }, { send: async () => undefined });
    expect(seen).toEqual(["wrong_stage", "wrong_stage"]);
  });

  it("that no function describes are sent and read by hand", async () => {
    const { link } = await start();
    const sums = await link.call.several(
      { count: 3 },
      {
        async send(co) {
          for (const length of [1, 70_000, 0]) {
            await co.sendObj(String(length));
            await co.sendData(new Uint8Array(length).fill(1));
          }
        },
      },
    );
    expect(sums).toEqual([1, 70_000, 0]);
    await expect(link.call.several({ count: 1 }, {} as never)).rejects.toMatchObject({ reason: "bad_option" });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("are made anew by a function", async () => {
    const { link } = await start();
    const { sum } = await link.call.upload({ size: 100_000 }, { body: () => chunksOf(100_000, 1) });
    expect(sum).toBe(100_000);
  });

  it.each<[string, (link: Link<Kinds>, body: Readable) => Promise<unknown>]>([
    ["parameters are refused", (link, body) => link.call.upload({ size: -1 }, { body })],
    ["nothing is wanted of it", (link, body) => link.call.upload({ size: 0 }, { body })],
    ["the method takes none", (link, body) => link.call.add({ a: 1, b: 2 }, { body } as never)],
    ["the signal has aborted", (link, body) => link.call.upload({ size: 9 }, { body, signal: AbortSignal.abort() })],
    ["it is longer than declared", (link, body) => link.call.upload({ size: 9 }, { body })],
    ["the link is closed", (link, body) => link.close().then(() => link.call.upload({ size: 9 }, { body }))],
    ["a post is refused", (link, body) => link.post.store({ size: -1 }, { body })],
  ])("that are not sent are let go of: %s", async (_, call) => {
    const { link } = await start();
    const body = Readable.from(chunksOf(30_000, 1));
    await call(link, body).catch(() => undefined);
    await quiet();
    expect(body.destroyed).toBe(true);
  });

  it.each([
    ["its result is refused", "result"],
    ["its consumer has gone", "gone"],
  ])("of an answer that is not sent are let go of: %s", async (_, how) => {
    const body = Readable.from(chunksOf(30_000, 1));
    const work = new Work();
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(work)(peer),
        async download() {
          if (how === "gone") await work.hold("download", new AbortController().signal);
          return { result: { size: 30_000, fill: how === "result" ? ("x" as never) : 1 }, body };
        },
      }),
      { reactions: new Reactions().all, host: { log: () => undefined } },
    );
    const abort = new AbortController();
    const call = test.link.call.download({ size: 1, fill: 1 }, { signal: abort.signal }).catch(() => undefined);
    if (how === "gone") {
      await work.holding(1);
      test.cut();
      work.releaseAll();
    }
    await call;
    for (let i = 0; i < 100 && !body.destroyed; i++) await quiet();
    expect(body.destroyed).toBe(true);
    await test.link.disconnect();
  });

  it("of an answer that are longer than this side takes are refused as such", async () => {
    const test = await testLink(kinds, handlersOf(new Work()), {
      reactions: new Reactions().all,
      host: { log: () => undefined },
      link: { limits: { maxBodyBytes: 1_000 }, log: () => undefined },
    });
    const fits = await test.link.call.download({ size: 1_000, fill: 1 });
    expect((await fits.body.bytes()).length).toBe(1_000);
    await expect(test.link.call.download({ size: 1_001, fill: 1 })).rejects.toMatchObject({ reason: "result_too_big" });
    expect(await test.link.call.add({ a: 1, b: 2 })).toBe(3);
    await test.close();
  });

  it("of an answer of a host that does not know how much this side takes end the connection", async () => {
    const test = await testLink(kinds, handlersOf(new Work()), {
      reactions: new Reactions().all,
      host: { log: () => undefined },
      link: { limits: { maxBodyBytes: 1_000 }, log: () => undefined, extension: false },
    });
    await expect(test.link.call.download({ size: 1_001, fill: 1 })).rejects.toMatchObject({ reason: "body_too_big" });
    expect(await test.link.closed).toMatchObject({ reason: "body_too_big" }); // nothing behind it may be read
  });

  it.each([
    ["small enough to be held goes back", 100_000, false],
    ["larger than that is refused at once", 300_000, true],
  ])("that are an answer's as well: one %s", async (_, size, isRefused) => {
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(new Work())(peer),
        both_ways: ({ size }, call) => ({ result: { size }, body: call.body }),
      }),
      {
        reactions: new Reactions().all,
        host: { log: () => undefined },
        memory: { cut: (available) => Math.min(available, 10_000) },
      },
    );
    open.push(test);
    const echoed = test.link.call.both_ways({ size }, { body: new Uint8Array(size).fill(5) });
    if (isRefused) await expect(echoed).rejects.toMatchObject({ reason: "body_unread" });
    else expect((await (await echoed).body.bytes()).every((byte) => byte === 5)).toBe(true);
    expect(await test.link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("that a handler never touches do not delay its answer", async () => {
    const test = await testLink(
      kinds,
      (peer) => ({
        ...handlersOf(new Work())(peer),
        both_ways: () => ({ result: { size: 3 }, body: new Uint8Array(3) }),
      }),
      { reactions: new Reactions().all, host: { log: () => undefined } },
    );
    open.push(test);
    const { body } = await test.link.call.both_ways({ size: 900_000 }, { body: new Uint8Array(900_000) });
    expect((await body.bytes()).length).toBe(3);
  });

  it("of several calls cross on one connection", async () => {
    const { link } = await start();
    const bytes = 300_000;
    const calls = Array.from({ length: 10 }, async (_, i) => {
      const sent = new Uint8Array(bytes).fill(i);
      const { body } = await link.call.both_ways({ size: bytes }, { body: sent });
      return isSame(await body.bytes(), sent);
    });
    expect(await Promise.all(calls)).toEqual(Array(10).fill(true));
  });
});

describe("backpressure", () => {
  const TOTAL = 20_000_000;
  /** What may be on its way: written and not taken, received and not asked for, and a chunk on either side. */
  const MOST = PRESETS.public.sendHighWaterBytes + 2 * PRESETS.public.maxBufferedBytes + 2 * 65_536;

  it("slows the sender of an unread body", async () => {
    let given = 0;
    const body = (function* () {
      for (const chunk of chunksOf(TOTAL, 1, 65_536)) {
        given += chunk.length;
        yield chunk;
      }
    })();
    const work = new Work();
    const big = defineService({
      name: "big",
      version: "1.0.0",
      methods: { put: method({ params: { n: z.int() }, body: ({ n }) => n, result: z.int() }) },
    });
    const test = await testLink(big, () => ({
      async put(_, call) {
        await work.hold("put", call.signal);
        let length = 0;
        for await (const chunk of call.body) length += chunk.length;
        return length;
      },
    }));
    const put = test.link.call.put({ n: TOTAL }, { body });
    await work.holding(1);
    await quiet(200);
    expect(given).toBeLessThan(MOST);
    work.releaseAll();
    expect(await put).toBe(TOTAL);
    await test.close();
  });

  it("slows a service whose answer is not read", async () => {
    let given = 0;
    const big = defineService({
      name: "big",
      version: "1.0.0",
      methods: { get: method({ params: {}, result: z.int(), resultBody: (n) => n }) },
    });
    const test = await testLink(big, () => ({
      get: () => ({
        result: TOTAL,
        body: (function* () {
          for (const chunk of chunksOf(TOTAL, 1, 65_536)) {
            given += chunk.length;
            yield chunk;
          }
        })(),
      }),
    }));
    const { result, body } = await test.link.call.get();
    await quiet(200);
    expect(given).toBeLessThan(MOST);
    let length = 0;
    for await (const chunk of body) length += chunk.length;
    expect(length).toBe(result);
    await test.close();
  });
});

describe("the service calls back", () => {
  it("within a call, and is answered before it ends", async () => {
    const { link, reactions } = await start();
    expect(await link.call.ask_back({ question: "why" })).toBe("why?!");
    expect(reactions.heard).toEqual(["why"]);
  });

  it("on its own, with and without waiting, with bodies", async () => {
    const { peer, reactions } = await start();
    expect(await peer.call.asked({ question: "who" })).toBe("who?");
    await (await peer.post.told({ text: "news" })).waitCompleted();
    expect(reactions.heard).toEqual(["news"]);
    expect(await peer.call.given({ size: 100_000 }, { body: new Uint8Array(100_000) })).toBe(100_000);
  });
});
