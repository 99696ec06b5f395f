/**
 * Budgets of one connection and of the process, each at what it allows and one beyond, on clocks that stand still.
 */
import {
  defineService,
  HbiError,
  type HostOptions,
  type LimitOptions,
  Link,
  memoryTransportPair,
  method,
  resolveLimits,
  ServiceHost,
  type Transport,
} from "hbi";
import { hostileTransport, ManualClock, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Account } from "../../../src/endpoints/guard/account.ts";
import { ProcessLoad } from "../../../src/endpoints/guard/process-load.ts";
import { helloOfServer } from "../../support/hello.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "../service/fixture.ts";

const quietly = { log: () => undefined };

async function start(limits: LimitOptions) {
  const clock = new ManualClock();
  const work = new Work();
  const reasons: (string | undefined)[] = [];
  const test = await testLink(kinds, handlersOf(work), {
    reactions: new Reactions().all,
    host: { log: ({ error }) => void reasons.push(error.reason), clock, limits },
    link: quietly,
    memory: { cut: () => 1_000 },
  });
  return { link: test.link, clock, work, reasons };
}

const failed = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: HbiError) => error,
  );

const refused = (link: Link<Kinds>): Promise<HbiError> =>
  failed(
    link.po.converse(
      async (co) => {
        await co.sendCode("add(1,");
        return co.recvObj();
      },
      { hasNoRawData: true, hasNoRawAnswer: true },
    ),
  );

describe("refused scripts", () => {
  it("maxFailures malformed ones are refused one by one, one more ends the connection, and time forgives", async () => {
    const { link, clock } = await start({ maxFailures: 3, failuresPerSecond: 2 });
    for (let i = 0; i < 3; i++) expect((await refused(link)).code).toBe("invalid_argument");
    await clock.advance(500);
    expect((await refused(link)).code).toBe("invalid_argument");
    expect(await refused(link)).toMatchObject({
      reason: "peer_error",
      message: expect.stringContaining("too many refused"),
    });
    await link.disconnect();
  });

  it("what a handler refuses is no such thing", async () => {
    const { link } = await start({ maxFailures: 1 });
    for (let i = 0; i < 5; i++) expect((await failed(link.call.fail({ how: "teapot" }))).code).not.toBe("aborted");
    for (let i = 0; i < 5; i++) expect((await failed(link.call.fail({ how: "anything" }))).code).toBe("internal");
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    await link.disconnect();
  });
});

/** How the host introduces itself to a peer that speaks the extension. */
const HELLO_BYTES = 2 * packet("co_begin", helloOfServer(kinds)).length - 2;

describe("rates that a server sets", () => {
  it("callsPerSecond: what is beyond waits, is not refused, and is done in order", async () => {
    const { link, clock, work } = await start({ callsPerSecond: 5 });
    const notes = Array.from({ length: 8 }, (_, i) => link.call.note({ text: `${i}` }));
    await quiet();
    expect(work.noted).toEqual(["0", "1", "2", "3", "4"]);
    await clock.advance(199);
    expect(work.noted.length).toBe(5);
    await clock.advance(1);
    expect(work.noted.length).toBe(6);
    await clock.advance(400);
    await Promise.all(notes);
    expect(work.noted).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
    await link.disconnect();
  });

  it("receivedBytesPerSecond: a body comes at that rate, and its sender is not taken for a slow one", async () => {
    const { link, clock, work } = await start({ receivedBytesPerSecond: 10_000, maxBufferedBytes: 1_000 });
    const stored = link.call.store(
      { size: 100_000 },
      { body: new Uint8Array(100_000), timeoutMs: Number.POSITIVE_INFINITY },
    );
    await quiet();
    expect(work.noted).toEqual([]);
    let seconds = 0;
    let isDone = false;
    void stored.then(() => {
      isDone = true;
    });
    for (; !isDone && seconds < 60; seconds++) await clock.advance(1_000);
    await stored;
    expect(work.noted).toEqual(["stored 100000"]);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    await link.disconnect();
  });
});

it("all that is held of a connection adds up, and what conversations cost", () => {
  const account = new Account(resolveLimits(), new ProcessLoad(), () => undefined);
  const kinds = ["received", "unread", "scripts", "waiting", "answers", "unsent", "posts"] as const;
  for (const [i, kind] of kinds.entries()) account[kind] = 10 ** i;
  expect(account.bytes).toBe(1_111_111);
  account.beginHosted();
  const hosted = account.bytes - 1_111_111;
  expect(hosted).toBeGreaterThan(0);
  account.posted = 2;
  expect((account.bytes - 1_111_111 - hosted) / 2).toBeGreaterThan(0);
  account.endHosted();
  account.posted = 0;
  expect(account.bytes).toBe(1_111_111);
});

describe("receivedBytesPerSecond, and then silence", () => {
  const limits = { receivedBytesPerSecond: 1_000, headerTimeoutMs: 5_000, payloadTimeoutMs: 5_000 };
  it.each([
    ["in the middle of a header", `${packet("", `note("${"x".repeat(2_900)}")`)}[4#co_`, 5_000],
    ["in the middle of a packet", `[4000#]${"x".repeat(2_900)}`, 5_000 + 1_000],
  ])("%s: the peer is late by its deadline, counted from when more would be taken", async (_, said, ms) => {
    const clock = new ManualClock();
    const reasons: (string | undefined)[] = [];
    const host = new ServiceHost<Kinds, undefined>(kinds, handlersOf(new Work()), {
      clock,
      limits,
      log: ({ error }) => void reasons.push(error.reason),
    });
    const { transport, peer } = hostileTransport();
    await host.accept(transport);
    const all = packet("co_begin", "101;x") + said;
    peer.say(all);
    await clock.advance(all.length - 1_000 + ms - 1); // a second is there at once
    expect([host.connectionCount, reasons]).toEqual([1, []]);
    await clock.advance(1);
    expect(reasons).toEqual(["read_timeout"]);
    peer.reset();
    await host.close();
  });
});

describe("raw data", () => {
  /** Declares that 100,000 bytes follow, and sends them as configured. */
  async function uploading(limits: LimitOptions) {
    const clock = new ManualClock();
    const { transport, peer } = hostileTransport();
    const work = new Work();
    const host = new ServiceHost(kinds, handlersOf(work), { ...quietly, clock, limits });
    await host.accept(transport);
    await peer.play({ say: `${packet("co_begin", "101;x;b=100000")}${packet("", "store(100000)")}` });
    await quiet();
    return { clock, peer, work };
  }

  it.each([
    [5_000, "goes on"],
    [4_999, "is cut"],
  ] as const)("%i bytes in a window that wants 5,000: the connection %s", async (bytes, outcome) => {
    const { clock, peer } = await uploading({ minDataBytesPerSecond: 500, dataRateWindowMs: 10_000 });
    await peer.play({ say: "x".repeat(bytes) });
    await clock.advance(9_999);
    expect(peer.heard()).toBe("");
    await clock.advance(1);
    if (outcome === "goes on") expect(peer.heard()).toBe("");
    else expect(peer.heard()).toContain("raw data arrives too slowly");
    await peer.play("reset");
  });
});

describe("a peer that reads no answers", () => {
  it.each([
    [90, "is waited for"],
    [100, "is cut off"],
  ] as const)(
    "%i calls under way, then as many answers of a kilobyte where a hundred may wait: it %s",
    async (count, outcome) => {
      const { transport, peer } = hostileTransport();
      const work = new Work();
      const reasons: (string | undefined)[] = [];
      const host = new ServiceHost(kinds, handlersOf(work), {
        log: ({ error }) => void reasons.push(error.reason),
        limits: { sendHighWaterBytes: 10_000, maxSendBufferBytes: 100_000 },
      });
      await host.accept(transport);
      await peer.play("deaf");
      for (let i = 0; i < count; i++) {
        const id = String(101 + i);
        const code = `hold("${String(i).padStart(1_000, "x")}")`;
        await peer.play({ say: `${packet("co_begin", `${id};x;n`)}${packet("", code)}${packet("co_end", id)}` });
      }
      await work.holding(count);
      work.releaseAll();
      await quiet();
      expect(reasons).toEqual(outcome === "is cut off" ? ["slow_reader"] : []);
      await peer.play("reset");
    },
  );
});

describe("before authentication", () => {
  const vault = defineService({
    name: "vault",
    version: "1.0.0",
    methods: { put: method({ params: { n: z.int() }, body: ({ n }) => n }) },
    credentials: { token: z.string() },
  });

  const opened = ({ token }: { token: string }) => (token === "open" ? "Ali" : undefined);
  async function stranger(limits: LimitOptions = {}, authenticate = opened) {
    const { transport, peer } = hostileTransport();
    const options: HostOptions<typeof vault, string> = {
      ...quietly,
      limits,
      authenticate,
    };
    const host = new ServiceHost<typeof vault, string>(vault, () => ({ put: () => undefined }), options);
    await host.accept(transport);
    let seq = 100;
    const say = async (code: string, token = "x;n") => {
      seq += 1;
      await peer.play({
        say: `${packet("co_begin", `${seq};${token}`)}${packet("", code)}${packet("co_end", `${seq}`)}`,
      });
      await quiet();
      return peer.heard();
    };
    return { say, peer };
  }
  const shown = (token: string) => `$hbi.authenticate("${token}")`;

  it("three failures are reported, the fourth ends the connection", async () => {
    const { say } = await stranger();
    for (const code of ["put(1)", "$hbi.describe()", "no_such_thing()"]) {
      expect(await say(code)).toContain('HbiError("unauthenticated"');
    }
    expect(await say("put(1)")).toContain("too many refused scripts");
  });

  it("whatever authenticate throws is one more guess", async () => {
    const { say } = await stranger({}, () => {
      throw new HbiError("permission_denied", "barred until noon");
    });
    for (let i = 0; i < 3; i++) expect(await say(shown("wrong"))).toContain("barred until noon");
    expect(await say(shown("wrong"))).toContain("too many refused scripts");
  });

  it("a packet of 4 KiB is read, one of a byte more is not", async () => {
    const text = (bytes: number) => shown("x".repeat(bytes - shown("").length));
    const { say } = await stranger();
    expect(await say(text(4_096))).toContain('HbiError("unauthenticated"');
    expect(await say(text(4_097))).toContain("packet too big");
  });

  it("afterwards a packet may be as large as anybody's", async () => {
    const { say } = await stranger();
    expect(await say(shown("open"))).toContain("null");
    expect(await say(`no_such_thing("${"x".repeat(10_000)}")`)).toContain('HbiError("unimplemented"');
  });

  it("no raw data is taken", async () => {
    const { say } = await stranger();
    expect(await say("put(1)", "x;b=1")).toContain("too much raw data to skip");
  });

  it("it receives at most strangerSentBytes and one answer", async () => {
    const { say } = await stranger({ strangerSentBytes: 150 + HELLO_BYTES });
    expect(await say("put(1)")).toContain("unauthenticated");
    expect(await say("put(1)")).toContain("unauthenticated");
    expect(await say("put(1)")).toContain("too often: authenticate first");
  });
});

describe("the process", () => {
  it("maxProcessInFlight counts the conversations of all connections; what is beyond waits, and a cancellation does not", async () => {
    const work = new Work();
    const host = new ServiceHost(kinds, handlersOf(work), { ...quietly, limits: { maxProcessInFlight: 3 } });
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      void host.accept(far);
      return near;
    };
    const open = () => new Link<Kinds>(kinds, dial, new Reactions().all, quietly).open();
    const [one, two] = await Promise.all([open(), open()]);
    await Promise.all([one.call.nothing(), two.call.nothing()]);
    const stop = new AbortController();
    const held = [
      failed(one.call.hold({ name: "a" }, { signal: stop.signal })),
      one.call.hold({ name: "b" }),
      two.call.hold({ name: "c" }),
    ];
    await work.holding(3);
    const fourth = two.call.hold({ name: "d" });
    await quiet();
    expect(work.started.toSorted()).toEqual(["a", "b", "c"]);
    stop.abort();
    await work.holding(4);
    const fifth = one.call.hold({ name: "e" });
    await quiet();
    expect(work.started.toSorted()).toEqual(["a", "b", "c", "d"]);
    work.release("b");
    await work.holding(5);
    work.releaseAll();
    await Promise.all([...held, fourth, fifth]);
    expect(await Promise.all([one.call.add({ a: 1, b: 1 }), two.call.add({ a: 2, b: 2 })])).toEqual([2, 4]);
    await Promise.all([one.disconnect(), two.disconnect()]);
  });

  /** Connections of one process, each of which has a place but for what `places` says. */
  function accounts(names: string, told: string[], limits: LimitOptions = { maxProcessInFlight: 1 }) {
    const load = new ProcessLoad();
    const resolved = resolveLimits(limits);
    const made = Array.from(names, (name) => new Account(resolved, load, () => void told.push(name)));
    return { load, made };
  }
  const take = (account: Account | undefined, bytes = 1) => account?.takePlace(bytes, 100);

  it("a place that a connection does not take is the next one's", () => {
    const told: string[] = [];
    const { made } = accounts("abc", told);
    const [first, second, third] = made;
    for (const each of made) expect(take(each)).toBe(true); // a connection without a place always gets one
    expect([take(second), take(third)]).toEqual([false, false]);
    first?.givePlace(1);
    expect(told).toEqual(["b"]);
    second?.close();
    expect(told).toEqual(["b", "c"]);
    third?.close(); // has taken none
    expect(told).toEqual(["b", "c"]);
  });

  it("a connection that has taken a slot meanwhile is offered none", () => {
    const told: string[] = [];
    const { made } = accounts("abcd", told, { maxProcessInFlight: 4 });
    const [first, second, third, fourth] = made;
    for (const each of made) expect(take(each)).toBe(true);
    expect(made.map((each) => take(each))).toEqual([false, false, false, false]);
    first?.givePlace(1);
    expect(told).toEqual(["a"]);
    expect(take(third)).toBe(true); // not its turn, but it looked first
    expect(take(second)).toBe(false);
    second?.givePlace(1);
    fourth?.givePlace(1);
    expect(told).toEqual(["a", "b", "d"]);
  });

  it("any number of waiting connections are notified in a loop, without recursion", () => {
    const load = new ProcessLoad();
    const limits = resolveLimits({ maxProcessInFlight: 20_001 });
    let landed = 0;
    const busy = new Account(limits, load, () => undefined);
    expect(take(busy)).toBe(true);
    const held = Array.from({ length: 20_000 }, (): Account => {
      const account: Account = new Account(limits, load, () => {
        expect(take(account)).toBe(true);
        landed += 1;
        account.givePlace(1); // a handler that has ended by then
      });
      return account;
    });
    for (const each of held) expect(take(each)).toBe(true);
    for (const each of held) expect(take(each)).toBe(false);
    for (const each of held) each.givePlace(1);
    busy.givePlace(1);
    expect(landed).toBe(20_000);
    expect([load.places, load.bytes]).toEqual([0, 0]);
  });

  it("a connection that ends while it waits for a place leaves it to the others", async () => {
    const work = new Work();
    const host = new ServiceHost(kinds, handlersOf(work), { ...quietly, limits: { maxProcessInFlight: 1 } });
    const wires: Transport[] = [];
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      wires.push(near);
      void host.accept(far);
      return near;
    };
    const open = () => new Link<Kinds>(kinds, dial, new Reactions().all, quietly).open();
    const [one, two, three] = await Promise.all([open(), open(), open()]);
    const first = one.call.hold({ name: "a" });
    await work.holding(1);
    const second = failed(two.call.hold({ name: "b" }));
    await quiet();
    const third = three.call.hold({ name: "c" });
    await quiet();
    wires[1]?.destroy();
    await second;
    await quiet();
    work.release("a");
    await work.holding(2);
    work.release("c");
    expect(await Promise.all([first, third])).toEqual(["a", "c"]);
    await Promise.all([one.disconnect(), two.disconnect(), three.disconnect()]);
  });
});
