/**
 * Everything that carries a connection, each as two transports, and as a transport with a bare stream at its other end.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { MessageChannel } from "node:worker_threads";
import {
  memoryTransportPair,
  messagePortTransport,
  type Transport,
  type WebSocketClass,
  type WebSocketLike,
  webSocketTransport,
} from "hbi";
import { duplexTransport, nodeSocketTransport } from "hbi/node";
import { createWebSocketStream, WebSocket, WebSocketServer } from "ws";
import { Authority, hasOpenssl } from "./authority.ts";
import { duplexPair } from "./duplex-pair.ts";
import { platformClass, StandardWebSocket } from "./standard-web-socket.ts";
import { transportDuplex } from "./transport-duplex.ts";

/** One end, and the other. */
export interface Ends<Near, Far> {
  readonly dialed: Near;
  readonly accepted: Far;
}

/** A way to carry connections. It is opened once, and closed by `closeCarriers`. */
export interface Carrier {
  readonly canHalfClose: boolean;
  pair(): Promise<Ends<Transport, Transport>>;
  bareClient(): Promise<Ends<Duplex, Transport>>;
  bareServer(): Promise<Ends<Transport, Duplex>>;
}

const ends: (() => unknown)[] = [];

/** Others may be opened after that. */
export async function closeCarriers(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

/** Calls `open` once, until what it opens is closed. */
function opened<T>(open: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    if (result === undefined) {
      result = open();
      ends.push(() => {
        result = undefined;
      });
    }
    return result;
  };
}

async function listening(server: Server, where: object = { port: 0, host: "127.0.0.1" }): Promise<Server> {
  server.listen(where);
  await once(server, "listening");
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return server;
}

/** @param event of the server: a socket is accepted */
function socketCarrier(open: () => Promise<Server>, dial: (server: Server) => Promise<Socket>, event: string): Carrier {
  const server = opened(open);
  const sockets = async (): Promise<Ends<Socket, Socket>> => {
    const accepting = server().then((listener) => once(listener, event));
    const dialed = await dial(await server());
    const [accepted] = (await accepting) as [Socket];
    return { dialed, accepted };
  };
  return {
    canHalfClose: true,
    async pair() {
      const { dialed, accepted } = await sockets();
      return { dialed: nodeSocketTransport(dialed), accepted: nodeSocketTransport(accepted) };
    },
    async bareClient() {
      const { dialed, accepted } = await sockets();
      return { dialed, accepted: nodeSocketTransport(accepted) };
    },
    async bareServer() {
      const { dialed, accepted } = await sockets();
      return { dialed: nodeSocketTransport(dialed), accepted };
    },
  };
}

const PAUSED = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };

async function connected(socket: Socket, event = "connect"): Promise<Socket> {
  await once(socket, event);
  return socket;
}
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

const tcp = socketCarrier(
  () => listening(createServer(PAUSED)),
  (server) => connected(connect({ port: portOf(server), host: "127.0.0.1", allowHalfOpen: true, noDelay: true })),
  "connection",
);

const unix = socketCarrier(
  () => {
    const folder = mkdtempSync(join(tmpdir(), "hbi-carrier-"));
    ends.push(() => rmSync(folder, { recursive: true }));
    return listening(createServer(PAUSED), { path: join(folder, "socket") });
  },
  (server) => connected(connect({ path: String(server.address()), allowHalfOpen: true })),
  "connection",
);

let ca = "";
const tls = socketCarrier(
  () => {
    const authority = new Authority("carriers");
    ends.push(() => authority.remove());
    ca = authority.cert;
    return listening(createTlsServer({ ...authority.server(), ...PAUSED }));
  },
  async (server) => {
    const socket = connectTls({ port: portOf(server), host: "127.0.0.1", ca });
    await connected(socket, "secureConnect");
    socket.allowHalfOpen = true;
    return socket;
  },
  "secureConnection",
);

const memory: Carrier = {
  canHalfClose: true,
  async pair() {
    const [dialed, accepted] = memoryTransportPair();
    return { dialed, accepted };
  },
  async bareClient() {
    const [dialed, far] = duplexPair();
    return { dialed, accepted: duplexTransport(far) };
  },
  async bareServer() {
    const [near, accepted] = duplexPair();
    return { dialed: duplexTransport(near), accepted };
  },
};

async function ports(): Promise<Ends<Transport, Transport>> {
  const { port1, port2 } = new MessageChannel();
  return { dialed: messagePortTransport(port1), accepted: messagePortTransport(port2) };
}
const messagePort: Carrier = {
  canHalfClose: true,
  pair: ports,
  async bareClient() {
    const { dialed, accepted } = await ports();
    return { dialed: transportDuplex(dialed), accepted };
  },
  async bareServer() {
    const { dialed, accepted } = await ports();
    return { dialed, accepted: transportDuplex(accepted) };
  },
};

const webServer = opened(async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", allowSynchronousEvents: false });
  await once(server, "listening");
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return server;
});

/** @param Class of the dialing end */
function webCarrier(Class: WebSocketClass): Carrier {
  const sockets = async <Near extends object>(
    Dialing: new (url: string, names: string[]) => Near,
  ): Promise<Ends<Near, WebSocket>> => {
    const server = await webServer();
    const accepting = once(server, "connection");
    const dialed = new Dialing(`ws://127.0.0.1:${portOf(server)}/hbi`, ["hbi"]);
    const open = new Promise((resolve) => (dialed as unknown as WebSocketLike).addEventListener("open", resolve));
    const [accepted] = (await accepting) as [WebSocket];
    accepted.pause();
    await open;
    return { dialed, accepted };
  };
  const transportOf = (socket: object) => webSocketTransport(socket as WebSocketLike);
  return {
    canHalfClose: false,
    async pair() {
      const { dialed, accepted } = await sockets(Class);
      return { dialed: transportOf(dialed), accepted: transportOf(accepted) };
    },
    async bareClient() {
      const { dialed, accepted } = await sockets(WebSocket);
      return { dialed: createWebSocketStream(dialed), accepted: transportOf(accepted) };
    },
    async bareServer() {
      const { dialed, accepted } = await sockets(Class);
      const stream = createWebSocketStream(accepted);
      accepted.resume();
      return { dialed: transportOf(dialed), accepted: stream };
    },
  };
}

export const CARRIERS: Readonly<Record<string, Carrier>> = {
  "in memory": memory,
  "over TCP": tcp,
  ...(hasOpenssl ? { "over TLS": tls } : {}),
  ...(process.platform === "win32" ? {} : { "over a Unix socket": unix }),
  "over a message port": messagePort,
  "over a WebSocket of ws": webCarrier(WebSocket as unknown as WebSocketClass),
  "over a standard WebSocket": webCarrier(StandardWebSocket),
  ...(platformClass === undefined ? {} : { "over the WebSocket of Node": webCarrier(platformClass) }),
};
