/**
 * Callbacks of an application run from timers and events, where an exception would end the process: whatever they
 * throw, reject with, or do twice, the connection continues if possible, otherwise ends as usual, and the failure is
 * logged.
 */
import { Readable } from "node:stream";
import {
  Connection,
  HbiError,
  HostingEnv,
  Link,
  type LinkOptions,
  type LogEntry,
  memoryTransportPair,
  method,
  ServiceHost,
  systemClock,
  type Transport,
  type TransportSink,
} from "hbi";
import { conversation, hostileTransport, ManualClock, packet, quiet, type TestLink, testLink } from "hbi/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { hearsNothing } from "../../support/ear.ts";
import { pair } from "../../support/pair.ts";
import { chunksOf, handlersOf, type Kinds, kinds, Reactions, Work } from "../service/fixture.ts";

const soFar = hearsNothing();
const boom = (): never => {
  throw new Error("boom");
};
const reject = (): Promise<never> => Promise.reject(new Error("boom"));
const later = async (): Promise<never> => {
  await quiet(3);
  return boom();
};
/** Calls both, each twice, and itself gives nothing, as a thenable may. */
const twice = <T>(value: T, fails: boolean): PromiseLike<T> =>
  ({
    // biome-ignore lint/suspicious/noThenProperty: it is what is tested
    then(resolve: (value: T) => unknown, refuse: (error: unknown) => unknown): void {
      for (let i = 0; i < 2; i++) {
        if (fails) refuse(new HbiError("aborted", "twice"));
        else resolve(value);
        refuse(new Error("too late"));
        resolve(value);
      }
    },
  }) as PromiseLike<T>;

const open: TestLink<Kinds, unknown>[] = [];
let printed: string[] = [];
beforeEach(() => {
  printed = [];
  vi.spyOn(console, "error").mockImplementation((text) => void printed.push(String(text)));
});
afterEach(async () => {
  for (const { link, cut } of open.splice(0)) {
    const ended = link.disconnect();
    cut(); // some hold an answer indefinitely
    await ended;
  }
  vi.restoreAllMocks();
});

interface Given {
  readonly host?: object;
  readonly link?: object;
  readonly handlers?: object;
}

async function start({ host = {}, link = {}, handlers = {} }: Given = {}) {
  const work = new Work();
  const log: LogEntry[] = [];
  const collect = { log: (entry: LogEntry) => void log.push(entry) };
  const test = await testLink<Kinds, never, unknown>(
    kinds,
    ((peer: never) => ({ ...handlersOf(work)(peer), ...handlers })) as never,
    {
      reactions: new Reactions().all,
      host: { ...collect, ...host },
      link: { ...collect, ...link } as LinkOptions<Kinds>,
    },
  );
  open.push(test);
  return { ...test, link: test.link, peer: test.peer, work, log };
}

const isFine = async (link: Link<Kinds>) => expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error) => error.code,
  );

describe("a log", () => {
  it.each([
    ["throws", boom],
    ["rejects", reject],
    ["rejects later", later],
    ["rejects twice", () => twice(undefined, true)],
    [
      "throws no error",
      () => {
        throw Object.assign(new Error("boom"), { stack: 7 });
      },
    ],
  ])("that %s says so itself, and the call is answered", async (_, log) => {
    const { link } = await start({ host: { log }, link: { log } });
    expect(await codeOf(link.call.fail({ how: "badly" }))).toBe("internal");
    await quiet();
    expect(printed.join()).toContain("hbi: the log failed:");
    await isFine(link);
  });
});

describe("listeners of a link and a connection", () => {
  it.each([
    ["throws", boom],
    ["rejects", reject],
    ["rejects later", later],
  ])("onState that %s is told, and the others are called", async (_, listener) => {
    const { link, log } = await start();
    const states: string[] = [];
    link.onState(listener);
    link.onState((state) => void states.push(state));
    await link.disconnect();
    await quiet();
    expect([states, log.map(({ where }) => where)]).toEqual([["closed"], ["onState closed"]]);
  });

  it.each([
    ["onLost", "throws", boom],
    ["onLost", "rejects", later],
    ["onGoAway", "throws", boom],
    ["onGoAway", "rejects", later],
  ])("%s that %s is told, and all that waits is", async (name, _, listener) => {
    const { client, server, po, log } = await pair(new HostingEnv(), { client: { [name]: listener } });
    await po.learnExtension();
    const waiting = codeOf(po.converse((it) => it.getObj("x()")));
    await server.drain();
    expect(await waiting).toBe("unimplemented");
    await client.closed;
    await quiet();
    expect(log.map(({ where }) => where)).toContain(name);
  });

  it("a throwing onLost of a conversation is logged, and the other conversations are notified", async () => {
    const { po, client, server, log } = await pair(new HostingEnv());
    const [first, second] = [await po.co(), await po.co()];
    first.onLost = boom;
    const waiting = codeOf(second.waitCompleted());
    server.cut(new HbiError("aborted", "enough"));
    expect(await waiting).toBe("aborted");
    await client.closed;
    expect(log.map(({ where }) => where)).toContain("conversation 101");
  });
});

describe("an abort listener of a handler", () => {
  type Listen = (signal: AbortSignal) => unknown;
  const WAYS: Readonly<Record<string, Listen>> = {
    "that throws": (signal) => signal.addEventListener("abort", boom),
    "that rejects": (signal) => signal.addEventListener("abort", later),
    "that is an object": (signal) => signal.addEventListener("abort", { handleEvent: later }),
    "that is called once": (signal) => signal.addEventListener("abort", boom, { once: true }),
    "in onabort": (signal) => Object.assign(signal, { onabort: boom }),
  };
  const ENDS = {
    signal: async ({ link }: TestLink<Kinds, unknown>) => {
      const abort = new AbortController();
      const call = link.call.hold({ name: "a" }, { signal: abort.signal });
      await quiet();
      abort.abort();
      return call.catch((error) => error.code);
    },
    draining: async ({ link, peer }: TestLink<Kinds, unknown>) => {
      const call = link.call.hold({ name: "a" });
      await quiet();
      void peer.drain();
      return call;
    },
  };

  it.each(
    Object.entries(WAYS).flatMap(([name, listen]) =>
      (["signal", "draining"] as const).map((which) => [name, which, listen] as const),
    ),
  )("%s, of call.%s, is told, and the others are called", async (_, which, listen) => {
    const called: string[] = [];
    const test = await start({
      handlers: {
        async hold(_params: unknown, call: { signal: AbortSignal; draining: AbortSignal }) {
          const signal = call[which];
          listen(signal);
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          called.push("told");
          return "told";
        },
      },
    });
    await test.link.call.nothing();
    expect(await ENDS[which](test)).toBe(which === "signal" ? "cancelled" : "told");
    await quiet();
    expect(called).toEqual(["told"]);
    expect(test.log.filter(({ where }) => where === "abort listener")).toHaveLength(1);
  });

  it("is removed as it was added, and is called once where that is asked for", async () => {
    const called: string[] = [];
    const { link } = await start({
      handlers: {
        async hold(_params: unknown, { signal }: { signal: AbortSignal }) {
          const gone = () => void called.push("gone");
          const stays = () => void called.push("stays");
          signal.addEventListener("abort", gone);
          signal.addEventListener("abort", stays);
          signal.addEventListener("abort", stays); // the same one
          signal.removeEventListener("abort", gone);
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          return "";
        },
      },
    });
    await link.call.nothing();
    const abort = new AbortController();
    const call = link.call.hold({ name: "a" }, { signal: abort.signal });
    await quiet();
    abort.abort();
    await codeOf(call);
    await quiet();
    expect(called).toEqual(["stays"]);
  });
});

describe("interceptors", () => {
  type Next = () => Promise<unknown>;
  const dropping =
    (outcome: () => unknown) =>
    (_: unknown, next: Next): unknown => {
      void next();
      return outcome();
    };
  it.each([
    ["that does not look at what the handler gives", dropping(() => "mine"), "mine"],
    ["that throws meanwhile", dropping(boom), "internal"],
    [
      "that rejects before",
      async (_: unknown, next: Next) => {
        const result = next();
        await later();
        return result;
      },
      "internal",
    ],
  ])("around a handler %s", async (_, interceptor, expected) => {
    const fail = async () => {
      await quiet(2);
      return boom();
    };
    const { link } = await start({ host: { interceptors: [interceptor] }, handlers: { fail } });
    expect(await codeOf(link.call.fail({ how: "" }))).toBe(expected);
  });

  it.each([
    ["that does not look at what comes of it", dropping(async () => 7), 7],
    ["that throws at once", boom, undefined],
    ["that throws meanwhile", dropping(boom), undefined],
  ])("around a call %s", async (_, interceptor, expected) => {
    const { link, host } = await start({ link: { interceptors: [interceptor] } });
    const dropped = link.call.hold({ name: "a" });
    const posted = link.post.note({ text: "" });
    await quiet();
    await host.close();
    expect(await soFar()).toEqual([]);
    expect(await codeOf(dropped)).toBe(expected);
    expect(await codeOf(posted)).toBe(expected);
  });
});

describe("who decides on peers and calls", () => {
  it.each([
    ["rejects", reject, "internal"],
    ["rejects later", later, "internal"],
    ["settles twice", () => twice(true, false), "noted"],
    ["settles twice, and refuses", () => twice(false, false), "permission_denied"],
    ["rejects twice", () => twice(true, true), "aborted"],
  ])("authorize that %s", async (_, authorize, expected) => {
    const { link, work } = await start({ host: { authorize } });
    expect(await codeOf(link.call.note({ text: "" }).then(() => "noted"))).toBe(expected);
    await quiet();
    expect(work.noted).toHaveLength(expected === "noted" ? 1 : 0);
  });

  it.each([
    ["rejects", reject],
    ["rejects later", later],
    ["rejects twice", () => twice(undefined, true)],
    ["throws", boom],
  ])("authenticate that %s", async (_, authenticate) => {
    const host = new ServiceHost<Kinds, unknown>(kinds, handlersOf(new Work()) as never, {
      authenticate: authenticate as never,
      log: () => undefined,
    });
    const { transport } = hostileTransport();
    expect(await codeOf(host.accept(transport))).toMatch(/internal|unavailable/);
  });

  it("authenticate and an init hook that fail after they were abandoned", async () => {
    const clock = new ManualClock();
    let fail: () => void = () => undefined;
    const authenticate = () => new Promise<never>((_resolve, refuse) => (fail = () => refuse(new Error("boom"))));
    const host = new ServiceHost<Kinds, unknown>(kinds, handlersOf(new Work()) as never, {
      authenticate,
      clock,
      log: () => undefined,
    });
    const { transport } = hostileTransport();
    const accepted = codeOf(host.accept(transport));
    await quiet();
    await clock.advance(30_000);
    expect(await accepted).toBe("deadline_exceeded");
    fail();
  });

  it.each([
    ["rejects", reject],
    ["rejects later", later],
  ])("a factory that %s refuses its peer", async (_, factory) => {
    const host = new ServiceHost<Kinds>(kinds, factory as never, { log: () => undefined });
    expect(await codeOf(host.accept(hostileTransport().transport))).toBe("internal");
  });

  it.each([
    ["throws", boom],
    ["rejects", reject],
    ["rejects twice", () => twice(undefined, true)],
  ])("a cleanup hook that %s is told, and the connection is over", async (_, hook) => {
    const { server, client, log } = await pair(new HostingEnv().onCleanup(hook));
    await client.disconnect();
    await server.closed;
    expect(log.map(({ where }) => where)).toContain("cleanup");
  });

  it("a cleanup hook that fails when the connection has not waited for it", async () => {
    const clock = new ManualClock();
    let fail: () => void = () => undefined;
    const env = new HostingEnv().onCleanup(
      () => new Promise((_resolve, refuse) => (fail = () => refuse(new Error("boom")))),
    );
    const { server, client } = await pair(env, { server: { clock } });
    void client.disconnect();
    await quiet();
    await clock.advance(10_000);
    await server.closed;
    fail();
  });
});

describe("a handler", () => {
  it.each([
    ["rejects later", later, "internal"],
    ["settles twice", () => twice("once", false), "once"],
    ["rejects twice", () => twice("once", true), "aborted"],
    // biome-ignore lint/suspicious/noThenProperty: it is what is tested
    ["has a `then` that throws", () => ({ then: boom }), "internal"],
  ])("that %s answers once", async (_, fail, expected) => {
    const { link } = await start({ handlers: { fail } });
    expect(await codeOf(link.call.fail({ how: "" }))).toBe(expected);
    await isFine(link);
  });

  it.each([false, true])("that settles twice as an argument of another runs that once: failing %s", async (fails) => {
    const ran: string[] = [];
    const env = new HostingEnv()
      .expose("give", method({ params: {}, result: z.string() }), () => twice("x", fails))
      .expose("take", method({ params: { a: z.array(z.string()) } }), ({ a }) => void ran.push(a.join("")))
      .expose("then_more", method({ params: {} }), () => void ran.push("more"));
    const { po } = await pair(env);
    expect(await codeOf(po.notif("take([give(),give()])\nthen_more()").then((co) => co.waitCompleted()))).toBe(
      fails ? "aborted" : undefined,
    );
    expect(ran).toEqual(fails ? [] : ["xx", "more"]);
  });
});

describe("sources of raw data", () => {
  /** Provides one chunk, then never settles, and cannot be released. */
  const clinging = (): AsyncIterable<Uint8Array> => {
    let isFirst = true;
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          if (!isFirst) return new Promise(() => undefined);
          isFirst = false;
          return Promise.resolve({ done: false, value: new Uint8Array(50_000) });
        },
        return: reject,
      }),
    };
  };
  const brokenStream = () => new ReadableStream<Uint8Array>({ pull: boom, cancel: reject });
  const clingingStream = () =>
    new ReadableStream<Uint8Array>({ start: (it) => it.enqueue(new Uint8Array(50_000)), cancel: reject });
  const failed = () => new Readable({ read: () => undefined }).destroy(new Error("boom"));
  const failing = async function* () {
    yield new Uint8Array(50_000);
    await quiet(2);
    boom();
  };
  const SOURCES = { clinging, brokenStream, clingingStream, failed, failing };
  const CASES = Object.entries(SOURCES).flatMap(([name, source]) =>
    (["cut", "given up"] as const).map((how) => [name, how, source] as const),
  );

  it.each(CASES)("of a call, %s, %s", async (_, how, source) => {
    const { link, cut } = await start();
    const abort = new AbortController();
    const { signal } = abort;
    const dropped = [
      link.call.upload({ size: 200_000 }, { body: source(), signal }),
      link.post.store({ size: 200_000 }, { body: source(), signal }),
    ];
    await quiet();
    if (how === "cut") cut();
    else abort.abort();
    expect(await soFar()).toEqual([]);
    for (const call of dropped) expect(await codeOf(call)).toMatch(/^(unavailable|cancelled|aborted)$/);
  });

  it.each(CASES)("of an answer, %s, %s", async (_, how, source) => {
    const { link, cut } = await start({
      handlers: { download: () => ({ result: { size: 200_000, fill: 1 }, body: source() }) },
    });
    await link.call.nothing();
    const abort = new AbortController();
    const dropped = link.call.download({ size: 1, fill: 1 }, { signal: abort.signal });
    await quiet();
    if (how === "cut") cut();
    else abort.abort();
    expect(await soFar()).toEqual([]);
    const told = await dropped.then(
      ({ body }) => codeOf(body.bytes()),
      (error) => error.code,
    );
    expect(told).toMatch(/^(unavailable|cancelled|aborted|internal)$/);
  });

  it("of an answer that waits for the rest of its call: a stream that fails meanwhile", async () => {
    const host = new ServiceHost<Kinds>(
      kinds,
      (peer) => ({
        ...handlersOf(new Work())(peer),
        download: () => ({ result: { size: 200_000, fill: 1 }, body: failed() }),
      }),
      { log: () => undefined },
    );
    const { transport, peer } = hostileTransport();
    void host.accept(transport);
    await peer.play({ say: packet("co_begin", "101;x;n") + packet("", "download(1,1)") });
    expect(await soFar()).toEqual([]);
    await peer.play({ say: packet("co_end", "101;x;n") });
    await quiet();
    await peer.play("reset");
  });

  it("of a call whose code the peer does not take: what its source does then is its own", async () => {
    const { link } = await start({ host: { limits: { maxPacketBytes: 1_000 } } });
    await link.call.nothing();
    const several = { count: 1 };
    const dropped = [
      link.call.several(several, { send: later }),
      link.post.several(several, { send: later }),
      (await link.po.co()).sendCode(`echo("${"x".repeat(2_000)}")`),
    ];
    expect(await soFar()).toEqual([]);
    for (const call of dropped) expect(await codeOf(call)).toMatch(/aborted|resource_exhausted/);
  });

  it.each([
    ["detached", (buffer: ArrayBuffer) => void structuredClone(buffer, { transfer: [buffer] })],
    ["shrunk", (buffer: ArrayBuffer) => (buffer as ArrayBuffer & { resize(length: number): void }).resize(100)],
  ])("whose buffer is %s while it is sent end their connection, and nothing else", async (_, take) => {
    const handlers = { upload: () => new Promise(() => undefined) };
    const { link, peer } = await start({ handlers, link: { lanes: false } });
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
    const buffer = new Resizable(9_000_000, { maxByteLength: 9_000_000 });
    const dropped = link.call.upload({ size: 9_000_000 }, { body: new Uint8Array(buffer) });
    await quiet(2);
    take(buffer);
    expect(await codeOf(dropped)).toMatch(/^(unavailable|aborted)$/);
    await peer.closed;
  });
});

describe("a transport that throws", () => {
  const METHODS = ["start", "write", "cork", "uncork", "pause", "resume", "end", "destroy", "bufferedBytes"] as const;
  type Name = (typeof METHODS)[number];

  /** Throws in that method, from `arm` on. */
  class Broken implements Transport {
    readonly localAddress = "here";
    readonly remoteAddress = "there";
    isArmed = false;
    readonly #inner: Transport;
    readonly #name: Name;
    constructor(inner: Transport, name: Name) {
      this.#inner = inner;
      this.#name = name;
    }
    #at(name: Name): void {
      if (this.isArmed && name === this.#name) boom();
    }
    get bufferedBytes(): number {
      this.#at("bufferedBytes");
      return this.#inner.bufferedBytes;
    }
    start(sink: TransportSink): void {
      this.#at("start");
      this.#inner.start(sink);
    }
    write(chunk: Uint8Array | string): void {
      this.#at("write");
      this.#inner.write(chunk);
    }
    cork(): void {
      this.#at("cork");
    }
    uncork(): void {
      this.#at("uncork");
    }
    pause(): void {
      this.#at("pause");
      this.#inner.pause();
    }
    resume(): void {
      this.#at("resume");
      this.#inner.resume();
    }
    end(): void {
      this.#at("end");
      this.#inner.end();
    }
    destroy(): void {
      this.#at("destroy");
      this.#inner.destroy();
    }
  }

  /** Calls, uploads, what is read too late, closing: every method of the transports is used. */
  async function live(side: "link" | "host", name: Name) {
    const log: LogEntry[] = [];
    const clock = new ManualClock();
    const options = {
      clock,
      log: (entry: LogEntry) => void log.push(entry),
      limits: { maxBufferedBytes: 50_000 },
      lanes: name !== "pause" && name !== "resume", // a transport of lanes is never paused
    };
    const [near, far] = memoryTransportPair();
    const broken = new Broken(side === "link" ? near : far, name);
    if (name === "start") broken.isArmed = true;
    const work = new Work();
    const slowly = async (_: unknown, call: { bytes(): Promise<Uint8Array> }) => {
      await quiet(); // what is not read stops the transport
      await call.bytes();
    };
    const host = new ServiceHost<Kinds>(kinds, (peer) => ({ ...handlersOf(work)(peer), store: slowly }), options);
    const accepted = host.accept(side === "host" ? broken : far);
    const link = new Link<Kinds>(kinds, async () => (side === "link" ? broken : near), new Reactions().all, options);
    const opened = codeOf(link.open());
    if (name === "start") return { link, host, log, told: [await opened, await codeOf(accepted)], clock };
    await opened;
    await link.call.nothing();
    broken.isArmed = true;
    const calls = [
      link.call.upload({ size: 300_000 }, { body: chunksOf(300_000, 1) }),
      link.call.upload({ size: 300_000 }, { body: new Uint8Array(300_000) }),
      link.call.download({ size: 600_000, fill: 1 }).then(
        async ({ body }) => {
          await quiet(); // likewise
          return body.bytes().catch((error) => error.code);
        },
        (error) => error.code,
      ),
      link.call.store({ size: 600_000 }, { body: new Uint8Array(600_000) }),
      link.post.note({ text: "" }),
      link.call.add({ a: 1, b: 2 }),
    ];
    await quiet(100);
    return { link, host, log, told: await Promise.all([...calls.map(codeOf)]), clock };
  }

  it.each(METHODS.flatMap((name) => (["link", "host"] as const).map((side) => [name, side] as const)))(
    "in %s, of a %s: the connection is lost, everybody who waits is told, and so is the operator",
    async (name, side) => {
      const { link, host, log, told, clock } = await live(side, name);
      void link.disconnect();
      await host.close();
      for (let i = 0; i < 3; i++) await clock.advance(5_000);
      await link.closed;
      expect(host.connectionCount).toBe(0);
      expect(await soFar()).toEqual([]);
      expect(log.some(({ where }) => where === "transport")).toBe(true);
      if (name === "write" || name === "bufferedBytes") expect(told).toContain("unavailable");
      expect(clock.timerCount).toBe(0);
    },
  );

  it("one that is refused", async () => {
    const options = { log: () => undefined, limits: { maxConnections: 1 } };
    const host = new ServiceHost<Kinds>(kinds, handlersOf(new Work()), options);
    const first = hostileTransport();
    await host.accept(first.transport);
    const broken = new Broken(hostileTransport().transport, "destroy");
    broken.isArmed = true;
    expect(await codeOf(host.accept(broken))).toBe("resource_exhausted");
    first.peer.reset();
  });
});

describe("a timer", () => {
  it("that throws is logged, and the others of that moment go on", async () => {
    const ran = await new Promise<string[]>((resolve) => {
      const names: string[] = [];
      systemClock.after(1, () => void names.push("before"));
      systemClock.after(1, boom);
      systemClock.after(1, () => void names.push("behind"));
      systemClock.after(60, () => resolve(names));
    });
    expect(ran).toEqual(["before", "behind"]);
    expect(printed.join()).toMatch(/hbi: a timer has failed:\n {4}Error: boom\n {4}/);
  });

  it.each(["soon", "endOfTurn"] as const)("%s that throws is logged", async (name) => {
    systemClock[name](boom);
    await quiet();
    expect(printed.join()).toContain("hbi: a timer has failed:");
  });
});

describe("garbage", () => {
  it("of a peer in the middle of everything ends its connection, and nothing else", async () => {
    const log: LogEntry[] = [];
    const env = new HostingEnv().expose("run", method({ params: {} }), later);
    const { transport, peer } = hostileTransport();
    const connection = new Connection(transport, () => env, { log: (entry) => void log.push(entry) });
    await connection.start();
    void connection.posting.notif("x()");
    await peer.play({ say: `${conversation("101;x;n", "run()")}x` });
    await quiet();
    peer.reset();
    await connection.closed;
    expect(log.map(({ error }) => error.reason)).toContain("bad_frame");
  });
});
