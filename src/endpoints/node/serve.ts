/**
 * serve: a service on Node's sockets. docs/services.md.
 */
import type { Duplex } from "node:stream";
import { failure } from "../../errors.ts";
import { checkOptions, type OptionsOf } from "../../options.ts";
import type { Service } from "../../registry/service.ts";
import { messagePortTransport } from "../../wire/transport/message-port.ts";
import { type DuplexOptions, duplexTransport } from "../../wire/transport/node-socket.ts";
import type { ServerTls } from "../../wire/transport/node-tls-options.ts";
import { isMessagePort, type MessagePortLike } from "../../wire/transport/port-events.ts";
import type { Address, ParsedAddress } from "../address.ts";
import type { Peer } from "../service/peer.ts";
import type { Surplus } from "../service/service-env.ts";
import { type HandlersOf, HOST_OPTIONS, type HostOptions, ServiceHost } from "../service/service-host.ts";
import { handled } from "../waits.ts";
import {
  addressesOf,
  type GateMaker,
  type Listeners,
  type ListenOptions,
  listenersAt,
  WEB_LISTEN_OPTIONS,
  type WebListenOptions,
} from "./listeners.ts";
import { gateMaker } from "./web-socket-package.ts";

export interface ServeOptions<S extends Service, Context> extends HostOptions<S, Context>, WebListenOptions {}

export const SERVE_OPTIONS: OptionsOf<ServeOptions<Service, unknown>> = { ...HOST_OPTIONS, ...WEB_LISTEN_OPTIONS };

export class Server<S extends Service = Service, Context = unknown> {
  readonly #host: ServiceHost<S, Context>;
  readonly #listeners: Listeners;

  constructor(host: ServiceHost<S, Context>, listeners: Listeners) {
    this.#host = host;
    this.#listeners = listeners;
  }

  /** "127.0.0.1:3232" or "ws://127.0.0.1:3232/hbi" as bound; for port 0, the port that the system chose. Of several
   *  addresses, the first. */
  get address(): string {
    return this.#listeners.address;
  }

  /** The same of each address. */
  get addresses(): readonly string[] {
    return this.#listeners.addresses;
  }

  /** The connected consumers; if authentication is required, only those that have authenticated. Use it to push to all
   *  of them. */
  get peers(): ReadonlySet<Peer<S, Context>> {
    return this.#host.peers;
  }

  /** The number of open connections, authenticated or not. */
  get connectionCount(): number {
    return this.#host.connectionCount;
  }

  /** Resolves when it has stopped listening and every connection has ended. */
  get closed(): Promise<void> {
    return this.#listeners.closed;
  }

  /** Serves a stream that the application has accepted elsewhere: a socket or any other Duplex, a message port, or a
   *  worker. Resolves when its init is done. A refused stream is destroyed.
   *  @throws HbiError invalid_argument for what is no stream of bytes; as `accept` of `ServiceHost` */
  accept(stream: Duplex | MessagePortLike, options: DuplexOptions = {}): Promise<Peer<S, Context>> {
    return handled(async () =>
      this.#host.accept(
        isMessagePort(stream) ? messagePortTransport(stream, options) : duplexTransport(stream, options),
      ),
    );
  }

  /** Replaces certificates, authorities and rules for new connections, without a restart. Open connections continue.
   *  @throws HbiError invalid_argument, without changing anything */
  reloadTls(tls: ServerTls): void {
    this.#listeners.reloadTls(tls);
  }

  /** Stops accepting, tells every consumer, answers what they had begun by then, and closes. Takes at most
   *  `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return this.#listeners.end(() => this.#host.drain(reason));
  }

  /** Closes at once; calls in flight are lost. The reason is sent to the consumers. */
  close(reason?: string): Promise<void> {
    return this.#listeners.end(() => this.#host.close(reason));
  }

  /** Drains. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }
}

/** Serves a definition at an address, or at several. `handlers` is called once for each connection, after its peer has authenticated.
 *  A peer for which a handler is missing is refused, and the log names the handler.
 *  @throws HbiError invalid_argument for handlers that are no function, or invalid TLS options; unavailable if the
 *  address cannot be bound */
export async function serve<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  address: Address | readonly Address[],
  handlers: (peer: Peer<S, Context>) => H & Surplus<H, S["methods"]>,
  given: ServeOptions<S, Context> = {},
): Promise<Server<S, Context>> {
  checkOptions(given, "serve", SERVE_OPTIONS);
  const { host, parsed, tls, socketMode, gate } = await hosting<S, Context>(service, address, handlers, given);
  const listeners = listenersAt(parsed, host.acceptor, { tls, socketMode }, gate);
  await listeners.listen();
  return new Server(host, listeners);
}

/** What a server has before it listens. */
export interface Hosting<S extends Service, Context> extends Pick<ListenOptions, "tls" | "socketMode"> {
  readonly host: ServiceHost<S, Context>;
  readonly parsed: readonly ParsedAddress[];
  /** undefined if no address is for WebSockets */
  readonly gate: GateMaker | undefined;
}

/** @throws HbiError invalid_argument */
export async function hosting<S extends Service, Context>(
  service: S,
  address: Address | readonly Address[],
  handlers: (peer: Peer<S, Context>) => HandlersOf<S, Context>,
  { tls, socketMode, webSocket, ...options }: ServeOptions<S, Context>,
): Promise<Hosting<S, Context>> {
  const parsed = addressesOf(address);
  const host = new ServiceHost<S, Context>(service, handlers, options);
  const isWeb = parsed.some((one) => "url" in one);
  if (webSocket !== undefined && !isWeb) throw failure("bad_option", "webSocket is for an address ws:// or wss://");
  const gate = isWeb ? await gateMaker(host.acceptor, webSocket ?? {}) : undefined;
  await host.described(); // it takes long for a large definition, and connections would wait for it
  return { host, parsed, tls, socketMode, gate };
}
