/**
 * WebSockets keep the contract of transports: that of ws, which can be paused, the standard one, which cannot, and that of this
 * version of Node, if it has one. What breaks their rules is refused, with a close code.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  dialWebSocket,
  HbiError,
  type Transport,
  type WebSocketClass,
  type WebSocketLike,
  webSocketTransport,
} from "hbi";
import { ManualClock } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { platformClass, StandardWebSocket } from "../../support/standard-web-socket.ts";
import { Collector, keepsTheContract } from "./transport-contract.ts";

let server: WebSocketServer;
let url = "";
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: "127.0.0.1", allowSynchronousEvents: false, maxPayload: 256 * 1024 });
  await once(server, "listening");
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/hbi`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const WsClass = WebSocket as unknown as WebSocketClass;

async function pair(
  Class: WebSocketClass,
  accept: (socket: WebSocket) => WebSocketLike,
): Promise<[Transport, Transport]> {
  const accepted = once(server, "connection");
  const dialed = dialWebSocket(url, { timeoutMs: 5_000, WebSocket: Class });
  const [socket] = (await accepted) as [WebSocket];
  const far = webSocketTransport(accept(socket));
  return [await dialed, far];
}
const ofWs = (socket: WebSocket) => socket as unknown as WebSocketLike;

keepsTheContract("ws on both ends", () => pair(WsClass, ofWs), { halfClose: true });
keepsTheContract("standard WebSockets", () => pair(StandardWebSocket, (socket) => new StandardWebSocket(socket)), {
  halfClose: true,
  pause: true,
});
describe.runIf(platformClass !== undefined)("of this version of Node", () => {
  keepsTheContract("dialed", () => pair(platformClass as WebSocketClass, (socket) => new StandardWebSocket(socket)), {
    halfClose: true,
    pause: true,
  });
});

/** One end as a transport, the other as it is. */
async function bare(Class: WebSocketClass | undefined, options: Parameters<typeof webSocketTransport>[1] = {}) {
  const accepted = once(server, "connection");
  const socket = Class === undefined ? new WebSocket(url, ["hbi"]) : new Class(url, ["hbi"]);
  const [far] = (await accepted) as [WebSocket];
  const near = socket as unknown as WebSocketLike & WebSocket;
  if (near.readyState === WebSocket.CONNECTING)
    await new Promise<void>((resolve) => near.addEventListener("open", () => resolve()));
  const heard = new Collector();
  return { near, far, heard, transport: () => webSocketTransport(Class === undefined ? ofWs(far) : near, options) };
}

describe("a message", () => {
  it("has borders that mean nothing: long writes are split, and whatever arrives is one stream", async () => {
    const { near, heard, transport } = await bare(undefined);
    const sizes: number[] = [];
    near.on("message", (data: Buffer) => sizes.push(data.length));
    const ours = transport();
    ours.start(heard);
    ours.write("é".repeat(50_000));
    for (const part of ["he", "", "llo"]) near.send(Buffer.from(part));
    await heard.until(() => heard.text === "hello");
    ours.end();
    await heard.until(() => heard.closed.length > 0);
    expect(sizes).toEqual([65_536, 34_464]);
  });

  it("may come from memory that is shared, which a standard WebSocket refuses", async () => {
    const { far, heard, transport } = await bare(StandardWebSocket);
    const received = once(far, "message");
    const ours = transport();
    ours.start(heard);
    ours.write(new Uint8Array(new SharedArrayBuffer(3)).fill(7));
    expect((await received)[0]).toEqual(Buffer.from([7, 7, 7]));
    ours.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it.each<[string, (near: WebSocket) => void, number, string]>([
    ["text", (near) => near.send("[2#]hi"), 1003, "bad_frame"],
    ["more than maxPayload", (near) => near.send(Buffer.alloc(256 * 1024 + 1)), 1009, "packet_too_big"],
    [
      "1,001 empty ones",
      (near) => void Array.from({ length: 1_001 }, () => near.send(Buffer.alloc(0))),
      1008,
      "rate_exceeded",
    ],
    ["1,001 pings", (near) => void Array.from({ length: 1_001 }, () => near.ping()), 1008, "rate_exceeded"],
    [
      "a frame of a reserved kind",
      (near) => void socketOf(near).write(Buffer.from([0x83, 0x80, 0, 0, 0, 0])),
      1002,
      "bad_frame",
    ],
  ])("of %s ends the connection, and says why", async (_, send, code, reason) => {
    const { near, heard, transport } = await bare(undefined, { clock: new ManualClock(), maxPayload: 256 * 1024 });
    const closed = once(near, "close");
    transport().start(heard);
    send(near);
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed[0]).toBeInstanceOf(HbiError);
    expect(heard.closed[0]).toMatchObject({ reason });
    expect((await closed)[0]).toBe(code);
  });

  it.each<[string, (near: WebSocket) => void]>([
    ["of as much as maxPayload", (near) => near.send(Buffer.alloc(256 * 1024))],
    ["that is empty, 1,000 times", (near) => void Array.from({ length: 1_000 }, () => near.send(Buffer.alloc(0)))],
  ])("%s is taken", async (_, send) => {
    const { near, heard, transport } = await bare(undefined, { clock: new ManualClock(), maxPayload: 256 * 1024 });
    const ours = transport();
    ours.start(heard);
    send(near);
    near.send(Buffer.from("on"));
    await heard.until(() => heard.text.endsWith("on"));
    ours.end();
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed).toEqual([undefined]);
  });
});

function socketOf(socket: WebSocket): import("node:net").Socket {
  return (socket as unknown as { _socket: import("node:net").Socket })._socket;
}

describe("what arrives before it is wanted", () => {
  it("is kept in order, up to a bound", async () => {
    const { far, near, heard, transport } = await bare(StandardWebSocket, { maxHeldBytes: 1_000 });
    const ours = transport();
    for (let i = 0; i < 10; i++) far.send(Buffer.alloc(100, i));
    const all = new Promise((resolve) =>
      near.addEventListener("message", ({ data }) => new Uint8Array(data as ArrayBuffer)[0] === 9 && resolve(0)),
    );
    await all;
    ours.start(heard);
    await heard.until(() => heard.bytes === 1_000);
    expect(heard.chunks.map(([first]) => first)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    ours.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("beyond that bound ends the connection", async () => {
    const { far, heard, transport } = await bare(StandardWebSocket, { maxHeldBytes: 1_000 });
    const closed = once(far, "close");
    const ours = transport();
    far.send(Buffer.alloc(1_001));
    expect((await closed)[0]).toBe(4009);
    ours.start(heard);
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed[0]).toMatchObject({ reason: "buffer_full" });
    expect(heard.bytes).toBe(0);
  });

  it("is delivered before a close that follows it", async () => {
    const { near, heard, transport } = await bare(undefined);
    const ours = transport();
    near.send(Buffer.from("all of it"));
    near.close();
    ours.start(heard);
    await heard.until(() => heard.closed.length > 0);
    expect([heard.text, heard.closed]).toEqual(["all of it", [undefined]]);
  });
});

describe("a close", () => {
  it.each<[string, (near: WebSocket) => void, string | undefined]>([
    ["without a code", (near) => near.close(), undefined],
    ["1000", (near) => near.close(1000), undefined],
    ["1001", (near) => near.close(1001, "leaving the page"), undefined],
    ["1008", (near) => near.close(1008, "secret words"), "the WebSocket was closed: 1008, a violated rule"],
    ["4009", (near) => near.close(4009), "the WebSocket was closed: 4009, a message that is too big"],
    ["4999", (near) => near.close(4999), "the WebSocket was closed: 4999"],
    ["cut off", (near) => near.terminate(), "the WebSocket was closed: 1006, lost without a closing handshake"],
  ])("%s", async (_, close, message) => {
    const { near, heard, transport } = await bare(undefined);
    transport().start(heard);
    close(near);
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed[0]?.message).toBe(message);
  });

  it.each<[HbiError | undefined, number, number]>([
    [undefined, 1000, 1000],
    [new HbiError("aborted", "bye", undefined, { reason: "peer_error" }), 1000, 1000],
    [new HbiError("unavailable", "closing"), 1001, 4001],
    [new HbiError("invalid_argument", "what is that?"), 1002, 4002],
    [new HbiError("resource_exhausted", "too much", undefined, { reason: "packet_too_big" }), 1009, 4009],
    [new HbiError("resource_exhausted", "too often"), 1008, 4008],
    [new HbiError("internal", "oh"), 1011, 4011],
    [new HbiError("unauthenticated", "who?"), 3000, 3000],
    [new HbiError("permission_denied", `no${"é".repeat(200)}`), 3003, 3003],
    [new HbiError("deadline_exceeded", "late"), 3008, 3008],
  ])("for %s has the code %i, and %i by a standard WebSocket", async (reason, code, standard) => {
    for (const [Class, expected] of [
      [undefined, code],
      [StandardWebSocket, standard],
    ] as const) {
      const { near, far, heard, transport } = await bare(Class);
      const closed = once(Class === undefined ? near : far, "close");
      const ours = transport();
      ours.start(heard);
      if (reason !== undefined) ours.endsFor?.(reason);
      ours.end();
      const [told, words] = (await closed) as [number, Buffer];
      expect(told).toBe(expected);
      expect(words.length).toBeLessThanOrEqual(123);
      expect((reason?.message ?? "").startsWith(words.toString().replace(/\.\.\.$/, ""))).toBe(true);
      await heard.until(() => heard.closed.length > 0);
    }
  });
});

describe("dialing", () => {
  const dial = (address: string, options: object = {}) =>
    dialWebSocket(address, { timeoutMs: 5_000, WebSocket: WsClass, ...options }).then(
      () => {
        throw new Error("it succeeded");
      },
      (error: HbiError) => error,
    );

  it.each<[string, string]>([
    ["ws://127.0.0.1:1/hbi?token=secret", "could not connect: ws://127.0.0.1:1/hbi: connect ECONNREFUSED 127.0.0.1:1"],
  ])("%s fails: %s", async (address, message) => {
    expect(await dial(address)).toMatchObject({ code: "unavailable", reason: "connect_failed", message });
  });

  it("says what is missing where a browser says nothing", async () => {
    const { message } = await dial("ws://127.0.0.1:1/hbi", { WebSocket: StandardWebSocket });
    expect(message).toBe(
      "could not connect: ws://127.0.0.1:1/hbi: is the server running, and does it admit this origin?",
    );
  });

  it("refuses what can never be dialed", async () => {
    expect(await dial("ftp://a")).toMatchObject({
      reason: "bad_option",
      message: expect.stringContaining("ftp://a cannot be dialed"),
    });
  });

  it.runIf(platformClass === undefined)("refuses where there is no WebSocket", async () => {
    expect(await dial(url, { WebSocket: undefined })).toMatchObject({
      reason: "bad_option",
      message: expect.stringContaining(
        "this platform has no WebSocket: pass a class as the option webSocket.WebSocket",
      ),
    });
  });

  it("is given up by its signal, before and during", async () => {
    const abort = new AbortController();
    const failed = dial(url, { signal: abort.signal });
    abort.abort();
    expect((await failed).code).toBe("cancelled");
    expect((await dial(url, { signal: abort.signal })).code).toBe("cancelled");
  });

  it("is given up when the server says nothing", async () => {
    const { createServer } = await import("node:net");
    const silent = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const clock = new ManualClock();
    const accepted = once(silent, "connection");
    const failed = dial(`ws://127.0.0.1:${(silent.address() as AddressInfo).port}`, { clock });
    const [socket] = await accepted;
    await clock.advance(5_000);
    expect((await failed).code).toBe("deadline_exceeded");
    socket.destroy();
    silent.close();
  });

  it("takes no socket that is not open yet", async () => {
    const socket = new WebSocket(url, ["hbi"]);
    expect(() => webSocketTransport(ofWs(socket))).toThrow("the WebSocket is not open yet");
    await once(socket, "open");
    socket.terminate();
    await once(socket, "close");
  });
});
