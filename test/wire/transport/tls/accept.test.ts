/**
 * Whatever becomes of a handshake, its place is given back, and nothing of it ends the process or keeps the others out.
 */
import { once } from "node:events";
import { createServer as createPlainServer, connect as dialPlain, type Socket } from "node:net";
import { type ConnectionOptions, connect as dialSecure } from "node:tls";
import { HostingEnv } from "hbi";
import { HBIC, HBIS, type KeyPair } from "hbi/node";
import { ManualClock, quiet } from "hbi/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../../../support/authority.ts";
import { describeTls } from "./describe.ts";
import { ask, heardBy, listening, serveWho } from "./support.ts";

const host = "127.0.0.1";
const closed = (socket: Socket) =>
  new Promise<void>((resolve) => {
    socket.on("error", () => undefined);
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });

describeTls("a place", () => {
  let authority: Authority;
  let pair: KeyPair;
  let hello: Buffer;
  beforeAll(async () => {
    authority = new Authority("Test-CA");
    pair = authority.server();
    // What a client says first, as it is.
    const recorder = createPlainServer((socket) => {
      socket.once("data", (chunk: Buffer) => {
        hello = chunk;
        socket.destroy();
      });
    });
    const port = await listening(recorder);
    await closed(dialSecure({ host, port }));
    recorder.close();
    await once(recorder, "close");
    expect(hello.length).toBeGreaterThan(200);
  });
  afterAll(() => authority.remove());

  const plain = async (port: number): Promise<Socket> => {
    const socket = dialPlain({ host, port });
    await once(socket, "connect");
    return socket;
  };
  /** Says so much of a hello, and then resets or says no more. */
  const breaksAfter = (bytes: (whole: Buffer) => number, isReset: boolean) => async (port: number) => {
    const socket = await plain(port);
    const said = hello.subarray(0, bytes(hello));
    if (said.length > 0) await new Promise((resolve) => socket.write(said, resolve));
    if (isReset) socket.resetAndDestroy();
    else socket.end();
    socket.resume();
    await closed(socket);
  };
  /** @param then what happens when it is done; `raw` is the socket that carries it */
  const handshake =
    (options: () => ConnectionOptions, then: (raw: Socket, socket: Socket) => void = () => undefined) =>
    async (port: number) => {
      const raw = await plain(port);
      const socket = dialSecure({ socket: raw, ca: authority.cert, host, ...options() });
      socket.once("secureConnect", () => then(raw, socket));
      socket.resume();
      await Promise.all([closed(socket), closed(raw)]);
    };
  const reset = (raw: Socket) => void raw.resetAndDestroy();

  const ENDS: readonly [string, (port: number) => Promise<void>][] = [
    ["reset before the first byte", breaksAfter(() => 0, true)],
    ["reset after a byte", breaksAfter(() => 1, true)],
    ["reset in the first record", breaksAfter(({ length }) => length - 1, true)],
    ["reset when it is the server's turn", breaksAfter(({ length }) => length, true)],
    ["half closed before the first byte", breaksAfter(() => 0, false)],
    ["half closed in the first record", breaksAfter(({ length }) => length >> 1, false)],
    ["half closed when it is the server's turn", breaksAfter(({ length }) => length, false)],
    [
      "that is no handshake at all",
      async (port) => {
        const socket = await plain(port);
        socket.end("GET / HTTP/1.1\r\n\r\n");
        socket.resume();
        await closed(socket);
      },
    ],
    ["of a client that does not trust the server", handshake(() => ({ ca: [] }))],
    ["of another protocol", handshake(() => ({ ALPNProtocols: ["h2"] }))],
    ["of a client without a certificate", handshake(() => ({}))],
    ["of one whose certificate is refused", handshake(() => authority.client("ali", -1))],
    ["reset as soon as it is done", handshake(() => authority.client("ali"), reset)],
    [
      "closed as soon as it is done",
      handshake(
        () => authority.client("ali"),
        (_, socket) => void socket.destroy(),
      ),
    ],
    [
      "of TLS 1.2 that is reset as soon as it is done",
      handshake(() => ({ ...authority.client("ali"), maxVersion: "TLSv1.2" }), reset),
    ],
  ];

  it.each(ENDS)("is given back after a handshake %s", async (_, end) => {
    const served = await serveWho({ ...pair, ca: authority.cert }, { maxConnections: 2 });
    const ali = { ca: authority.cert, ...authority.client("ali") };
    for (let i = 0; i < 5; i++) {
      await end(served.port);
      let said: string | undefined;
      while (said === undefined) said = await ask(served, ali).catch(() => undefined); // the socket closes a moment later
      expect(said).toBe("ali");
    }
    while (served.server.connectionCount > 0) await new Promise(setImmediate);
    await served.server.close();
  });

  it("is given back when a handshake takes too long", async () => {
    const served = await serveWho(pair, { maxConnections: 2, connectTimeoutMs: 60 });
    const silent = await Promise.all([plain(served.port), plain(served.port)]);
    const beyond = await plain(served.port);
    await closed(beyond); // at once
    expect(silent.map(({ destroyed }) => destroyed)).toEqual([false, false]);
    await Promise.all(silent.map(heardBy));
    let said: string | undefined;
    while (said === undefined) said = await ask(served, { ca: authority.cert }).catch(() => undefined);
    await served.server.close();
  });

  it.each([0, 700])("is given back as much later as this side was held up: %i ms", async (heldUpMs) => {
    const clock = new ManualClock();
    const served = await serveWho(pair, { connectTimeoutMs: 1 }, { clock });
    const silent = await plain(served.port);
    const told = served.told();
    for (let i = 0; i < 3; i++) await ask(served, { ca: authority.cert }); // Node's own millisecond is over
    clock.holdUp(heldUpMs);
    await clock.advance(heldUpMs);
    expect([silent.destroyed, served.log.map(({ error }) => error.message)]).toEqual([false, []]);
    await clock.advance(1);
    await heardBy(silent);
    expect(await told).toMatchObject({ reason: "timeout", message: expect.stringMatching(/: it took too long$/) });
    await served.server.close();
    expect(clock.timerCount).toBe(0);
  });

  it("is given back when the environment can't be made, and the peer is told", async () => {
    let isBroken = true;
    const limits = { maxConnections: 1 };
    const server = new HBIS(
      "127.0.0.1:0",
      () => {
        if (isBroken) throw new Error("secret");
        return new HostingEnv();
      },
      { tls: pair, limits, log: () => undefined },
    );
    await server.listen();
    const client = () =>
      new HBIC(server.address, new HostingEnv(), { tls: { ca: authority.cert }, log: () => undefined });
    for (let i = 0; i < 3; i++) {
      const one = client();
      while (
        !(await one.connect().then(
          () => true,
          () => false,
        ))
      );
      expect((await one.closed)?.message).toMatch(/^peer error: internal error: reference [a-z0-9]{8}$/);
    }
    isBroken = false;
    const last = client();
    while (
      !(await last.connect().then(
        () => true,
        () => false,
      ))
    );
    expect(last.isConnected).toBe(true);
    await last.disconnect();
    await server.close();
  });

  it.each(["close", "drain"] as const)(
    "is nobody's after the server's %s, however many handshakes there are",
    async (end) => {
      const served = await serveWho({ ...pair, ca: authority.cert });
      const sockets = await Promise.all(Array.from({ length: 20 }, () => plain(served.port)));
      for (const [i, socket] of sockets.entries()) socket.write(hello.subarray(0, (i * hello.length) / 19));
      const link = await ask(served, { ca: authority.cert, ...authority.client("ali") }); // so that they have been accepted
      expect(link).toBe("ali");
      const ends = sockets.map(closed);
      for (const socket of sockets) socket.resume();
      await served.server[end]();
      await Promise.all(ends);
      await served.server.closed;
      expect(served.server.connectionCount).toBe(0);
    },
  );

  it.each(["keep", "drain"] as const)(
    "of a peer whose certificate expires while it is connected: expiredCertificate %s",
    async (expiredCertificate) => {
      const clock = new ManualClock();
      const server = new HBIS("127.0.0.1:0", () => new HostingEnv(), {
        tls: { ...pair, ca: authority.cert, expiredCertificate },
        clock,
        log: () => undefined,
      });
      await server.listen();
      const leftMs = 3_600_000;
      const until = new Date(Math.floor((Date.now() + leftMs) / 1_000) * 1_000);
      const ali = authority.clientFor("ali", new Date(Date.now() - leftMs), until);
      const client = new HBIC(server.address, new HostingEnv(), {
        tls: { ca: authority.cert, ...ali },
        log: () => undefined,
      });
      const { po } = await client.connect();
      await po.learnExtension();
      await clock.advance(leftMs / 2);
      expect(client.isConnected).toBe(true);
      await clock.advance(leftMs / 2);
      if (expiredCertificate === "drain")
        expect(await client.closed).toBeUndefined(); // in peace
      else await po.learnExtension();
      expect(client.isConnected).toBe(expiredCertificate === "keep");
      await client.disconnect();
      await quiet();
      await server.close();
      expect(clock.timerCount).toBe(0);
    },
  );
});
