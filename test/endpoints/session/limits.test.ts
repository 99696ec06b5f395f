/**
 * Every limit of connections and conversations: N is accepted, N + 1 is not, and an override is honoured.
 */
import {
  Connection,
  HbiError,
  HostingEnv,
  type LimitOptions,
  method,
  PRESETS,
  repr,
  resolveLimits,
  systemClock,
} from "hbi";
import { answer, conversation, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Neighbourhood, UnsentLoad, UnsentShare } from "../../../src/endpoints/guard/unsent-load.ts";
import { BarePeer, barePeer, pair } from "../../support/pair.ts";

const n = z.int().min(0);

function exposed(): HostingEnv {
  const env = new HostingEnv();
  env.expose("nothing", method({ params: {} }), () => undefined);
  env.expose("take", method({ params: { n }, body: ({ n }) => n }), async ({ n }, co) => {
    const bytes = new Uint8Array(n);
    await co.recvData(bytes);
  });
  env.expose("ignore", method({ params: { n }, body: ({ n }) => n }), () => undefined);
  env.expose("decline", method({ params: { n }, body: ({ n }) => n, result: n }), () => {
    throw new HbiError("permission_denied", "not here");
  });
  env.expose("hang", method({ params: {} }), () => new Promise(() => undefined));
  env.expose("answers", method({ params: { n, size: n } }), async ({ n, size }, co) => {
    for (let i = 0; i < n; i++) await co.sendObj(repr("x".repeat(size)));
  });
  return env;
}

/** What a peer hears after it has said something, under limits. */
async function told(limits: LimitOptions, ...said: readonly (string | Uint8Array)[]): Promise<string> {
  const peer = await barePeer(exposed(), { limits });
  const heard = await peer.say(...said);
  peer.destroy();
  return heard;
}

const data = (bytes: number) => new Uint8Array(bytes).fill(0x78);

describe("what is received", () => {
  const cases: readonly (readonly [string, LimitOptions, number, (n: number) => (string | Uint8Array)[], string])[] = [
    [
      "maxPacketBytes",
      {},
      PRESETS.public.maxPacketBytes,
      (n) => [conversation("101;x", `nothing()${" ".repeat(n - 9)}`)],
      "packet too big",
    ],
    [
      "maxPacketBytes",
      { maxPacketBytes: 100 },
      100,
      (n) => [conversation("101;x", `nothing()${" ".repeat(n - 9)}`)],
      "packet too big",
    ],
    ["an id", {}, 256, (n) => [packet("co_begin", "1".repeat(n)) + packet("co_end", "1".repeat(n))], "packet too big"],
    ["err", {}, 65_536, (n) => [packet("err", "x".repeat(n))], "packet too big"],
    [
      "maxBodyBytes",
      { maxBodyBytes: 1_000 },
      1_000,
      (n) => [packet("co_begin", "101;x"), packet("", `take(${n})`), data(n), packet("co_end", "101")],
      "take: raw data too big",
    ],
    // of a poster that cannot be told before it has sent everything
    [
      "maxDrainBytes",
      { maxDrainBytes: 1_000 },
      1_000,
      (n) => [packet("co_begin", "101"), packet("", `decline(${n})`), data(n), packet("co_end", "101")],
      "too much raw data to skip",
    ],
    [
      "maxDrainBytes",
      {},
      PRESETS.public.maxDrainBytes,
      (n) => [packet("co_begin", "101"), packet("", `decline(${n})`), data(n), packet("co_end", "101")],
      "too much raw data to skip",
    ],
    [
      "maxStatements",
      { maxStatements: 3 },
      3,
      (n) => [conversation("101;x;n", "nothing()\n".repeat(n))],
      "too many statements: line 4, column 1",
    ],
    [
      "maxDepth",
      { maxDepth: 4 },
      4,
      (n) => [conversation("101;x;n", "[".repeat(n) + "]".repeat(n))],
      "nested too deeply: line 1, column 5",
    ],
  ];
  for (const [name, limits, limit, said, message] of cases) {
    it(`${name}: ${limit}`, async () => {
      expect(await told(limits, ...said(limit))).not.toContain(message);
      expect(await told(limits, ...said(limit + 1))).toContain(message);
      expect(
        await told({ ...limits, preset: "trusted" }, ...said(limit + 1)).then((text) => text.includes(message)),
      ).toBe(name in limits || !(name in PRESETS.public));
    });
  }
});

describe("raw data behind a refusal that its poster knows", () => {
  const declined = async (n: number, limits: LimitOptions = {}) => {
    const clock = new ManualClock();
    const peer = await barePeer(exposed(), { clock, limits });
    const heard = await peer.say(packet("co_begin", `101;x;b=${n}`), packet("", `decline(${n})`));
    expect(heard).toBe(answer("101", packet("co_recv", 'HbiError("permission_denied","not here")')));
    return { clock, peer };
  };

  it.each<[number, LimitOptions]>([
    [1_000, { maxDrainBytes: 1_000 }],
    [PRESETS.public.maxDrainBytes, {}],
  ])("%i bytes are skipped after closeTimeoutMs; until then, what was on its way", async (most, limits) => {
    const { closeTimeoutMs } = PRESETS.public;
    for (const bytes of [most, most + 1]) {
      const { clock, peer } = await declined(10_000_000, limits);
      expect(await peer.say(data(bytes))).toBe("");
      await clock.advance(closeTimeoutMs - 1);
      expect(peer.connection.isOpen).toBe(true);
      await clock.advance(1);
      expect([bytes, peer.connection.isOpen]).toEqual([bytes, bytes === most]);
      expect(await peer.say(data(1))).toContain(bytes === most ? "too much raw data to skip" : "");
      expect(peer.connection.isOpen).toBe(false);
      await clock.advance(closeTimeoutMs);
      expect(clock.timerCount).toBe(0);
    }
  });

  it("a discarded body of any size is skipped: its handler has accepted it", async () => {
    const peer = await barePeer(exposed());
    const n = 5 * PRESETS.public.maxDrainBytes;
    expect(await peer.say(packet("co_begin", `101;x;b=${n}`), packet("", `ignore(${n})`), data(n))).toBe("");
    expect(await peer.say(packet("co_end", "101"))).toBe(answer("101"));
    peer.destroy();
  });

  it("a small rest may follow: the connection serves on", async () => {
    const { clock, peer } = await declined(10_000);
    await clock.advance(20_000); // longer than raw data may take
    expect(await peer.say(data(10_000), packet("co_end", "101"), conversation("102;x;n", "nothing()"))).toBe(
      answer("102"),
    );
    peer.destroy();
  });

  it("its poster may end the connection in the middle of it, which is no error", async () => {
    const { peer } = await declined(10_000_000);
    await peer.say(data(100));
    peer.end();
    await quiet();
    expect([peer.heard(), peer.hasEnded]).toEqual(["", true]);
    expect(await peer.connection.closed).toBeUndefined();
  });

  it("a poster that does neither is not waited for longer than for a handler and a gap", async () => {
    const { handlerTimeoutMs, gapTimeoutMs, closeTimeoutMs } = PRESETS.public;
    const { clock, peer } = await declined(10_000_000, { keepaliveMs: Number.POSITIVE_INFINITY });
    await clock.advance(closeTimeoutMs + handlerTimeoutMs + gapTimeoutMs - 1);
    expect(peer.connection.isOpen).toBe(true);
    await clock.advance(1);
    expect(peer.heard()).toContain("the peer stopped sending");
    peer.destroy();
  });
});

describe("conversations in flight", () => {
  it.each([
    [{}, 100],
    [{ maxInFlight: 3 }, 3],
  ])("hosts as many handlers as %j allows, and reads on when one ends", async (limits, count) => {
    const env = exposed();
    const ends: (() => void)[] = [];
    env.expose("held", method({ params: {} }), () => new Promise<void>((resolve) => ends.push(resolve)));
    const peer = await barePeer(env, { limits });
    for (let i = 0; i <= count; i++) await peer.say(conversation(String(101 + i), "held()"));
    expect(ends.length).toBe(count);
    expect(peer.connection.isOpen).toBe(true);
    ends[0]?.();
    await quiet();
    expect(ends.length).toBe(count + 1);
    expect(peer.heard()).toBe(answer("101"));
    peer.destroy();
  });

  it.each([
    [{}, 100],
    [{ maxPostedInFlight: 2 }, 2],
  ])("posts as many unanswered conversations as %j allows; more wait", async (limits, count) => {
    const peer = await barePeer(exposed(), { limits, extension: false });
    const { posting } = peer.connection;
    for (let i = 0; i <= count; i++) void posting.notif("nothing()");
    await quiet();
    expect(peer.heard().match(/#co_begin\]/g)).toHaveLength(count);
    expect((await peer.say(answer("101"))).match(/#co_begin\]/g)).toHaveLength(1);
    peer.destroy();
  });

  it("keeps this many waiting and refuses the next", async () => {
    const limits = { maxPostedInFlight: 2, maxPostedWaiting: 3 };
    const peer = await barePeer(exposed(), { limits });
    const { posting } = peer.connection;
    for (let i = 0; i < 5; i++) void posting.notif("nothing()");
    await expect(posting.notif("nothing()")).rejects.toMatchObject({
      code: "resource_exhausted",
      reason: "too_many_waiting",
    });
    peer.destroy();
  });

  it.each([
    [{ maxQueuedAnswers: 5 }, 5, 1],
    [{}, 1_000, 1],
    [{ maxQueuedAnswerBytes: 10_000 }, 10, 1_000],
  ])("queues answers of a conversation that still sends: %j", async (limits, count, size) => {
    const ask = (n: number) => told(limits, packet("co_begin", "101;x"), packet("", `answers(${n}, ${size})`));
    expect(await ask(count)).not.toContain("too many queued answers");
    expect(await ask(count + (size > 1 ? 2 : 1))).toContain("too many queued answers");
  });
});

describe("time", () => {
  const cases: readonly (readonly [string, LimitOptions, string, number])[] = [
    ["headerTimeoutMs", {}, "[1", 5_000],
    ["headerTimeoutMs", { headerTimeoutMs: 50 }, "[12#co_be", 50],
    ["payloadTimeoutMs", {}, `${packet("co_begin", "101")}[100#]not`, 10_000 + 1_000],
    ["payloadTimeoutMs", { payloadTimeoutMs: 70 }, `${packet("co_begin", "101")}[200000#]not`, 70 + 13_000],
    ["gapTimeoutMs", {}, packet("co_begin", "101"), 30_000],
    ["gapTimeoutMs, raw data", { gapTimeoutMs: 90 }, `${packet("co_begin", "101") + packet("", "take(10)")}12345`, 90],
  ];
  for (const [name, limits, said, ms] of cases) {
    it(`${name}: ${ms}`, async () => {
      const clock = new ManualClock();
      const peer = await barePeer(exposed(), { clock, limits });
      await peer.say(said);
      await clock.advance(ms - 1);
      expect(peer.connection.isOpen).toBe(true);
      await clock.advance(1);
      expect(peer.connection.isOpen).toBe(false);
      expect(peer.heard()).toContain("the peer stopped sending");
      peer.destroy();
      await quiet();
      expect(clock.timerCount).toBe(0);
    });
  }

  it("a header is not prolonged by more of it", async () => {
    const clock = new ManualClock();
    const peer = await barePeer(exposed(), { clock });
    for (const byte of "[12#co_begin") {
      await peer.say(byte);
      await clock.advance(450);
    }
    expect(peer.connection.isOpen).toBe(false);
  });

  it("a silence ends with any byte, and does not count while the handler is slow", async () => {
    const clock = new ManualClock();
    const peer = await barePeer(exposed(), { clock, limits: { gapTimeoutMs: 100, handlerTimeoutMs: 10_000 } });
    await peer.say(packet("co_begin", "101") + packet("", "take(3)"));
    for (const byte of "123") {
      await clock.advance(99);
      await peer.say(byte);
    }
    await peer.say(packet("co_end", "101") + conversation("102", "hang()"));
    await clock.advance(5_000);
    expect(peer.connection.isOpen).toBe(true);
    peer.destroy();
  });

  it("an idle connection is closed when that is asked for", async () => {
    const clock = new ManualClock();
    const peer = await barePeer(exposed(), { clock, limits: { idleTimeoutMs: 5_000 } });
    await clock.advance(4_000);
    await peer.say(conversation("101", "nothing()"));
    await clock.advance(4_999);
    expect(peer.connection.isOpen).toBe(true);
    await clock.advance(2);
    await quiet();
    expect([peer.connection.isOpen, peer.hasEnded, peer.heard()]).toEqual([false, true, ""]);
  });

  it("and is idle from the end of its last conversation on, however long that took", async () => {
    const clock = new ManualClock();
    const env = exposed();
    let end: () => void = () => undefined;
    env.expose("long", method({ params: {} }), () => new Promise<void>((resolve) => (end = resolve)));
    const peer = await barePeer(env, { clock, limits: { idleTimeoutMs: 5_000 } });
    await peer.say(conversation("101", "long()"));
    await clock.advance(12_000);
    end();
    await clock.advance(4_999);
    expect(peer.connection.isOpen).toBe(true);
    await clock.advance(1_001); // it is looked at once a second
    expect(peer.connection.isOpen).toBe(false);
    peer.destroy();
  });

  it.each([
    [{}, 5_000],
    [{ closeTimeoutMs: 70 }, 70],
  ])("closeTimeoutMs: a peer that closes only its half is dropped, with %j after %d ms", async (limits, ms) => {
    const clock = new ManualClock();
    const peer = await barePeer(exposed(), { clock, limits });
    void peer.connection.disconnect();
    await clock.advance(ms - 1);
    expect(peer.isClosed).toBe(false);
    await clock.advance(1);
    expect(peer.isClosed).toBe(true);
  });

  it.each([
    [{}, 5_000],
    [{ closeTimeoutMs: 70 }, 70],
  ])("closeTimeoutMs: a cleanup hook that does not return is left, with %j after %d ms", async (limits, ms) => {
    const clock = new ManualClock();
    const peer = await barePeer(
      exposed().onCleanup(() => new Promise(() => undefined)),
      { clock, limits },
    );
    let isOver = false;
    void peer.connection.closed.then(() => {
      isOver = true;
    });
    peer.destroy();
    await quiet();
    await clock.advance(ms - 1);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(isOver).toBe(true);
  });
});

describe("what a peer does not read", () => {
  it("is held up to the high-water mark: sendData waits, and goes on when it is read", async () => {
    const env = new HostingEnv();
    let sent = 0;
    env.expose("flood", method({ params: {} }), async (_, co) => {
      for (let i = 0; i < 100; i++) {
        await co.sendData(new Uint8Array(65_536));
        sent += 65_536;
      }
    });
    const limits = { sendHighWaterBytes: 200_000 };
    const { client, po, server } = await pair(env, {
      server: { limits },
      client: { limits: { maxBufferedBytes: 1_000 } },
    });
    const co = await po.co();
    await co.sendCode("flood()");
    await co.startRecv();
    await quiet(200);
    expect(sent).toBeLessThan(700_000);
    expect(server.wire.bufferedBytes).toBeLessThan(400_000);
    let received = 0;
    for await (const chunk of co.recvChunks(6_553_600)) received += chunk.length;
    expect(received).toBe(6_553_600);
    await co.waitCompleted();
    await client.drain();
  });

  it("ends the connection when it does not move for sendStallTimeoutMs", async () => {
    const clock = new ManualClock();
    const env = new HostingEnv();
    env.expose("flood", method({ params: {} }), (_, co) => co.sendData(new Uint8Array(2_000_000)));
    const { po, server } = await pair(env, {
      server: { clock },
      client: { limits: { maxBufferedBytes: 1_000 } },
      cut: () => 65_536,
    });
    const co = await po.co();
    await co.sendCode("flood()");
    await co.startRecv();
    await clock.advance(70_000);
    expect(await server.closed).toMatchObject({ reason: expect.stringMatching(/slow_reader|handler_timeout/) });
  });
});

describe("handlerTimeoutMs in the middle of raw data", () => {
  async function streaming(pauseMs: number) {
    const clock = new ManualClock();
    const env = new HostingEnv();
    env.expose("stream", method({ params: {}, result: z.int(), resultBody: () => 700_000 }), async (_, co) => {
      await co.sendObj("1");
      for (let i = 0; i < 10; i++) {
        await co.sendData(new Uint8Array(70_000));
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
      }
      return 1;
    });
    const peer = await barePeer(env, { clock, limits: { handlerTimeoutMs: 1_000 } });
    await peer.say(conversation("101;x;n", "stream()"));
    return { clock, peer };
  }

  it("a handler that goes on may take longer", async () => {
    const { clock, peer } = await streaming(999);
    await clock.advance(9_990);
    expect(peer.heard()).toContain("#co_ack_end]101");
    peer.destroy();
  });

  it("one that does not go on for so long ends the connection: it holds the send turn", async () => {
    const { clock, peer } = await streaming(100_000);
    await clock.advance(1_999);
    expect(peer.connection.isOpen).toBe(true);
    await clock.advance(1);
    expect(peer.connection.isOpen).toBe(false);
    peer.destroy();
  });
});

describe("what peers leave unread together", () => {
  const KIB = 1024;
  const neighbourhood = new Neighbourhood();
  /** A peer that reads nothing, and requests this many bytes. */
  async function deaf(network: string | undefined, limits: LimitOptions) {
    const { transport, peer } = hostileTransport();
    const env = new HostingEnv();
    let sent = 0;
    env.expose("blob", method({ params: { n } }), async ({ n }, co) => {
      for (let left = n; left > 0; left -= 10 * KIB) {
        await co.sendData(new Uint8Array(10 * KIB));
        sent += 10 * KIB;
      }
    });
    const reasons: (string | undefined)[] = [];
    const log = ({ error }: { error: HbiError }) => void reasons.push(error.message);
    const neighbours = network === undefined ? undefined : { neighbourhood, network };
    const connection = new Connection(transport, () => env, { limits, log }, { neighbours });
    await connection.start();
    await peer.play("deaf");
    let seq = 100;
    const ask = async (kib: number) => {
      seq += 1;
      peer.say(conversation(`${seq};x;n`, `blob(${kib * KIB})`));
      await quiet();
    };
    return { ask, peer, connection, reasons, sent: () => sent };
  }
  const [here, there] = ["192.0.2.1", "192.0.2.2"];

  it.each([
    ["maxAddressUnsentBytes", [here, here, here, there], "the peer reads too slowly: on many connections"],
    ["maxProcessUnsentBytes", [undefined, undefined, undefined, undefined], "the peer reads too slowly: as many do"],
  ] as const)("%s: whoever keeps most waiting is cut, and the others are not", async (limit, networks, message) => {
    const peers = await Promise.all(networks.map((network) => deaf(network, { [limit]: 160 * KIB })));
    const [one, two, three, other] = peers;
    await one?.ask(50);
    await two?.ask(60);
    await three?.ask(40);
    const isOpen = () => peers.map(({ connection }) => connection.isOpen);
    expect(isOpen()).toEqual([true, true, true, true]);
    await three?.ask(10);
    expect(isOpen()).toEqual([true, false, true, true]);
    expect(two?.reasons).toEqual([message]);
    expect(two?.peer.isClosed).toBe(true); // at once, and so is what it kept
    await three?.ask(10);
    await other?.ask(30);
    expect(isOpen()).toEqual([true, false, true, true]);
    for (const { peer } of peers) peer.reset();
    await quiet();
  });

  it("of the process, the address that has most pays, not who happens to keep most on one connection", async () => {
    const limits = { maxProcessUnsentBytes: 160 * KIB };
    const peers = await Promise.all([deaf(here, limits), deaf(here, limits), deaf(there, limits)]);
    const [one, two, other] = peers;
    await one?.ask(40);
    await two?.ask(50);
    await other?.ask(60);
    expect(peers.map(({ connection }) => connection.isOpen)).toEqual([true, true, true]);
    await other?.ask(10);
    expect(peers.map(({ connection }) => connection.isOpen)).toEqual([true, false, true]);
    for (const { peer } of peers) peer.reset();
    await quiet();
  });

  it("of one that has ended counts no more, and an address that keeps nothing is forgotten", () => {
    const dropped: string[] = [];
    const load = new UnsentLoad();
    const addresses = new Neighbourhood();
    const limits = resolveLimits({ maxProcessUnsentBytes: 100 * KIB, maxAddressUnsentBytes: 80 * KIB });
    const share = (name: string, network: string) => {
      const holder = { drop: () => void dropped.push(name) };
      return new UnsentShare(holder, limits, load, { neighbourhood: addresses, network });
    };
    const [one, two, other] = [share("one", here), share("two", here), share("other", there)];
    one.moveTo(50 * KIB);
    const group = addresses.groupOf(here);
    one.leave();
    one.leave();
    one.moveTo(50 * KIB); // too late
    expect(load.bytes).toBe(0);
    expect(addresses.groupOf(here)).not.toBe(group);
    two.moveTo(50 * KIB);
    expect([two.isTight, other.isTight]).toEqual([true, false]);
    other.moveTo(50 * KIB);
    expect([dropped, load.bytes]).toEqual([[], 100 * KIB]);
    other.moveTo(50 * KIB + 1);
    expect([dropped, load.bytes]).toEqual([["other"], 50 * KIB]);
    two.moveTo(80 * KIB);
    expect(dropped).toEqual(["other"]);
    two.moveTo(80 * KIB + 1);
    expect([dropped, load.bytes, load.groups.size]).toEqual([["other", "two"], 0, 0]);
  });

  it("of a server that allows more is not bounded by one that allows less, and who has less than before is not cut", () => {
    const dropped: string[] = [];
    const load = new UnsentLoad();
    const neighbourhood = new Neighbourhood();
    const share = (name: string, most: number, network: string) => {
      const limits = resolveLimits({ maxProcessUnsentBytes: most, maxAddressUnsentBytes: 1_000 });
      return new UnsentShare({ drop: () => void dropped.push(name) }, limits, load, { neighbourhood, network });
    };
    const [much, little, beside] = [
      share("much", 1_000, here),
      share("little", 100, there),
      share("beside", 100, there),
    ];
    little.moveTo(10);
    beside.moveTo(5);
    beside.moveTo(0);
    expect(load.groups.size).toBe(1); // one of that address has something still
    much.moveTo(150);
    little.moveTo(5);
    expect([dropped, load.bytes]).toEqual([[], 155]);
    little.moveTo(6);
    expect([dropped, load.bytes]).toEqual([["little"], 150]);
  });

  it("is tight beyond half of what the process may keep, and of what an address may, and not at it", () => {
    const limits = resolveLimits({ maxProcessUnsentBytes: 200, maxAddressUnsentBytes: 100 });
    for (const [network, half] of [
      [here, 50],
      [undefined, 100],
    ] as const) {
      const neighbours = network === undefined ? undefined : { neighbourhood: new Neighbourhood(), network };
      const share = new UnsentShare({ drop: () => undefined }, limits, new UnsentLoad(), neighbours);
      const tight = [0, half, half + 1, half].map((bytes) => {
        share.moveTo(bytes);
        return share.isTight;
      });
      expect(tight).toEqual([false, false, true, false]);
    }
  });

  it("what was read counts no more, also where the transport takes all at once", async () => {
    const { transport, peer } = hostileTransport();
    const taking = new Proxy(transport, {
      get: (target, key) => {
        const value: unknown = key === "bufferedBytes" ? 0 : Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const limits = { maxAddressUnsentBytes: 160 * KIB };
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const env = new HostingEnv();
    env.expose("text", method({ params: {}, result: z.string() }), () => "x".repeat(10 * KIB));
    env.expose("hold", method({ params: {} }), async (_, co) => {
      await co.sendData(new Uint8Array(70 * KIB)); // has the send turn from here on
      await opened;
    });
    const neighbours = { neighbourhood, network: here };
    const connection = new Connection(taking, () => env, { limits }, { neighbours });
    await connection.start();
    peer.say(conversation("101;x;n", "hold()"));
    for (let i = 0; i < 12; i++) peer.say(conversation(`${102 + i};x;n`, "text()"));
    await quiet();
    open();
    await quiet();
    expect(peer.heard()).toContain("#co_ack_end]113");
    const other = await deaf(here, limits);
    await other.ask(100);
    expect([connection.isOpen, other.connection.isOpen, other.connection.isTight]).toEqual([true, true, true]);
    await other.ask(50);
    expect([connection.isOpen, other.connection.isOpen]).toEqual([true, true]);
    for (const it of [peer, other.peer]) it.reset();
    await quiet();
  });

  it.each([
    ["above half of it a send waits at 64 KiB already", here, 70],
    ["elsewhere it does not", there, 200],
  ])("%s", async (_, network, kib) => {
    const limits = { maxAddressUnsentBytes: 300 * KIB };
    const first = await deaf(here, limits);
    const second = await deaf(network, limits);
    await first.ask(160);
    await second.ask(200);
    expect(second.sent() / KIB).toBe(kib === 70 ? 60 : kib);
    expect(second.connection.wire.bufferedBytes).toBeGreaterThanOrEqual(kib * KIB);
    for (const { peer } of [first, second]) peer.reset();
    await quiet();
  });
});

describe("answers that a peer does not read", () => {
  const KB = 1_000;
  /** A peer that reads nothing, of a service whose answers have so many thousand characters. */
  async function deaf(limits: LimitOptions, isDeaf = true) {
    const { transport, peer } = hostileTransport();
    const env = new HostingEnv();
    env.expose("text", method({ params: { kb: n }, result: z.string() }), async ({ kb }) => "x".repeat(kb * KB));
    env.expose("hang", method({ params: {} }), () => new Promise(() => undefined));
    const reasons: (string | undefined)[] = [];
    const log = ({ error }: { error: HbiError }) => void reasons.push(error.reason);
    const connection = new Connection(transport, () => env, { limits, log });
    await connection.start();
    if (isDeaf) await peer.play("deaf");
    let seq = 100;
    const ask = async (count: number, kb: number, suffix = ";x;n") => {
      seq += 1;
      peer.say(conversation(`${seq}${suffix}`, Array.from({ length: count }, () => `text(${kb})`).join("; ")));
      await quiet();
    };
    return { ask, peer, connection, reasons };
  }

  it("end the connection once, also if the err exceeds the limit as well", async () => {
    const { ask, connection, reasons, peer } = await deaf({ maxSendBufferBytes: 100 * KB });
    await ask(40, 1);
    await ask(64, 1); // granted below half of the bound, and written as a whole
    expect(reasons).toEqual(["slow_reader"]);
    expect(connection.isOpen).toBe(false);
    peer.reset();
  });

  it.each([
    [6, true],
    [9, false],
  ])("of one script count as they are made: %i of 10 kB behind 80 where 150 may wait", async (count, isOpen) => {
    const { ask, connection, reasons, peer } = await deaf({ maxSendBufferBytes: 150 * KB });
    await ask(8, 10); // above half of the bound, nothing gets the turn
    await ask(count, 10);
    expect(connection.isOpen).toBe(isOpen);
    expect(reasons).toEqual(isOpen ? [] : ["slow_reader"]);
    peer.reset();
  });

  it.each([
    [9, true],
    [11, false],
  ])(
    "of peers of the seed era count while an earlier one is made: %i of 10 kB where 100 may wait",
    async (count, isOpen) => {
      const { ask, connection, peer } = await deaf({ maxSendBufferBytes: 100 * KB }, false);
      peer.say(conversation("20000001", "hang()"));
      for (let i = 0; i < count; i++) await ask(1, 10, "00000");
      expect(connection.isOpen).toBe(isOpen);
      peer.reset();
    },
  );
});

describe("what is not requested", () => {
  it("maxBufferedBytes: reading goes on to about N bytes, then pauses until somebody asks", async () => {
    const env = exposed();
    let read: () => void = () => undefined;
    env.expose("later", method({ params: { n }, body: ({ n }) => n, result: z.number() }), async ({ n }, co) => {
      await new Promise<void>((resolve) => {
        read = resolve;
      });
      let bytes = 0;
      for await (const chunk of co.recvChunks(n)) bytes += chunk.length;
      return bytes;
    });
    const limits = { maxBufferedBytes: 10_000 };
    const { server, po } = await pair(env, { server: { limits }, cut: (left) => Math.min(left, 1_000) });
    const asked = po.converse(async (co) => {
      await co.sendCode("later(900000)");
      await co.sendData(new Uint8Array(900_000));
      return co.recvObj();
    });
    await quiet(200);
    // 10,000 wait for the handler and as many in the reader; the rest is still the sender's.
    const { unread, received } = server.held;
    expect(unread).toBeGreaterThanOrEqual(10_000);
    expect(Math.max(unread, received)).toBeLessThan(10_000 + 1_000 + 64);
    read();
    expect(await asked).toBe(900_000);
  });

  it("maxBufferedBytes: nothing is taken before the init hooks have run, beyond N bytes", async () => {
    const env = exposed();
    let ready: () => void = () => undefined;
    env.onInit(() => new Promise<void>((resolve) => (ready = resolve)));
    const peer = new BarePeer(env, { limits: { maxBufferedBytes: 1_000 } });
    const started = peer.connection.start();
    expect(await peer.say(...Array.from({ length: 50 }, (_, i) => conversation(String(101 + i), "nothing()")))).toBe(
      "",
    );
    ready();
    await started;
    await quiet(200);
    expect(peer.heard().match(/#co_ack_end\]/g)).toHaveLength(50);
    peer.destroy();
  });

  it("connectTimeoutMs: init hooks have so long", async () => {
    const clock = new ManualClock();
    const env = exposed().onInit(() => new Promise(() => undefined));
    const peer = new BarePeer(env, { clock, limits: { connectTimeoutMs: 500 } });
    const failed = expect(peer.connection.start()).rejects.toMatchObject({ code: "deadline_exceeded" });
    await clock.advance(499);
    expect(peer.connection.isOpen).toBe(true);
    await clock.advance(1);
    await failed;
    expect(peer.connection.isOpen).toBe(false);
  });
});

describe("fairness", () => {
  const timers = {
    after: systemClock.after.bind(systemClock),
    soon: setImmediate,
    endOfTurn: process.nextTick,
  };
  const busy = (count: number) =>
    Array.from({ length: count }, (_, i) => conversation(String(101 + i), "nothing()")).join("");

  it.each([
    [{ maxTurnPackets: 16 }, 30],
    [{ maxTurnBytes: 200 }, 30],
    [{ maxTurnMs: 5, maxTurnPackets: 1_000 }, 100],
  ])("one connection does not keep the others waiting: %j", async (limits, count) => {
    const order: string[] = [];
    const env = (name: string) =>
      new HostingEnv().expose("nothing", method({ params: {} }), () => void order.push(name));
    // Each look at this clock finds 10 ms gone.
    let nowMs = 0;
    const clock = { ...timers, now: () => (nowMs += 10) };
    const [flooding, modest] = [await barePeer(env("flood"), { limits, clock }), await barePeer(env("modest"))];
    const said = Promise.all([flooding.say(busy(count)), modest.say(conversation("101", "nothing()"))]);
    await said;
    expect(order.length).toBe(count + 1);
    expect(order.indexOf("modest")).toBeLessThan(count);
    for (const peer of [flooding, modest]) peer.destroy();
  });

  /** Peers of one process, whose every call takes 20 ms of its clock. */
  async function busyProcess(names: readonly string[]) {
    const order: string[] = [];
    let nowMs = 0;
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const clock = { ...timers, now: () => nowMs };
    const peers = await Promise.all(
      names.map((name) => {
        const env = new HostingEnv().expose("nothing", method({ params: {} }), () => {
          order.push(name);
          nowMs += 20;
        });
        return barePeer(
          env.expose("wait", method({ params: {} }), () => opened),
          { clock },
        );
      }),
    );
    return { order, peers, open, clock };
  }
  const large = conversation("101", `nothing()${" ".repeat(10_000)}`);
  const small = conversation("101", "nothing()");

  it("when all connections together have worked long enough, the one with the least work goes first", async () => {
    const { order, peers } = await busyProcess(["large", "large", "large", "large", "small"]);
    await Promise.all(peers.map((peer, i) => peer.say(i < 4 ? large : small)));
    expect(order).toEqual(["large", "small", "large", "large", "large"]);
    for (const peer of peers) peer.destroy();
  });

  it("and one with a few long scripts has one of them in a turn", async () => {
    const { order, peers } = await busyProcess(["long"]);
    const long = (id: number) => conversation(`${id}`, `nothing()${" ".repeat(20_000)}`);
    const said = peers[0]?.say(long(101) + long(102) + long(103));
    for (let done = 0; done < 3; done = order.length) {
      await new Promise(setImmediate);
      expect(order.length - done).toBeLessThanOrEqual(1);
    }
    await said;
    for (const peer of peers) peer.destroy();
  });

  it("and so it is where many handlers end at once", async () => {
    const { order, peers, open } = await busyProcess(["many", "one"]);
    const [many, one] = peers;
    for (const id of ["101", "102", "103"]) await many?.say(conversation(id, "wait(); nothing()"));
    await one?.say(conversation("101", "wait(); nothing()"));
    open();
    await quiet();
    expect(order).toEqual(["many", "one", "many", "many"]);
    for (const peer of peers) peer.destroy();
  });

  it("and handlers of one connection are answered in the order in which they end, also where some were put off", async () => {
    const order: number[] = [];
    let nowMs = 0;
    const clock = { ...timers, now: () => nowMs };
    const opens: (() => void)[] = [];
    const gates = [0, 1].map(() => new Promise<void>((resolve) => opens.push(resolve)));
    const env = new HostingEnv().expose("wait", method({ params: { n } }), ({ n }) => gates[n]);
    env.expose("note", method({ params: { n } }), ({ n }) => {
      order.push(n);
      nowMs += 2;
    });
    const peer = await barePeer(env, { clock });
    for (let i = 0; i < 20; i++) await peer.say(conversation(`${101 + i}`, `wait(${i < 19 ? 0 : 1}); note(${i})`));
    opens[0]?.();
    while (order.length < 7) await new Promise(setImmediate); // some of them have been put off
    opens[1]?.();
    await quiet();
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    peer.destroy();
  });

  it("and what was put off is work as well: no turn of the event loop takes it all", async () => {
    const { order, peers, open } = await busyProcess(["many"]);
    for (let i = 0; i < 20; i++) await peers[0]?.say(conversation(`${101 + i}`, "wait(); nothing()"));
    open();
    const turns: number[] = [];
    for (let done = 0; done < 20; done = order.length) {
      await new Promise(setImmediate);
      turns.push(order.length - done);
    }
    expect(Math.max(...turns)).toBeLessThanOrEqual(2);
    for (const peer of peers) peer.destroy();
  });

  it("and what has come before the end of a connection is still handled, in its turn", async () => {
    const { peers, clock } = await busyProcess(["a", "b", "c", "d", "e", "f"]);
    const { transport, peer } = hostileTransport();
    const connection = new Connection(transport, () => new HostingEnv(), { clock });
    await connection.start();
    const request = { name: "f", code: "f()", results: [n], wantsResults: true, timeoutMs: 30_000 };
    const calls = [connection.posting.call(request), connection.posting.call(request)];
    await peer.play({ hear: "co_end" });
    const said = Promise.all(peers.map((busy) => busy.say(small))); // its turn comes when the end is there as well
    peer.say(answer("101", packet("co_recv", "1")) + answer("102", packet("co_recv", "2")));
    peer.end();
    expect(await Promise.all(calls.map(({ promise }) => promise))).toEqual([1, 2]);
    await said;
    for (const it of peers) it.destroy();
    peer.reset();
  });

  it.each([
    ["is not late", (said: string) => said.slice(5), true],
    ["is late where they were not all", (said: string) => said.slice(5, 6), false],
  ])("a peer whose bytes wait for their turn %s", async (_, restOf, isInTime) => {
    let nowMs = 0;
    const due: { readonly atMs: number; readonly run: () => void }[] = [];
    const clock = {
      ...timers,
      now: () => nowMs,
      after: (ms: number, run: () => void) => {
        const timer = { atMs: nowMs + ms, run };
        due.push(timer);
        return { cancel: () => void due.splice(due.indexOf(timer), due.includes(timer) ? 1 : 0) };
      },
    };
    const busy = new HostingEnv().expose("nothing", method({ params: {} }), () => {
      nowMs += 6_000;
    });
    const [one, other] = [await barePeer(busy, { clock }), await barePeer(exposed(), { clock })];
    const said = conversation("101;x;n", "nothing()");
    await other.say(said.slice(0, 5)); // within a header, which may take 5 s
    const working = one.say(small);
    const rest = other.say(restOf(said));
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        for (const timer of [...due]) if (timer.atMs <= nowMs) timer.run();
        resolve();
      });
    });
    await working;
    expect(await rest).toContain(isInTime ? "#co_ack_end]101" : "the peer stopped sending");
    for (const peer of [one, other]) peer.destroy();
  });

  it("and none starves, although another always has less work", async () => {
    const { order, peers } = await busyProcess([...Array.from({ length: 40 }, () => "small"), "large"]);
    await Promise.all(peers.map((peer, i) => peer.say(i < 40 ? small : large)));
    await quiet(200);
    expect(order.length).toBe(41);
    expect(order.indexOf("large")).toBeLessThan(25);
    for (const peer of peers) peer.destroy();
  });
});

describe("resolveLimits", () => {
  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "5", null])("refuses %s", (given) => {
    expect(() => resolveLimits({ maxDepth: given as number })).toThrow(
      expect.objectContaining({ reason: "bad_option" }),
    );
  });
  it("refuses unknown limits and unknown presets", () => {
    expect(() => resolveLimits({ maxDeep: 3 } as LimitOptions)).toThrow("maxDeep is not a limit");
    expect(() => resolveLimits({ preset: "constructor" as "public" })).toThrow("limits.preset");
  });
  it("refuses more than a limit can be", () => {
    expect(resolveLimits({ maxDepth: 512 }).maxDepth).toBe(512);
    expect(() => resolveLimits({ maxDepth: 513 })).toThrow("limits.maxDepth is above 512");
  });
  it("takes Infinity where it has a meaning", () => {
    expect(resolveLimits({ idleTimeoutMs: Number.POSITIVE_INFINITY }).idleTimeoutMs).toBe(Number.POSITIVE_INFINITY);
  });
});

it("results queued before co_end are bounded as sent answers are", async () => {
  const env = () => new HostingEnv().expose("add", method({ params: { a: n }, result: n }), ({ a }) => a);
  const ask = async (count: number) => {
    const peer = await barePeer(env());
    const heard = await peer.say(packet("co_begin", "101;x") + packet("", "add(1)").repeat(count));
    peer.destroy();
    return heard;
  };
  expect(await ask(1_000)).toBe("");
  expect(await ask(1_001)).toContain("too many queued answers");
});

it("a packet beyond the limit is refused here, not by the peer", async () => {
  const big = "x".repeat(300_000);
  const env = new HostingEnv()
    .expose("big", method({ params: {}, result: z.string() }), () => big)
    .expose("ask", method({ params: {}, result: z.string() }), () => "well");
  const { po } = await pair(env);
  await expect(po.notif(`note(${repr(big)})`)).rejects.toMatchObject({ reason: "packet_too_big" });
  await expect(po.converse((co) => co.getObj("big()"))).rejects.toMatchObject({
    code: "resource_exhausted",
    message: expect.stringContaining("maxPacketBytes"),
    reason: "result_too_big",
  });
  expect(await po.converse((co) => co.getObj("ask()"))).toBe("well");
});

it("a closed conversation is drained of unread raw data", async () => {
  const env = new HostingEnv()
    .expose("down", method({ params: { n } }), async ({ n }, co) => co.sendData(new Uint8Array(n)))
    .expose("ask", method({ params: {}, result: z.string() }), () => "well");
  const { po } = await pair(env, { cut: (left) => Math.min(left, 65_536) });
  const co = await po.co();
  await co.sendCode("down(900000)");
  for await (const chunk of co.recvChunks(900_000)) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  await co.close();
  const other = await po.co();
  await other.sendCode("down(900000)");
  await other.startRecv();
  await expect(other.recvData(new Uint8Array(900_000), { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "cancelled",
  });
  await other.close();
  const asked = po.converse(async (talk) => {
    await talk.sendCode("ask()");
    return talk.recvObj();
  });
  expect(await asked).toBe("well");
});
