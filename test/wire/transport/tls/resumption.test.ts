/**
 * A session that is resumed proves that its client had a certificate once. Where certificates are asked for, that is not enough: each
 * handshake is judged by the certificate as it is now.
 */
import { once } from "node:events";
import { type ConnectionOptions, createServer, type Server as SecureServer, type TLSSocket } from "node:tls";
import { ServiceHost } from "hbi";
import { type ClientTls, connect, type KeyPair, nodeSocketTransport } from "hbi/node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../../src/clock.ts";
import { connectTls, whenAdmitted } from "../../../../src/wire/transport/node-tls-dial.ts";
import { Authority } from "../../../support/authority.ts";
import { describeTls } from "./describe.ts";
import { bareTls, heardBy, listening, type Served, serveWho, who } from "./support.ts";

const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
type Version = (typeof VERSIONS)[number];

const HOUR_MS = 3_600_000;
const ago = () => new Date(Date.now() - HOUR_MS);

describeTls("a session", () => {
  let authority: Authority;
  let pair: KeyPair;
  let ali: KeyPair;
  beforeAll(() => {
    authority = new Authority("Test-CA");
    pair = authority.server();
    ali = authority.client("ali");
  });
  afterAll(() => authority.remove());

  /** A hand-written client that keeps sessions: what it receives, and its sessions. */
  async function talk(port: number, version: Version, options: ConnectionOptions) {
    const socket = await bareTls({ port } as Served, { ca: authority.cert, maxVersion: version, ...options });
    socket.allowHalfOpen = true;
    const isResumed = socket.isSessionReused(); // a socket that is closed has forgotten it
    const sessions: Buffer[] = [];
    socket.on("session", (session: Buffer) => void sessions.push(session));
    if (version === "TLSv1.2") sessions.push(socket.getSession() as Buffer);
    socket.end("[5#co_begin]101;x[6#]am_i()[5#co_end]101;x");
    const said = await heardBy(socket);
    return { said, isResumed, session: sessions.at(-1) };
  }

  describe.each(VERSIONS)("of %s", (version) => {
    it.each<[string, () => ConnectionOptions]>([
      ["with a certificate", () => ali],
      ["without one", () => ({})],
      [
        "for another host of the server",
        () => ({ ...ali, servername: "b.example.com", checkServerIdentity: noMatter }),
      ],
    ])("is not resumed where certificates are asked for: %s", async (_, shown) => {
      const sni = { "b.example.com": authority.server("DNS:b.example.com") };
      const served = await serveWho({ ...pair, ca: authority.cert, clientCertificate: "optional", sni });
      const first = await talk(served.port, version, shown());
      expect(first.session).toBeInstanceOf(Buffer);
      const second = await talk(served.port, version, { ...shown(), session: first.session as Buffer });
      expect([first.isResumed, second.isResumed]).toEqual([false, false]);
      expect(second.said).toBe(first.said);
      await served.server.close();
    });

    it("is resumed without client certificates, until a reload", async () => {
      const served = await serveWho(pair);
      const { session } = await talk(served.port, version, {});
      const again = { session: session as Buffer };
      expect((await talk(served.port, version, again)).isResumed).toBe(true);
      served.server.reloadTls({ ...pair });
      const after = await talk(served.port, version, again);
      expect(after.isResumed).toBe(false);
      expect(after.said).toContain('"nobody"');
      await served.server.close();
    });

    it.each<[string, () => object, string]>([
      ["certificates", () => ({ ca: authority.cert }), "a client certificate is required"],
      ["other authorities", () => ({ ca: new Authority("Other-CA").cert }), "has no chain to an authority"],
    ])("of before a reload counts for nothing when the server wants %s then", async (what, more, message) => {
      const served = await serveWho(what === "certificates" ? pair : { ...pair, ca: authority.cert });
      const shown = what === "certificates" ? {} : ali;
      const { session, said } = await talk(served.port, version, shown);
      expect(said).toContain(what === "certificates" ? '"nobody"' : '"ali"');
      served.server.reloadTls({ ...pair, ...more() });
      const refused = await talk(served.port, version, { ...shown, session: session as Buffer });
      expect(refused.said).toContain(`#err]authenticate first: `);
      expect(refused.said).toContain(message);
      await served.server.close();
    });

    it("is not needed to know at once that one is let in", async () => {
      const served = await serveWho({ ...pair, ca: authority.cert });
      vi.useFakeTimers({ toFake: ["setTimeout"] }); // stands still: the client does not wait for its time to be over
      try {
        const tls: ClientTls = {
          ca: authority.cert,
          ...ali,
          ...(version === "TLSv1.3" ? { minVersion: version } : {}),
        };
        const socket = connectTls({ host: "127.0.0.1", port: served.port }, "127.0.0.1", tls);
        await new Promise<void>((admitted, refused) => whenAdmitted(socket, "there", systemClock, admitted, refused));
        socket.destroy();
      } finally {
        vi.useRealTimers();
      }
      await served.server.close();
    });

    it("is never kept by a client of this library", async () => {
      const resumed: boolean[] = [];
      const foreign = createServer({ ...pair, minVersion: version, maxVersion: version }, (socket) => {
        resumed.push(socket.isSessionReused());
        socket.on("error", () => undefined).resume();
      });
      const port = await listening(foreign);
      const link = await connect(
        who,
        { host: "127.0.0.1", port },
        {},
        {
          tls: { ca: authority.cert },
          reconnect: { initialDelayMs: 1 },
          log: () => undefined,
        },
      );
      await link.disconnect();
      await (await connect(who, { host: "127.0.0.1", port }, {}, { tls: { ca: authority.cert } })).disconnect();
      expect(resumed).toEqual([false, false]);
      foreign.close();
      await once(foreign, "close");
    });
  });

  it("a certificate that is not valid yet is refused", async () => {
    const served = await serveWho({ ...pair, ca: authority.cert });
    const early = authority.clientFor("ali", new Date(Date.now() + HOUR_MS), new Date(Date.now() + 2 * HOUR_MS));
    for (const version of VERSIONS) {
      expect((await talk(served.port, version, early)).said).toContain("the client certificate is not valid yet");
    }
    await served.server.close();
  });

  describe("of a certificate that has expired meanwhile", () => {
    let served: Served;
    let own: SecureServer;
    let ownPort: number;
    const sockets: TLSSocket[] = [];
    const kept = new Map<string, { readonly session: Buffer; readonly shown: KeyPair }>();
    const KINDS = ["its own", "an authority's between"] as const;

    /** Sessions of certificates that end soon, all of them made before that. Longer is tried where the machine is slow. */
    async function collect(lifeMs: number): Promise<number | undefined> {
      const until = new Date(Math.ceil((Date.now() + lifeMs) / 1_000) * 1_000);
      const between = authority.below("Between-CA", ago(), until);
      const below = between.client("ali");
      const shown = {
        "its own": authority.clientFor("ali", ago(), until),
        "an authority's between": { ...below, cert: `${below.cert}${between.cert}` },
      };
      between.remove();
      for (const version of VERSIONS) {
        for (const kind of KINDS) {
          for (const port of [served.port, ownPort]) {
            const { said, session } = await talk(port, version, shown[kind]);
            if (!said.includes('"ali"') || session === undefined) return undefined;
            kept.set(`${version} ${kind} ${port === ownPort}`, { session, shown: shown[kind] });
          }
        }
      }
      return until.getTime();
    }

    beforeAll(async () => {
      served = await serveWho({ ...pair, ca: authority.cert });
      const host = new ServiceHost(who, (peer) => ({ am_i: () => peer.identity?.commonName ?? "nobody" }), {});
      const options = {
        ...pair,
        ca: authority.cert,
        requestCert: true,
        rejectUnauthorized: false,
        allowHalfOpen: true,
      };
      own = createServer(options, (socket) => {
        sockets.push(socket);
        void host.accept(nodeSocketTransport(socket));
      });
      ownPort = await listening(own);
      let untilMs: number | undefined;
      for (let lifeMs = 2_000; untilMs === undefined; lifeMs *= 2) untilMs = await collect(lifeMs);
      const isOver = untilMs + 1_000;
      while (Date.now() < isOver) await new Promise((resolve) => setTimeout(resolve, isOver - Date.now()));
    });
    afterAll(async () => {
      await served.server.close();
      own.close();
      await once(own, "close");
    });

    const CASES = VERSIONS.flatMap((version) => KINDS.map((kind) => [version, kind] as const));

    it.each(CASES)("accepts no client: %s, %s", async (version, kind) => {
      const { session, shown } = kept.get(`${version} ${kind} false`) ?? expect.fail("no session");
      const refused = await talk(served.port, version, { ...shown, session });
      expect(refused.isResumed).toBe(false);
      expect(refused.said).toContain("#err]authenticate first: the client certificate has expired");
      const bare = await talk(served.port, version, { session }); // nor without the certificate
      expect(bare.said).toContain("#err]authenticate first: a client certificate is required");
      expect(served.server.peers.size).toBe(0);
    });

    it.each(CASES)(
      "is of nobody, on a socket of the application's own that resumes it: %s, %s",
      async (version, kind) => {
        const { session, shown } = kept.get(`${version} ${kind} true`) ?? expect.fail("no session");
        const { said, isResumed } = await talk(ownPort, version, { ...shown, session });
        expect(isResumed).toBe(true);
        expect(sockets.at(-1)?.authorized).toBe(true); // as Node says
        expect(said).toContain('"nobody"');
      },
    );
  });

  it.each(VERSIONS)(
    "of a good certificate still has its identity on a socket of the application's own: %s",
    async (version) => {
      const host = new ServiceHost(who, (peer) => ({ am_i: () => peer.identity?.commonName ?? "nobody" }), {});
      const options = {
        ...pair,
        ca: authority.cert,
        requestCert: true,
        rejectUnauthorized: false,
        allowHalfOpen: true,
      };
      const own = createServer(options, (socket) => void host.accept(nodeSocketTransport(socket)));
      const port = await listening(own);
      const { session } = await talk(port, version, ali);
      const again = await talk(port, version, { ...ali, session: session as Buffer });
      expect(again.isResumed).toBe(true);
      expect(again.said).toContain('"ali"');
      own.close();
      await once(own, "close");
    },
  );
});

const noMatter = () => undefined;
