/**
 * Who is let through a handshake, what is said to who is not, and that the server lives on.
 */
import { once } from "node:events";
import { createServer as createPlainServer, type Socket } from "node:net";
import { createServer } from "node:tls";
import { HbiError } from "hbi";
import { connect, type KeyPair, serve } from "hbi/node";
import { ManualClock } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/clock.ts";
import { connectTls, whenAdmitted } from "../../../../src/wire/transport/node-tls-dial.ts";
import { Authority, LOCAL } from "../../../support/authority.ts";
import { describeTls } from "./describe.ts";
import { ask, barePlain, bareTls, heardBy, listening, type Served, serveWho, who } from "./support.ts";

const host = "127.0.0.1";

describeTls("a TLS handshake", () => {
  let authority: Authority;
  let other: Authority;
  let pair: KeyPair;
  let served: Served;
  beforeAll(async () => {
    authority = new Authority("Test-CA");
    other = new Authority("Other-CA");
    pair = authority.server();
    served = await serveWho(pair);
  });
  afterAll(async () => {
    expect(await ask(served, { ca: authority.cert }), "the server lives on").toBe("nobody");
    await served.server.close();
    authority.remove();
    other.remove();
  });

  it.each(["127.0.0.1", "localhost"])("lets through who trusts the authority and names the host: %s", async (host) => {
    expect(await ask(served, { ca: authority.cert }, host)).toBe("nobody");
    expect(
      await ask(served, { ca: [other.cert, authority.cert], serverName: "localhost", minVersion: "TLSv1.3" }),
    ).toBe("nobody");
  });

  describe("ends for a client that", () => {
    it.each([
      ["trusts another authority", () => ({ ca: other.cert }), /server's certificate has no chain .*: wrong tls.ca/],
      ["trusts only public authorities", () => ({}), /server's certificate has no chain .*: wrong tls.ca/],
      [
        "expects another host",
        () => ({ ca: authority.cert, serverName: "b.example.com" }),
        /certificate is for another host than b.example.com: correct the address, or set tls.serverName$/,
      ],
    ])("%s", async (_, tls, message) => {
      const error = await ask(served, tls()).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(HbiError);
      expect(error).toMatchObject({ code: "unavailable", reason: "connect_failed", cause: expect.any(Error) });
      expect(error.message).toMatch(message);
    });

    it.each([
      ["an expired certificate", () => authority.server(LOCAL, -1), /the server's certificate has expired$/],
      ["that of a client", () => authority.client("ali"), /the server's certificate is not meant for this side$/],
    ])("meets %s", async (_, made, message) => {
      const stale = await serveWho(made());
      const error = await ask(stale, { ca: authority.cert }).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "unavailable", reason: "connect_failed" });
      expect(error.message).toMatch(message);
      await stale.server.close();
    });

    it("verifies whatever the environment says, and trusts blindly only when it is told to", async () => {
      process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
      try {
        await expect(ask(served, {})).rejects.toMatchObject({ code: "unavailable" });
      } finally {
        delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
      }
      expect(await ask(served, { rejectUnauthorized: false })).toBe("nobody");
    });
  });

  it("needs TLS 1.2", async () => {
    const told = served.told();
    const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(bareTls(served, { ca: authority.cert, ...old })).rejects.toMatchObject({
      code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    });
    expect((await told).message).toContain("no version of TLS in common");
    const socket = await bareTls(served, { ca: authority.cert, maxVersion: "TLSv1.2" });
    expect(socket.getProtocol()).toBe("TLSv1.2");
    socket.destroy();
  });

  it("needs TLS 1.3 where the server says so", async () => {
    const modern = await serveWho({ ...pair, minVersion: "TLSv1.3" });
    await expect(bareTls(modern, { ca: authority.cert, maxVersion: "TLSv1.2" })).rejects.toMatchObject({
      code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    });
    expect(await ask(modern, { ca: authority.cert })).toBe("nobody");
    await modern.server.close();
  });

  it("agrees on hbi/1, takes a client that offers nothing, and refuses one that speaks something else", async () => {
    const agreed = await bareTls(served, { ca: authority.cert, ALPNProtocols: ["h2", "hbi/1"] });
    expect(agreed.alpnProtocol).toBe("hbi/1");
    const silent = await bareTls(served, { ca: authority.cert });
    expect(silent.alpnProtocol).toBe(false);
    const told = served.told();
    await expect(bareTls(served, { ca: authority.cert, ALPNProtocols: ["http/1.1"] })).rejects.toMatchObject({
      code: "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
    });
    expect((await told).message).toContain("does not offer hbi/1");
    agreed.destroy();
    silent.destroy();
  });

  it.each([
    ["none", undefined, undefined],
    ["another", ["h2"], /the other side does not offer hbi\/1/],
  ])("asks a server for hbi/1: one with %s", async (_, ALPNProtocols, refusal) => {
    const foreign = createServer({ ...pair, ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }) });
    foreign.on("tlsClientError", () => undefined);
    foreign.on("secureConnection", (socket) => socket.resume());
    const port = await listening(foreign);
    const dialed = connect(who, { host, port }, {}, { tls: { ca: authority.cert } });
    if (refusal === undefined) await (await dialed).disconnect();
    else await expect(dialed).rejects.toThrow(refusal);
    foreign.close();
    await once(foreign, "close");
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "is over when the server has decided, not when its time is: %s",
    async (version) => {
      const foreign = createServer({ ...pair, minVersion: version, maxVersion: version }, (socket) => socket.resume());
      const port = await listening(foreign);
      const standsStill = new ManualClock();
      const socket = connectTls({ host, port }, host, { ca: authority.cert });
      await new Promise<void>((admitted, refused) => whenAdmitted(socket, "there", standsStill, admitted, refused));
      expect(socket.getProtocol()).toBe(version);
      expect(standsStill.timerCount).toBe(0);
      socket.destroy();
      foreign.close();
      await once(foreign, "close");
    },
  );

  it.each([0, 700])("has as much longer as this side was held up: %i ms", async (heldUpMs) => {
    const clock = new ManualClock();
    const deaf = createPlainServer();
    const port = await listening(deaf);
    const accepted = once(deaf, "connection");
    const limits = { connectTimeoutMs: 2_000 };
    const connecting = connect(who, { host, port }, {}, { clock, limits, tls: { ca: authority.cert } });
    let isOver = false;
    const over = connecting.catch((error: unknown) => {
      isOver = true;
      throw error;
    });
    over.catch(() => undefined); // it is looked at below
    const [socket] = await accepted;
    clock.holdUp(heldUpMs);
    await clock.advance(2_000 + heldUpMs - 1);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await expect(over).rejects.toMatchObject({ code: "deadline_exceeded", reason: "timeout" });
    socket.destroy();
    deaf.close();
  });

  it("reports nothing for a socket that is gone when the verdict arrives", async () => {
    const socket = connectTls({ host, port: served.port }, host, { ca: authority.cert });
    const said: string[] = [];
    socket.once("session", () => socket.destroy());
    whenAdmitted(
      socket,
      "there",
      systemClock,
      () => void said.push("admitted"),
      () => void said.push("refused"),
    );
    await once(socket, "close");
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    expect(said).toEqual([]);
  });

  describe("with somebody who speaks no TLS", () => {
    it("ends at once on a TLS port: a plain client", async () => {
      const told = served.told();
      const link = await connect(who, served.server.address, {}, { log: () => undefined });
      await expect(link.call.am_i()).rejects.toMatchObject({
        code: "unavailable",
        reason: "disconnected",
        message: expect.stringContaining("does it require the option tls"),
      });
      expect(await told).toMatchObject({
        reason: "connect_failed",
        message: expect.stringContaining("does not speak TLS: set the option tls on both sides"),
      });
    });

    it("ends at once on a plain port: a TLS client", async () => {
      const plain = await serveWho(undefined);
      const error = await ask(plain, { ca: authority.cert }).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "unavailable", reason: "connect_failed" });
      expect(error.message).toMatch(
        /TLS handshake: the other side does not speak TLS: set the option tls on both sides, or on neither$/,
      );
      await plain.server.close();
    });

    it.each([
      ["garbage", Buffer.alloc(1_000, 0xa5)],
      ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
      ["a record that is none", Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 0])],
    ])("ends at once: %s", async (_, bytes) => {
      const told = served.told();
      const socket = await barePlain(served);
      socket.write(bytes);
      await heardBy(socket);
      expect(await told).toMatchObject({
        reason: "connect_failed",
        message: expect.stringContaining("TLS handshake of 127.0.0.1:"),
      });
    });
  });

  describe("that is never finished", () => {
    const limits = { connectTimeoutMs: 60 };

    it("ends at its deadline: silence", async () => {
      const hasty = await serveWho(pair, limits);
      const told = hasty.told();
      await heardBy(await barePlain(hasty));
      expect(await told).toMatchObject({ code: "deadline_exceeded", reason: "timeout" });
      await hasty.server.close();
    });

    it("ends at its deadline, however many bytes come before", async () => {
      const hasty = await serveWho(pair, limits);
      const told = hasty.told();
      const socket = await barePlain(hasty);
      const closed = heardBy(socket);
      let sent = 0;
      socket.setNoDelay(true).write(Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc])); // a hello of 16 KiB follows
      const drip = setInterval(() => {
        sent += 1;
        if (!socket.destroyed) socket.write("\x03");
      }, 5);
      await closed;
      clearInterval(drip);
      expect(await told).toMatchObject({ reason: "timeout" });
      expect(sent).toBeLessThan(1_000);
      await hasty.server.close();
    });

    it.each([
      ["goes", (socket: Socket) => void socket.end()],
      ["breaks", (socket: Socket) => void socket.resetAndDestroy()],
    ])("ends when the client %s", async (_, leave) => {
      const told = served.told();
      const socket = await barePlain(served);
      socket.write(Buffer.from([0x16, 3, 1]), () => leave(socket));
      expect((await told).message).toContain("the other side closed it");
    });

    it.each(["drain", "close"] as const)("ends when the server does: %s", async (end) => {
      const leaving = await serveWho(pair);
      const client = await barePlain(leaving);
      const closed = heardBy(client);
      await bareTls(leaving, { ca: authority.cert }).then((later) => later.destroy()); // so that the first has been accepted
      await leaving.server[end]();
      await closed;
    });

    it("ends for a client whose server is silent", async () => {
      const mute = createPlainServer();
      const port = await listening(mute);
      await expect(connect(who, { host, port }, {}, { tls: {}, limits })).rejects.toMatchObject({
        code: "deadline_exceeded",
      });
      mute.close();
    });

    it("ends at once for a client whose server goes", async () => {
      const going = createPlainServer((socket) => socket.end());
      const port = await listening(going);
      const error = await connect(who, { host, port }, {}, { tls: {} }).catch((thrown) => thrown);
      expect(error).toMatchObject({
        reason: "connect_failed",
        message: expect.stringMatching(/the other side closed it$/),
      });
      going.close();
    });
  });

  it("shows the certificate of the host that is asked for", async () => {
    const named = (name: string) => authority.server(`DNS:${name}`);
    const many = await serveWho({
      ...pair,
      sni: { "b.example.com": named("b.example.com"), "*.wild.example.com": named("*.wild.example.com") },
    });
    for (const serverName of ["localhost", "b.example.com", "B.Example.com", "x.wild.example.com"]) {
      expect(await ask(many, { ca: authority.cert, serverName }), serverName).toBe("nobody");
    }
    for (const serverName of ["c.example.com", "x.y.wild.example.com", "__proto__"]) {
      await expect(ask(many, { ca: authority.cert, serverName }), serverName).rejects.toThrow("another host");
    }
    await many.server.close();
  });

  it("shows the new certificate after a reload, while old connections go on", async () => {
    const reloaded = await serveWho(authority.server("DNS:old.example.com"));
    const before = { ca: authority.cert, serverName: "old.example.com" };
    const after = { ca: authority.cert, serverName: "new.example.com" };
    const link = await connect(who, reloaded.server.address, {}, { tls: before });
    reloaded.server.reloadTls(authority.server("DNS:new.example.com"));
    expect(await link.call.am_i()).toBe("nobody");
    expect(await ask(reloaded, after)).toBe("nobody");
    await expect(ask(reloaded, before)).rejects.toThrow("another host");
    expect(() => reloaded.server.reloadTls({ ...pair, key: authority.server().key })).toThrow("key values mismatch");
    expect(await ask(reloaded, after)).toBe("nobody");
    expect(await link.call.am_i()).toBe("nobody");
    await link.close();
    await reloaded.server.close();
  });

  describe("does not start with invalid options:", () => {
    it.each([
      ["a key of another certificate", () => ({ ...pair, key: authority.server().key }), "key values mismatch"],
      ["no key", () => ({ cert: pair.cert }), "requires key and cert"],
      ["no PEM", () => ({ key: "key", cert: "cert" }), "unusable key, cert or ca"],
      ["an unknown word", () => ({ ...pair, ca: authority.cert, clientCertificate: "no" }), "tls.clientCertificate"],
      ["an old version", () => ({ ...pair, minVersion: "TLSv1" }), "tls.minVersion"],
      ["a misspelt one", () => ({ ...pair, minversion: "TLSv1.3" }), 'unknown option "tls.minversion"'],
      ["no issuer", () => ({ ...pair, clientCertificate: "required" }), "requires tls.ca"],
      ["an empty file of authorities", () => ({ ...pair, ca: "" }), "tls.ca is not a PEM certificate"],
      [
        "one among others",
        () => ({ ...pair, ca: [authority.cert, Buffer.from("")] }),
        "tls.ca is not a PEM certificate",
      ],
      ["no authorities", () => ({ ...pair, ca: [] }), "tls.ca is not a PEM certificate"],
      [
        "a misspelt one of a host",
        () => ({ ...pair, sni: { "b.example.com": { ...pair, ca: "" } } }),
        'unknown option "tls.sni.b.example.com.ca"',
      ],
    ])("%s", async (_, tls, message) => {
      await expect(serveWho(tls() as never)).rejects.toMatchObject({
        reason: "bad_option",
        message: expect.stringContaining(message),
      });
    });

    it("of a client", async () => {
      const bad = (tls: object) => expect(ask(served, tls)).rejects;
      await bad({ cert: pair.cert }).toThrow("must be given together");
      await bad({ servername: "localhost" }).toThrow(
        'unknown option "tls.servername" of connect; did you mean "tls.serverName"?',
      );
      await expect(connect(who, { path: "/nowhere" }, {}, { tls: {} })).rejects.toThrow("requires tls.serverName");
      const plain = await serve(who, "127.0.0.1:0", () => ({ am_i: () => "" }));
      expect(() => plain.reloadTls(pair)).toThrow("has no TLS");
      await plain.close();
    });
  });
});
