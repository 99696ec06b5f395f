/**
 * No ignored promise of the library ends the process when it rejects, whatever a peer or a network causes. Whoever
 * awaits it still receives the rejection.
 */
import { connect as connectSocket } from "node:net";
import { Readable } from "node:stream";
import {
  Connection,
  defineService,
  type HoCo,
  HostingEnv,
  Link,
  method,
  type Peer,
  type PoCo,
  type PostingEnd,
  recvArray,
  ServiceHost,
  sendArray,
  type Transport,
} from "hbi";
import { HBIC } from "hbi/node";
import { conversation, hostileTransport, ManualClock, packet, quiet, testLink } from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { hearsNothing } from "../../support/ear.ts";
import { startProgram, stopProgram } from "../../support/programs.ts";
import { chunksOf, handlersOf, type Kinds, kinds, Reactions, Work } from "../service/fixture.ts";

const soFar = hearsNothing();
/** On one lane: nothing waits for what the other side has. */
const silently = { log: () => undefined, lanes: false };

/** One side of a connection whose other side is silent unless the test speaks. */
interface Side {
  readonly link: Link<Kinds>;
  readonly peer: Peer<Kinds, undefined>;
  readonly far: { reset(): void; say(text: string): void };
  readonly clock: ManualClock;
  /** given to whatever takes them */
  readonly options: { readonly signal: AbortSignal };
  readonly abort: AbortController;
}

let ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends) await end();
  ends = [];
});

async function side(limits: object = {}): Promise<Side> {
  const clock = new ManualClock();
  const [client, server] = [hostileTransport(), hostileTransport()];
  const link = new Link<Kinds>(kinds, async () => client.transport, new Reactions().all, {
    clock,
    limits,
    ...silently,
  });
  const host = new ServiceHost<Kinds>(kinds, handlersOf(new Work()), { clock, limits, ...silently });
  const [, peer] = await Promise.all([link.open(), host.accept(server.transport)]);
  const abort = new AbortController();
  const reset = () => {
    client.peer.reset();
    server.peer.reset();
  };
  ends.push(reset, quiet);
  const say = (text: string) => {
    client.peer.say(text);
    server.peer.say(text);
  };
  return { link, peer, far: { reset, say }, clock, abort, options: { signal: abort.signal } };
}

/** Never gives anything, and is let go of with a failure. */
const endless = (): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => ({
    next: () => new Promise(() => undefined),
    return: () => Promise.reject(new Error("a source that can't be closed")),
  }),
});
const failing = async function* (): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(100_000);
  throw new Error("a source that fails");
};

/** What is begun on a connection, and waits for its peer. */
interface Operation {
  readonly name: string;
  /** while all is well */
  readonly prepare?: (side: Side) => Promise<unknown>;
  readonly act: (side: Side, prepared: never) => Promise<unknown>;
  /** waits for the wire alone, which takes it */
  readonly isSent?: boolean;
  /** fails with this when its connection does */
  readonly ownCode?: string;
  /** has no deadline, or takes no signal */
  readonly lacks?: readonly Condition[];
}

type Condition = keyof typeof CONDITIONS;

const po = async ({ link }: Side) => link.po;
const co = ({ link }: Side) => link.po.co();
const OPERATIONS: readonly Operation[] = [
  { name: "link.call", act: ({ link, options }) => link.call.hold({ name: "a" }, options) },
  { name: "link.call without a result", act: ({ link, options }) => link.call.note({ text: "a" }, options) },
  {
    name: "link.call with a buffer",
    act: ({ link, options }) => link.call.upload({ size: 5 }, { ...options, body: new Uint8Array(5) }),
  },
  {
    name: "link.call with a large buffer",
    act: ({ link, options }) => link.call.upload({ size: 5e6 }, { ...options, body: new Uint8Array(5e6) }),
  },
  {
    name: "link.call with a generator",
    act: ({ link, options }) => link.call.upload({ size: 200_000 }, { ...options, body: chunksOf(200_000, 1) }),
  },
  {
    name: "link.call with a source that gives nothing, and fails to close",
    act: ({ link, options }) => link.call.upload({ size: 200_000 }, { ...options, body: endless() }),
  },
  {
    name: "link.call with an answer of raw data",
    act: ({ link, options }) => link.call.download({ size: 9, fill: 1 }, options),
  },
  {
    name: "link.call that sends by hand, and fails at that",
    ownCode: "aborted",
    act: ({ link, options }) =>
      link.call.several(
        { count: 1 },
        { ...options, send: (co) => co.waitCompleted().catch(() => Promise.reject(new Error("by hand"))) },
      ),
  },
  {
    name: "link.script",
    act: ({ link, options }) => link.script((s) => [s.nothing(), s.add({ a: 1, b: 2 })], options),
  },
  { name: "link.ping", act: ({ link, options }) => link.ping(options) },
  { name: "link.describe", act: ({ link, options }) => link.describe(options) },
  { name: "link.post", isSent: true, act: ({ link, options }) => link.post.note({ text: "a" }, options) },
  {
    name: "link.post with a buffer",
    isSent: true,
    act: ({ link, options }) => link.post.store({ size: 5 }, { ...options, body: new Uint8Array(5) }),
  },
  {
    name: "link.post with a source that gives nothing, and fails to close",
    act: ({ link, options }) => link.post.store({ size: 200_000 }, { ...options, body: endless() }),
  },
  {
    name: "waitCompleted of link.post",
    prepare: ({ link, options }) => link.post.note({ text: "a" }, options),
    act: (_, posted: { waitCompleted(): Promise<void> }) => posted.waitCompleted(),
  },
  {
    name: "waitCompleted of link.post with a buffer",
    prepare: ({ link, options }) => link.post.store({ size: 5 }, { ...options, body: new Uint8Array(5) }),
    act: (_, posted: { waitCompleted(): Promise<void> }) => posted.waitCompleted(),
  },
  { name: "peer.call", act: ({ peer, options }) => peer.call.asked({ question: "a" }, options) },
  { name: "peer.script", act: ({ peer, options }) => peer.script((s) => s.asked({ question: "a" }), options) },
  { name: "peer.post", isSent: true, act: ({ peer, options }) => peer.post.told({ text: "a" }, options) },
  {
    name: "peer.post with a buffer",
    isSent: true,
    act: ({ peer, options }) => peer.post.given({ size: 5 }, { ...options, body: new Uint8Array(5) }),
  },
  {
    name: "peer.post with a source that gives nothing, and fails to close",
    act: ({ peer, options }) => peer.post.given({ size: 200_000 }, { ...options, body: endless() }),
  },
  { name: "po.co", prepare: po, isSent: true, act: (_, po: PostingEnd) => po.co() },
  {
    name: "po.converse",
    prepare: po,
    lacks: ["given up"],
    act: (_, po: PostingEnd) => po.converse((it) => it.getObj("add(1,2)")),
  },
  { name: "po.notif", prepare: po, isSent: true, act: ({ options }, po: PostingEnd) => po.notif("nothing()", options) },
  {
    name: "po.notifData",
    prepare: po,
    isSent: true,
    act: ({ options }, po: PostingEnd) => po.notifData("store(5)", new Uint8Array(5), options),
  },
  { name: "po.ping", prepare: po, act: ({ options }, po: PostingEnd) => po.ping(options) },
  { name: "po.learnExtension", prepare: po, act: ({ options }, po: PostingEnd) => po.learnExtension(options) },
  { name: "co.sendCode", prepare: co, isSent: true, act: ({ options }, it: PoCo) => it.sendCode("nothing()", options) },
  { name: "co.sendObj", prepare: co, isSent: true, act: ({ options }, it: PoCo) => it.sendObj("1", options) },
  {
    name: "co.sendData",
    prepare: co,
    isSent: true,
    act: ({ options }, it: PoCo) => it.sendData(new Uint8Array(5), options),
  },
  { name: "co.finishSend", prepare: co, isSent: true, act: ({ options }, it: PoCo) => it.finishSend(options) },
  { name: "co.startRecv", prepare: co, act: ({ options }, it: PoCo) => it.startRecv(options) },
  { name: "co.recvObj", prepare: co, act: ({ options }, it: PoCo) => it.recvObj(z.int(), options) },
  {
    name: "co.recvObjIn",
    prepare: co,
    act: ({ options }, it: PoCo) => it.recvObjIn(new HostingEnv(), z.int(), options),
  },
  {
    name: "co.recvData",
    prepare: co,
    lacks: ["too late"],
    act: ({ options }, it: PoCo) => it.recvData(new Uint8Array(5), options),
  },
  { name: "co.getObj", prepare: co, act: ({ options }, it: PoCo) => it.getObj("add(1,2)", z.int(), options) },
  { name: "co.waitCompleted", prepare: co, act: ({ options }, it: PoCo) => it.waitCompleted(options) },
  {
    name: "sendArray",
    prepare: co,
    isSent: true,
    act: ({ options }, it: PoCo) => sendArray(it, new Uint8Array(5), [5], options),
  },
  { name: "recvArray", prepare: co, act: ({ options }, it: PoCo) => recvArray(it, options) },
];

const CONDITIONS = {
  "when the peer is gone": { code: "unavailable", before: true, bring: ({ far }: Side) => far.reset() },
  "when it has been closed": {
    code: "unavailable",
    before: true,
    bring: ({ link, peer }: Side) => void [link.disconnect(), peer.disconnect()],
  },
  "cut in the middle": { code: "unavailable", before: false, bring: ({ far }: Side) => far.reset() },
  "cut for a byte of garbage": { code: "unavailable", before: false, bring: ({ far }: Side) => far.say("x") },
  "closed in the middle": {
    code: "unavailable",
    before: false,
    bring: ({ link, peer }: Side) => void [link.disconnect(), peer.disconnect()],
  },
  "drained in vain": {
    code: "unavailable",
    before: false,
    bring: async ({ link, peer, clock }: Side) => {
      void [link.close(), peer.drain()];
      await clock.advance(25_000); // until the answer is overdue
      await quiet();
    },
  },
  "too late": { code: "deadline_exceeded", before: false, bring: ({ clock }: Side) => clock.advance(30_000) },
  "given up": { code: "cancelled", before: false, bring: ({ abort }: Side) => abort.abort() },
} as const;

describe.each(OPERATIONS)("$name", ({ prepare, act, isSent = false, ownCode, lacks = [] }) => {
  it.each(Object.entries(CONDITIONS).filter(([name]) => !lacks.includes(name as Condition)))(
    "%s rejects for whoever awaits it, and for nobody else",
    async (_, { code, before, bring }) => {
      const world = await side({ handlerTimeoutMs: 20_000 });
      const prepared = await prepare?.(world);
      if (before) await bring(world);
      if (before) await quiet();
      const dropped = act(world, prepared as never);
      await quiet();
      if (!before) await bring(world);
      expect(await soFar()).toEqual([]);
      const outcome = await dropped.then(
        () => "sent",
        (error) => error.code,
      );
      const told = code === "unavailable" && !before ? (ownCode ?? code) : code;
      expect(outcome).toBe(isSent && !before ? "sent" : told);
    },
  );
});

describe("what a handler does not wait for", () => {
  const CODES = { code: "unavailable", reason: "disconnected" };
  const DROPPED: Readonly<Record<string, (co: HoCo) => Promise<unknown>>> = {
    recvObj: (co) => co.recvObj(z.int()),
    recvData: (co) => co.recvData(new Uint8Array(5)),
    recvArray: (co) => recvArray(co),
    finishRecv: (co) => co.finishRecv(),
    startSend: (co) => co.startSend(),
    sendData: (co) => co.sendData(new Uint8Array(5)),
    "sendData of a source that fails": (co) => co.sendData(failing()),
    "sendData of a stream that fails": (co) => co.sendData(failed()),
    close: (co) => co.close(),
  };
  /** A stream of Node that fails before anybody reads it. */
  const failed = (): Readable => new Readable({ read: () => undefined }).destroy(new Error("a stream that fails"));

  it.each(Object.entries(DROPPED))("%s", async (_, act) => {
    const dropped: Promise<unknown>[] = [];
    const env = new HostingEnv().expose("run", method({ params: {}, body: "manual" }), async (_params, co) => {
      dropped.push(act(co as HoCo));
      await new Promise(() => undefined);
    });
    const { transport, peer } = hostileTransport();
    const { connection } = await bareConnection(transport, env);
    await peer.play({ say: packet("co_begin", "101;x") + packet("", "run()") });
    await quiet();
    peer.reset();
    await connection.closed;
    expect(await soFar()).toEqual([]);
    await expect(dropped[0]).rejects.toMatchObject(CODES);
  });

  it.each([
    ["bytes()", (call: { bytes(): Promise<unknown> }) => call.bytes()],
    ["readInto()", (call: { readInto(into: Uint8Array): Promise<unknown> }) => call.readInto(new Uint8Array(500))],
    ["body.bytes()", (call: { body: { bytes(): Promise<unknown> } }) => call.body.bytes()],
  ] as const)("call.%s", async (_, act) => {
    const dropped: Promise<unknown>[] = [];
    const host = new ServiceHost<Kinds>(
      kinds,
      (peer) => ({
        ...handlersOf(new Work())(peer),
        upload(_params, call) {
          dropped.push(act(call));
          return new Promise(() => undefined);
        },
      }),
      silently,
    );
    const { transport, peer } = hostileTransport();
    const { closed } = await host.accept(transport);
    await peer.play({ say: `${packet("co_begin", "101;x;b=500000")}${packet("", "upload(500000)")}half of it` });
    await quiet();
    peer.reset();
    await closed;
    expect(await soFar()).toEqual([]);
    await expect(dropped[0]).rejects.toMatchObject(CODES);
  });

  it.each([
    ["bytes()", (body: { bytes(): Promise<unknown> }) => body.bytes()],
    ["readInto()", (body: { readInto(into: Uint8Array): Promise<unknown> }) => body.readInto(new Uint8Array(5))],
  ] as const)("of an answer, body.%s", async (_, act) => {
    const { transport, peer } = hostileTransport();
    const link = await new Link<Kinds>(kinds, async () => transport, new Reactions().all, silently).open();
    const download = link.call.download({ size: 100_000, fill: 1 });
    await peer.play(
      { hear: /co_end\]101/ },
      { say: `${packet("co_ack_begin", "101")}${packet("co_recv", '{"size":100000,"fill":1}')}abc` },
    );
    const { body } = await download;
    const dropped = act(body);
    await quiet();
    peer.reset();
    await link.closed;
    expect(await soFar()).toEqual([]);
    await expect(dropped).rejects.toMatchObject({ code: "unavailable" });
  });
});

describe("what finds no place", () => {
  const FULL: readonly [string, (side: Side) => Promise<unknown>][] = [
    ["link.call", ({ link }) => link.call.nothing()],
    ["link.call with a generator", ({ link }) => link.call.upload({ size: 9 }, { body: chunksOf(9, 1) })],
    ["link.post", ({ link }) => link.post.note({ text: "" })],
    ["link.post with a source that fails", ({ link }) => link.post.store({ size: 200_000 }, { body: failing() })],
    ["link.script", ({ link }) => link.script((s) => s.nothing())],
    ["po.notif", ({ link }) => link.po.notif("nothing()")],
    ["peer.call", ({ peer }) => peer.call.asked({ question: "" })],
    ["peer.post", ({ peer }) => peer.post.told({ text: "" })],
  ];

  it.each(FULL)("%s is refused, and one before it lost", async (_, act) => {
    const world = await side({ maxPostedInFlight: 1, maxPostedWaiting: 1 });
    const dropped = [act(world), act(world), act(world)];
    await quiet();
    world.far.reset();
    expect(await soFar()).toEqual([]);
    await expect(dropped[2]).rejects.toMatchObject({ reason: "too_many_waiting" });
    const codes = await Promise.all(dropped.map((it) => it.then(() => "sent").catch((error) => error.code)));
    expect(codes[0]).toMatch(/^(sent|unavailable|aborted)$/);
  });

  it("unacknowledged pushes wait, and are lost with their connection", async () => {
    const { peer, far } = await side();
    const pushes = Array.from({ length: 200 }, (_, n) => peer.post.told({ text: `${n}` }));
    await quiet();
    far.reset();
    await peer.closed;
    expect(await soFar()).toEqual([]);
    const lost = await Promise.allSettled(pushes);
    expect(lost.filter(({ status }) => status === "rejected")).toHaveLength(100); // the others were sent
  });
});

describe("what begins and ends a connection", () => {
  const refused = () => Promise.reject(new Error("no network"));
  const linkOver = (dial: () => Promise<Transport>, clock = new ManualClock()) =>
    new Link<Kinds>(kinds, dial, new Reactions().all, { clock, reconnect: { maxAttempts: 1 }, ...silently });

  it("a failing link.open is also reported by `closed`", async () => {
    const link = linkOver(refused);
    const opened = link.open();
    const called = [link.call.nothing(), link.post.note({ text: "" }), link.ping()];
    expect(await link.closed).toMatchObject({ code: "internal" });
    expect(await soFar()).toEqual([]);
    await expect(opened).rejects.toMatchObject({ code: "internal" });
    for (const call of called) await expect(call).rejects.toMatchObject({ code: "unavailable", mayHaveLanded: false });
  });

  it("link.open that was given up", async () => {
    const link = linkOver(() => new Promise(() => undefined));
    void link.open();
    const dropped = link.post.note({ text: "" });
    await Promise.all([link.close(), link.disconnect(), link[Symbol.asyncDispose]()]);
    expect(await soFar()).toEqual([]);
    await expect(dropped).rejects.toMatchObject({ code: "unavailable" });
  });

  it("a link whose further dials fail", async () => {
    const clock = new ManualClock();
    const { transport, peer } = hostileTransport();
    let dials = 0;
    const link = linkOver(async () => (dials++ === 0 ? transport : await refused()), clock);
    await link.open();
    peer.reset();
    await quiet();
    const dropped = [link.call.nothing(), link.post.note({ text: "" })];
    await clock.advance(20_000);
    expect(await link.closed).toBeDefined();
    expect(await soFar()).toEqual([]);
    for (const call of dropped) await expect(call).rejects.toMatchObject({ code: "unavailable" });
  });

  it("credentials that can't be had, or are refused", async () => {
    const door = defineService({ name: "door", version: "1.0.0", methods: {}, credentials: { token: z.string() } });
    const tokens = [
      () => ({ token: "right" }),
      () => Promise.reject(new Error("no token")),
      () => Promise.resolve({ token: "wrong" }),
    ];
    const { link } = await testLink(door, () => ({}), {
      host: { authenticate: ({ token }) => token === "right", ...silently },
      link: { credentials: () => (tokens.shift() as () => { token: string })(), ...silently },
    });
    const dropped = [link.authenticate(), link.authenticate()];
    await quiet();
    await link.disconnect();
    dropped.push(link.authenticate());
    expect(await soFar()).toEqual([]);
    const told = await Promise.allSettled(dropped);
    expect(told.map((it) => it.status === "rejected" && (it.reason.code ?? it.reason.message))).toEqual([
      "no token",
      "unauthenticated",
      "unavailable",
    ]);
  });

  it("HBIC: connect, drain, disconnect, dispose", async () => {
    const client = new HBIC("127.0.0.1:1", new HostingEnv(), silently); // there is no listener
    const dropped = client.connect();
    await Promise.all([client.drain(), client.disconnect("enough"), client[Symbol.asyncDispose]()]);
    expect(await soFar()).toEqual([]);
    await expect(dropped).rejects.toMatchObject({ code: expect.stringMatching(/^(unavailable|cancelled)$/) });
  });

  it("a host that refuses, and ends", async () => {
    const host = new ServiceHost<Kinds>(kinds, handlersOf(new Work()), { limits: { maxConnections: 1 }, ...silently });
    const [first, second] = [hostileTransport(), hostileTransport()];
    await host.accept(first.transport);
    const refusedToo = host.accept(second.transport);
    const ended = [host.drain(), host.close("enough"), host[Symbol.asyncDispose]()];
    const late = host.accept(hostileTransport().transport);
    first.peer.reset();
    await Promise.all(ended);
    expect(await soFar()).toEqual([]);
    await expect(refusedToo).rejects.toMatchObject({ code: "resource_exhausted" });
    await expect(late).rejects.toMatchObject({ code: "unavailable" });
  });

  it("an environment whose peer is gone: what its handlers post at the end rejects, and no more", async () => {
    const dropped: Promise<unknown>[] = [];
    let leave: () => void = () => undefined;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const env = new HostingEnv().expose("bye", method({ params: {} }), async () => {
      await left;
      const { po, ho } = env;
      dropped.push(po.notif("bye()"), po.co(), po.ping(), ho.disconnect("bye"));
    });
    const { transport, peer } = hostileTransport();
    const { connection } = await bareConnection(transport, env);
    await peer.play({ say: conversation("101;x;n", "bye()") });
    await quiet();
    peer.reset();
    await connection.closed;
    leave();
    expect(await soFar()).toEqual([]);
    const told = await Promise.all(dropped.map((it) => it.then(() => "done").catch((error) => error.code)));
    expect(told).toEqual(["unavailable", "unavailable", "unavailable", "done"]);
  });
});

describe("a process", () => {
  it("that pushes to hostile peers continues, whatever they send: a byte of garbage, half a packet, nothing", async () => {
    const server = await startProgram("test/system/programs/pushing-server.ts", []);
    const [host = "", port = ""] = server.address.split(/:(?=\d+$)/);
    for (const said of ["x", "[", "[5#co_begin]101;x", "", "[5#err]hello", "[3#co_begin]101[3#co_end]101"]) {
      const socket = connectSocket(Number(port), host);
      await new Promise((resolve) => {
        socket.on("error", () => undefined).on("close", resolve);
        socket.resume().write(said, () => (said === "" ? socket.resetAndDestroy() : socket.end()));
      });
    }
    await stopProgram(server);
    expect([server.child.exitCode, server.errors()]).toEqual([0, ""]);
  });
});

async function bareConnection(transport: Transport, env: HostingEnv): Promise<{ connection: Connection }> {
  const connection = new Connection(transport, () => env, silently);
  await connection.start();
  return { connection };
}
