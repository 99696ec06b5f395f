/**
 * The proxy itself: every byte, in order, whatever the weather; and what is done to a connection is seen by both of its ends.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Random } from "../simulation/random.ts";
import type { Weather } from "../support/chaos-lane.ts";
import { ChaosProxy } from "../support/chaos-proxy.ts";
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

async function through(weather: Weather = {}, seed = 1): Promise<{ proxy: ChaosProxy; near: Socket; far: Socket }> {
  const proxy = await ChaosProxy.listen(target, seed, weather);
  proxies.push(proxy);
  const [host = "", port = ""] = proxy.address.split(":");
  const arrived = once(server, "connection");
  const near = connect({ host, port: Number(port), allowHalfOpen: true });
  near.on("error", () => undefined); // a reset is looked for where it is expected
  const [far] = (await arrived) as [Socket];
  far.on("error", () => undefined);
  while (proxy.connections.size === 0) await new Promise(setImmediate);
  return { proxy, near, far };
}

const WEATHERS: Readonly<Record<string, Weather>> = {
  fair: {},
  "late, by chance more so": { latencyMs: 3, jitterMs: 9 },
  "in pieces of 1 to 300 bytes": { sliceBytes: 300 },
  "of little bandwidth": { bytesPerSecond: 2_000_000 },
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

it("is as late and as slow as it is told to be", async () => {
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

it("holds a lane so many bytes behind a mark, also where that is cut in two", async () => {
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

it("resets both ends after so many bytes, and loses what is on its way", async () => {
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

it("tells one end of the reset of the other", async () => {
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

it("refuses a client when nobody is at the target", async () => {
  const proxy = await ChaosProxy.listen("127.0.0.1:1", 1);
  proxies.push(proxy);
  const [host = "", port = ""] = proxy.address.split(":");
  const near = connect({ host, port: Number(port) });
  expect(await once(near, "error").catch((error) => [error])).toMatchObject([{ code: "ECONNRESET" }]);
});
