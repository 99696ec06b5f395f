/**
 * TLS is a transport as any other: the same contract, of both versions.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { Transport } from "hbi";
import { dialSocket, nodeSocketTransport } from "hbi/node";
import { afterAll, beforeAll } from "vitest";
import { systemClock } from "../../../../src/clock.ts";
import { TlsGate } from "../../../../src/wire/transport/node-tls-gate.ts";
import { Authority } from "../../../support/authority.ts";
import { keepsTheContract } from "../transport-contract.ts";
import { describeTls } from "./describe.ts";

describeTls("over TLS", () => {
  let authority: Authority;
  let server: Server;
  let onSecure: (socket: TLSSocket) => void = () => undefined;
  beforeAll(async () => {
    authority = new Authority("Test-CA");
    const keeper = { onSecure: (socket: TLSSocket) => onSecure(socket), onFailed: () => undefined };
    const gate = new TlsGate(authority.server(), 5_000, systemClock, keeper);
    server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => gate.take(socket));
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(async () => {
    authority.remove();
    server.close();
    await once(server, "close");
  });

  async function accepting(dial: (port: number) => Promise<Transport>): Promise<[Transport, Transport]> {
    const address = server.address();
    const accepted = new Promise<TLSSocket>((resolve) => {
      onSecure = resolve;
    });
    const left = await dial(typeof address === "object" && address !== null ? address.port : 0);
    return [left, nodeSocketTransport(await accepted)];
  }
  const host = "127.0.0.1";

  keepsTheContract("TLS 1.3", () =>
    accepting((port) => dialSocket({ host, port }, { timeoutMs: 5_000, tls: { ca: authority.cert } })),
  );

  keepsTheContract("TLS 1.2", () =>
    accepting(async (port) => {
      const options = { host, port, ca: authority.cert, allowHalfOpen: true, maxVersion: "TLSv1.2" } as const;
      const socket = connect(options);
      await once(socket, "secureConnect");
      return nodeSocketTransport(socket);
    }),
  );
});
