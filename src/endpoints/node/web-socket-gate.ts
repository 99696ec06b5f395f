/**
 * WebSocketGate: the requests of clients that want a WebSocket: which are admitted, and what the others are told. An
 * Acceptor serves the connections. An exception in an event handler here would end the process, so none may be caused
 * by a peer. docs/websocket.md.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { afterHearing, type Timer } from "../../clock.ts";
import { failure, HbiError } from "../../errors.ts";
import { endpointOf } from "../../wire/transport/node-socket.ts";
import { identityOf } from "../../wire/transport/node-tls-identity.ts";
import { SUBPROTOCOL, type WebSocketLike, webSocketTransport } from "../../wire/transport/web-socket.ts";
import type { Transport, TransportRequest } from "../../wire/transport.ts";
import type { Accepted, Acceptor } from "../session/acceptor.ts";
import { ignore } from "../waits.ts";
import { answerPage, refuseBytes, refuseUpgrade } from "./http-answer.ts";
import { expiryOf } from "./reception.ts";
import { isAdmitted, type Origins, pathOf, requestOf, TrustedProxies } from "./upgrade-request.ts";
import type { WebSocketOptions } from "./web-socket-options.ts";

const MAX_PAYLOAD_BYTES = 256 * 1024;
/** Each costs memory beside its bytes. */
const MAX_FRAGMENTS = 1_024;
/** What one read of a socket may inflate to, beyond what is held otherwise. */
const INFLATED_BYTES = 16 * 1024 * 1024;
const KEEPALIVE_MS = 60_000;
const REPORT_MS = 1_000;
const SHOWN_CHARS = 100;

/** What the listener knows of a socket. Without it, the socket belongs to a server of the application. */
export interface Arrival extends Pick<Accepted, "neighbours" | "refusal"> {
  /** whether the connection drains when the peer's certificate expires */
  readonly isDrained: boolean;
  /** whether it has a slot, which something else returns */
  readonly isPlaced: boolean;
}

export class WebSocketGate {
  /** "/hbi"; all others get 404 */
  readonly path: string;
  readonly #acceptor: Acceptor;
  readonly #origins: Origins;
  readonly #proxies: TrustedProxies;
  readonly #maxPayload: number;
  readonly #maxHeldBytes: number;
  readonly #upgrades: WebSocketServer;
  readonly #http: Server;
  /** sockets whose request has not arrived */
  readonly #pending = new Map<Socket, Timer>();
  readonly #arrivals = new WeakMap<Duplex, Arrival>();
  /** origins refused since the last log entry */
  #refused = 0;

  /** @throws HbiError invalid_argument */
  constructor(path: string, acceptor: Acceptor, options: WebSocketOptions) {
    const { origins = [], maxPayload = MAX_PAYLOAD_BYTES, compression = false, trustedProxies = [] } = options;
    this.path = path;
    this.#acceptor = acceptor;
    this.#origins = origins;
    this.#proxies = new TrustedProxies(trustedProxies);
    this.#maxPayload = maxPayload;
    this.#maxHeldBytes = maxPayload + (compression ? INFLATED_BYTES : MAX_PAYLOAD_BYTES);
    const settings = {
      noServer: true,
      clientTracking: false,
      maxPayload,
      maxFragments: MAX_FRAGMENTS,
      allowSynchronousEvents: false, // one message in a turn of the event loop, however small they are
      closeTimeout: acceptor.limits.closeTimeoutMs,
      perMessageDeflate: compression ? { serverNoContextTakeover: true, clientNoContextTakeover: true } : false,
      handleProtocols: (offered: Set<string>) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    };
    this.#upgrades = new WebSocketServer(settings);
    this.#http = this.#httpServer();
  }

  /** Whether a socket of this address is that of a trusted proxy, so that its client is known only by the request. */
  isProxy(address: string | undefined): boolean {
    return this.#proxies.includes(address);
  }

  // --- sockets of a listener -----------------------------------------------------------------------------------------

  /** Takes over an accepted socket from which nothing has been read. */
  take(socket: Socket, arrival: Arrival): void {
    const { clock, limits } = this.#acceptor;
    this.#arrivals.set(socket, arrival);
    const timer = afterHearing(clock, limits.connectTimeoutMs, () => {
      this.#pending.delete(socket);
      refuseUpgrade(socket, 408, "no request has arrived");
      this.#acceptor.report(failure("timeout", "the request of a WebSocket"));
    });
    this.#pending.set(socket, timer);
    socket.once("close", () => this.#settled(socket));
    this.#http.emit("connection", socket);
    socket.resume();
  }

  #settled(socket: Socket): void {
    this.#pending.get(socket)?.cancel();
    this.#pending.delete(socket);
  }

  /** Called when all connections have ended: only sockets without a request are left. */
  destroyAll(): void {
    for (const socket of this.#pending.keys()) socket.destroy();
  }

  /** A server that never listens. Node passes sockets to it as usual. */
  #httpServer(): Server {
    const server = createServer((_request, response) => answerPage(response));
    server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.#settled(socket);
      this.upgrade(request, socket, head);
    });
    server.on("clientError", (error: Error & { code?: string; rawPacket?: Buffer }, socket) => {
      refuseBytes(socket, error.rawPacket?.toString("latin1", 0, 1) ?? "", error.code ?? "");
    });
    return server;
  }

  // --- upgrades ------------------------------------------------------------------------------------------------------

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", ignore); // such as a reset while it is refused
    try {
      this.#upgrade(request, socket as Socket, head); // of an HTTP server: possibly a TLSSocket
    } catch (thrown) {
      this.#acceptor.report(thrown); // by `origins`
      refuseUpgrade(socket, 500, "internal error");
    }
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (pathOf(request) !== this.path) {
      refuseUpgrade(socket, 404, "there is nothing at this path");
      return;
    }
    if (this.#acceptor.isEnding) {
      refuseUpgrade(socket, 503, "the server is closing");
      return;
    }
    const offered = request.headers["sec-websocket-protocol"];
    if (offered !== undefined && !offered.split(",").some((name) => name.trim() === SUBPROTOCOL)) {
      refuseUpgrade(socket, 400, `the subprotocol is ${SUBPROTOCOL}`);
      return;
    }
    const asked = requestOf(request);
    if (!isAdmitted(asked, this.#origins)) {
      this.#originRefused(asked.headers.get("origin") ?? "");
      refuseUpgrade(socket, 403, "this origin is not admitted");
      return;
    }
    const arrival = this.#arrivals.get(socket);
    if (arrival?.refusal != null) {
      this.#acceptor.report(arrival.refusal);
      refuseUpgrade(socket, 403, arrival.refusal.message);
      return;
    }
    const client = this.#proxies.clientOf(socket.remoteAddress, asked.headers.get("x-forwarded-for"));
    let neighbours = arrival?.neighbours;
    if (arrival?.isPlaced !== true) {
      const place = this.#acceptor.enter(client);
      if (place instanceof HbiError) {
        refuseUpgrade(socket, 429, "too many connections");
        return;
      }
      if (socket.closed) {
        place.leave();
        return;
      }
      socket.once("close", () => place.leave());
      ({ neighbours } = place);
    }
    this.#upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      const remote = endpointOf(client, client === socket.remoteAddress ? socket.remotePort : 0);
      const transport = this.#transportOf(webSocket as unknown as WebSocketLike, socket, asked, remote); // its types are narrower
      const expires = expiryOf(transport, arrival?.isDrained === true);
      // The connection reports failures to the log and to the peer.
      this.#acceptor.serve({ transport, neighbours, expires }).catch(ignore);
    });
  }

  #transportOf(webSocket: WebSocketLike, socket: Socket, request: TransportRequest, remoteAddress: string): Transport {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    return webSocketTransport(webSocket, {
      clock: this.#acceptor.clock,
      localAddress: endpointOf(socket.localAddress, socket.localPort),
      remoteAddress,
      identity: socket instanceof TLSSocket ? identityOf(socket) : undefined,
      request,
      maxPayload: this.#maxPayload,
      maxHeldBytes: this.#maxHeldBytes,
    });
  }

  /** At most one entry a second. */
  #originRefused(origin: string): void {
    this.#refused += 1;
    if (this.#refused > 1) return;
    this.#acceptor.clock.after(REPORT_MS, () => {
      const words = `${JSON.stringify(origin.slice(0, SHOWN_CHARS))}, ${this.#refused} in a second`;
      this.#refused = 0;
      this.#acceptor.report(failure("origin_refused", words));
    });
  }
}
