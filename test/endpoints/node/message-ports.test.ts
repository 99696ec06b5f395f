/**
 * Services over message ports and workers: called, calling, stopped readers, and workers that fail, end, or never answer.
 */
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import {
  connect as connectPortable,
  defineService,
  dialMessagePort,
  type HbiError,
  type LogEntry,
  method,
  type Peer,
  ServiceHost,
} from "hbi";
import { connect, serve } from "hbi/node";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { primes } from "../../../examples/workers/service.ts";
import { hearsNothing } from "../../support/ear.ts";
import { program } from "../../support/programs.ts";

const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.number(), b: z.number() }, result: z.number() }),
    store: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    load: method({ params: { size: z.int() }, result: z.int(), resultBody: (size) => size }),
    ask: method({ params: {}, result: z.string() }),
  },
  reactions: { name: method({ params: {}, result: z.string() }) },
});
const reactions = { name: () => "Ada" };

hearsNothing();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const failureOf = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: HbiError) => error,
  );

/** @param reads resolves when uploads are read */
const handlersOf = (reads: Promise<void>) => (peer: Peer<typeof depot, undefined>) => ({
  add: ({ a, b }: { a: number; b: number }) => a + b,
  async store(_: unknown, { body }: { body: AsyncIterable<Uint8Array> }) {
    await reads;
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.length;
    return bytes;
  },
  load: ({ size }: { size: number }) => ({ result: size, body: new Uint8Array(size) }),
  ask: () => peer.call.name(),
});
function hosting(reads: Promise<void> = Promise.resolve(), log: (entry: LogEntry) => void = () => undefined) {
  const host = new ServiceHost(depot, handlersOf(reads), { log });
  ends.push(() => host.close());
  return host;
}

describe.each([
  ["hbi", connectPortable],
  ["hbi/node", connect as typeof connectPortable],
] as const)("a port of a channel, by connect of %s", (_, connectBy) => {
  it("is called and calls, sends bodies both ways, and closes on both sides", async () => {
    const { port1, port2 } = new MessageChannel();
    const [peer, link] = await Promise.all([hosting().accept(port1), connectBy(depot, port2, reactions)]);
    expect([peer.remoteAddress, peer.network, link.remoteAddress]).toEqual(["message port", undefined, "message port"]);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(await link.call.ask()).toBe("Ada");
    const body = new Uint8Array(3_000_000);
    expect(await link.call.store({ size: body.length }, { body })).toBe(body.length);
    expect(body.length).toBe(3_000_000);
    const loaded = await link.call.load({ size: 3_000_000 });
    expect((await loaded.body.bytes()).length).toBe(3_000_000);
    const closed = once(port2, "close");
    await link.close();
    expect(await peer.closed).toBeUndefined();
    await closed;
  });

  it("cannot be dialed again", async () => {
    const { port1, port2 } = new MessageChannel();
    expect(await failureOf(connectBy(depot, port1, reactions, { reconnect: {} }))).toMatchObject({
      reason: "bad_option",
      message: expect.stringContaining("reconnect needs a function that dials"),
    });
    port2.close();
  });

  it("is lost when its other end closes", async () => {
    const { port1, port2 } = new MessageChannel();
    const [, link] = await Promise.all([hosting().accept(port1), connectBy(depot, port2, reactions)]);
    await link.call.add({ a: 1, b: 2 });
    port1.close();
    expect(await link.closed).toMatchObject({ code: "unavailable", reason: "disconnected" });
  });
});

it("a server takes a port over, beside its sockets, and counts it", async () => {
  const server = await serve(depot, "127.0.0.1:0", handlersOf(Promise.resolve()), {
    log: () => undefined,
    limits: { maxConnectionsPerAddress: 1 },
  });
  ends.push(() => server.close());
  const at = { remoteAddress: "203.0.113.7:5000" };
  const { port1, port2 } = new MessageChannel();
  const [peer, link] = await Promise.all([server.accept(port1, at), connect(depot, port2, reactions)]);
  expect([peer.network, await link.call.add({ a: 1, b: 2 })]).toEqual(["203.0.113.7", 3]);
  const refused = new MessageChannel();
  expect(await failureOf(server.accept(refused.port1, at))).toMatchObject({ reason: "too_many_connections" });
  const lost = connect(depot, refused.port2, reactions).then(async (refusedLink) => {
    throw await refusedLink.closed; // it was opened, and ended at once
  });
  expect(await failureOf(lost)).toMatchObject({ code: "unavailable" });
  await link.close();
});

it("an upload that is not read waits at its source, and goes on when it is", async () => {
  let read: () => void = () => undefined;
  const reads = new Promise<void>((resolve) => {
    read = resolve;
  });
  const { port1, port2 } = new MessageChannel();
  const [, link] = await Promise.all([hosting(reads).accept(port1), connect(depot, port2, reactions)]);
  const size = 64 * 1024 * 1024;
  let pulled = 0;
  async function* source() {
    for (; pulled < size; pulled += 65_536) yield new Uint8Array(65_536);
  }
  const stored = link.call.store({ size }, { body: source() });
  let before = -1;
  while (pulled !== before) {
    before = pulled;
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  }
  expect(pulled).toBeLessThan(4 * 1024 * 1024);
  expect(await link.call.add({ a: 1, b: 2 })).toBe(3); // beside it
  read();
  expect(await stored).toBe(size);
  await link.close();
});

// --- between threads -------------------------------------------------------------------------------------------------

const script = program("examples/workers/worker.ts");
const progress = { progress: () => undefined };
const saying = (code: string) => new Worker(code, { eval: true, stderr: true });

describe("a worker", () => {
  it("is called, and exits when the link closes", async () => {
    const worker = new Worker(script);
    const exited = once(worker, "exit");
    const told: number[] = [];
    const link = await connectPortable(primes, worker, { progress: ({ percent }) => void told.push(percent) });
    expect(await link.call.count({ below: 10_000 })).toBe(1_229);
    expect(told).toEqual([25, 50, 75, 100]);
    await link.close();
    expect(await exited).toEqual([0]);
  });

  it("is ended with the link if it should be, and started again when it fails", async () => {
    const workers: Worker[] = [];
    const exits: Promise<unknown>[] = [];
    const link = await connect(
      primes,
      (dialing) => {
        const worker = new Worker(script, { stderr: true });
        workers.push(worker);
        exits.push(new Promise((resolve) => worker.once("exit", resolve)));
        return dialMessagePort(worker, { ...dialing, terminate: true });
      },
      progress,
      { reconnect: { initialDelayMs: 1, jitter: 0 }, log: () => undefined },
    );
    ends.push(() => link.close());
    const reasons: (string | undefined)[] = [];
    link.onState((state, reason) => void (state === "connecting" && reasons.push(reason?.message)));
    expect(await failureOf(link.call.crash())).toMatchObject({ code: "unavailable" });
    while (reasons.length === 0) await new Promise(setImmediate);
    expect(await link.call.count({ below: 10 })).toBe(4);
    expect(reasons).toEqual(["the connection is closed: the worker has failed: out of primes"]);
    expect(workers.length).toBe(2);
    await link.close();
    await Promise.all(exits);
  });

  it("that is terminated ends the link, and what waits for it", async () => {
    const worker = new Worker(script);
    const logged: LogEntry[] = [];
    const link = await connect(primes, worker, progress, { log: (entry) => void logged.push(entry) });
    const counting = failureOf(link.call.count({ below: 100_000_000 }));
    await worker.terminate();
    expect(await link.closed).toMatchObject({
      reason: "disconnected",
      message: "the connection is closed: the worker has exited with code 1",
    });
    expect(await counting).toMatchObject({ code: "unavailable", mayHaveLanded: true });
    expect(logged.map(({ error }) => error.message)).toContain(
      "the connection is closed: the worker has exited with code 1",
    );
  });

  it("that ends is noticed by a service that it uses", async () => {
    const { port1, port2 } = new MessageChannel();
    const code = `const { workerData: port } = require("node:worker_threads");
      port.on("message", (message) => message === "hbi opened" && process.exit());
      port.postMessage("hbi open");`;
    const user = new Worker(code, { eval: true, workerData: port2, transferList: [port2] });
    const exited = once(user, "exit");
    const peer = await hosting().accept(port1);
    expect(await peer.closed).toMatchObject({
      reason: "disconnected",
      cause: new Error("the message port was closed"),
    });
    await exited;
  });

  it.each<[string, () => Worker, string]>([
    ["has no script", () => new Worker("/nowhere/worker.js"), "could not connect: the worker has failed: Cannot find"],
    ["throws at once", () => saying('throw new Error("no luck")'), "could not connect: the worker has failed: no luck"],
    ["ends without a word", () => saying("0"), "could not connect: the worker has exited with code 0"],
    [
      "says what is no HBI",
      () => saying('setInterval(() => require("node:worker_threads").parentPort.postMessage("ready"), 10)'),
      "string, but",
    ],
  ])("that %s is a clear error", async (_, start, message) => {
    const worker = start();
    ends.push(() => worker.terminate());
    const failed = await failureOf(connect(primes, worker, progress, { log: () => undefined }));
    expect(failed.message).toContain(message);
  });

  it("that never answers is given up", async () => {
    const worker = saying("setInterval(() => undefined, 1e6)");
    ends.push(() => worker.terminate());
    const failed = await failureOf(connect(primes, worker, progress, { limits: { connectTimeoutMs: 100 } }));
    expect(failed).toMatchObject({
      code: "deadline_exceeded",
      message: expect.stringContaining("does a service accept"),
    });
  });
});

describe("a hostile thread", () => {
  /** Each posts far more than the window, or what is no HBI, as fast as it can. */
  const FLOODS: Readonly<Record<string, string>> = {
    "bytes beyond its window": "for (let i = 0; i < 2_000; i++) port.postMessage(new ArrayBuffer(65_536));",
    "messages of one byte": "for (let i = 0; i < 50_000; i++) port.postMessage(new ArrayBuffer(1));",
    "empty messages": "for (let i = 0; i < 50_000; i++) port.postMessage(new ArrayBuffer(0));",
    credit: "for (let i = 0; i < 50_000; i++) port.postMessage(1);",
    openings: 'for (let i = 0; i < 50_000; i++) port.postMessage("hbi open");',
    text: 'for (let i = 0; i < 50_000; i++) port.postMessage("[9#]".repeat(100));',
    ports: "for (let i = 0; i < 2_000; i++) { const { port1 } = new MessageChannel(); port.postMessage(1, [port1]); }",
  };

  it.each(Object.entries(FLOODS))("that sends %s loses its connection, and others go on", async (_, flood) => {
    const logged: (string | undefined)[] = [];
    const host = hosting(new Promise(() => undefined), ({ error }) => void logged.push(error.reason));
    const { port1: near, port2: far } = new MessageChannel();
    const [, good] = await Promise.all([host.accept(near), connect(depot, far, reactions)]);
    const { port1, port2 } = new MessageChannel();
    const code = `const { workerData: port } = require("node:worker_threads");
      const begin = "[3#co_begin]101[19#]store(size=9999999)";
      port.postMessage("hbi opened");
      port.postMessage(new TextEncoder().encode(begin).buffer);
      ${flood}
      port.on("message", (message) => message === "hbi abort" && process.exit());`;
    const hostile = new Worker(code, { eval: true, workerData: port2, transferList: [port2] });
    const exited = once(hostile, "exit");
    const peer = await host.accept(port1);
    const ended = peer.closed;
    for (let sum = 0; sum < 50; sum++) expect(await good.call.add({ a: sum, b: 1 })).toBe(sum + 1);
    expect(await ended).toMatchObject({ code: "invalid_argument", reason: "bad_frame" });
    await exited;
    expect(logged).toEqual(["bad_frame"]);
    expect(host.connectionCount).toBe(1);
    await good.close();
  });
});
