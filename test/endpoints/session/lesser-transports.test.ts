/**
 * A connection over a transport that can't end one direction alone, or can't stop its peer: what is different then, and what is not.
 */
import {
  Connection,
  defineService,
  HostingEnv,
  type LimitOptions,
  memoryTransportPair,
  method,
  type Peer,
  ServiceHost,
  type TransportRequest,
} from "hbi";
import { conversation, hostileTransport, ManualClock, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const size = z.int();
const store = defineService({
  name: "store",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.number(), b: z.number() }, result: z.number() }),
    put: method({ params: { size }, body: ({ size }) => size, result: z.int() }),
    hold: method({ params: {} }),
  },
});

const quietly = { log: () => undefined };

/** Handlers of which `hold` waits until it is let go. */
function serving(limits: LimitOptions = {}) {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const handlers = () => ({
    add: ({ a, b }: { a: number; b: number }) => a + b,
    put: async (_: unknown, call: { bytes(): Promise<Uint8Array> }) => (await call.bytes()).length,
    hold: () => held,
  });
  const options = { host: { ...quietly, limits }, link: quietly, memory: { canHalfClose: false } };
  return { release, handlers, options };
}

describe("without half-close", () => {
  it.each(["the link drains", "the service drains", "the link disconnects", "the service closes"] as const)(
    "what is in flight is answered first, or not, and both part in peace: %s",
    async (how) => {
      const { handlers, options, release } = serving();
      const test = await testLink(store, handlers, options);
      expect(await test.link.call.put({ size: 300_000 }, { body: new Uint8Array(300_000) })).toBe(300_000);
      const { peer } = test;
      const held = test.link.call.hold().then(
        () => "answered",
        ({ code }: { code: string }) => code,
      );
      await quiet();
      const ended = {
        "the link drains": () => test.link.close(),
        "the service drains": () => test.host.drain(),
        "the link disconnects": () => test.link.disconnect(),
        "the service closes": () => test.host.close(),
      }[how]();
      await quiet();
      release();
      await ended;
      expect(await held).toBe(how.includes("drain") ? "answered" : "unavailable");
      const reasons = [await test.link.closed, await peer.closed].map((reason) => reason?.reason);
      // The handler of a consumer that has closed is still at work.
      expect(reasons).toEqual([undefined, how === "the link disconnects" ? "disconnected" : undefined]);
      expect(test.host.connectionCount).toBe(0);
    },
  );

  it("sends its err, and the peer receives it", async () => {
    const { handlers, options } = serving();
    const test = await testLink(store, handlers, options);
    void test.peer.disconnect("that is enough");
    expect(await test.link.closed).toMatchObject({ reason: "peer_error", message: "peer error: that is enough" });
    const other = await testLink(store, handlers, options);
    await other.link.disconnect("that is enough");
    expect(await other.peer.closed).toMatchObject({ reason: "peer_error", message: "peer error: that is enough" });
  });

  it("a peer that closes while nothing is in flight has left in peace; in the middle of a packet it has not", async () => {
    for (const [said, reason] of [
      [conversation("101", "nothing()"), undefined],
      ["[10#co_begin]10", "truncated"],
    ] as const) {
      const { transport, peer } = hostileTransport({ canHalfClose: false });
      const env = new HostingEnv().expose("nothing", method({ params: {} }), () => undefined);
      const connection = new Connection(transport, () => env, quietly);
      await connection.start();
      await peer.play({ say: said }, "end");
      expect((await connection.closed)?.reason).toBe(reason);
      expect(Object.values(connection.held)).toEqual(Object.values(connection.held).map(() => 0));
    }
  });

  it("a lost connection is lost, not ended", async () => {
    const { transport, peer } = hostileTransport({ canHalfClose: false });
    const connection = new Connection(transport, () => new HostingEnv(), quietly);
    await connection.start();
    peer.reset();
    expect(await connection.closed).toMatchObject({ reason: "disconnected", message: expect.stringContaining("lost") });
  });
});

/** What holding a chunk costs beside its bytes: docs/errors-and-limits.md. */
const CHUNK = 256;

describe("without pause", () => {
  async function rated(limits: LimitOptions) {
    const clock = new ManualClock();
    const { transport, peer } = hostileTransport({ canPause: false });
    const noted: string[] = [];
    const env = new HostingEnv();
    env.expose("note", method({ params: { text: z.string() } }), ({ text }) => void noted.push(text));
    const connection = new Connection(transport, () => env, { ...quietly, clock, limits });
    await connection.start();
    return { clock, connection, noted, peer };
  }
  const note = (seq: string, text: string) => conversation(seq, `note('${text}')`);

  it.each([
    [1_000, undefined],
    [1_001, "buffer_full"],
  ])("%i bytes that are not taken yet, of 1,000 that may be held: %s", async (bytes, reason) => {
    const { clock, connection, noted, peer } = await rated({ callsPerSecond: 1, maxBufferedBytes: 1_000 + 2 * CHUNK });
    // That a second call begins is known; what is behind it is held until it may.
    const begins = packet("co_begin", "102");
    const behind = note("102", "x".repeat(900)).length - begins.length;
    const text = "x".repeat(900 + bytes - behind);
    await peer.play({ say: note("101", "first") + note("102", text).slice(0, -1) });
    await quiet();
    expect([connection.isOpen, noted]).toEqual([true, ["first"]]);
    await peer.play({ say: note("102", text).slice(-1) });
    await quiet();
    expect(connection.isOpen).toBe(reason === undefined);
    await clock.advance(1_000);
    await quiet();
    expect(noted).toEqual(reason === undefined ? ["first", text] : ["first"]);
    await peer.play("reset");
    await clock.advance(10_000);
    expect((await connection.closed)?.reason).toBe(reason ?? "disconnected");
  });

  it("what comes before the init hooks have run is held, and bounded as well", async () => {
    for (const [bytes, isOpen] of [
      [1_000, true],
      [1_001, false],
    ] as const) {
      const { transport, peer } = hostileTransport({ canPause: false });
      const env = new HostingEnv().onInit(() => new Promise(() => undefined));
      const connection = new Connection(transport, () => env, {
        ...quietly,
        limits: { maxBufferedBytes: 1_000 + CHUNK },
      });
      connection.start().catch(() => undefined);
      await peer.play({ flood: bytes });
      await quiet();
      expect(connection.isOpen).toBe(isOpen);
      peer.reset();
      await connection.closed;
    }
  });

  it("receivedBytesPerSecond: what comes too early is looked at later, and is bounded", async () => {
    const limits = { receivedBytesPerSecond: 100, maxBufferedBytes: 1_000 + CHUNK };
    const { clock, connection, noted, peer } = await rated(limits);
    await peer.play({ say: note("101", "x".repeat(200)) }); // as much at once as one chunk has
    await quiet();
    expect(noted.length).toBe(1);
    await peer.play({ say: note("102", "early") });
    await quiet();
    await clock.advance(1_000);
    expect(noted.length).toBe(1);
    await clock.advance(3_000);
    expect(noted.slice(1)).toEqual(["early"]);
    await peer.play({ say: note("103", "x".repeat(200)) });
    await quiet();
    await peer.play({ say: "x".repeat(1_000) });
    await quiet();
    expect(connection.isOpen).toBe(true);
    await peer.play({ say: "x" });
    await quiet();
    await peer.play("reset");
    await clock.advance(10_000);
    expect((await connection.closed)?.reason).toBe("buffer_full");
  });
});

const request: TransportRequest = { path: "/store?tenant=7", headers: new Map([["authorization", "Bearer seven"]]) };

it("the request that a connection began as is there for `authenticate`", async () => {
  const seen: unknown[] = [];
  const { handlers, options } = serving();
  const authenticate = (_: undefined, peer: Peer<typeof store, unknown>) => {
    seen.push(peer.request);
    return peer.request?.headers.get("authorization") === "Bearer seven" ? { tenant: 7 } : undefined;
  };
  const test = await testLink(store, handlers, { ...options, host: { ...quietly, authenticate }, memory: { request } });
  expect(await test.link.call.add({ a: 1, b: 2 })).toBe(3);
  expect([test.peer.request, test.peer.context]).toEqual([request, { tenant: 7 }]);
  await test.close();

  const host = new ServiceHost(store, handlers, { ...quietly, authenticate });
  await expect(host.accept(memoryTransportPair()[1])).rejects.toThrow("authenticate first");
  expect(seen).toEqual([request, undefined]);
});
