/**
 * Bodies whose length nobody knows before their end: they end with their lane, are counted as they arrive, and are never
 * taken for whole when they were cut. docs/streaming.md, docs/lanes.md.
 */
import { Readable } from "node:stream";
import {
  defineService,
  type HandlersOf,
  HbiError,
  type LimitOptions,
  Link,
  memoryTransportPair,
  method,
  type ReactionsOf,
} from "hbi";
import { connect, serve } from "hbi/node";
import { hostileTransport, ManualClock, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Connection } from "../../../src/endpoints/session/connection.ts";

const KIB = 1024;
const sink = defineService({
  name: "sink",
  version: "1.0.0",
  methods: {
    put: method({ params: { name: z.string() }, body: "unknown", result: z.int() }),
    small: method({
      params: {},
      body: "unknown",
      result: z.object({ got: z.int() }),
      resultBody: "unknown",
      limits: { call: { maxBodyBytes: 1_000 }, result: { maxBodyBytes: 2_000 } },
    }),
    get: method({ params: { bytes: z.int() }, result: z.string(), resultBody: "unknown" }),
    both: method({ params: {}, body: "unknown", result: z.int(), resultBody: "unknown" }),
    note: method({ params: {}, body: "unknown" }),
    again: method({ params: {}, body: "unknown", result: z.int(), idempotent: true }),
    ping: method({ params: { n: z.int() }, result: z.int() }),
  },
  reactions: { take: method({ params: {}, body: "unknown", result: z.int() }) },
});
type Handlers = HandlersOf<typeof sink, undefined>;
type Given = { readonly body: AsyncIterable<Uint8Array> };

async function* bytes(size: number, piece = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += piece) {
    yield Uint8Array.from({ length: Math.min(piece, size - at) }, (_, i) => (at + i) % 251);
  }
}

async function whole(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const expected = (size: number): Buffer => Buffer.from(Uint8Array.from({ length: size }, (_, i) => i % 251));
const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

interface Sides {
  readonly handlers?: Partial<Handlers>;
  readonly host?: { readonly limits?: LimitOptions; readonly lanes?: boolean };
  readonly link?: { readonly limits?: LimitOptions; readonly lanes?: boolean };
  readonly cut?: (available: number) => number;
  readonly clock?: ManualClock;
}

async function linked({ handlers = {}, host = {}, link = {}, cut, clock }: Sides = {}) {
  const timed = clock === undefined ? {} : { clock, limits: { handlerTimeoutMs: 1e9, gapTimeoutMs: 3_000 } };
  const got: Buffer[] = [];
  const failed: unknown[] = [];
  const logged: string[] = [];
  const read = async (call: Given): Promise<number> => {
    try {
      const all = await whole(call.body);
      got.push(all);
      return all.length;
    } catch (thrown) {
      failed.push(thrown);
      throw thrown;
    }
  };
  const usual: Handlers = {
    put: (_, call) => read(call),
    small: async (_, call) => {
      const size = await read(call);
      return { result: { got: size }, body: bytes(size * 2, 100) };
    },
    get: ({ bytes: size }) => ({ result: "here", body: bytes(size) }),
    both: async (_, call) => {
      const all = await call.bytes();
      return { result: all.length, body: [all, all] };
    },
    note: async (_, call) => void (await read(call)),
    again: (_, call) => read(call),
    ping: ({ n }) => n + 1,
  };
  const test = await testLink(sink, () => ({ ...usual, ...handlers }), {
    reactions: { take: (_: unknown, call: Given) => read(call) },
    host: { ...timed, ...host, log: ({ where, error }) => void logged.push(`host: ${where}: ${error.message}`) },
    link: { ...timed, ...link, log: ({ where, error }) => void logged.push(`link: ${where}: ${error.message}`) },
    ...(cut === undefined ? {} : { memory: { cut } }),
  });
  await test.link.ping();
  return { test, link: test.link, got, failed, logged };
}

/** What the only connection of the host holds. */
function heldOf(host: object): Readonly<Record<string, number>> {
  const { acceptor } = host as { readonly acceptor: { readonly connections: Iterable<Connection> } };
  const [connection] = [...acceptor.connections];
  return { ...connection?.held };
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !holds(); i++) await quiet(5);
  expect(holds()).toBe(true);
}

/** The connection works, has as many lanes as before, and holds nothing. */
async function isSound({ test, link }: Awaited<ReturnType<typeof linked>>): Promise<void> {
  expect(await link.call.ping({ n: 1 })).toBe(2);
  for (let i = 0; i < 40; i++) expect(await link.call.again({}, { body: bytes(3) })).toBe(3); // more than maxLanes
  await until(() => Object.values(heldOf(test.host)).every((held) => held === 0));
  expect(test.connectionCount).toBe(1);
}

const SIZE = 300_000;
const SOURCES: readonly (readonly [string, () => Parameters<Link<typeof sink>["call"]["put"]>[1]["body"]])[] = [
  ["a buffer", () => expected(SIZE)],
  ["an array of buffers", () => [expected(SIZE).subarray(0, 10), expected(SIZE).subarray(10)]],
  ["an asynchronous generator", () => bytes(SIZE)],
  ["a Node stream", () => Readable.from(bytes(SIZE))],
  ["a web stream", () => new Blob([new Uint8Array(expected(SIZE))]).stream()],
  ["a blob", () => new Blob([new Uint8Array(expected(SIZE))])],
  ["a file", () => new File([new Uint8Array(expected(SIZE))], "a")],
  ["a function that returns one of them", () => () => bytes(SIZE)],
];

describe("sources", () => {
  it.each(SOURCES)("%s, of a call and of a result", async (_, source) => {
    const sides = await linked({
      handlers: {
        get: () => {
          const body = source();
          return { result: "here", body: typeof body === "function" ? body() : body };
        },
      },
    });
    expect(await sides.link.call.put({ name: "a" }, { body: source() })).toBe(SIZE);
    expect(sides.got[0]?.equals(expected(SIZE))).toBe(true);
    const { result, body } = await sides.link.call.get({ bytes: SIZE });
    expect(result).toBe("here");
    expect(Buffer.from(await body.bytes()).equals(expected(SIZE))).toBe(true);
    await isSound(sides);
    await sides.test.close();
    expect(sides.logged).toEqual([]);
  });

  it.each([0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB, 700_000])(
    "of %i bytes, at once and in pieces, whatever the network makes of them",
    async (size) => {
      for (const cut of [(available: number) => available, (available: number) => Math.min(available, 4_000)]) {
        const sides = await linked({ cut });
        for (const piece of [size + 1, 7_000]) {
          expect(await sides.link.call.put({ name: "a" }, { body: bytes(size, piece) })).toBe(size);
          expect(sides.got.pop()?.equals(expected(size))).toBe(true);
        }
        const { body } = await sides.link.call.get({ bytes: size });
        expect((await whole(body)).equals(expected(size))).toBe(true);
        await sides.test.close();
        expect(sides.logged).toEqual([]);
      }
    },
  );

  it("in both directions of one call, of a reaction, and of posts", async () => {
    const sides = await linked();
    const { result, body } = await sides.link.call.both({}, { body: bytes(100_000) });
    expect(result).toBe(100_000);
    expect((await body.bytes()).length).toBe(200_000);
    expect(await sides.test.peer.call.take({}, { body: bytes(SIZE) })).toBe(SIZE);
    const posted = await sides.link.post.note({}, { body: bytes(SIZE) });
    await posted.waitCompleted();
    await (await sides.link.post.both({}, { body: bytes(SIZE) })).waitCompleted();
    await isSound(sides);
    await sides.test.close();
    expect(sides.logged).toEqual([]);
  });

  it("over sockets, while small calls pass", async () => {
    const take: ReactionsOf<typeof sink>["take"] = async (_, call) => (await call.bytes()).length;
    const server = await serve(sink, "127.0.0.1:0", () => ({
      put: async (_, call) => (await whole(call.body)).length,
      small: () => ({ result: { got: 0 }, body: [] }),
      get: ({ bytes: size }) => ({ result: "here", body: bytes(size, 65_536) }),
      both: () => ({ result: 0, body: [] }),
      note: () => undefined,
      again: () => 0,
      ping: ({ n }) => n + 1,
    }));
    const link = await connect(sink, server.address, { take });
    const size = 8_000_000;
    let isOver = false;
    const bulk = Promise.all([
      link.call.put({ name: "a" }, { body: bytes(size, 65_536) }),
      link.call.get({ bytes: size }).then(async ({ body }) => (await whole(body)).length),
    ]);
    void bulk.finally(() => {
      isOver = true;
    });
    for (let n = 0; !isOver; n++) expect(await link.call.ping({ n })).toBe(n + 1);
    expect(await bulk).toEqual([size, size]);
    await link.close();
    await server.close();
  });
});

describe("reading", () => {
  it("a handler and a caller learn where it ends, and not before", async () => {
    const seen: unknown[] = [];
    const sides = await linked({
      handlers: {
        put: async (_, call) => {
          seen.push(call.bodyLength, call.isBodyHandled);
          const head = new Uint8Array(10);
          await call.readInto(head);
          const rest = await call.bytes();
          seen.push(head.length + rest.length, call.isBodyHandled);
          const more = await outcome(call.readInto(new Uint8Array(1)));
          seen.push((more as HbiError).code);
          return rest.length;
        },
      },
    });
    expect(await sides.link.call.put({ name: "a" }, { body: bytes(25_000) })).toBe(24_990);
    expect(seen).toEqual([Number.POSITIVE_INFINITY, false, 25_000, true, "failed_precondition"]);
    const { body } = await sides.link.call.get({ bytes: 10 });
    expect(await outcome(body.readInto(new Uint8Array(11)))).toMatchObject({ code: "out_of_range" });
    for (const wait of [0, 50]) {
      const another = await sides.link.call.get({ bytes: 10 });
      await quiet(wait);
      await another.body.readInto(new Uint8Array(10));
      await quiet(wait);
      expect((await whole(another.body)).length).toBe(0);
      expect(await outcome(whole(another.body))).toMatchObject({ reason: "wrong_stage" });
    }
    const blob = await (await sides.link.call.get({ bytes: 100_000 })).body.blob();
    expect(Buffer.from(await blob.arrayBuffer()).equals(expected(100_000))).toBe(true);
    const stream = (await sides.link.call.get({ bytes: 100_000 })).body.stream();
    expect(await new Response(stream).arrayBuffer()).toHaveProperty("byteLength", 100_000);
    const none = await sides.link.call.get({ bytes: 0 });
    await quiet(50); // its end is there
    expect(await none.body.bytes()).toHaveLength(0);
    await isSound(sides);
    await sides.test.close();
  });

  it("a handler that does not read skips it, and its answer follows", async () => {
    const sides = await linked({ handlers: { put: () => 7, note: (_, call) => call.body.discard() } });
    expect(await sides.link.call.put({ name: "a" }, { body: bytes(SIZE) })).toBe(7);
    await sides.link.call.note({}, { body: bytes(SIZE) });
    await sides.test.close();
    expect(sides.logged).toEqual([]);
  });

  it("a body that waits for a reader is held within bounds, and delays nobody", async () => {
    const sides = await linked();
    const { body } = await sides.link.call.get({ bytes: 3_000_000 });
    await quiet(100);
    for (let n = 0; n < 5; n++) expect(await sides.link.call.ping({ n })).toBe(n + 1);
    expect((await whole(body)).equals(expected(3_000_000))).toBe(true);
    await isSound(sides);
    await sides.test.close();
  });

  it("one that has ended is not late, however long its handler or its reader takes", async () => {
    const clock = new ManualClock();
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const put: Handlers["put"] = async (_, call) => {
      const { length } = await call.bytes();
      await answered;
      return length;
    };
    const sides = await linked({ handlers: { put }, clock });
    const up = sides.link.call.put({ name: "a" }, { body: [Uint8Array.of(1)], timeoutMs: 1e9 });
    const { body } = await sides.link.call.get({ bytes: 1_000 });
    await quiet(50);
    for (let i = 0; i < 12; i++) {
      clock.advance(5_000); // longer than gapTimeoutMs
      await quiet(5);
      if (i === 4) expect((await body.bytes()).length).toBe(1_000); // before its reader is given up
    }
    expect(sides.logged).toEqual([]);
    answer();
    expect(await up).toBe(1);
    await sides.test.close();
  });

  it("one that has arrived with its end stays until it is read", async () => {
    const sides = await linked();
    const { body } = await sides.link.call.get({ bytes: 1_000 });
    await quiet(50);
    expect((await whole(body)).equals(expected(1_000))).toBe(true);
    const late = await sides.link.call.get({ bytes: 100_000 });
    await quiet(50);
    const leaving = sides.test.host.drain();
    await quiet(50);
    expect((await whole(late.body)).equals(expected(100_000))).toBe(true);
    await leaving;
  });
});

describe("limits are counted as it grows", () => {
  it.each([
    ["a buffer", (size: number) => new Uint8Array(size)],
    ["a source in one chunk", (size: number) => [new Uint8Array(size)]],
    ["a source in many", (size: number) => bytes(size, 7)],
  ])("a call with %s: N bytes pass, N + 1 are refused", async (_, source) => {
    const sides = await linked();
    const { result, body } = await sides.link.call.small({}, { body: source(1_000) });
    expect(result).toEqual({ got: 1_000 });
    expect((await body.bytes()).length).toBe(2_000);
    const refused = await outcome(sides.link.call.small({}, { body: source(1_001) }));
    expect(refused).toMatchObject({ code: "resource_exhausted", reason: "body_too_big", origin: "local" });
    expect((refused as Error).message).toMatch(/^small: .*1,001 bytes; the service accepts 1,000 \(maxBodyBytes\)/);
    expect(sides.got.length).toBe(1);
    await isSound(sides);
    await sides.test.close();
  });

  it.each([
    ["N bytes", 1_000, undefined],
    ["N + 1 bytes", 1_001, "body_too_big"],
    ["an endless body", Number.POSITIVE_INFINITY, "body_too_big"],
  ])("a host counts what it gets from others: %s", async (_, size, reason) => {
    // a limit of the host that it does not say, because it is of the method in its own definition alone
    const lax = defineService({
      name: "sink",
      version: "1.0.0",
      methods: {
        ...sink.methods,
        small: method({ params: {}, body: "unknown", result: z.object({ got: z.int() }), resultBody: "unknown" }),
      },
      reactions: sink.reactions,
    });
    const sides = await linked();
    const other = new Link(
      lax,
      async () => {
        const [near, far] = memoryTransportPair();
        void sides.test.host.accept(far);
        return near;
      },
      { take: () => 0 },
      { log: () => undefined },
    );
    await other.open();
    let given = 0;
    async function* counted() {
      for await (const chunk of bytes(Math.min(size, 1e9), 499)) {
        given += chunk.length;
        yield chunk;
      }
    }
    const result = await outcome(other.call.small({}, { body: counted() }));
    if (reason === undefined) expect(result).toMatchObject({ result: { got: 1_000 } });
    else {
      expect(result).toMatchObject({ code: "resource_exhausted", reason, origin: "peer" });
      expect((result as Error).message).toContain("more than 1,000 bytes (maxBodyBytes)");
      expect(given).toBeLessThan(5_000_000);
      expect(sides.failed[0]).toMatchObject({ reason });
    }
    expect(await other.call.ping({ n: 1 })).toBe(2);
    await other.close();
    await sides.test.close();
  });

  it("a result: the host stops its source, and the caller hears of it", async () => {
    const sides = await linked({
      handlers: {
        small: () => ({ result: { got: 0 }, body: bytes(2_001, 2_001) }),
        get: () => ({ result: "", body: bytes(1e9) }),
      },
      link: { limits: { maxBodyBytes: 500_000 } },
    });
    const atOnce = await outcome(sides.link.call.small({}, { body: [] }).then(({ body }) => body.bytes()));
    expect(atOnce).toMatchObject({ reason: "result_too_big" });
    const { body } = await sides.link.call.get({ bytes: 0 });
    expect(await outcome(whole(body))).toMatchObject({
      reason: "lane_reset",
      message: expect.stringContaining("result_too_big"),
    });
    await isSound(sides);
    await sides.test.close();
  });

  it("a caller counts what it gets", async () => {
    const { transport, peer } = hostileTransport();
    const link = await new Link(
      sink,
      async () => transport,
      { take: () => 0 },
      { limits: { maxBodyBytes: 10 }, log: () => undefined },
    ).open();
    for (const [lane, data, reason] of [
      [1, "0123456789", undefined],
      [3, "0123456789a", "body_too_big"],
    ] as const) {
      const call = link.call.get({ bytes: 0 });
      if (lane === 1) {
        await peer.play({ hear: "co_end]100;" });
        await peer.play({ say: `${HELLO}${packet("co_ack_begin", "100")}${packet("co_ack_end", "100")}${SWITCH}` });
      }
      await peer.play({ hear: `open]${lane}` });
      const id = lane === 1 ? "101" : "102";
      await peer.play({ say: framed(lane, packet("co_ack_begin", `${id};u`) + packet("co_recv", "'x'") + data) });
      await peer.play({ say: `[1#end]${lane}` });
      const read = outcome(call.then(({ body }) => body.bytes()));
      if (reason === undefined) expect(await read).toHaveLength(10);
      else expect(await read).toMatchObject({ reason });
    }
    await peer.play({ hear: "#reset]3 body_too_big" });
    await peer.play("reset");
  });
});

const HELLO = packet("co_begin", "100;x;n;m=9;p=9000;lanes=9;window=90000") + packet("co_end", "100");
const SWITCH = "[1#lanes]1";
const framed = (lane: number, text: string) => `[${Buffer.byteLength(text)}#${lane}]${text}`;

describe("what is cut is never taken for whole", () => {
  async function* failing(size: number): AsyncGenerator<Uint8Array> {
    yield* bytes(size);
    throw new Error("disk");
  }

  it("the source of a call fails", async () => {
    const sides = await linked();
    for (const size of [0, 10_000, SIZE]) {
      expect(await outcome(sides.link.call.put({ name: "a" }, { body: failing(size) }))).toMatchObject({
        reason: "body_failed",
        cause: { message: "disk" },
      });
    }
    await until(() => sides.failed.length >= 1);
    expect(sides.got).toEqual([]);
    expect(sides.failed.every((error) => error instanceof HbiError)).toBe(true);
    await isSound(sides);
    await sides.test.close();
  });

  it("the source of a result fails", async () => {
    const sides = await linked({ handlers: { get: ({ bytes: size }) => ({ result: "", body: failing(size) }) } });
    for (const size of [0, 10_000, SIZE]) {
      const read = sides.link.call.get({ bytes: size }).then(({ body }) => whole(body));
      expect(await outcome(read)).toMatchObject({ code: expect.stringMatching(/^(unavailable|internal)$/) });
    }
    await isSound(sides);
    await sides.test.close();
  });

  it("the caller gives up half-way", async () => {
    const sides = await linked();
    const abort = new AbortController();
    let isStopped = false;
    async function* slow() {
      try {
        yield* bytes(SIZE);
        await new Promise(() => undefined);
      } finally {
        isStopped = true;
      }
    }
    const up = outcome(sides.link.call.put({ name: "a" }, { body: slow(), signal: abort.signal }));
    await quiet(50);
    abort.abort();
    expect(await up).toMatchObject({ code: "cancelled" });
    await until(() => sides.failed.length === 1);
    expect(sides.failed[0]).toMatchObject({ code: "cancelled" });
    expect([sides.got.length, isStopped]).toEqual([0, false]); // a generator that waits cannot be ended
    await isSound(sides);
    await sides.test.close();
    expect(sides.logged).toEqual([]);
  });

  it("the caller leaves a result: its source is stopped", async () => {
    let isStopped = false;
    async function* endless() {
      try {
        for (;;) yield new Uint8Array(65_536);
      } finally {
        isStopped = true;
      }
    }
    const sides = await linked({ handlers: { get: () => ({ result: "", body: endless() }) } });
    const { body } = await sides.link.call.get({ bytes: 0 });
    for await (const _ of body) break;
    await until(() => isStopped);
    await isSound(sides);
    await sides.test.close();
    expect(sides.logged).toEqual([]);
  });

  it.each(["host", "link"] as const)("the connection is closed in order by the %s half-way", async (side) => {
    const sides = await linked();
    let go = (): void => undefined;
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    async function* halting() {
      yield* bytes(SIZE);
      await gone;
    }
    const up = outcome(sides.link.call.put({ name: "a" }, { body: halting() }));
    const { body } = await sides.link.call.get({ bytes: 2_000_000 });
    const down = outcome(whole(body).then(({ length }) => length));
    await quiet(20);
    if (side === "host") await sides.test.host.close();
    else await sides.link.disconnect();
    go();
    expect(await up).toMatchObject({ code: "unavailable" });
    const read = await down;
    if (read !== 2_000_000) expect(read).toMatchObject({ code: "unavailable" });
    await until(() => sides.failed.length === 1);
    expect(sides.got).toEqual([]);
  });

  it("a post that is lost with its connection", async () => {
    const sides = await linked();
    async function* halting() {
      yield* bytes(SIZE);
      await new Promise(() => undefined);
    }
    const posted = outcome(sides.link.post.note({}, { body: halting() }));
    await quiet(20);
    await sides.link.disconnect();
    expect(await posted).toMatchObject({ code: "unavailable" });
    await until(() => sides.failed.length === 1);
    expect(sides.got).toEqual([]);
  });
});

describe("a side without lanes is told before anything is sent", () => {
  it.each([
    ["the host has none", { host: { lanes: false } }, "the peer takes none"],
    ["the link has none", { link: { lanes: false } }, "this side has turned them off"],
  ])("%s", async (_, setting, why) => {
    const sides = await linked(setting);
    const source = () => bytes(10);
    for (const call of [sides.link.call.put({ name: "a" }, { body: source }), sides.link.call.get({ bytes: 1 })]) {
      const error = await outcome(call);
      expect(error).toMatchObject({ code: "unimplemented", reason: "no_lanes", mayHaveLanded: false });
      expect((error as Error).message).toContain(why);
    }
    expect(await outcome(sides.test.peer.call.take({}, { body: [] }))).toMatchObject({ reason: "no_lanes" });
    expect(sides.got).toEqual([]);
    expect(await sides.link.call.ping({ n: 1 })).toBe(2);
    await sides.test.close();
  });

  it("before the other side has introduced itself, a call waits", async () => {
    const { test } = await linked();
    const [near, far] = memoryTransportPair();
    void test.host.accept(far);
    const link = await new Link(sink, async () => near, { take: () => 0 }, {}).open();
    expect(await link.call.put({ name: "a" }, { body: bytes(10) })).toBe(10);
    await link.close();
    await test.close();
  });

  it("a peer that is not of this library: nothing of the call is sent", async () => {
    const { transport, peer } = hostileTransport();
    const link = await new Link(sink, async () => transport, { take: () => 0 }, {}).open();
    const call = outcome(link.call.put({ name: "a" }, { body: bytes(10) }));
    const heard = await peer.play({ hear: "co_end]100;" });
    const id = /co_begin\](100;[^[]*)\[/.exec(heard)?.[1] ?? "";
    await peer.play({ say: packet("co_ack_begin", id) + packet("co_ack_end", id) });
    expect(await call).toMatchObject({ code: "unimplemented", reason: "no_lanes" });
    await quiet();
    expect(peer.heard()).not.toContain("put(");
    await peer.play("reset");
  });
});
