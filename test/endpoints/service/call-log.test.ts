/**
 * What logs tell of calls: exactly one entry for each, however it ends.
 */
import { type CallEntry, type CredentialsOf, defineService, HbiError, type LogEntry, method, ServiceHost } from "hbi";
import { conversation, hostileTransport, ManualClock, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const size = z.int().min(0).max(1_000_000);
const store = defineService({
  name: "store",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }),
    note: method({ params: { text: z.string() } }),
    fail: method({ params: { how: z.string() } }),
    hold: method({ params: {} }),
    put: method({ params: { size }, body: ({ size }) => size }),
    get: method({ params: { size }, result: size, resultBody: (bytes) => bytes }),
    pour: method({ params: {}, body: "unknown", result: z.int(), resultBody: "unknown" }),
    secret: method({ params: {} }),
  },
  reactions: {
    told: method({ params: { text: z.string() } }),
    asked: method({ params: {}, result: z.int() }),
  },
  credentials: { token: z.string() },
});
type Store = typeof store;
interface User {
  readonly tenant: string;
}

async function working(options: object = {}) {
  const clock = new ManualClock();
  const entries: CallEntry[] = [];
  const heard: CallEntry[] = [];
  const log: LogEntry[] = [];
  let letGo: () => void = () => undefined;
  const held = () => new Promise<void>((resolve) => (letGo = resolve));
  const test = await testLink<Store, never, User>(
    store,
    (() => ({
      add: ({ a, b }: { a: number; b: number }) => a + b,
      note: () => undefined,
      fail({ how }: { how: string }) {
        if (how === "own") throw new HbiError("not_found", "none");
        throw new Error("secret");
      },
      hold: held,
      put: (_: unknown, call: { bytes(): Promise<Uint8Array> }) => call.bytes(),
      get: ({ size: bytes }: { size: number }) => ({
        result: bytes,
        body: (async function* () {
          yield new Uint8Array(bytes / 2);
          await held();
          yield new Uint8Array(bytes / 2);
        })(),
      }),
      pour: async (_: unknown, call: { bytes(): Promise<Uint8Array> }) => ({ result: 1, body: [await call.bytes()] }),
      secret: () => undefined,
    })) as never, // typed by hand
    {
      reactions: { told: () => undefined, asked: () => 7 },
      host: {
        clock,
        authenticate: ({ token }: CredentialsOf<Store>) => ({ tenant: token }),
        authorize: ({ name }) => name !== "secret",
        logFields: ({ tenant }, peer) => ({ tenant, from: peer.remoteAddress, trial: false }),
        onCall: (entry) => void entries.push(entry),
        log: (entry) => void log.push(entry),
        ...options,
      },
      link: { credentials: { token: "acme\nforged" }, onCall: (entry) => void heard.push(entry), log: () => undefined },
    },
  );
  entries.length = 0;
  return { ...test, link: test.link, peer: () => test.peer, clock, entries, heard, log, letGo: () => letGo() };
}
type World = Awaited<ReturnType<typeof working>>;

const WITH = { conversation: /^\d+$/, peer: "memory:left" };
const code = (call: Promise<unknown>) =>
  call.then(
    () => "ok",
    (error: HbiError) => error.code,
  );

/** What is called, and the one entry of it: method, outcome. */
const CALLS: Readonly<Record<string, [(world: World) => Promise<unknown>, string, string, string?]>> = {
  answered: [({ link }) => link.call.add({ a: 1, b: 2 }), "add", "ok"],
  "without a result": [({ link }) => link.call.note({ text: "x" }), "note", "ok"],
  posted: [async ({ link }) => (await link.post.note({ text: "x" })).waitCompleted(), "note", "ok"],
  "denied by authorize": [({ link }) => code(link.call.secret()), "secret", "permission_denied"],
  "refused by its handler": [({ link }) => code(link.call.fail({ how: "own" })), "fail", "not_found"],
  "failed unexpectedly": [({ link }) => code(link.call.fail({ how: "?" })), "fail", "internal"],
  "a script": [
    ({ link }) => link.script((s) => [s.note("x"), s.add({ a: s.add({ a: 1, b: 1 }), b: 1 })]),
    "note, add",
    "ok",
  ],
  "a body": [({ link }) => link.call.put({ size: 1_000 }, { body: new Uint8Array(1_000) }), "put", "ok"],
  "refused by its schema": [
    ({ link }) => code(link.po.converse((co) => co.sendCode("note(5)"))),
    "note",
    "invalid_argument",
  ],
  "of no method": [({ link }) => code(link.po.converse((co) => co.sendCode("nobody()"))), "nobody", "unimplemented"],
  "of a text that is no script": [
    ({ link }) => code(link.po.converse((co) => co.sendCode("add(1,"))),
    "",
    "invalid_argument",
  ],
  cancelled: [
    async ({ link, letGo }) => {
      const stop = new AbortController();
      const call = code(link.call.hold({}, { signal: stop.signal }));
      await quiet();
      stop.abort();
      expect(await call).toBe("cancelled");
      await quiet();
      letGo(); // the handler ends later than the call
    },
    "hold",
    "cancelled",
  ],
  "out of time": [
    async ({ link, clock, letGo }) => {
      const call = code(link.call.hold({}, { timeoutMs: Number.POSITIVE_INFINITY }));
      await quiet();
      await clock.advance(60_000);
      expect(await call).toBe("deadline_exceeded");
      letGo();
    },
    "hold",
    "deadline_exceeded",
  ],
  "whose connection is lost": [
    async ({ link, cut, letGo }) => {
      const call = code(link.call.hold());
      await quiet();
      cut();
      expect(await call).toBe("unavailable");
      await quiet();
      letGo();
    },
    "hold",
    "unavailable",
  ],
};

describe("onCall has exactly one entry of a call", () => {
  it.each(Object.entries(CALLS))("%s", async (_, [run, name, outcome]) => {
    const world = await working();
    await run(world);
    await quiet();
    expect(world.entries).toHaveLength(1);
    const [entry] = world.entries;
    expect(entry).toMatchObject({ direction: "in", method: name, code: outcome, peer: WITH.peer });
    expect(entry?.conversation).toMatch(WITH.conversation);
    expect(entry?.fields).toEqual({ tenant: "acme\\nforged", from: "memory:left", trial: false });
    expect(entry?.error?.code ?? "ok").toBe(outcome);
    expect(entry?.bytesIn).toBeGreaterThan(name === "put" ? 1_000 : 5);
    await world.link.disconnect();
    await quiet();
    expect(world.entries).toHaveLength(1);
  });

  it("streamed: with the time and the bytes until the last byte", async () => {
    const world = await working();
    const { body } = await world.link.call.get({ size: 300_000 });
    const read = body.bytes();
    await quiet();
    expect(world.entries).toEqual([]);
    await world.clock.advance(700);
    world.letGo();
    expect((await read).length).toBe(300_000);
    await quiet();
    expect(world.entries).toHaveLength(1);
    expect(world.entries[0]).toMatchObject({ method: "get", code: "ok", durationMs: 700 });
    expect(world.entries[0]?.bytesOut).toBeGreaterThan(300_000);
    expect(world.entries[0]?.bytesOut).toBeLessThan(300_200);
    await world.link.close();
  });

  it("of bodies whose length nobody knows: with their bytes", async () => {
    const world = await working();
    const chunks = [200_000, 100_000, 1].map((length) => new Uint8Array(length));
    const { body } = await world.link.call.pour({}, { body: chunks });
    expect((await body.bytes()).length).toBe(300_001);
    await quiet();
    expect(world.entries).toHaveLength(1);
    const [entry] = world.entries;
    expect(entry).toMatchObject({ method: "pour", code: "ok" });
    for (const bytes of [entry?.bytesIn, entry?.bytesOut]) {
      expect(bytes).toBeGreaterThan(300_001);
      expect(bytes).toBeLessThan(302_000);
    }
    await world.link.close();
  });

  it("pushed: at the service as made by it, at the consumer as made by the peer", async () => {
    const { entries, heard, peer, link } = await working();
    heard.length = 0;
    await (await peer().post.told({ text: "news" })).waitCompleted();
    expect(await peer().call.asked()).toBe(7);
    await peer().script((s) => [s.told({ text: "1" }), s.asked()]);
    await quiet();
    const methods = ["told", "asked", "told, asked"];
    expect(entries.map(({ direction, method, code }) => [direction, method, code])).toEqual(
      methods.map((name) => ["out", name, "ok"]),
    );
    expect(entries.every(({ fields }) => fields["tenant"] === "acme\\nforged")).toBe(true);
    expect(heard.map(({ direction, method, code }) => [direction, method, code])).toEqual(
      methods.map((name) => ["in", name, "ok"]),
    );
    await link.close();
  });

  it("of a consumer: what it calls, also what is refused", async () => {
    const { heard, link } = await working();
    heard.length = 0;
    await link.call.add({ a: 1, b: 2 });
    await code(link.call.secret());
    await link.call.put({ size: 3 }, { body: [new Uint8Array(3)] });
    await quiet();
    expect(heard.map(({ direction, method, code }) => [direction, method, code])).toEqual([
      ["out", "add", "ok"],
      ["out", "secret", "permission_denied"],
      ["out", "put", "ok"],
    ]);
    await link.close();
  });

  it("of a stranger, without fields; none of the library's own messages", async () => {
    const entries: CallEntry[] = [];
    const host = new ServiceHost<Store, User>(store, (() => ({})) as never, {
      authenticate: () => undefined,
      logFields: () => ({ never: true }),
      onCall: (entry) => void entries.push(entry),
      log: () => undefined,
    });
    const { transport, peer } = hostileTransport();
    await host.accept(transport);
    await peer.play({ say: conversation("101;x;n", "add(1, 2)") }, { hear: "co_ack_end" });
    await peer.play({ say: conversation("102;x;n", '$hbi.authenticate("x")') }, { hear: "co_ack_end]102" });
    await peer.play({ say: conversation("103;x;n", "") }, { hear: "co_ack_end]103" });
    expect(entries).toMatchObject([{ method: "add", code: "unauthenticated", fields: {} }]);
    await peer.play("reset");
  });

  it("none of ping, describe and authenticate", async () => {
    const { entries, link } = await working();
    await link.ping();
    await link.describe();
    await link.authenticate();
    await link.close();
    await quiet();
    expect(entries).toEqual([]);
  });
});

it("a failed call is in the log with its method, peer and fields", async () => {
  const { log, link } = await working();
  await code(link.call.secret());
  expect(log).toMatchObject([
    {
      error: { code: "permission_denied" },
      fields: { tenant: "acme\\nforged" },
      call: { direction: "in", method: "secret", peer: "memory:left", conversation: "102" },
    },
  ]);
  await link.close();
});

it("fields that fail, or that are no plain values, cost nobody the connection", async () => {
  const options = [
    () => {
      throw new Error("boom");
    },
    () => Promise.reject(new Error("boom")),
    () => ({ big: 5n, list: ["a", "\n"], absent: undefined, nothing: null }),
  ];
  const seen = [];
  for (const logFields of options) {
    const { entries, link, log } = await working({ logFields });
    await link.call.add({ a: 1, b: 2 });
    await quiet();
    seen.push([entries[0]?.fields, log.map(({ where }) => where).join()]);
    await link.close();
  }
  expect(seen).toEqual([
    [{}, "logFields"],
    [{}, "logFields"],
    [{ big: "5", list: "a,\\n", nothing: null }, ""],
  ]);
});

it.each<[string, () => unknown]>([
  [
    "throws",
    () => {
      throw new Error("boom");
    },
  ],
  [
    "rejects",
    async () => {
      throw new Error("boom");
    },
  ],
])("an onCall that %s is logged and harms no call", async (_, onCall) => {
  const { link, log } = await working({ onCall });
  expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  await quiet();
  expect(new Set(log.map(({ where }) => where))).toEqual(new Set(["onCall"]));
  await link.close();
});
