/**
 * What a bundle of the library has in parts of their own, and loads when it is needed: acorn for the first text with a
 * rare token, lanes for the first conversation that has one, and what hosts scripts for the first script of the peer. docs/performance.md, "What a client loads".
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Library from "hbi";
import * as hbi from "hbi";
import { CODES, defineService, method, parseScript, resolveLimits } from "hbi";
import { answer, conversation, HostilePeer, ManualClock, packet, quiet } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { bundle } from "../../scripts/bundle.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAM = 'export { Connection, HostingEnv, Link, memoryTransportPair, preload, ServiceHost } from "hbi";';
const folders: string[] = [];
let chunks: readonly { readonly fileName: string; readonly code: string }[];
let entry: string;
let onDemand: readonly string[];

beforeAll(async () => {
  await mkdir(join(root, ".cache"), { recursive: true });
  const { later, ...found } = await bundle(PROGRAM);
  ({ chunks, entry } = found);
  onDemand = later.map(({ name }) => name);
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** The parts of the bundle, by their first files. */
type Part = "landing-tokenizer" | "lanes" | "conversing-parts" | "streaming";

interface Loaded {
  readonly lib: Pick<
    typeof Library,
    "Connection" | "HostingEnv" | "Link" | "memoryTransportPair" | "preload" | "ServiceHost"
  >;
  readonly has: (part: Part) => boolean;
}

/** A bundle that has loaded nothing on demand.
 *  @param broken a part that cannot be loaded
 *  @param until all parts are loaded then */
async function fresh(broken?: Part, until: Promise<void> = Promise.resolve()): Promise<Loaded> {
  const folder = await mkdtemp(join(root, ".cache/on-demand-"));
  folders.push(folder);
  const loaded = new Set<string>();
  Object.assign(globalThis, { [folder]: { loaded, until } });
  for (const { fileName, code } of chunks) {
    const name = basename(fileName);
    const part = name.replace(/-[\w-]{8}\.js$/, "");
    const on = `globalThis[${JSON.stringify(folder)}]`;
    const waits = !onDemand.includes(part) ? "" : `await ${on}.until; ${on}.loaded.add("${part}");`;
    await writeFile(join(folder, name), `${code}\n${part === broken ? 'throw new Error("offline");' : waits}`);
  }
  const lib: Loaded["lib"] = await import(/* @vite-ignore */ pathToFileURL(join(folder, basename(entry))).href);
  return { lib, has: (part) => loaded.has(part) };
}

/** A connection of the bundle that hosts `take`, and bare bytes at its other end. */
async function hosting({ lib }: Loaded, limits: Library.LimitOptions = {}, memory: Library.MemoryOptions = {}) {
  const taken: unknown[] = [];
  const log: Library.LogEntry[] = [];
  const env = new lib.HostingEnv();
  env.expose("take", method({ params: { value: z.any() } }), ({ value }) => void taken.push(value));
  const bytes = method({ params: { size: z.int() }, body: ({ size }) => size });
  env.expose("bytes", bytes, async ({ size }, co) => {
    const into = new Uint8Array(size);
    await co.recvData(into);
    taken.push([...into]);
  });
  const { canPause, clock } = memory;
  const [near, far] = lib.memoryTransportPair({ canPause });
  const connection = new lib.Connection(near, () => env, { limits, clock, log: (line) => void log.push(line) });
  const peer = new HostilePeer(far);
  await connection.start();
  return { connection, peer, taken, log };
}

/** Texts that the Scanner reads itself. */
const PLAIN = [
  `take({"a": [1, -2.5, "\\u00e9\\n", 'x', true, None], b: 1e5})`,
  `take("${"x".repeat(5_000)}")`,
  `take([${'{"id": 1, "text": "a\\nb"},'.repeat(200)}0])`,
  "take(",
  "take(1) take(2)",
  "nothing()",
];

/** Texts of which a token is left to acorn. */
const RARE = [
  "take(0x1f)",
  "take(b'ab\\x00')",
  "take(12345678901234567890)",
  'take("\\u{1F600}")',
  "take(1) // all of it",
  `take([${'{"id": 1},'.repeat(200)}1_000])`,
  "take(1..2)",
  "take(`x`)",
  `${"n".repeat(100)}(1)`,
];

/** What parsing with acorn at hand gives: how many statements, or why not. */
function verdict(text: string): string {
  try {
    return `${parseScript(text, resolveLimits()).length} statements`;
  } catch (thrown) {
    return String((thrown as Error).message);
  }
}

describe("acorn", () => {
  let shared: Loaded | undefined; // as long as nothing needs acorn

  for (const [texts, isNeeded] of [
    [PLAIN, false],
    [RARE, true],
  ] as const) {
    for (const text of texts) {
      it(`is ${isNeeded ? "" : "not "}loaded for ${text.slice(0, 40)}`, async () => {
        shared = isNeeded ? await fresh() : (shared ?? (await fresh()));
        const loaded = shared;
        const { connection, peer, taken, log } = await hosting(loaded);
        expect(loaded.has("landing-tokenizer")).toBe(false);
        peer.say(conversation("1", text));
        await peer.play({ hear: /co_ack_end|#err/ });
        expect(loaded.has("landing-tokenizer")).toBe(isNeeded);
        const expected = verdict(text);
        if (expected.endsWith("statements") && text.startsWith("take")) expect(taken).toHaveLength(1);
        else if (text.startsWith("take")) expect(log.map(({ error }) => error?.message).join()).toContain(expected);
        expect(CODES.has(log[0]?.error?.code ?? "unknown")).toBe(true);
        peer.reset();
        await connection.closed;
      });
    }
  }

  it("is loaded once, and what came behind is handled behind it, byte by byte", async () => {
    const loaded = await fresh();
    const { connection, peer, taken } = await hosting(loaded);
    const body = packet("", "bytes(0x3)");
    const first = packet("co_begin", "1") + packet("", "take(1)") + body;
    await peer.play({ drip: first }, { drip: Uint8Array.of(7, 8, 9) });
    peer.say(packet("", "take(2)") + packet("co_end", "1") + conversation("2", "take(0x4)", "take(5)"));
    await peer.play({ hear: /co_ack_end.*co_ack_end/s });
    expect(taken).toEqual([1, [7, 8, 9], 2, 4, 5]);
    expect(connection.held.received).toBe(0);
    peer.reset();
    await connection.closed;
  });

  it("is not waited for by a connection that has closed", async () => {
    const loaded = await fresh();
    const { connection, peer, taken } = await hosting(loaded);
    peer.say(conversation("1", "take(0x1f)"));
    await quiet(1);
    const over = connection.disconnect("enough");
    peer.reset();
    await over;
    await quiet();
    expect(taken).toEqual([]);
  });

  it("ends the connection if it cannot be loaded", async () => {
    const loaded = await fresh("landing-tokenizer");
    const { connection, peer, taken } = await hosting(loaded);
    peer.say(conversation("1", "take(1)", "take(0x1f)"));
    const heard = await peer.play({ hear: "#err" });
    expect(heard).toMatch(/a part of the library could not be loaded: acorn; /);
    peer.reset();
    const error = await connection.closed;
    expect(error?.reason).toBe("not_loaded");
    expect(error?.cause).toBeInstanceOf(Error); // "offline", or what Vite's loader makes of it outside of a browser
    expect(taken).toEqual([1]);
  });
});

const files = defineService({
  name: "files",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.int() }, result: z.int() }),
    upload: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    ask: method({ params: {}, result: z.int() }),
  },
  reactions: { answer: method({ params: { n: z.int() }, result: z.int() }) },
});

async function* zeros(size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; left -= 65_536) yield new Uint8Array(Math.min(left, 65_536));
}

/** A link of a bundle, and a host of another one, or of the library as it is. */
async function linked(near: Loaded, far: Pick<Loaded, "lib"> = { lib: hbi }) {
  const log: string[] = [];
  const options = { lanes: true, log: ({ where }: Library.LogEntry) => void log.push(where) };
  const handlers = (peer: Library.Peer<typeof files, undefined>): Library.HandlersOf<typeof files, undefined> => ({
    ask: () => peer.call.answer({ n: 1 }),
    add: ({ a }) => a + 1,
    upload: async (_, call) => {
      let bytes = 0;
      for await (const chunk of call.body) bytes += chunk.length;
      return bytes;
    },
  });
  const host = new far.lib.ServiceHost(files, handlers, options);
  const dial = async () => {
    const [left, right] = near.lib.memoryTransportPair();
    void host.accept(right);
    return left;
  };
  const link = await new near.lib.Link(files, dial, { answer: ({ n }) => n + 1 }, options).open();
  await link.ping();
  const close = () => Promise.all([link.close(), host.close()]);
  return { link, log, close };
}

describe("lanes", () => {
  it("are not loaded for calls without a body, and then by either side for the first that has a lane", async () => {
    const [near, far] = [await fresh(), await fresh()];
    const { link, log, close } = await linked(near, far);
    expect(await link.call.add({ a: 1 })).toBe(2);
    expect([near.has("lanes"), far.has("lanes")]).toEqual([false, false]);
    const size = 3_000_000;
    const first = link.call.upload({ size }, { body: zeros(size) });
    const second = link.call.upload({ size: size - 1 }, { body: zeros(size - 1) });
    expect(await link.call.add({ a: 2 })).toBe(3); // not behind them
    expect(await Promise.all([first, second])).toEqual([size, size - 1]);
    expect([near.has("lanes"), far.has("lanes")]).toEqual([true, true]);
    await close();
    expect(log).toEqual([]);
  });

  it("are done without by the side that cannot load them", async () => {
    const [near, far] = [await fresh("lanes"), await fresh()];
    const { link, log, close } = await linked(near, far);
    expect(await link.call.upload({ size: 300_000 }, { body: zeros(300_000) })).toBe(300_000);
    expect(far.has("lanes")).toBe(false);
    expect(log).toEqual(["lanes"]);
    await close();
  });

  it("that the peer uses and this side cannot load end the connection", async () => {
    const [near, far] = [await fresh(), await fresh("lanes")];
    const { link, close } = await linked(near, far);
    const upload = link.call.upload({ size: 300_000 }, { body: zeros(300_000) });
    await expect(upload).rejects.toMatchObject({ code: "aborted", reason: "peer_error" });
    await close();
  });

  it("are not waited for by a call that was cancelled meanwhile", async () => {
    const [near, far] = [await fresh(), await fresh()];
    const { link, log, close } = await linked(near, far);
    const abort = new AbortController();
    const upload = link.call.upload({ size: 300_000 }, { body: zeros(300_000), signal: abort.signal });
    await Promise.resolve();
    abort.abort();
    await expect(upload).rejects.toMatchObject({ code: "cancelled" });
    expect(await link.call.add({ a: 2 })).toBe(3);
    await close();
    expect(log).toEqual([]);
  });
});

const HELLO = "100;x;n;m=8;p=1048576";
const ACKNOWLEDGED = /\[3#co_ack_begin\]100\[3#co_ack_end\]100/;

describe("what hosts scripts", () => {
  it("is not loaded by a client until the service calls it back", async () => {
    const near = await fresh();
    const { link, log, close } = await linked(near);
    expect(await link.call.add({ a: 1 })).toBe(2);
    await link.post.add({ a: 1 });
    expect(near.has("conversing-parts")).toBe(false);
    const asked = [link.call.ask({}), link.call.ask({})];
    expect(await link.call.add({ a: 1 })).toBe(2);
    expect(await Promise.all(asked)).toEqual([2, 2]);
    expect(near.has("conversing-parts")).toBe(true);
    await close();
    expect(log).toEqual([]);
  });

  it("is not loaded for a hello, which is acknowledged, byte by byte and twice", async () => {
    const loaded = await fresh();
    const { connection, peer } = await hosting(loaded);
    await peer.play({ drip: conversation(HELLO) }, { hear: ACKNOWLEDGED });
    peer.say(packet("co_begin", HELLO) + packet("co_end", "100"));
    await peer.play({ hear: ACKNOWLEDGED });
    expect(loaded.has("conversing-parts")).toBe(false);
    expect(connection.held).toMatchObject({ hosted: 0, readTurns: 0, sendTurns: 0 });
    peer.reset();
    await connection.closed;
  });

  it("is loaded for a hello with a script, whose raw data and end follow", async () => {
    const loaded = await fresh();
    const { connection, peer, taken } = await hosting(loaded);
    peer.say(packet("co_begin", "100;x;m=8;p=1048576") + packet("", "take(1)") + packet("", "bytes(2)"));
    peer.say(Uint8Array.of(8, 9));
    await peer.play({ say: packet("co_end", "100") }, { hear: ACKNOWLEDGED });
    await peer.play({ say: conversation("1", "take(3)") }, { hear: "[1#co_ack_end]1" });
    expect(taken).toEqual([1, [8, 9], 3]);
    expect(connection.held).toMatchObject({ hosted: 0, readTurns: 0, sendTurns: 0 });
    peer.reset();
    await connection.closed;
  });

  for (const [what, packets, reason] of [
    ["another end", packet("co_end", "101"), "bad_state"],
    ["another beginning", packet("co_begin", "1"), "bad_state"],
    ["an object that no script expects", packet("co_recv", "1"), "bad_state"],
    ["an error", packet("err", "no"), "peer_error"],
  ] as const) {
    it(`a hello with ${what} ends the connection`, async () => {
      const { connection, peer } = await hosting(await fresh());
      peer.say(packet("co_begin", HELLO) + packets);
      await peer.play({ hear: what === "an error" ? "never" : "#err" }, "reset").catch(() => undefined);
      expect((await connection.closed)?.reason).toBe(reason);
      expect(connection.held).toMatchObject({ hosted: 0, readTurns: 0, sendTurns: 0 });
    });
  }

  it("is loaded for a script in an answer", async () => {
    const loaded = await fresh();
    const { connection, peer, taken } = await hosting(loaded);
    const got = connection.posting.converse(async (co) => {
      await co.sendCode("anything()");
      return co.recvObj();
    });
    await peer.play({ hear: "co_end" }, { say: answer("101", packet("", "take(7)"), packet("co_recv", "8")) });
    expect(await got).toBe(8);
    expect(taken).toEqual([7]);
    expect(loaded.has("conversing-parts")).toBe(true);
    peer.reset();
    await connection.closed;
  });

  it("ends the connection if it cannot be loaded", async () => {
    const { connection, peer, taken } = await hosting(await fresh("conversing-parts"));
    peer.say(conversation(HELLO) + conversation("1", "take(1)"));
    await peer.play({ hear: "#err" }, "reset");
    expect((await connection.closed)?.reason).toBe("not_loaded");
    expect(taken).toEqual([]);
    expect(connection.held).toMatchObject({ hosted: 0, readTurns: 0, sendTurns: 0 });
  });
});

describe("what streams raw data", () => {
  it("is loaded for the first call with raw data that is still to come, and the calls behind it do not wait", async () => {
    const near = await fresh();
    const { link, log, close } = await linked(near);
    const bytes = link.call.upload({ size: 2 }, { body: Uint8Array.of(1, 2) });
    expect(await link.call.add({ a: 1 })).toBe(2);
    expect(await bytes).toBe(2);
    expect(near.has("streaming")).toBe(true);
    expect(await link.call.upload({ size: 100_000 }, { body: zeros(100_000) })).toBe(100_000);
    await close();
    expect(log).toEqual([]);
  });

  it("is not loaded for calls without", async () => {
    const near = await fresh();
    const { link, close } = await linked(near);
    expect(await link.call.add({ a: 1 })).toBe(2);
    expect([near.has("streaming"), near.has("conversing-parts")]).toEqual([false, false]);
    await close();
  });

  it("that cannot be loaded fails the call alone, and closes its source", async () => {
    const near = await fresh("streaming");
    const { link, close } = await linked(near);
    let isClosed = false;
    const source = new ReadableStream<Uint8Array>({
      cancel: () => {
        isClosed = true;
      },
    });
    const upload = link.call.upload({ size: 10 }, { body: source });
    await expect(upload).rejects.toMatchObject({ reason: "not_loaded", method: "upload" });
    expect(isClosed).toBe(true);
    expect(await link.call.add({ a: 1 })).toBe(2);
    await close();
  });

  it("is waited for no longer than the call or its conversation may last, nor after they are cancelled", async () => {
    const until = new Promise<void>(() => undefined);
    const near = await fresh(undefined, until);
    const { link, close } = await linked(near);
    const abort = new AbortController();
    const { signal } = abort;
    const body = Uint8Array.of(1, 2);
    const failing = [
      link.call.upload({ size: 2 }, { body, timeoutMs: 1 }),
      link.post.upload({ size: 2 }, { body, timeoutMs: 1 }),
      link.po.co({ timeoutMs: 1 }),
      link.po.notif("add(1)", { timeoutMs: 1 }),
      link.po.converse(async () => undefined, { timeoutMs: 1 }),
    ];
    for (const one of failing) await expect(one).rejects.toMatchObject({ code: "deadline_exceeded" });
    const cancelled = [link.call.upload({ size: 2 }, { body, signal }), link.po.co({ signal })];
    abort.abort();
    for (const one of cancelled) await expect(one).rejects.toMatchObject({ code: "cancelled" });
    expect(await link.call.add({ a: 1 })).toBe(2);
    await close();
  });

  it("is loaded for a conversation of the HBI layer", async () => {
    const loaded = await fresh();
    const { connection, peer } = await hosting(loaded);
    const sent = connection.posting.notifData("bytes(3)", Uint8Array.of(1, 2, 3));
    const heard = await peer.play({ hear: "co_end" });
    expect(heard).toContain("bytes(3)\x01\x02\x03[");
    peer.say(answer("101"));
    await (await sent).waitCompleted();
    peer.reset();
    await connection.closed;
  });
});

describe("while something is loaded", () => {
  /** A connection whose peer cannot be stopped, with a bundle that loads nothing until `go`. */
  async function loading(clock?: ManualClock) {
    let go = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      go = resolve;
    });
    const limits = { maxBufferedBytes: 1_000, maxPacketBytes: 4_000, connectTimeoutMs: 500 };
    const sides = await hosting(await fresh(undefined, until), limits, { canPause: false, clock });
    return { ...sides, go };
  }

  it("a peer that cannot be stopped may send as much as a packet more", async () => {
    const { connection, peer, taken, go } = await loading();
    peer.say(conversation("1", "take(0x1)"));
    await quiet();
    peer.say(packet("co_begin", "2") + packet("", `take("${"x".repeat(1_200)}")`) + packet("co_end", "2"));
    peer.say(conversation("3", `take("${"y".repeat(1_200)}")`));
    await quiet();
    expect(taken).toEqual([]);

    expect(connection.held.received).toBeGreaterThan(2_400);
    go();
    await peer.play({ hear: "[1#co_ack_end]3" });
    expect(taken).toEqual([1, "x".repeat(1_200), "y".repeat(1_200)]);
    peer.reset();
    await connection.closed;
  });

  it("more than that ends the connection", async () => {
    const { connection, peer, taken, go } = await loading();
    peer.say(conversation("1", "take(0x1)"));
    await quiet();
    peer.say(new Uint8Array(5_001));
    await quiet();
    peer.reset();
    expect((await connection.closed)?.reason).toBe("buffer_full");
    go();
    await quiet();
    expect(taken).toEqual([]);
  });

  it("nothing waits for longer than `connectTimeoutMs`, and what is loaded later changes nothing", async () => {
    const clock = new ManualClock();
    const { connection, peer, taken, go } = await loading(clock);
    peer.say(conversation("1", "take(1)"));
    await quiet();
    await clock.advance(499);
    expect(connection.posting.isConnected).toBe(true);
    await clock.advance(1);
    expect(connection.posting.isConnected).toBe(false);
    peer.reset();
    const error = await connection.closed;
    expect(error).toMatchObject({
      code: "unavailable",
      reason: "not_loaded",
      message:
        "a part of the library could not be loaded: what conversations need beyond plain calls, within 500 ms (connectTimeoutMs)",
    });
    go();
    await quiet();
    expect(taken).toEqual([]);
  });
});

describe("preload", () => {
  const PARTS: readonly Part[] = ["landing-tokenizer", "lanes", "conversing-parts", "streaming"];

  it("loads every part that a call or a text may need", async () => {
    const { lib, has } = await fresh();
    expect(PARTS.filter(has)).toEqual([]);
    await lib.preload();
    expect(PARTS.filter(has)).toEqual(PARTS);
    await lib.preload();
  });

  it.each(PARTS)("says so if %s cannot be loaded", async (broken) => {
    const { lib } = await fresh(broken);
    await expect(lib.preload()).rejects.toMatchObject({ code: "unavailable", reason: "not_loaded" });
  });
});
