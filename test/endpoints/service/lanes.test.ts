/**
 * Lanes: a conversation that sends or receives much has a lane of its own, delays no other, and fails alone.
 * docs/lanes.md.
 */
import {
  defineService,
  type HandlersOf,
  HbiError,
  type LimitOptions,
  Link,
  method,
  type ReactionsOf,
  ServiceHost,
} from "hbi";
import { connect, serve } from "hbi/node";
import { hostileTransport, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Connection } from "../../../src/endpoints/session/connection.ts";

const MIB = 1024 * 1024;
const files = defineService({
  name: "files",
  version: "1.0.0",
  methods: {
    ping: method({ params: { n: z.int() }, result: z.int() }),
    upload: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    download: method({
      params: { size: z.int() },
      result: z.object({ size: z.int() }),
      resultBody: ({ size }) => size,
    }),
  },
  reactions: {
    take: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
  },
});

async function* zeros(size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; left -= 65_536) yield new Uint8Array(Math.min(left, 65_536));
}

/** A source that stops, and can be told to go on. */
function stopping(size: number, before: number) {
  let go = (): void => undefined;
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* zeros(before);
    await gone;
    yield* zeros(size - before);
  }
  return { source: source(), go };
}

type Handlers = HandlersOf<typeof files, undefined>;
const usual: Handlers = {
  ping: ({ n }) => n + 1,
  upload: async (_, call) => {
    let got = 0;
    for await (const chunk of call.body) got += chunk.length;
    return got;
  },
  download: ({ size }) => ({ result: { size }, body: zeros(size) }),
};

interface Sides {
  readonly handlers?: Partial<Handlers>;
  readonly host?: { readonly limits?: LimitOptions; readonly lanes?: boolean };
  readonly link?: { readonly limits?: LimitOptions; readonly lanes?: boolean };
}

async function linked({ handlers = {}, host = {}, link = {} }: Sides = {}) {
  const logged: string[] = [];
  const test = await testLink(files, () => ({ ...usual, ...handlers }), {
    reactions: {
      take: async (_: unknown, call: { readonly body: AsyncIterable<Uint8Array> }) => {
        let got = 0;
        for await (const chunk of call.body) got += chunk.length;
        return got;
      },
    },
    host: { ...host, log: ({ where, error }) => void logged.push(`host: ${where}: ${error.message}`) },
    link: { ...link, log: ({ where, error }) => void logged.push(`link: ${where}: ${error.message}`) },
  });
  await test.link.ping();
  return {
    ...test,
    logged,
    get peer() {
      return test.peer;
    },
  };
}

/** What the only connection of the host holds. */
function heldOf(host: object): Readonly<Record<string, number>> {
  const { acceptor } = host as { readonly acceptor: { readonly connections: Iterable<Connection> } };
  const [connection] = [...acceptor.connections];
  return { ...connection?.held };
}

const received = async ({ body }: { readonly body: AsyncIterable<Uint8Array> }): Promise<number> => {
  let got = 0;
  for await (const chunk of body) got += chunk.length;
  return got;
};
const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

/** Runs turns of the event loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !holds(); i++) await quiet(5);
  expect(holds()).toBe(true);
}

it("over sockets, small calls pass uploads and downloads of both sides", async () => {
  const taken: Promise<number>[] = [];
  const server = await serve(
    files,
    "127.0.0.1:0",
    (peer) => {
      taken.push(peer.call.take({ size: 8 * MIB }, { body: zeros(8 * MIB) }));
      return usual;
    },
    { lanes: true },
  );
  const take: ReactionsOf<typeof files>["take"] = async (_, call) => {
    let got = 0;
    for await (const chunk of call.body) got += chunk.length;
    return got;
  };
  const link = await connect(files, server.address, { take }, { lanes: true });
  const size = 16 * MIB;
  let isOver = false;
  const bulk = Promise.all([
    link.call.upload({ size }, { body: zeros(size) }),
    link.call.download({ size }).then(received),
  ]);
  void bulk.finally(() => {
    isOver = true;
  });
  let calls = 0;
  for (; !isOver; calls++) expect(await link.call.ping({ n: calls })).toBe(calls + 1);
  expect(calls).toBeGreaterThan(10);
  expect(await bulk).toEqual([size, size]);
  expect(await taken[0]).toBe(8 * MIB);
  await link.close();
  await server.close();
});

describe("nobody notices", () => {
  it("a source that stops", async () => {
    const { link, close, logged } = await linked();
    const { source, go } = stopping(MIB, 300_000);
    const up = link.call.upload({ size: MIB }, { body: source });
    await quiet();
    for (let n = 0; n < 20; n++) expect(await link.call.ping({ n })).toBe(n + 1);
    expect(await link.call.upload({ size: 2 * MIB }, { body: zeros(2 * MIB) })).toBe(2 * MIB);
    go();
    expect(await up).toBe(MIB);
    await close();
    expect(logged).toEqual([]);
  });

  it("a handler that does not read its body", async () => {
    let read = (): void => undefined;
    const reads = new Promise<void>((resolve) => {
      read = resolve;
    });
    const upload: Handlers["upload"] = async (params, call) => {
      if (params.size === 4 * MIB) await reads;
      let got = 0;
      for await (const chunk of call.body) got += chunk.length;
      return got;
    };
    const { link, host, close } = await linked({ handlers: { upload } });
    const up = link.call.upload({ size: 4 * MIB }, { body: zeros(4 * MIB) });
    await quiet(200);
    for (let n = 0; n < 20; n++) expect(await link.call.ping({ n })).toBe(n + 1);
    expect(await link.call.upload({ size: MIB }, { body: zeros(MIB) })).toBe(MIB);
    expect(heldOf(host)["received"]).toBeLessThan(1.5 * MIB);
    read();
    expect(await up).toBe(4 * MIB);
    await close();
  });

  it("a caller that does not read a result", async () => {
    const { link, peer, close } = await linked();
    const { body } = await link.call.download({ size: 4 * MIB });
    await quiet(200);
    for (let n = 0; n < 20; n++) expect(await link.call.ping({ n })).toBe(n + 1);
    expect(await link.call.download({ size: MIB }).then(received)).toBe(MIB);
    expect(await peer.call.take({ size: MIB }, { body: zeros(MIB) })).toBe(MIB);
    expect(await received({ body })).toBe(4 * MIB);
    await close();
  });
});

describe("given up", () => {
  it("an upload ends alone, a thousand times, and leaves nothing", async () => {
    const signals: AbortSignal[] = [];
    const upload: Handlers["upload"] = (params, call) => {
      signals.push(call.signal);
      return (usual.upload as Handlers["upload"])(params, call);
    };
    const { link, host, connectionCount, close, logged } = await linked({ handlers: { upload } });
    for (let i = 0; i < 1_000; i++) {
      const controller = new AbortController();
      const up = outcome(
        link.call.upload({ size: MIB }, { body: stopping(MIB, 70_000).source, signal: controller.signal }),
      );
      await quiet(10);
      controller.abort();
      expect(await up).toMatchObject({ code: "cancelled" });
    }
    expect(await link.call.ping({ n: 1 })).toBe(2);
    await until(() => Object.values(heldOf(host)).every((held) => held === 0));
    expect(signals.length).toBeGreaterThan(500);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    expect(connectionCount).toBe(1);
    await close();
    expect(logged).toEqual([]);
  });

  it.each(["cancelled", "deadline_exceeded"])(
    "the handler of an upload learns why, as without lanes: %s",
    async (code) => {
      const abort = new AbortController();
      let tell = (_: unknown): void => undefined;
      const told = new Promise<unknown>((resolve) => {
        tell = resolve;
      });
      const upload: Handlers["upload"] = async (_, call) => {
        if (code === "cancelled") abort.abort();
        tell([await outcome(call.bytes()), call.signal.reason]);
        return 0;
      };
      const { link, close } = await linked({ handlers: { upload } });
      const options = code === "cancelled" ? { signal: abort.signal } : { timeoutMs: 50 };
      const up = link.call.upload({ size: 2 * MIB }, { body: stopping(2 * MIB, 70_000).source, ...options });
      expect(await outcome(up)).toMatchObject({ code });
      expect(await told).toMatchObject([{ code }, { code }]);
      await close();
    },
  );

  it("a download ends alone, and its source is stopped", async () => {
    let isStopped = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(65_536);
      } finally {
        isStopped = true;
      }
    }
    const { link, host, close } = await linked({
      handlers: { download: ({ size }) => ({ result: { size }, body: endless() }) },
    });
    const { body } = await link.call.download({ size: 32 * MIB });
    for await (const _ of body) break;
    expect(await link.call.ping({ n: 1 })).toBe(2);
    await until(() => isStopped && Object.values(heldOf(host)).every((held) => held === 0));
    await close();
  });
});

describe("what fails on a lane fails alone", () => {
  it("the source of an upload", async () => {
    const { link, close } = await linked();
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* zeros(300_000);
      throw new Error("disk");
    }
    expect(await outcome(link.call.upload({ size: MIB }, { body: failing() }))).toMatchObject({
      reason: "body_failed",
    });
    expect(await link.call.ping({ n: 1 })).toBe(2);
    await close();
  });

  it("the source of a result", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* zeros(300_000);
      throw new Error("disk");
    }
    const { link, close } = await linked({
      handlers: { download: ({ size }) => ({ result: { size }, body: failing() }) },
    });
    const error = await outcome(link.call.download({ size: MIB }).then(received));
    expect(error).toMatchObject({ code: "unavailable", reason: "lane_reset" });
    expect(await link.call.ping({ n: 1 })).toBe(2);
    await close();
  });

  it("an upload that is refused while it is being sent: its caller stops at once", async () => {
    let taken = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of zeros(64 * MIB)) {
        taken += chunk.length;
        yield chunk;
      }
    }
    const upload = () => {
      throw new HbiError("permission_denied", "not here");
    };
    const { link, connectionCount, close } = await linked({ handlers: { upload } });
    const error = await outcome(link.call.upload({ size: 64 * MIB }, { body: counted() }));
    expect(error).toMatchObject({ code: "permission_denied" });
    expect(taken).toBeLessThan(8 * MIB);
    expect(await link.call.ping({ n: 1 })).toBe(2);
    expect(connectionCount).toBe(1);
    await close();
  });
});

it("a lane is used again after an upload that was refused, however much of it was left", async () => {
  const upload: Handlers["upload"] = ({ size }, call) => {
    if (size < MIB) throw new HbiError("permission_denied", "not here");
    return (usual.upload as Handlers["upload"])({ size }, call);
  };
  const { link, host, close } = await linked({ handlers: { upload }, host: { limits: { maxLanes: 2 } } });
  for (const size of [70_000, 100_000, 500_000, 900_000, 300_000, 200_000]) {
    expect(await outcome(link.call.upload({ size }, { body: zeros(size) }))).toMatchObject({
      code: "permission_denied",
    });
  }
  expect(await link.call.upload({ size: 2 * MIB }, { body: zeros(2 * MIB), timeoutMs: 5_000 })).toBe(2 * MIB);
  await until(() => Object.values(heldOf(host)).every((held) => held === 0));
  await close();
});

describe("a side without lanes", () => {
  it.each([
    ["the host", { host: { lanes: false } }],
    ["the link", { link: { lanes: false } }],
  ])("%s: everything goes by one stream", async (_, sides) => {
    const { link, peer, close } = await linked(sides);
    expect(await link.call.upload({ size: MIB }, { body: zeros(MIB) })).toBe(MIB);
    expect(await link.call.download({ size: MIB }).then(received)).toBe(MIB);
    expect(await peer.call.take({ size: MIB }, { body: zeros(MIB) })).toBe(MIB);
    await close();
  });

  it("no byte of lanes is sent to a peer that does not say that it takes them", async () => {
    const { transport, peer } = hostileTransport();
    const link = new Link(files, async () => transport, { take: () => 1 }, {});
    await link.open();
    const up = outcome(
      link.call.upload({ size: 100_000 }, { body: new Uint8Array(100_000).fill(0x61), timeoutMs: 2_000 }),
    );
    let heard = await peer.play({ hear: /co_end\]100;/ });
    heard += await peer.play({ say: packet("co_ack_begin", "100;x;n") + packet("co_ack_end", "100;x;n") });
    heard += await peer.play({ hear: /co_end\]101/ });
    expect(heard).toContain("upload(");
    expect(heard).not.toMatch(/#lanes\]|#open\]|#credit\]/);
    await peer.play("reset");
    await up;
  });
});

it("a side that holds much, as one whose transport cannot pause, holds no more of a lane than its window", async () => {
  let given = 0;
  async function* counted(size: number): AsyncGenerator<Uint8Array> {
    for await (const chunk of zeros(size)) {
      given += chunk.length;
      yield chunk;
    }
  }
  const limits = { maxBufferedBytes: 16 * MIB, maxBodyBytes: 64 * MIB };
  const test = await linked({
    handlers: { download: ({ size }) => ({ result: { size }, body: counted(size) }) },
    link: { limits },
    host: { limits },
  });
  const { body } = await test.link.call.download({ size: 60 * MIB });
  await quiet(200);
  expect(given).toBeLessThan(4 * MIB);
  body.discard();
  await test.link.disconnect();
});

it("closing waits for what is on lanes", async () => {
  const { link, close, logged } = await linked();
  const up = link.call.upload({ size: 4 * MIB }, { body: zeros(4 * MIB) });
  const down = link.call.download({ size: 4 * MIB }).then(received);
  await quiet(2);
  await Promise.all([close(), up, down]);
  expect([await up, await down]).toEqual([4 * MIB, 4 * MIB]);
  expect(logged).toEqual([]);
});

it("more conversations than lanes wait for one", async () => {
  const { link, host, close } = await linked({ host: { limits: { maxLanes: 2 } } });
  const ups = Array.from({ length: 10 }, (_, i) =>
    link.call.upload({ size: 100_000 + i }, { body: zeros(100_000 + i) }),
  );
  expect(await Promise.all(ups)).toEqual(ups.map((_, i) => 100_000 + i));
  expect(Object.values(heldOf(host)).every((held) => held === 0)).toBe(true);
  await close();
});

/** A conversation in bytes. */
const said = (id: string, code: string) => packet("co_begin", `${id};x;n`) + packet("", code) + packet("co_end", id);
const framed = (lane: number, text: string) => `[${text.length}#${lane}]${text}`;
const hello = packet("co_begin", "100;x;n;m=9;p=9000;lanes=2;window=1000") + packet("co_end", "100");
const SWITCH = hello + packet("lanes" as never, "1");

describe("a peer, byte by byte", () => {
  async function hosted(options: { readonly lanes?: boolean; readonly limits?: LimitOptions } = {}) {
    const logged: string[] = [];
    const host = new ServiceHost(files, () => usual, {
      lanes: true,
      ...options,
      log: ({ error }) => void logged.push(error.message),
    });
    const { transport, peer } = hostileTransport();
    void host.accept(transport);
    return { peer, host, logged };
  }

  it("is answered on the lane on which it asks, behind the switch of the other direction", async () => {
    const { peer } = await hosted();
    await peer.play({ say: SWITCH + framed(0, said("101", "ping(1)")) });
    const heard = await peer.play({ hear: /ping|co_ack_end\]101/ });
    expect(heard).toContain("[3#co_ack_begin]101[1#co_recv]2[3#co_ack_end]101"); // lane 0, and this direction has not switched
    await peer.play({ say: `[1#open]1${framed(1, said("102", "ping(2)"))}` });
    const behind = await peer.play({ hear: /co_ack_end\]102/ });
    expect(behind).toBe(`[1#lanes]1${framed(1, "[3#co_ack_begin]102[1#co_recv]3[3#co_ack_end]102")}`);
    await peer.play("reset");
  });

  it.each([
    ["a switch that was not offered", { lanes: false }, SWITCH, "lanes"],
    ["a switch before the hello", {}, packet("lanes" as never, "1"), "lanes"],
    ["another version", {}, hello + packet("lanes" as never, "2"), "lanes"],
    ["a second switch", {}, SWITCH + framed(0, packet("lanes" as never, "1")), "lanes"],
    ["a switch on another lane", {}, `${SWITCH}[1#open]1${framed(1, packet("lanes" as never, "1"))}`, "lanes"],
    [
      "a switch inside a conversation",
      {},
      `${hello}${packet("co_begin", "101;x;n")}${packet("lanes" as never, "1")}`,
      "lanes",
    ],
    [
      "a lane more than it may open",
      { limits: { maxLanes: 2 } },
      `${SWITCH}[1#open]1[1#open]3[1#open]5`,
      "too many lanes",
    ],
    ["as many as it may open", { limits: { maxLanes: 2 } }, `${SWITCH}[1#open]1[1#open]3`, undefined],
    [
      "one more, after one is over",
      { limits: { maxLanes: 2 } },
      `${SWITCH}[1#open]1[1#open]3[1#reset]3[1#open]5`,
      undefined,
    ],
    [
      "more than the window",
      { limits: { laneWindowBytes: 100 } },
      `${SWITCH}[1#open]1${framed(1, "x".repeat(101))}`,
      "window",
    ],
    ["garbage on a lane", {}, `${SWITCH}[1#open]1${framed(1, "garbage")}`, "malformed packet header"],
    ["packets that are not in frames", {}, `${SWITCH}${said("101", "ping(1)")}`, "malformed packet header"],
    [
      "an answer that nobody has asked for",
      {},
      `${SWITCH}[1#open]1${framed(1, packet("co_ack_begin", "101"))}`,
      "unknown id",
    ],
    [
      "half a conversation, and the end of its lane",
      {},
      `${SWITCH}[1#open]1${framed(1, packet("co_begin", "101;x;n"))}[1#end]1`,
      undefined,
    ],
  ])("%s", async (_, options, bytes, expected) => {
    const { peer, host, logged } = await hosted(options);
    await peer.play({ say: bytes });
    await quiet(50);
    const isCut = expected !== undefined;
    if (isCut) expect(logged.join()).toContain(expected);
    expect(peer.hasEnded || peer.isClosed).toBe(isCut);
    if (!isCut) {
      await peer.play({ say: framed(0, said("200", "ping(1)")) });
      expect(await peer.play({ hear: /co_ack_end\]200/ })).toContain("[1#co_recv]2");
    }
    await peer.play("reset");
    await until(() => host.connectionCount === 0);
  });
});

it("opening and resetting counts like calls", async () => {
  const host = new ServiceHost(files, () => usual, {
    lanes: true,
    limits: { callsPerSecond: 10 },
    log: () => undefined,
  });
  const { transport, peer } = hostileTransport();
  void host.accept(transport);
  let flood = SWITCH;
  for (let id = 1; id < 100; id += 2) flood += `[${String(id).length}#open]${id}[${String(id).length}#reset]${id}`;
  await peer.play({ say: flood + framed(0, said("101", "ping(1)")) });
  await quiet(50);
  expect(peer.heard()).not.toContain("co_ack_end]101"); // it has used up its calls for seconds
  await peer.play("reset");
});

it("a stranger opens no lane", async () => {
  const guarded = defineService({ name: "g", version: "1.0.0", credentials: { token: z.string() }, methods: {} });
  const logged: string[] = [];
  const host = new ServiceHost(guarded, () => ({}), {
    lanes: true,
    authenticate: () => ({}),
    log: ({ error }) => void logged.push(error.code),
  });
  const { transport, peer } = hostileTransport();
  void host.accept(transport);
  await peer.play({ say: `${SWITCH}[1#open]1` });
  await quiet();
  expect(peer.hasEnded || peer.isClosed).toBe(true);
  expect(logged).toContain("unauthenticated");
  await peer.play("reset");
});

it("a peer that begins a conversation on a lane of this side ends the connection", async () => {
  const { transport, peer } = hostileTransport();
  const logged: string[] = [];
  const link = new Link(
    files,
    async () => transport,
    { take: () => 1 },
    {
      lanes: true,
      log: ({ error }) => void logged.push(error.message),
    },
  );
  await link.open();
  const up = outcome(link.call.upload({ size: 2_000_000 }, { body: new Uint8Array(2_000_000) }));
  await peer.play({ hear: /co_end\]100;/ });
  await peer.play({ say: hello + packet("co_ack_begin", "100") + packet("co_ack_end", "100") });
  await peer.play({ hear: "open]1" });
  await peer.play({ say: `${packet("lanes" as never, "1")}${framed(1, said("101", "take(0)"))}` });
  expect(await up).toMatchObject({ code: "unavailable" });
  expect(logged.join()).toContain("begun on a lane of the other side");
  await peer.play("reset");
  await link.closed;
});

it("a body that has arrived is read after its service has left", async () => {
  const { link, host } = await linked();
  const { body } = await link.call.download({ size: 400_000 });
  const leaving = host.drain();
  await quiet(100);
  expect(await received({ body })).toBe(400_000);
  await leaving;
});
