/**
 * A refused upload keeps its error: the caller gets the refusal as it was made, at once and once; its source is closed
 * once, the rest is not sent, and what else is in flight ends honestly.
 */
import { ReadableStream as WebStream } from "node:stream/web";
import { defineService, HbiError, type HostOptions, type LogEntry, method } from "hbi";
import { connect, serve } from "hbi/node";
import { ManualClock, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;
const BUSY = new HbiError("resource_exhausted", "too busy", { retryAfterMs: 500 });
const no = (): never => {
  throw BUSY;
};
const REFUSED = { code: "resource_exhausted", message: "too busy", details: { retryAfterMs: 500 } };

/** Whether a parameter is valid: the consumer's check comes first. */
let isValid = true;

const store = defineService({
  name: "store",
  version: "1.0.0",
  methods: {
    put: method({
      params: { bytes: z.int(), how: z.string().refine(() => isValid) },
      body: ({ bytes }) => bytes,
      result: z.string(),
      idempotent: true,
    }),
    send: method({ params: { how: z.string() }, body: "manual", result: z.string() }),
    get: method({ params: { bytes: z.int() }, result: z.int(), resultBody: (bytes) => bytes }),
    hold: method({ params: {}, result: z.string() }),
    one: method({ params: {}, result: z.int() }),
  },
  reactions: { given: method({ params: { bytes: z.int() }, body: ({ bytes }) => bytes, result: z.int() }) },
});

type Store = typeof store;
type Options = HostOptions<Store, undefined>;

interface Source {
  asked: number;
  closed: number;
}

/** An endless source that can be closed, also while it is awaited. @param chunks how many it has; then it stalls */
function source(given: Source, chunks = Number.POSITIVE_INFINITY): AsyncIterable<Uint8Array> {
  const iterator: AsyncIterator<Uint8Array> = {
    next: () => {
      given.asked += 1;
      return given.asked <= chunks
        ? Promise.resolve({ done: false, value: new Uint8Array(CHUNK) })
        : new Promise(() => undefined);
    },
    return: () => {
      given.closed += 1;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

function handlers(seen: { ran: number }, releases: (() => void)[]) {
  return () => ({
    async put(
      { how }: { readonly how: string },
      call: { readonly body: AsyncIterable<Uint8Array> & { discard(): void } },
    ) {
      seen.ran += 1;
      if (how === "throws") no();
      if (how === "returns") return "unread";
      if (how === "discards") call.body.discard();
      else if (how === "waits") await new Promise<never>(() => undefined);
      else
        for await (const chunk of call.body) {
          if (how === "throws while reading" && chunk.length > 0) no();
        }
      return how;
    },
    send: no,
    get: ({ bytes }: { readonly bytes: number }) => ({ result: bytes, body: new Uint8Array(bytes) }),
    hold: () => new Promise<string>((resolve) => releases.push(() => resolve("held"))),
    one: () => 1,
  });
}

async function start(
  host: Options = {},
  link: { readonly reconnect?: object; readonly retries?: number; readonly lanes?: boolean } = {},
) {
  const seen = { ran: 0, delivered: 0 };
  const releases: (() => void)[] = [];
  const log: LogEntry[] = [];
  const test = await testLink(store, handlers(seen, releases), {
    reactions: { given: no },
    host: { log: (entry) => void log.push(entry), ...host },
    link: { log: () => undefined, ...(host.clock === undefined ? {} : { clock: host.clock }), ...link },
    memory: {
      cut: (available) => {
        const bytes = Math.min(available, CHUNK);
        seen.delivered += bytes;
        return bytes;
      },
    },
  });
  await test.link.call.one({});
  return { ...test, link: test.link, seen, releases, log };
}

const failure = (call: Promise<unknown>) =>
  call.then(
    () => expect.unreachable(),
    (error: HbiError) => error,
  );

const clock = new ManualClock();
const KINDS: [string, Options, string, object, (() => Promise<void>)?][] = [
  ["authorize denies", { authorize: ({ name }) => name !== "put" }, "reads", { code: "permission_denied" }],
  ["authorize throws", { authorize: ({ name }) => name !== "put" || no() }, "reads", REFUSED],
  [
    "authorize denies later",
    { authorize: ({ name }) => quiet(2).then(() => name !== "put") },
    "reads",
    { code: "permission_denied" },
  ],
  ["an interceptor throws", { interceptors: [({ name }, next) => (name === "put" ? no() : next())] }, "reads", REFUSED],
  ["the handler throws", {}, "throws", REFUSED],
  ["the handler throws while it reads", {}, "throws while reading", REFUSED],
  ["an argument is refused", {}, "invalid", { code: "invalid_argument", reason: "bad_argument" }],
  [
    "its time is over while the handler waits",
    { clock, handlerTimeoutsMs: { put: 50 } },
    "waits",
    { code: "deadline_exceeded", reason: "handler_timeout" },
    () => clock.advance(50),
  ],
  [
    "its time is over while it waits for its turn",
    { clock, handlerTimeoutsMs: { put: 50 }, concurrency: { put: 1 } },
    "waits",
    { code: "deadline_exceeded", reason: "handler_timeout" },
    () => clock.advance(50),
  ],
];

describe.each(KINDS)("%s", (_name, options, how, refusal, meanwhile) => {
  const upload = (link: Awaited<ReturnType<typeof start>>["link"], bytes: number, body: AsyncIterable<Uint8Array>) => {
    const call = failure(link.call.put({ bytes, how }, { body, timeoutMs: 10_000 }));
    isValid = how !== "invalid";
    return call.finally(() => {
      isValid = true;
    });
  };

  it.each([
    ["without lanes, the connection ends", false],
    ["the connection serves on", true],
  ])("of a large body: nothing more is sent; answers in flight arrive; %s", async (_, lanes) => {
    const { link, seen, releases, log, disconnect } = await stalledOr(options, lanes);
    const held = link.call.hold({});
    const given = { asked: 0, closed: 0 };
    const refused = upload(link, 50 * MIB, source(given));
    await quiet();
    await meanwhile?.();
    expect(await refused).toMatchObject(refusal);
    expect(given.closed).toBe(1);
    expect(seen.delivered).toBeLessThan(4 * MIB);
    if (lanes) expect(await link.call.one({})).toBe(1);
    else expect(await failure(link.call.one({}))).toMatchObject({ code: "unavailable", mayHaveLanded: false });
    releases[0]?.();
    expect(await held).toBe("held");
    if (!lanes) await link.closed;
    expect(given.closed).toBe(1);
    expect(log.filter(({ where }) => where === "connection")).toEqual([]);
    await disconnect();
  });

  it("of a small body whose source has stopped: the connection serves on", async () => {
    const { link, disconnect } = await stalledOr(options);
    const given = { asked: 0, closed: 0 };
    const refused = upload(link, 500_000, source(given, 2));
    await quiet();
    await meanwhile?.();
    expect(await refused).toMatchObject(refusal);
    expect(given).toEqual({ asked: 3, closed: 1 });
    expect(await link.call.one({})).toBe(1);
    await disconnect();
  });
});

/** With a call that takes the only turn, if there is one. */
async function stalledOr(options: Options, lanes = true) {
  const started = await start(options, { lanes });
  if (options.concurrency !== undefined) {
    void failure(started.link.call.put({ bytes: 1, how: "waits" }, { body: new Uint8Array(1) }));
    await quiet();
  }
  return { ...started, disconnect: () => Promise.all([started.link.disconnect(), clock.advance(10_000)]) };
}

describe("a refused call", () => {
  const SIZES = [MIB - 1, MIB, MIB + 1, 2 * MIB, 100 * MIB];
  const BODIES: readonly (readonly [string, (bytes: number) => Uint8Array | Blob | ReadableStream<Uint8Array>])[] = [
    ["a buffer", (bytes) => new Uint8Array(bytes)],
    ["a blob", (bytes) => new Blob([new Uint8Array(bytes)])],
    ["a web stream", (bytes) => new Blob([new Uint8Array(bytes)]).stream()],
  ];
  it.each(BODIES)("with %s of any size, over sockets: once, with its error, also with retries", async (_name, body) => {
    const seen = { ran: 0 };
    const server = await serve(store, "127.0.0.1:0", handlers(seen, []), {
      log: () => undefined,
      limits: { maxBodyBytes: 200 * MIB },
    });
    const reactions = { given: no };
    const link = await connect(store, server.address, reactions, { reconnect: { initialDelayMs: 1 }, retries: 3 });
    for (const bytes of SIZES) {
      seen.ran = 0;
      let made = 0;
      const make = () => {
        made += 1;
        return body(bytes);
      };
      const call = link.call.put({ bytes, how: "throws" }, { body: make });
      expect(await failure(call)).toMatchObject(REFUSED);
      expect([seen.ran, made]).toEqual([1, 1]);
      expect(await link.call.one({})).toBe(1);
    }
    await link.disconnect();
    await server.close();
  });

  it("that has begun when its host drains is completed", async () => {
    const { link, peer } = await start();
    const call = link.call.put({ bytes: 10 * MIB, how: "reads" }, { body: new Uint8Array(10 * MIB) });
    void peer.drain();
    expect(await call).toBe("reads");
    await link.disconnect();
  });

  it("with a body of unknown length gets the error, before its lane ends, or without lanes the connection", async () => {
    for (const lanes of [true, false]) {
      const { link, disconnect } = await stalledOr({}, lanes);
      const call = link.call.send({ how: "" }, { send: (co) => co.sendData(new Uint8Array(100)) });
      expect(await failure(call)).toMatchObject(REFUSED);
      if (lanes) expect(await link.call.one({})).toBe(1);
      else expect(await link.closed).toMatchObject({ reason: "peer_error" });
      await disconnect();
    }
  });

  it("of a reaction, refused by a consumer, is the same", async () => {
    const { link, peer } = await start();
    const given = { asked: 0, closed: 0 };
    expect(await failure(peer.call.given({ bytes: 50 * MIB }, { body: source(given) }))).toMatchObject(REFUSED);
    expect(given.closed).toBe(1);
    await link.disconnect();
  });

  it("that its caller has given up is not sent on either", async () => {
    const { link, seen } = await start();
    const given = { asked: 0, closed: 0 };
    const abort = new AbortController();
    const call = failure(
      link.call.put({ bytes: 50 * MIB, how: "throws" }, { body: source(given), signal: abort.signal }),
    );
    await Promise.resolve();
    abort.abort();
    expect(await call).toMatchObject({ code: "cancelled" });
    await quiet(200);
    expect([given.closed, seen.delivered < 4 * MIB]).toEqual([1, true]);
    await link.disconnect();
  });
});

describe("what is accepted may be left unread, at any size", () => {
  it.each(["discards", "returns"])("by a handler that %s", async (how) => {
    const { link } = await start();
    const result = how === "returns" ? "unread" : how;
    for (const bytes of [2 * MIB, 30 * MIB]) {
      expect(await link.call.put({ bytes, how }, { body: new Uint8Array(bytes) })).toBe(result);
    }
    expect(await link.call.one({})).toBe(1);
    await link.disconnect();
  });

  it("by a caller that gives up the body of a result", async () => {
    const { link } = await start();
    const bytes = 30 * MIB;
    const first = await link.call.get({ bytes });
    first.body.discard();
    const second = await link.call.get({ bytes });
    for await (const chunk of second.body) if (chunk.length > 0) break;
    const stream = WebStream.from((await link.call.get({ bytes })).body);
    await stream.cancel();
    const abort = new AbortController();
    const given = failure(link.call.get({ bytes }, { signal: abort.signal }));
    await quiet(2);
    abort.abort();
    expect(await given).toMatchObject({ code: "cancelled" });
    expect(await link.call.one({})).toBe(1);
    await link.disconnect();
  });
});

it("a source is closed once when the connection is lost while it is awaited", async () => {
  const { link, cut } = await start();
  const given = { asked: 0, closed: 0 };
  const call = failure(link.call.put({ bytes: 50 * MIB, how: "reads" }, { body: source(given, 3) }));
  await quiet();
  cut();
  expect(await call).toMatchObject({ code: "unavailable", mayHaveLanded: true });
  await quiet();
  expect(given).toEqual({ asked: 4, closed: 1 });
});
