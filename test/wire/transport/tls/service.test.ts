/**
 * Everything that holds over TCP holds over TLS: bodies both ways, half-close, a cut with its reason, draining, dialing again.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectSecure } from "node:tls";
import { crc32 } from "node:zlib";
import { defineService, HostingEnv, method, script } from "hbi";
import { type ClientTls, connect, HBIC, HBIS, type KeyPair, serve } from "hbi/node";
import { quiet } from "hbi/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { chunksOf, handlersOf, kinds, Reactions, Work } from "../../../endpoints/service/fixture.ts";
import { Authority } from "../../../support/authority.ts";
import { withoutHello } from "../../../support/hello.ts";
import { describeTls } from "./describe.ts";
import { bareTls, heardBy, serveWho, who } from "./support.ts";

const size = z.int().max(10_000_000);
const mirror = defineService({
  name: "mirror",
  version: "1.0.0",
  methods: {
    reflect: method({
      params: { size },
      body: ({ size }) => size,
      result: z.strictObject({ size, sum: z.int() }),
      resultBody: ({ size }) => size,
    }),
  },
});

describeTls("over TLS, a service", () => {
  let authority: Authority;
  let pair: KeyPair;
  let tls: ClientTls;
  beforeAll(() => {
    authority = new Authority("Test-CA");
    pair = authority.server();
    tls = { ca: authority.cert };
  });
  afterAll(() => authority.remove());

  const quietly = { log: () => undefined };

  async function start(work = new Work(), more: object = {}) {
    const reactions = new Reactions();
    const server = await serve(kinds, "127.0.0.1:0", handlersOf(work), { tls: pair, ...quietly, ...more });
    const link = await connect(kinds, server.address, reactions.all, { tls, ...quietly });
    return { server, link, reactions, work };
  }

  it("takes and gives a megabyte each way, of several calls at once, and every checksum is right", async () => {
    const server = await serve(
      mirror,
      "127.0.0.1:0",
      () => ({
        async reflect({ size }, call) {
          let sum = 0;
          const chunks: Uint8Array[] = [];
          for await (const chunk of call.body) {
            sum = crc32(chunk, sum);
            chunks.push(chunk);
          }
          return { result: { size, sum }, body: chunks };
        },
      }),
      { tls: pair },
    );
    const link = await connect(mirror, server.address, {}, { tls });
    const bodies = Array.from({ length: 4 }, (_, k) => {
      const body = new Uint8Array(1_000_000 + k);
      for (let i = 0; i < body.length; i++) body[i] = (i * (k + 3)) ^ (i >> 8);
      return body;
    });
    const sums = await Promise.all(
      bodies.map(async (body) => {
        const { result, body: back } = await link.call.reflect({ size: body.length }, { body });
        return [result.sum, crc32(await back.bytes())];
      }),
    );
    expect(sums).toEqual(bodies.map((body) => [crc32(body), crc32(body)]));
    await link.close();
    await server.close();
  });

  it("answers every kind of call, and calls back", async () => {
    const { link, server, reactions, work } = await start();
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(await link.call.upload({ size: 100_000 }, { body: chunksOf(100_000, 1) })).toMatchObject({ sum: 100_000 });
    const { body } = await link.call.download({ size: 1_000_000, fill: 7 });
    expect((await body.bytes()).every((byte) => byte === 7)).toBe(true);
    expect(await link.call.ask_back({ question: "why" })).toBe("why?!");
    expect(reactions.heard).toEqual(["why"]);
    await expect(link.call.fail({ how: "hbi" })).rejects.toMatchObject({ code: "not_found" });
    await (await link.post.note({ text: "noted" })).waitCompleted();
    expect(work.noted).toEqual(["noted"]);
    for (const peer of server.peers)
      expect(await peer.call.given({ size: 70_000 }, { body: chunksOf(70_000, 3) })).toBe(70_000);
    await link.close();
    await server.close();
  });

  it("drains: what is in flight is answered, then both part in peace", async () => {
    const { link, server, work } = await start();
    const held = link.call.hold({ name: "a" });
    await work.holding(1);
    const drained = server.drain("maintenance");
    await quiet();
    work.releaseAll();
    expect(await held).toBe("a");
    await drained;
    expect(await link.closed).toBe(undefined);
  });

  it("accepts no client whose handshake ends while it drains", async () => {
    const { link, server, work } = await start();
    const held = link.call.hold({ name: "a" });
    await work.holding(1);
    const slow = connectPlain(Number(server.address.split(":").at(-1)), "127.0.0.1");
    await once(slow, "connect");
    await (await connect(kinds, server.address, new Reactions().all, { tls })).close(); // so that the slow one has been accepted
    const drained = server.drain();
    const socket = connectSecure({ socket: slow, host: "127.0.0.1", ...tls } as ConnectionOptions);
    expect(await heardBy(socket)).toBe("");
    expect(server.connectionCount).toBe(1);
    work.releaseAll();
    await held;
    await drained;
  });

  it("reports why it disconnects", async () => {
    const { link, server } = await start();
    for (const peer of server.peers) void peer.disconnect("maintenance, back at once");
    expect(await link.closed).toMatchObject({ reason: "peer_error", message: "peer error: maintenance, back at once" });
    await server.close();
  });

  it("reports why it cuts, although more data is arriving", async () => {
    const served = await serveWho(pair);
    const socket = await bareTls(served, { ca: authority.cert });
    socket.write("garbage");
    socket.write(new Uint8Array(100_000));
    expect(await heardBy(socket)).toBe("[23#err]malformed packet header");
    await served.server.close();
  });

  it("answers a peer that has closed its half already", async () => {
    const served = await serveWho(pair);
    const options = { host: "127.0.0.1", port: served.port, ca: authority.cert };
    const socket = connectSecure(options);
    socket.allowHalfOpen = true;
    await once(socket, "secureConnect");
    socket.end("[5#co_begin]101;x[6#]am_i()[5#co_end]101;x");
    expect(withoutHello(await heardBy(socket))).toBe('[3#co_ack_begin]101[8#co_recv]"nobody"[3#co_ack_end]101');
    await served.server.close();
  });

  it("is dialed again, also when its certificate is another one by then", async () => {
    const work = new Work();
    const server = await serve(kinds, "127.0.0.1:0", handlersOf(work), { tls: pair, ...quietly });
    const states: string[] = [];
    let read = 0;
    const link = await connect(kinds, server.address, new Reactions().all, {
      get tls() {
        read += 1; // a client's certificate may be another one as well
        return tls;
      },
      reconnect: { initialDelayMs: 1 },
      retries: 3,
      ...quietly,
    });
    link.onState((state, reason) => states.push(`${state} ${reason?.message ?? ""}`.trim()));
    server.reloadTls(authority.server());
    for (const peer of server.peers) void peer.disconnect("once");
    const reopened = new Promise<void>((resolve) => {
      link.onState((state) => state === "open" && resolve());
    });
    await reopened;
    expect(await link.call.add({ a: 2, b: 2 })).toBe(4);
    expect(states).toEqual(["connecting peer error: once", "open"]);
    expect(read).toBe(4); // for each connection, when the options are checked and when it is used
    await link.close();
    await server.close();
  });

  it("ends a reconnecting link for good when it wants a certificate that the link doesn't have", async () => {
    const { server } = await serveWho(pair);
    const link = await connect(who, server.address, {}, { tls, reconnect: { initialDelayMs: 1 }, ...quietly });
    server.reloadTls({ ...pair, ca: authority.cert });
    for (const peer of server.peers) void peer.disconnect("once");
    expect(await link.closed).toMatchObject({ code: "unauthenticated" });
    await server.close();
  });

  it.each(["stays", "goes"])("is heard from the first byte, which comes with the handshake, and %s", async (then) => {
    const server = new HBIS(
      "127.0.0.1:0",
      (po, _ho, connection) => {
        const env = new HostingEnv();
        env.onInit(async () => {
          await po.notif(script`greet(${"welcome"})`);
          if (then === "goes") void connection.disconnect("closed on mondays");
        });
        return env;
      },
      { tls: pair, log: () => undefined },
    );
    await server.listen();
    const env = new HostingEnv();
    const greeted = new Promise<string>((resolve) => {
      env.expose("greet", method({ params: { text: z.string() } }), ({ text }) => resolve(text));
    });
    const client = new HBIC(server.address, env, { tls, log: () => undefined });
    await client.connect();
    expect(await greeted).toBe("welcome");
    if (then === "goes") expect(await client.closed).toMatchObject({ message: "peer error: closed on mondays" });
    await client.disconnect();
    await server.close();
  });

  it("is given up by the signal of who connects", async () => {
    const served = await serveWho(pair);
    const abort = new AbortController();
    const dialed = connect(who, served.server.address, {}, { tls, signal: abort.signal });
    abort.abort();
    await expect(dialed).rejects.toMatchObject({ code: "cancelled" });
    await served.server.close();
  });

  it("listens on a Unix socket as well", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hbi-tls-"));
    const path = join(folder, "socket");
    const server = await serve(who, { path }, () => ({ am_i: () => "here" }), { tls: pair });
    const link = await connect(who, { path }, {}, { tls: { ...tls, serverName: "localhost" } });
    expect(await link.call.am_i()).toBe("here");
    await link.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });
});
