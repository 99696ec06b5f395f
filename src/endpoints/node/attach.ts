/**
 * serveWebSocket: a service over WebSockets, on a port of its own or attached to an HTTP server of the application.
 * docs/websocket.md.
 */
import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import { failure } from "../../errors.ts";
import { checkOptions, mustBe, type OptionsOf } from "../../options.ts";
import type { Service } from "../../registry/service.ts";
import { formatAddress } from "../address.ts";
import type { Peer } from "../service/peer.ts";
import type { Surplus } from "../service/service-env.ts";
import { type HandlersOf, HOST_OPTIONS, type HostOptions, ServiceHost } from "../service/service-host.ts";
import { ignore } from "../waits.ts";
import { refuseUpgrade } from "./http-answer.ts";
import { LISTEN_OPTIONS, Listeners, type Listening, type ListenOptions } from "./listeners.ts";
import { Server, serve } from "./serve.ts";
import { pathOf } from "./upgrade-request.ts";
import { WebSocketGate } from "./web-socket-gate.ts";
import { WEB_SOCKET_OPTIONS, type WebSocketOptions } from "./web-socket-options.ts";

/** A server of node:http or node:https, also one that Express, Fastify or Hono have created. */
export type WebServer = HttpServer | HttpsServer;

export interface ServeWebSocketOptions<S extends Service, Context>
  extends HostOptions<S, Context>,
    WebSocketOptions,
    Pick<ListenOptions, "tls"> {
  /** Where an HTTP server of the application has the service. Default: "/hbi" */
  readonly path?: string | undefined;
}

const OPTIONS: OptionsOf<ServeWebSocketOptions<Service, unknown>> = {
  ...HOST_OPTIONS,
  ...WEB_SOCKET_OPTIONS,
  tls: LISTEN_OPTIONS.tls,
  path: mustBe(
    "a path such as /hbi",
    (value) => typeof value === "string" && value.startsWith("/") && !/[?#\s]/.test(value),
  ),
};

const DEFAULT_PATH = "/hbi";

/** Serves a definition over WebSockets. `where` is an address such as `ws://0.0.0.0:8080/hbi`, or an HTTP server of the
 *  application. Closing then ends the service and its connections, and leaves the HTTP server as it is.
 *  @throws HbiError invalid_argument; unavailable if the address cannot be bound */
export async function serveWebSocket<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  where: string | WebServer,
  handlers: (peer: Peer<S, Context>) => H & Surplus<H, S["methods"]>,
  given: ServeWebSocketOptions<S, Context> = {},
): Promise<Server<S, Context>> {
  checkOptions(given, "serveWebSocket", OPTIONS);
  const { path, tls, origins, maxPayload, compression, trustedProxies, ...options } = given;
  const webSocket: WebSocketOptions = { origins, maxPayload, compression, trustedProxies };
  if (typeof where === "string") {
    if (path !== undefined) throw failure("bad_option", "path is for an HTTP server: write it in the address");
    return serve<S, H, Context>(service, where, handlers, { ...options, tls, webSocket });
  }
  if (!isWebServer(where)) throw failure("bad_option", "an HTTP server must be one of node:http or node:https");
  if (tls !== undefined) throw failure("bad_option", "tls is for an address: an HTTP server has TLS of its own");
  const host = new ServiceHost<S, Context>(service, handlers, options);
  const gate = new WebSocketGate(path ?? DEFAULT_PATH, host.acceptor, webSocket);
  const listeners = new Listeners(host.acceptor, [new Attachment(where, gate)]);
  host.acceptor.name = `${service.name} at ${gate.path}`;
  await host.described();
  await listeners.listen();
  return new Server(host, listeners);
}

function isWebServer(where: unknown): where is WebServer {
  const { on, off, listenerCount, address } = Object(where) as Partial<WebServer>;
  return [on, off, listenerCount, address].every((member) => typeof member === "function");
}

/** The paths of each HTTP server that are taken. */
const taken = new WeakMap<WebServer, Set<string>>();

class Attachment implements Listening {
  readonly stopped: Promise<void>;
  readonly #server: WebServer;
  readonly #gate: WebSocketGate;
  #resolveStopped: () => void = ignore;

  constructor(server: WebServer, gate: WebSocketGate) {
    this.#server = server;
    this.#gate = gate;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  get address(): string {
    const bound = this.#server.address();
    if (bound === null) throw failure("wrong_stage", "the HTTP server does not listen");
    if (typeof bound === "string") return bound;
    const scheme = "setSecureContext" in this.#server ? "wss" : "ws";
    return `${scheme}://${formatAddress({ host: bound.address, port: bound.port })}${this.#gate.path}`;
  }

  async listen(): Promise<void> {
    const paths = taken.get(this.#server) ?? new Set();
    if (paths.has(this.#gate.path)) {
      throw failure("bad_option", `a service is already attached to this HTTP server at ${this.#gate.path}`);
    }
    taken.set(this.#server, paths.add(this.#gate.path));
    this.#server.on("upgrade", this.#onUpgrade);
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (pathOf(request) === this.#gate.path) this.#gate.upgrade(request, socket, head);
    // Whoever else listens may know the path. If nobody does, the socket would stay open.
    else if (this.#server.listenerCount("upgrade") === 1) refuseUpgrade(socket, 404, "there is nothing at this path");
  };

  stop(): void {
    this.#server.off("upgrade", this.#onUpgrade);
    taken.get(this.#server)?.delete(this.#gate.path);
    this.#resolveStopped();
  }
}
