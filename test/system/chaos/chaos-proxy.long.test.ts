/**
 * The proxy itself: every byte, in order, whatever the weather; and what is done to a connection is seen by both of its ends.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Weather } from "../../support/chaos-lane.ts";
import { ChaosProxy, type ProxiedConnection, type Weathers } from "../../support/chaos-proxy.ts";
import { Random } from "../simulation/random.ts";
import { Content, checksum, chunksOf } from "./content.ts";

let server: Server;
let target = "";
let accepted: Socket[] = [];
let proxies: ChaosProxy[] = [];

beforeEach(async () => {
  accepted = [];
  server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accepted.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const proxy of proxies) await proxy.close();
  proxies = [];
  for (const socket of accepted) socket.destroy();
  server.close();
  await once(server, "close");
});

interface Through {
  readonly proxy: ChaosProxy;
  readonly connection: ProxiedConnection;
  readonly near: Socket;
  readonly far: Socket;
}

async function through(weather: Weathers = {}, seed = 1): Promise<Through> {
  const proxy = await ChaosProxy.listen(target, seed, weather);
  proxies.push(proxy);
  const [host = "", port = ""] = proxy.address.split(":");
  const arrived = once(server, "connection");
  const near = connect({ host, port: Number(port), allowHalfOpen: true });
  near.on("error", () => undefined); // a reset is looked for where it is expected
  const [far] = (await arrived) as [Socket];
  far.on("error", () => undefined);
  const connection = await proxy.whenConnected();
  return { proxy, connection, near, far };
}

const WEATHERS: Readonly<Record<string, Weather>> = {
  fair: {},
  "late, by chance more so": { latencyMs: 3, jitterMs: 9 },
  "in pieces of 1 to 300 bytes": { sliceBytes: 300 },
  "of little bandwidth": { bytesPerSecond: 2_000_000 },
  "of little bandwidth, with a small buffer": { bytesPerSecond: 500_000, bufferBytes: 10_000 },
  "all of it": {
    latencyMs: 20,
    jitterMs: 10,
    sliceBytes: 3_000,
    bytesPerSecond: 500_000,
    bufferBytes: 10_000,
    stall: { atByte: 77_777, forMs: 50 },
  },
};

it.each(Object.entries(WEATHERS))("carries everything both ways in order: %s", async (_, weather) => {
  const { near, far } = await through(weather);
  const sums = [near, far].map(async (socket) => {
    const hash = createHash("sha256");
    socket.on("data", (chunk) => hash.update(chunk));
    await once(socket, "end");
    return hash.digest("hex");
  });
  for (const [socket, id] of [
    [near, "up"],
    [far, "down"],
  ] as const) {
    for (const chunk of chunksOf(id, 200_000, new Random(3))) socket.write(chunk);
    socket.end();
  }
  expect(await Promise.all(sums)).toEqual([checksum("down", 200_000), checksum("up", 200_000)]);
});

it("passes on one byte at a time", async () => {
  const { near, far } = await through({ sliceBytes: 1 });
  const sizes: number[] = [];
  far.on("data", (chunk: Buffer) => sizes.push(chunk.length));
  near.end(new Content("slow").next(500));
  await once(far, "end");
  expect(sizes.reduce((sum, size) => sum + size)).toBe(500);
  expect(sizes.length).toBeGreaterThan(100); // the system may join a few again
});

it("delays and slows as configured", async () => {
  const { near, far } = await through({ latencyMs: 40, bytesPerSecond: 100_000 });
  const startMs = performance.now();
  far.resume();
  near.write("first");
  await once(far, "data");
  expect(performance.now() - startMs).toBeGreaterThan(38);
  near.write(Buffer.alloc(10_000));
  near.end("last");
  await once(far, "end");
  expect(performance.now() - startMs).toBeGreaterThan(38 + 100);
});

it("holds a lane this many bytes behind a mark, also if the mark is split", async () => {
  const { proxy, near, far } = await through();
  let got = "";
  far.setEncoding("utf8").on("data", (text: string) => {
    got += text;
  });
  const { sprung } = proxy.trap("up", "<mark>", 3);
  near.write("before <ma");
  while (got !== "before <ma") await once(far, "data");
  near.write("rk>123456");
  const connection = await sprung;
  expect(connection.up.bytes).toBe("before <mark>123".length);
  near.write("789");
  far.write("the other way is free");
  await once(near, "data");
  expect(got).toBe("before <mark>123");
  connection.release();
  near.end();
  await once(far, "end");
  expect(got).toBe("before <mark>123456789");
});

it("resets both ends after this many bytes, and loses what is on its way", async () => {
  const { proxy, near, far } = await through();
  let bytes = 0;
  far.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  const { sprung } = proxy.trap("up", "", 16);
  near.write("x".repeat(56));
  const connection = await sprung;
  while (bytes < 16) await once(far, "data"); // unread bytes before a reset look like an end to Node
  near.resume();
  const errors = [near, far].map((socket) => once(socket, "error"));
  connection.reset();
  for (const error of errors) expect(await error).toMatchObject([{ code: "ECONNRESET" }]);
  expect(bytes).toBe(16);
  await proxy.whenEmpty();
});

it("reports the reset of one end to the other", async () => {
  const { proxy, near, far } = await through();
  near.resume();
  const error = once(near, "error");
  far.resetAndDestroy();
  expect(await error).toMatchObject([{ code: "ECONNRESET" }]);
  await proxy.whenEmpty();
});

it.each(["up", "down"] as const)("closes one half and keeps the other: %s", async (way) => {
  const { proxy, near, far } = await through();
  const [from, to] = way === "up" ? [near, far] : [far, near];
  const [connection] = proxy.connections;
  to.resume();
  from.resume();
  connection?.halfClose(way);
  await once(to, "end");
  from.write("lost");
  to.write("still here");
  expect(String(await once(from, "data"))).toBe("still here");
  from.end();
  to.end();
  await proxy.whenEmpty();
});

it("stalls both ways until it is released", async () => {
  const { proxy, near, far } = await through();
  const [connection] = proxy.connections;
  connection?.stall();
  near.write("up");
  far.write("down");
  const both = Promise.all([once(near, "data"), once(far, "data")]);
  const other = await through();
  other.near.write("meanwhile");
  await once(other.far, "data");
  while (connection?.up.queuedBytes !== 2 || connection.down.queuedBytes !== 4) await new Promise(setImmediate);
  expect([connection.up.bytes, connection.down.bytes]).toEqual([0, 0]);
  connection.release();
  expect(String(await both)).toBe("down,up");
});

it("cuts at the same places for the same seed", async () => {
  const places = async (seed: number): Promise<number[]> => {
    const { proxy, near, far } = await through({ sliceBytes: 40 }, seed);
    const ends: number[] = [];
    const [connection] = proxy.connections;
    near.write(Buffer.alloc(400));
    for (let at = 0; at < 400; at = connection?.up.bytes ?? 400) {
      await new Promise(setImmediate);
      if (connection !== undefined && connection.up.bytes > at) ends.push(connection.up.bytes);
    }
    far.destroy();
    return ends;
  };
  const [first, again, other] = [await places(5), await places(5), await places(6)];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

it("refuses a client if the target does not listen", async () => {
  const proxy = await ChaosProxy.listen("127.0.0.1:1", 1);
  proxies.push(proxy);
  const [host = "", port = ""] = proxy.address.split(":");
  const near = connect({ host, port: Number(port) });
  expect(await once(near, "error").catch((error) => [error])).toMatchObject([{ code: "ECONNRESET" }]);
});

describe("a steady rate", () => {
  const RATE = 1_000_000;
  const STEP = RATE / 20;

  it.each<[string, Weather, number]>([
    ["alone", {}, 300_000],
    ["with a buffer of one step", { bufferBytes: STEP }, 300_000],
    ["with latency, which takes nothing from it", { latencyMs: 300, bufferBytes: STEP }, 1_000_000],
    ["in slices", { sliceBytes: 7_000 }, 300_000],
  ])("is never exceeded, and kept over the whole: %s", async (_, weather, size) => {
    const { connection, near, far } = await through({ up: { ...weather, bytesPerSecond: RATE }, down: {} });
    const startMs = performance.now();
    const latencyMs = weather.latencyMs ?? 0;
    let pieces = 0;
    far.on("data", () => {
      pieces += 1;
    });
    near.end(Buffer.alloc(size));
    await untilEnd(far, () => {
      const ms = Math.max(performance.now() - startMs - latencyMs, 0);
      expect(connection.up.bytes).toBeLessThanOrEqual((ms * RATE) / 1_000 + STEP);
    });
    const lineMs = (size * 1_000) / RATE + latencyMs;
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(lineMs - 60);
    expect(tookMs).toBeLessThan(lineMs * 2); // three times as long, if what travels had to fit into the buffer
    expect(pieces).toBeGreaterThan(2); // 6 steps, of which a busy machine may join some
  });

  it("is that of its direction alone", async () => {
    const { near, far } = await through({ up: {}, down: { bytesPerSecond: RATE } });
    near.resume();
    far.resume();
    const startMs = performance.now();
    const size = 300_000;
    near.end(Buffer.alloc(20 * size));
    far.end(Buffer.alloc(size));
    await once(far, "end");
    expect(performance.now() - startMs).toBeLessThan((20 * size * 1_000) / RATE / 2);
    await once(near, "end");
    expect(performance.now() - startMs).toBeGreaterThan((size * 1_000) / RATE - 60);
  });

  it.each([20_000, 100_000])("keeps no more than its buffer and a chunk: %i bytes", async (bufferBytes) => {
    const { connection, near, far } = await through({ bytesPerSecond: 20_000_000, bufferBytes });
    far.resume();
    const size = 15_000_000;
    near.end(Buffer.alloc(size));
    let most = 0;
    let unsent = 0;
    await untilEnd(far, () => {
      most = Math.max(most, connection.up.queuedBytes);
      if (connection.up.bytes > size / 5) unsent = Math.max(unsent, near.writableLength);
    });
    expect(connection.up.bytes).toBe(size);
    expect(most).toBeLessThanOrEqual(bufferBytes + 65_536);
    expect(unsent).toBeGreaterThan(0); // the sender is held up, not only the proxy
  });
});

/** Looks in every turn of the event loop. */
async function untilEnd(socket: Socket, look: () => void): Promise<void> {
  let isOver = false;
  socket.once("end", () => {
    isOver = true;
  });
  for (; !isOver; await new Promise(setImmediate)) look();
}

it("latency does not limit the rate, nor change the order", async () => {
  const { near, far } = await through({ latencyMs: 400, bufferBytes: 50_000 });
  const size = 40_000_000;
  const startMs = performance.now();
  const hash = createHash("sha256");
  far.on("data", (chunk) => hash.update(chunk));
  near.end(new Content("far away").next(size));
  await once(far, "data");
  expect(performance.now() - startMs).toBeGreaterThan(398);
  await once(far, "end");
  expect(performance.now() - startMs).toBeLessThan(20_000); // 50 kB a round would take 160 s
  expect(hash.digest("hex")).toBe(checksum("far away", size));
});

describe("a stall", () => {
  const stalls: [string, Weather][] = [
    ["alone", {}],
    ["at a rate", { bytesPerSecond: 200_000, bufferBytes: 1_000 }],
    ["with latency and slices", { latencyMs: 30, sliceBytes: 500 }],
  ];

  it.each(stalls)(
    "stops one direction at exactly this byte for good, and the other goes on: %s",
    async (_, weather) => {
      const stalled: Weather = { ...weather, stall: { atByte: 12_345 } };
      const { connection, near, far } = await through({ up: stalled, down: weather });
      let bytes = 0;
      far.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      near.resume();
      near.end(Buffer.alloc(20_000));
      while (bytes < 12_345) await once(far, "data");
      far.end(Buffer.alloc(30_000));
      await once(near, "end"); // much later than what would come up
      expect([bytes, connection.up.bytes, connection.down.bytes, far.readableEnded]).toEqual([
        12_345,
        12_345,
        30_000,
        false,
      ]);
      connection.release();
      await once(far, "end");
      expect(bytes).toBe(20_000);
    },
  );

  it.each(stalls)("stops for so long and goes on: %s", async (_, weather) => {
    const { near, far } = await through({ ...weather, stall: { atByte: 100, forMs: 300 } });
    let bytes = 0;
    let reachedMs = 0;
    far.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes === 100) reachedMs = performance.now();
      else if (bytes > 100 && reachedMs > 0) far.emit("on");
    });
    const on = once(far, "on");
    near.end(Buffer.alloc(5_000));
    await on;
    expect(performance.now() - reachedMs).toBeGreaterThan(250);
    await once(far, "end");
    expect(bytes).toBe(5_000);
  });

  it("stops at the first byte as well", async () => {
    const { connection, near, far } = await through({ up: { stall: { atByte: 0 } }, down: {} });
    near.write("never");
    far.write("but this");
    await once(near, "data");
    while (connection.up.queuedBytes === 0) await new Promise(setImmediate);
    expect(connection.up.bytes).toBe(0);
  });
});

describe("a network that has gone", () => {
  it.each<[string, Weathers]>([
    ["at a byte of the way up", { up: { goneAtByte: 7 }, down: {} }],
    ["at the first byte of the way down", { up: {}, down: { goneAtByte: 0 } }],
    ["in the middle of a slow line", { bytesPerSecond: 1_000, latencyMs: 10, goneAtByte: 10 }],
  ])("passes on nothing any more, neither data nor an end nor a reset: %s", async (_, weather) => {
    const { connection, near, far } = await through(weather);
    const seen: string[] = [];
    for (const [socket, name] of [
      [near, "near"],
      [far, "far"],
    ] as const) {
      for (const event of ["end", "error", "close"]) socket.on(event, () => seen.push(`${name} ${event}`));
      socket.resume();
    }
    near.write("0123456789");
    far.write("0123456789");
    while (!connection.isGone) await new Promise(setImmediate);
    const { up, down } = connection;
    const passed = [up.bytes, down.bytes];
    far.end("0123456789");
    near.resetAndDestroy();
    const other = await through(); // as long as it takes others to come through
    other.near.end("meanwhile");
    await once(other.far.resume(), "end");
    expect([up.bytes, down.bytes]).toEqual(passed);
    expect(seen.filter((event) => event !== "near close" && event !== "far close")).toEqual([]);
    expect(far.destroyed).toBe(false);
  });

  it("slows the sender while the data is not read", async () => {
    const { connection, near } = await through({ goneAtByte: 1 });
    near.write(Buffer.alloc(40_000_000));
    while (!connection.isGone) await new Promise(setImmediate);
    const other = await through();
    other.near.end(Buffer.alloc(40_000_000)); // in this time it would be read
    await once(other.far.resume(), "end");
    expect(near.writableLength).toBeGreaterThan(20_000_000);
  });

  it("is over for both when the proxy closes", async () => {
    const { proxy, connection, near, far } = await through({ up: { goneAtByte: 0 }, down: {} });
    near.write("x");
    const ends = [near, far].map((socket) => new Promise((resolve) => socket.resume().once("close", resolve)));
    while (!connection.isGone) await new Promise(setImmediate);
    await proxy.close();
    await Promise.all(ends);
    proxies = [];
  });
});
