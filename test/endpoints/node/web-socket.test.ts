/**
 * Services over WebSockets: on a port of their own and attached to an HTTP server; who is admitted, what the others are told, what
 * authenticate learns, and that neither side holds what the other does not read.
 */
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect as connectSocket } from "node:net";
import {
  connect as connectPortable,
  defineService,
  type HbiError,
  type LogEntry,
  method,
  type Peer,
  type TransportRequest,
} from "hbi";
import { connect, serve } from "hbi/node";
import { ManualClock, quiet } from "hbi/testing";
import { serveWebSocket } from "hbi/ws";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { Authority, hasOpenssl } from "../../support/authority.ts";
import { hearsNothing } from "../../support/ear.ts";
import { StandardWebSocket } from "../../support/standard-web-socket.ts";

const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    add: method({ params: { a: z.number(), b: z.number() }, result: z.number() }),
    store: method({ params: { size: z.int() }, body: ({ size }) => size, result: z.int() }),
    fetch: method({
      params: { size: z.int() },
      result: z.strictObject({ size: z.int() }),
      resultBody: ({ size }) => size,
    }),
    text: method({ params: { size: z.int() }, result: z.string() }),
    /** calls the caller */
    ask: method({ params: {}, result: z.string() }),
  },
  reactions: { name: method({ params: {}, result: z.string() }) },
});

hearsNothing();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const CHUNK = new Uint8Array(64 * 1024);
function* zeros(size: number, given: { bytes: number }): Generator<Uint8Array> {
  for (let left = size; left > 0; left -= CHUNK.length) {
    const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length));
    given.bytes += chunk.length;
    yield chunk;
  }
}

interface Depot {
  readonly log: LogEntry[];
  /** Resolves with the first entry. */
  readonly logged: Promise<LogEntry>;
  readonly given: { bytes: number };
  /** Lets `store` read. */
  open(): void;
}

function handlersOf(state: Depot, gate: Promise<void>) {
  return (peer: Peer<typeof depot, unknown>) => ({
    add: ({ a, b }: { a: number; b: number }) => a + b,
    async store(_: { size: number }, call: { readonly body: AsyncIterable<Uint8Array> }) {
      await gate;
      let bytes = 0;
      for await (const chunk of call.body) bytes += chunk.length;
      return bytes;
    },
    fetch: ({ size }: { size: number }) => ({ result: { size }, body: zeros(size, state.given) }),
    text: ({ size }: { size: number }) => "x".repeat(size),
    ask: () => peer.call.name(),
  });
}

async function serving(options: object = {}, where: Parameters<typeof serveWebSocket>[1] = "ws://127.0.0.1:0/hbi") {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let tell: (entry: LogEntry) => void = () => undefined;
  const logged = new Promise<LogEntry>((resolve) => {
    tell = resolve;
  });
  const state: Depot = { log: [], logged, given: { bytes: 0 }, open: () => open() };
  const server = await serveWebSocket(depot, where, handlersOf(state, gate) as never, {
    log: (entry) => {
      state.log.push(entry);
      tell(entry);
    },
    ...options,
  });
  ends.push(() => server.close());
  return { server, state, url: server.address, http: server.address.replace("ws", "http") };
}
const reactions = { name: () => "Ada" };
async function linked(url: string, options: object = {}) {
  const link = await connect(depot, url, reactions, { log: () => undefined, ...options });
  ends.push(() => link.close());
  return link;
}
const failureOf = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: HbiError) => error,
  );

/** The answer to an upgrade: its status, and 101 for a WebSocket. */
async function upgrade(
  url: string,
  headers: Record<string, string>,
  path?: string,
): Promise<{ status: number; text: string }> {
  const { hostname, port, pathname } = new URL(url);
  const sent = request({
    host: hostname,
    port,
    path: path ?? pathname,
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    },
  });
  sent.end();
  return new Promise((resolve, reject) => {
    sent.on("upgrade", (response, socket) => {
      socket.on("error", () => undefined).destroy();
      resolve({ status: response.statusCode ?? 0, text: String(response.headers["sec-websocket-protocol"]) });
    });
    sent.on("response", async (response) =>
      resolve({ status: response.statusCode ?? 0, text: await textOf(response) }),
    );
    sent.on("error", reject);
  });
}
async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) text += chunk;
  return text;
}

describe("a service over WebSockets", () => {
  it("is called and calls, by either connect and either class", async () => {
    const { url } = await serving();
    const link = await linked(url);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(await link.call.ask()).toBe("Ada");
    expect(link.remoteAddress).toBe(url);
    const portable = await connectPortable(depot, url, reactions, { webSocket: { WebSocket: StandardWebSocket } });
    ends.push(() => portable.close());
    expect(await portable.call.ask()).toBe("Ada");
    const body = new Uint8Array(3_000_000).fill(7);
    const { server, state } = await serving();
    state.open();
    for (const own of [
      await linked(server.address),
      await connectPortable(depot, server.address, reactions, { webSocket: { WebSocket: StandardWebSocket } }),
    ]) {
      expect(await own.call.store({ size: body.length }, { body })).toBe(body.length);
      await own.close();
    }
  });

  it("is dialed again after a loss", async () => {
    const { server, url } = await serving();
    const reconnect = { initialDelayMs: 1, maxDelayMs: 5, jitter: 0 };
    const links = [
      await linked(url, { reconnect }),
      await connectPortable(depot, [url], reactions, { reconnect, webSocket: { WebSocket: StandardWebSocket } }),
    ];
    for (const link of links) ends.push(() => link.close());
    for (const peer of [...server.peers]) await peer.disconnect("maintenance");
    for (const link of links) expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(server.peers.size).toBe(2);
  });

  it("answers what has begun when it drains, and ends with 1000", async () => {
    const { server, url } = await serving();
    const socket = new WebSocket(url, ["hbi"]);
    const closed = once(socket, "close");
    await once(socket, "open");
    const link = await linked(url);
    const answer = link.call.ask();
    await server.drain();
    expect(await answer).toBe("Ada");
    expect((await closed)[0]).toBe(1000);
  });

  it.runIf(hasOpenssl)("over TLS, also with certificates of clients", async () => {
    const ca = new Authority("ca");
    ends.push(() => ca.remove());
    const tls = { ...ca.server(), ca: ca.cert };
    const { server, url } = await serving({ tls }, "wss://127.0.0.1:0/hbi");
    const own = { ...ca.client("Ada"), ca: ca.cert };
    const link = await linked(url, { tls: own });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect([...server.peers][0]?.identity?.commonName).toBe("Ada");
    const refused = await failureOf(connect(depot, url, reactions, { tls: { ca: ca.cert } }));
    expect(refused).toMatchObject({ reason: "connect_failed" });
    expect(await failureOf(connect(depot, url, reactions))).toMatchObject({
      message: expect.stringContaining("the server's certificate"),
    });
  });

  it.runIf(hasOpenssl)("over TLS, and the certificate must be for the host", async () => {
    const ca = new Authority("ca");
    ends.push(() => ca.remove());
    const { url } = await serving({ tls: ca.server("DNS:depot.example") }, "wss://127.0.0.1:0/hbi");
    const { message } = await failureOf(connect(depot, url, reactions, { tls: { ca: ca.cert } }));
    expect(message).toContain("the server's certificate is for another host than 127.0.0.1");
    const link = await linked(url, { tls: { ca: ca.cert, serverName: "depot.example" } });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    const careless = await linked(url, { tls: { rejectUnauthorized: false } });
    expect(await careless.call.add({ a: 1, b: 2 })).toBe(3);
  });
});

describe("a page", () => {
  const mine = "https://app.example.com";
  it.each<
    [
      string,
      readonly string[] | ((origin: string, request: TransportRequest) => boolean) | undefined,
      string | undefined,
      number,
    ]
  >([
    ["of any origin is refused by default", undefined, mine, 403],
    ["without an origin is a program, and is admitted", undefined, undefined, 101],
    ["of a listed origin is admitted", [mine], mine, 101],
    ["of a listed origin and another port is refused", [mine], `${mine}:8443`, 403],
    ["of a listed origin and another scheme is refused", [mine], "http://app.example.com", 403],
    ["of a longer name is refused", [mine], `${mine}.evil.example`, 403],
    ["whose origin is hidden is refused", [mine], "null", 403],
    ["of the server itself is refused", [mine], "http://127.0.0.1", 403],
    ["is admitted by a function", (origin) => origin === mine, mine, 101],
    ["is refused by a function", (_, { path }) => path === "/", mine, 403],
    ["is refused by what is only truthy", (() => "yes") as never, mine, 403],
    ["is refused if the function throws", () => JSON.parse("no"), mine, 500],
  ])("%s", async (_, origins, origin, status) => {
    const { url } = await serving({ origins });
    expect((await upgrade(url, origin === undefined ? {} : { origin })).status).toBe(status);
  });

  it("that is refused is in the log, once a second", async () => {
    const clock = new ManualClock();
    const { url, state } = await serving({ clock });
    for (let i = 0; i < 3; i++) await upgrade(url, { origin: `https://evil.example/${i}` });
    await clock.advance(1_000);
    await state.logged;
    expect(state.log).toHaveLength(1);
    expect(state.log[0]?.error).toMatchObject({
      code: "permission_denied",
      reason: "origin_refused",
      message: 'a page of this origin may not connect: "https://evil.example/0", 3 in a second',
    });
  });
});

describe("an upgrade", () => {
  it.each<[string, Record<string, string>, string | undefined, number, string]>([
    ["with the subprotocol", { "sec-websocket-protocol": "hbi" }, undefined, 101, "hbi"],
    ["with several subprotocols", { "sec-websocket-protocol": "chat, hbi" }, undefined, 101, "hbi"],
    ["without a subprotocol", {}, undefined, 101, "undefined"],
    [
      "with other subprotocols only",
      { "sec-websocket-protocol": "chat, hbi2" },
      undefined,
      400,
      "the subprotocol is hbi\n",
    ],
    ["with a query", {}, "/hbi?tenant=7", 101, "undefined"],
    ["at another path", {}, "/other", 404, "there is nothing at this path\n"],
    ["at a path below", {}, "/hbi/more", 404, "there is nothing at this path\n"],
    [
      "of another version",
      { "sec-websocket-version": "7" },
      undefined,
      400,
      "Missing or invalid Sec-WebSocket-Version header",
    ],
    ["without a key", { "sec-websocket-key": "" }, undefined, 400, "Missing or invalid Sec-WebSocket-Key header"],
    ["to another protocol", { upgrade: "h2c" }, undefined, 400, "Invalid Upgrade header"],
  ])("%s: %#", async (_, headers, path, status, text) => {
    const { url } = await serving();
    expect(await upgrade(url, headers, path)).toEqual({ status, text });
  });

  it("beyond the limits of connections is refused before it is read, or with 429", async () => {
    const { url } = await serving({ limits: { maxConnectionsPerAddress: 1 } });
    await linked(url);
    expect(await failureOf(connect(depot, url, reactions))).toMatchObject({ reason: "connect_failed" });
    const web = createHttpServer();
    await listening(web);
    const attached = await serving({ limits: { maxConnectionsPerAddress: 1 } }, web);
    await linked(attached.url);
    expect(await upgrade(attached.url, {})).toMatchObject({ status: 429, text: "too many connections\n" });
    expect((await failureOf(connect(depot, attached.url, reactions))).message).toContain(
      "HTTP status 429: the server has too many connections of this address",
    );
  });

  it("that never comes is given up after connectTimeoutMs", async () => {
    const { url, state } = await serving({ limits: { connectTimeoutMs: 100 } });
    const socket = connectSocket(Number(new URL(url).port), "127.0.0.1");
    socket.write("GET /hbi HTTP/1.1\r\nHost: a\r\n");
    const [said] = await once(socket.setEncoding("utf8"), "data");
    expect(said).toContain("HTTP/1.1 408 Request Timeout");
    await once(socket, "close");
    expect(state.log.map(({ error }) => error.message)).toEqual([
      "the deadline has passed: the request of a WebSocket",
    ]);
  });

  it("with a header that is too large gets 431", async () => {
    const { url } = await serving();
    expect((await upgrade(url, { cookie: "x".repeat(20_000) })).status).toBe(431);
  });
});

describe("who does not speak WebSocket", () => {
  it.each(["GET", "POST", "HEAD"])("by %s gets a short page", async (verb) => {
    const { http } = await serving();
    const response = await fetch(http, { method: verb, ...(verb === "POST" ? { body: "x" } : {}) });
    expect([response.status, response.headers.get("upgrade"), response.headers.get("connection")]).toEqual([
      426,
      "websocket",
      "close",
    ]);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const text = await response.text();
    if (verb !== "HEAD") expect(text).toContain("This port speaks HBI over WebSocket");
    expect(text.length).toBeLessThan(400);
  });

  it("but plain HBI is told so as HBI", async () => {
    const { url } = await serving();
    const link = await connect(depot, `127.0.0.1:${new URL(url).port}`, reactions);
    expect((await link.closed)?.message).toContain(
      "this port speaks HBI over WebSocket: connect to it by a ws:// or wss:// address",
    );
  });

  it("and a WebSocket at a port of plain HBI is told so as HTTP", async () => {
    const server = await serve(depot, "127.0.0.1:0", handlersOf({} as Depot, Promise.resolve()) as never, {
      log: () => undefined,
    });
    ends.push(() => server.close());
    const { message } = await failureOf(connect(depot, `ws://${server.address}/hbi`, reactions));
    expect(message).toContain("HTTP status 400: the server refuses the request: is it HBI over WebSocket?");
  });

  it("and a server that is none of ours is not taken for one", async () => {
    const web = createHttpServer((_, response) => response.end("hello"));
    await listening(web);
    const { message } = await failureOf(
      connect(depot, `ws://127.0.0.1:${(web.address() as AddressInfo).port}/`, reactions),
    );
    expect(message).toContain("HTTP status 200: is there a proxy in between?");
  });
});

async function listening(web: ReturnType<typeof createHttpServer>): Promise<void> {
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  ends.push(() => {
    web.closeAllConnections();
    return new Promise((resolve) => web.close(resolve));
  });
}

describe("authenticate", () => {
  const guarded = defineService({
    name: "guarded",
    version: "1.0.0",
    methods: { who: method({ params: {}, result: z.string() }) },
  });

  it("sees the path, headers and cookies of the request", async () => {
    const seen: TransportRequest[] = [];
    const server = await serveWebSocket(
      guarded,
      "ws://127.0.0.1:0/hbi",
      (peer: Peer<typeof guarded, string>) => ({ who: () => peer.context }),
      {
        log: () => undefined,
        authenticate: (_, peer) => {
          if (peer.request !== undefined) seen.push(peer.request);
          return peer.request?.cookies?.get("session");
        },
      },
    );
    ends.push(() => server.close());
    const headers = {
      cookie: 'session=a%20b; other="q"; session=second; =; broken; bad=%zz',
      authorization: "Bearer x",
    };
    const link = await connect(guarded, `${server.address}?tenant=7`, {}, { webSocket: { headers } });
    expect(await link.call.who()).toBe("a b");
    await link.close();
    expect(seen[0]?.path).toBe("/hbi?tenant=7");
    expect(seen[0]?.headers.get("authorization")).toBe("Bearer x");
    expect(seen[0]?.cookies).toEqual(
      new Map([
        ["session", "a b"],
        ["other", "q"],
        ["bad", "%zz"],
      ]),
    );
    const socket = new WebSocket(server.address, ["hbi"]);
    const [code, reason] = (await once(socket, "close")) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([3000, "authenticate first: refused"]);
  });

  it.each<[string, readonly string[], string | undefined, string]>([
    ["nobody is trusted by default", [], "203.0.113.7", "127.0.0.1"],
    ["a trusted proxy is believed", ["127.0.0.1"], "203.0.113.7", "203.0.113.7"],
    ["a trusted network is believed", ["127.0.0.0/8", "::1"], "203.0.113.7", "203.0.113.7"],
    ["what the client invents is not", ["127.0.0.1"], "10.6.6.6, 203.0.113.7", "203.0.113.7"],
    ["several proxies in a row", ["127.0.0.1", "10.0.0.0/8"], "198.51.100.1, 203.0.113.7, 10.1.1.1", "203.0.113.7"],
    ["all of them trusted", ["127.0.0.1", "10.0.0.0/8"], "10.2.2.2, 10.1.1.1", "10.2.2.2"],
    ["with ports", ["127.0.0.1"], "203.0.113.7:1234", "203.0.113.7"],
    ["of IPv6", ["127.0.0.1"], "[2001:db8::7]:1234", "2001:db8::7"],
    ["of nonsense", ["127.0.0.1"], "unknown", "127.0.0.1"],
    ["without the header", ["127.0.0.1"], undefined, "127.0.0.1"],
    ["of another proxy", ["10.0.0.0/8"], "203.0.113.7", "127.0.0.1"],
  ])("sees the client behind proxies: %s", async (_, trustedProxies, forwarded, expected) => {
    const addresses: string[] = [];
    const { url } = await serving({
      trustedProxies,
      onPeer: (peer: { remoteAddress: string }) => addresses.push(peer.remoteAddress),
    });
    const headers: Record<string, string> = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
    const link = await linked(url, { webSocket: { headers } });
    await link.call.add({ a: 1, b: 2 });
    expect(addresses[0]?.replace(/:\d+$/, "").replace(/^\[|\]$/g, "")).toBe(expected);
  });

  it("the limit per address is that of the client behind the proxy", async () => {
    const { url } = await serving({ trustedProxies: ["127.0.0.1"], limits: { maxConnectionsPerAddress: 1 } });
    const from = (address: string) => ({ webSocket: { headers: { "x-forwarded-for": address } } });
    const first = await linked(url, from("203.0.113.1"));
    await linked(url, from("203.0.113.2"));
    expect((await failureOf(connect(depot, url, reactions, from("203.0.113.1")))).message).toContain("HTTP status 429");
    await first.close();
    await quiet();
    expect(
      await (
        await linked(url, { ...from("203.0.113.1"), reconnect: { waitForFirst: true, initialDelayMs: 5 } })
      ).call.add({ a: 1, b: 2 }),
    ).toBe(3);
  });
});

/** Resolves when it has not grown for many turns of the event loop. */
async function settled(bytes: () => number): Promise<number> {
  for (let before = -1, turns = 0; turns < 500; turns++) {
    if (bytes() !== before) turns = 0;
    before = bytes();
    await new Promise(setImmediate);
  }
  return bytes();
}
const SIZE = 64 * 1024 * 1024;

describe("a reader that stops", () => {
  it("on the server: the sender waits, and goes on", async () => {
    const { url, state } = await serving();
    const link = await linked(url);
    const given = { bytes: 0 };
    const stored = link.call.store({ size: SIZE }, { body: zeros(SIZE, given), timeoutMs: 100_000 });
    expect(await settled(() => given.bytes)).toBeLessThan(SIZE / 2);
    state.open();
    expect(await stored).toBe(SIZE);
  });

  it("on the server: a standard WebSocket waits, and goes on", async () => {
    const { url, state } = await serving();
    const link = await connectPortable(depot, url, reactions, { webSocket: { WebSocket: StandardWebSocket } });
    ends.push(() => link.close());
    const given = { bytes: 0 };
    const stored = link.call.store({ size: SIZE }, { body: zeros(SIZE, given), timeoutMs: 100_000 });
    expect(await settled(() => given.bytes)).toBeLessThan(SIZE / 2);
    state.open();
    expect(await stored).toBe(SIZE);
  });

  it("on the client: the server waits, and goes on", async () => {
    const { url, state } = await serving();
    const link = await linked(url);
    const { body } = await link.call.fetch({ size: SIZE }, { timeoutMs: 100_000 });
    expect(await settled(() => state.given.bytes)).toBeLessThan(SIZE / 2);
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.length;
    expect(bytes).toBe(SIZE);
  });

  it("with a standard WebSocket, which cannot pause, without lanes: the connection is cut, and nothing is held beyond its bound", async () => {
    const { url, state } = await serving();
    const logged: (string | undefined)[] = [];
    const link = await connectPortable(depot, url, reactions, {
      webSocket: { WebSocket: StandardWebSocket },
      log: ({ error }) => void logged.push(error.reason),
      lanes: false,
    });
    const fetched = link.call.fetch({ size: SIZE }, { timeoutMs: 100_000 });
    await fetched;
    expect(await link.closed).toMatchObject({ reason: "buffer_full" });
    expect(logged).toContain("buffer_full");
    expect(state.given.bytes).toBeLessThan(SIZE);
  });

  it("with a standard WebSocket: what is read at once may be much more than its bound", async () => {
    const { url } = await serving();
    const link = await connectPortable(depot, url, reactions, { webSocket: { WebSocket: StandardWebSocket } });
    ends.push(() => link.close());
    for (let i = 0; i < 5; i++) {
      const text = await link.call.text({ size: 5_000_000 }, { timeoutMs: 100_000 });
      expect(text.length).toBe(5_000_000);
    }
  });

  it("with a standard WebSocket: the server waits, and goes on", async () => {
    const { url, state } = await serving();
    const link = await connectPortable(depot, url, reactions, { webSocket: { WebSocket: StandardWebSocket } });
    ends.push(() => link.close());
    const { body } = await link.call.fetch({ size: SIZE }, { timeoutMs: 100_000 });
    expect(await settled(() => state.given.bytes)).toBeLessThan(SIZE / 2);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.length;
    expect(bytes).toBe(SIZE);
  });

  it("and never reads again is cut as a slow reader", async () => {
    const clock = new ManualClock();
    const { url, state } = await serving({ clock });
    const socket = new WebSocket(url, ["hbi"]);
    await once(socket, "open");
    const packet = (directive: string, text: string) => `[${text.length}#${directive}]${text}`;
    socket.send(Buffer.from(packet("co_begin", "1") + packet("", `fetch(${SIZE})`) + packet("co_end", "1")));
    socket.pause();
    await settled(() => state.given.bytes);
    await clock.advance(600_000); // as long as a slow but steady reader would take for what the kernel holds
    expect((await state.logged).error.reason).toBe("slow_reader");
    socket.terminate();
  });
});

describe("what a client sends", () => {
  it.each<[string, object, (socket: WebSocket) => void, number, string | undefined]>([
    ["maxPayload", { maxPayload: 1_000 }, (socket) => socket.send(Buffer.alloc(1_000, " ")), 1002, "bad_frame"], // read as HBI
    [
      "more than maxPayload",
      { maxPayload: 1_000 },
      (socket) => socket.send(Buffer.alloc(1_001)),
      1009,
      "packet_too_big",
    ],
    ["text", {}, (socket) => socket.send("[0#]"), 1003, "bad_frame"],
    ["no HBI", {}, (socket) => socket.send(Buffer.from("?")), 1002, "bad_frame"],
    [
      "too many fragments",
      {},
      (socket) => void Array.from({ length: 1_025 }, () => socket.send("x", { binary: true, fin: false })),
      1008,
      "packet_too_big",
    ],
    [
      "a compressed bomb",
      { compression: true, maxPayload: 10_000 },
      (socket) => socket.send(Buffer.alloc(1_000_000)),
      1009,
      "packet_too_big",
    ],
  ])("%s", async (_, options, send, code, reason) => {
    const { url, state } = await serving(options);
    const socket = new WebSocket(url, ["hbi"], { perMessageDeflate: true });
    socket.on("error", () => undefined);
    await once(socket, "open");
    const closed = once(socket, "close");
    send(socket);
    expect((await closed)[0]).toBe(code);
    expect(state.log.map(({ error }) => error.reason)).toEqual([reason]);
  });

  it.each([
    ["is not compressed by default", {}, ""],
    ["is compressed if both want it", { compression: true }, "permessage-deflate"],
  ])("%s", async (_, options, extensions) => {
    const { url } = await serving(options);
    const socket = new WebSocket(url, ["hbi"], { perMessageDeflate: true });
    await once(socket, "open");
    expect(socket.extensions.split(";")[0]).toBe(extensions);
    socket.terminate();
    const link = await linked(url, { webSocket: { compression: true } });
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("pings are answered", async () => {
    const { url } = await serving();
    const socket = new WebSocket(url, ["hbi"]);
    await once(socket, "open");
    socket.ping("are you there");
    expect(String((await once(socket, "pong"))[0])).toBe("are you there");
    socket.terminate();
  });
});

describe("attached to an HTTP server of the application", () => {
  it("serves its path beside the pages and WebSockets of others, and leaves the server as it was", async () => {
    const web = createHttpServer((_, response) => response.end("a page"));
    await listening(web);
    const { server, url, http } = await serving({}, web);
    expect(new URL(url).pathname).toBe("/hbi");
    const link = await linked(url);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(await (await fetch(http)).text()).toBe("a page");
    expect((await upgrade(url, {}, "/chat")).status).toBe(404);
    web.on("upgrade", ({ url }, socket) => {
      if (url === "/chat") socket.end("HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    expect((await upgrade(url, {}, "/chat")).status).toBe(418);
    const second = await serving({ path: "/other" }, web);
    expect(await (await linked(second.url)).call.add({ a: 2, b: 2 })).toBe(4);
    expect((await failureOf(serving({}, web))).message).toContain("already attached to this HTTP server at /hbi");
    await server.close();
    expect(await (await fetch(http)).text()).toBe("a page");
    expect(web.listenerCount("upgrade")).toBe(2);
    await serving({}, web); // the path is free again
  });

  it("has no address before the server listens", async () => {
    const web = createHttpServer();
    const server = await serveWebSocket(depot, web, handlersOf({} as Depot, Promise.resolve()) as never);
    expect(() => server.address).toThrow("the HTTP server does not listen");
    await server.close();
  });

  it.each<[unknown, object, string]>([
    [createHttpServer(), { tls: { key: "-----BEGIN", cert: "-----BEGIN" } }, "tls is for an address"],
    [createHttpServer(), { path: "hbi" }, 'path must be a path such as /hbi, not "hbi"'],
    ["ws://127.0.0.1:0", { path: "/hbi" }, "path is for an HTTP server"],
    [{}, {}, "an HTTP server must be one of node:http or node:https"],
    [
      "ws://127.0.0.1:0",
      { origins: ["https://a/path"] },
      'origins must contain origins such as "https://example.com", without a path',
    ],
    ["ws://127.0.0.1:0", { origins: ["a.example"] }, "origins must contain origins"],
    ["ws://127.0.0.1:0", { origins: "*" }, "origins must be a list of origins, or a function"],
    ["ws://127.0.0.1:0", { trustedProxies: ["proxy"] }, '"proxy" is no IP address'],
    ["ws://127.0.0.1:0", { trustedProxies: ["10.0.0.0/33"] }, "is no IP address, and no network"],
    ["ws://127.0.0.1:0", { maxPayload: 124 }, "maxPayload must be an integer from 125"],
    ["wss://127.0.0.1:0", {}, "tls:// and wss:// need the option tls"],
  ])("refuses what makes no sense: %#", async (where, options, message) => {
    const error = await failureOf(
      serveWebSocket(depot, where as never, handlersOf({} as Depot, Promise.resolve()) as never, options),
    );
    expect(error).toMatchObject({ code: "invalid_argument" });
    expect(error.message).toContain(message);
  });
});
