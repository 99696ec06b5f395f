/**
 * Mutual TLS: which certificates clients present, what a server makes of them, and what a client without one receives.
 */
import { once } from "node:events";
import { createServer, type TlsOptions } from "node:tls";
import { defineService, HostingEnv, method, type Peer, ServiceHost } from "hbi";
import {
  type ClientTls,
  connect,
  HBIC,
  HBIS,
  type KeyPair,
  nodeSocketTransport,
  type ServerTls,
  serve,
} from "hbi/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { Authority } from "../../../support/authority.ts";
import { describeTls } from "./describe.ts";
import { ask, bareTls, heardBy, listening, serveWho, who } from "./support.ts";

describeTls("mutual TLS", () => {
  let authority: Authority;
  let other: Authority;
  let pair: KeyPair;
  let ali: ClientTls;
  /** signed by another authority */
  let eve: ClientTls;
  let stranger: ClientTls;
  let tls: ServerTls;
  beforeAll(() => {
    authority = new Authority("Test-CA");
    other = new Authority("Other-CA");
    pair = authority.server();
    const ca = authority.cert;
    tls = { ...pair, ca };
    ali = { ca, ...authority.client("ali") };
    eve = { ca, ...other.client("ali") };
    stranger = { ca };
  });
  afterAll(() => {
    authority.remove();
    other.remove();
  });

  it("identifies the client to the server, before authenticate", async () => {
    const told: unknown[] = [];
    const server = await serve(
      who,
      "127.0.0.1:0",
      (peer) => ({ am_i: (_, call) => `${call.context} ${peer.identity === call.peer.identity}` }),
      {
        tls,
        authenticate: (_: undefined, peer: Peer<typeof who, unknown>) => {
          told.push(peer.identity);
          return peer.identity?.uris.find((uri) => uri.startsWith("spiffe://example.com/"));
        },
      },
    );
    const link = await connect(who, server.address, {}, { tls: ali });
    expect(await link.call.am_i()).toBe("spiffe://example.com/ali true");
    expect(told).toEqual([
      {
        commonName: "ali",
        dnsNames: [],
        uris: ["spiffe://example.com/ali"],
        emails: ["ali@example.com"],
        serialNumber: expect.stringMatching(/^[0-9A-F]+$/),
        fingerprint: expect.stringMatching(/^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/),
        validUntil: expect.any(Date),
        certificate: expect.any(Uint8Array),
      },
    ]);
    await link.close();
    await server.close();
  });

  it("lets authenticate refuse whom it does not know, also beside credentials", async () => {
    const guarded = defineService({
      name: "who",
      version: "1.0.0",
      methods: who.methods,
      credentials: { token: z.string() },
    });
    const server = await serve(guarded, "127.0.0.1:0", (peer) => ({ am_i: () => `${peer.context}` }), {
      tls,
      authenticate: ({ token }: { token: string }, peer: Peer<typeof guarded, unknown>) =>
        token === `of ${peer.identity?.commonName}` && `${peer.identity?.commonName} with a token`,
    });
    const dial = (token: string) => connect(guarded, server.address, {}, { tls: ali, credentials: { token } });
    const link = await dial("of ali");
    expect(await link.call.am_i()).toBe("ali with a token");
    await expect(dial("of eve")).rejects.toMatchObject({ code: "unauthenticated" });
    await link.close();
    await server.close();
  });

  describe("refuses, with a reason for both sides, a client with", () => {
    it.each([
      ["no certificate", () => stranger, "a client certificate is required"],
      ["one of another authority", () => eve, "the client certificate has no chain to an authority"],
      ["an expired one", () => ({ ...stranger, ...authority.client("ali", -1) }), "the client certificate has expired"],
      [
        "one of a server",
        () => ({ ...stranger, ...authority.server() }),
        "the client certificate is not meant for this",
      ],
    ])("%s", async (_, shown, message) => {
      const served = await serveWho(tls);
      const told = served.told();
      const refused = await ask(served, shown()).catch((thrown) => thrown);
      expect(refused).toMatchObject({ code: "unauthenticated", reason: "unauthenticated" });
      expect(refused.message).toContain(message);
      expect(await told).toMatchObject({ code: "unauthenticated", message: expect.stringContaining(message) });
      expect(served.server.peers.size).toBe(0);
      expect(await ask(served, ali)).toBe("ali");
      await served.server.close();
    });
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)("refuses in words that any peer reads: %s", async (version) => {
    const served = await serveWho(tls);
    const socket = await bareTls(served, { ca: authority.cert, maxVersion: version });
    socket.write("[4#co_begin]1;x[0#co_end]"); // it is not read
    expect(await heardBy(socket)).toBe("[52#err]authenticate first: a client certificate is required");
    await served.server.close();
  });

  it("is settled by the handshake: who renegotiates is cut", async () => {
    const served = await serveWho({ ...tls, clientCertificate: "optional" });
    const socket = await bareTls(served, { ca: authority.cert, maxVersion: "TLSv1.2" });
    socket.renegotiate({}, () => undefined);
    await heardBy(socket);
    expect(await ask(served, ali)).toBe("ali");
    await served.server.close();
  });

  it("may be optional: without a certificate there is no identity, with an invalid one no access", async () => {
    const served = await serveWho({ ...tls, clientCertificate: "optional" });
    expect(await ask(served, stranger)).toBe("nobody");
    expect(await ask(served, ali)).toBe("ali");
    await expect(ask(served, eve)).rejects.toMatchObject({ code: "unauthenticated" });
    const first = await bareTls(served, { ca: authority.cert });
    const [session] = (await once(first, "session")) as [Buffer];
    first.destroy();
    const second = await bareTls(served, { ca: authority.cert, session });
    second.end("[5#co_begin]101;x[6#]am_i()[5#co_end]101;x");
    expect(await heardBy(second)).toContain('"nobody"');
    await served.server.close();
  });

  it("is the same for every host of a server", async () => {
    const name = "b.example.com";
    const served = await serveWho({ ...tls, sni: { [name]: authority.server(`DNS:${name}`) } });
    expect(await ask(served, { ...ali, serverName: name })).toBe("ali");
    await expect(ask(served, { ...eve, serverName: name })).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(ask(served, { ...stranger, serverName: name })).rejects.toMatchObject({ code: "unauthenticated" });
    await served.server.close();
  });

  it("can be begun, and its authorities changed, by a reload", async () => {
    const served = await serveWho(pair);
    const link = await connect(who, served.server.address, {}, { tls: stranger });
    served.server.reloadTls(tls);
    await expect(ask(served, stranger)).rejects.toMatchObject({ code: "unauthenticated" });
    served.server.reloadTls({ ...pair, ca: [other.cert, authority.cert] });
    expect([await ask(served, ali), await ask(served, eve)]).toEqual(["ali", "ali"]);
    expect(await link.call.am_i()).toBe("nobody");
    await link.close();
    await served.server.close();
  });

  it.each([
    ["no certificate", () => stranger, { code: "unauthenticated", message: /a client certificate is required$/ }],
    [
      "one of another authority",
      () => eve,
      { code: "unavailable", message: /closed right after the handshake: does it want another client certificate/ },
    ],
  ])("of another server that refuses in its own way: %s", async (_, shown, { code, message }) => {
    const foreign = createServer({ ...pair, ca: authority.cert, requestCert: true, rejectUnauthorized: true });
    foreign.on("tlsClientError", () => undefined);
    const port = await listening(foreign);
    const error = await connect(who, { host: "127.0.0.1", port }, {}, { tls: shown() }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
    foreign.close();
    await once(foreign, "close");
  });

  it("is read from a socket of one's own, if that was verified", async () => {
    const host = new ServiceHost(who, (peer) => ({ am_i: () => peer.identity?.commonName ?? "nobody" }), {});
    const options = { ...tls, requestCert: true, rejectUnauthorized: false } as TlsOptions;
    const own = createServer(options, (socket) => void host.accept(nodeSocketTransport(socket)));
    const port = await listening(own);
    const names = [ali, eve, stranger].map(async (shown) => {
      const link = await connect(who, { host: "127.0.0.1", port }, {}, { tls: shown });
      const name = await link.call.am_i();
      await link.close();
      return name;
    });
    expect(await Promise.all(names)).toEqual(["ali", "nobody", "nobody"]);
    own.close();
    await once(own, "close");
  });

  it("is there for the HBI layer as well", async () => {
    const names: (string | undefined)[] = [];
    const server = new HBIS(
      "127.0.0.1:0",
      (_po, _ho, { identity }) => {
        names.push(identity?.commonName);
        const env = new HostingEnv();
        env.expose("am_i", method({ params: {}, result: z.string() }), () => identity?.commonName ?? "nobody");
        return env;
      },
      { tls, log: () => undefined },
    );
    await server.listen();
    const client = new HBIC(server.address, new HostingEnv(), { tls: ali });
    const { po } = await client.connect();
    await po.converse(async (co) => {
      await co.sendCode("am_i()");
      expect(await co.recvObj()).toBe("ali");
    });
    await client.disconnect();
    await expect(new HBIC(server.address, new HostingEnv(), { tls: stranger }).connect()).rejects.toMatchObject({
      code: "unauthenticated",
    });
    expect(names).toEqual(["ali"]);
    server.reloadTls(pair);
    const anybody = new HBIC(server.address, new HostingEnv(), { tls: stranger });
    await anybody.connect();
    expect(names).toEqual(["ali", undefined]);
    await anybody.disconnect();
    await server.close();
    expect(() => new HBIC("127.0.0.1", new HostingEnv(), { tls: { cert: "" } })).toThrow("must be given together");
  });

  it.each([
    ["several common names", "/CN=ali/CN=admin", "subjectAltName=DNS:a.example.com", { commonName: undefined }],
    [
      "no common name",
      "/O=Example",
      "subjectAltName=DNS:a.example.com,DNS:b.example.com",
      { commonName: undefined, dnsNames: ["a.example.com", "b.example.com"] },
    ],
    ["no alternative names", "/CN=ali", "", { commonName: "ali", dnsNames: [], uris: [] }],
    [
      "a name that looks like two",
      "/CN=ali",
      'subjectAltName=@names\n[names]\nDNS.1="ali.example.com, DNS:admin.example.com"\nURI.1="spiffe://x/, URI:spiffe://admin"\nDNS.2=b.example.com\nURI.2=x:\\"\\\\\\n,\nIP.1=127.0.0.1\notherName.1=1.2.3.4;UTF8:DNS:c.example.com\nRID.1=1.2.3.4',
      {
        dnsNames: ["ali.example.com, DNS:admin.example.com", "b.example.com"],
        uris: ["spiffe://x/, URI:spiffe://admin", 'x:"\\\n,'],
      },
    ],
  ])("reads a certificate with %s", async (_, subject, extensions, expected) => {
    let identity: unknown;
    const server = await serve(
      who,
      "127.0.0.1:0",
      (peer) => ({
        am_i() {
          identity = peer.identity;
          return "";
        },
      }),
      { tls },
    );
    const link = await connect(
      who,
      server.address,
      {},
      { tls: { ...stranger, ...authority.issue(subject, extensions) } },
    );
    await link.call.am_i();
    expect(identity).toMatchObject(expected);
    await link.close();
    await server.close();
  });
});
