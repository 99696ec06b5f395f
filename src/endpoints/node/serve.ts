/**
 * serve: a service on Node's sockets. docs/services.md.
 */
import { checkOptions, type OptionsOf } from "../../options.ts";
import type { Service } from "../../registry/service.ts";
import type { ServerTls } from "../../wire/transport/node-tls-options.ts";
import type { Address } from "../address.ts";
import type { Peer } from "../service/peer.ts";
import type { Surplus } from "../service/service-env.ts";
import { type HandlersOf, HOST_OPTIONS, type HostOptions, ServiceHost } from "../service/service-host.ts";
import { LISTEN_OPTIONS, Listener, type ListenOptions } from "./listener.ts";

export interface ServeOptions<S extends Service, Context> extends HostOptions<S, Context>, ListenOptions {}

const SERVE_OPTIONS: OptionsOf<ServeOptions<Service, unknown>> = { ...HOST_OPTIONS, ...LISTEN_OPTIONS };

export class Server<S extends Service = Service, Context = unknown> {
  readonly #host: ServiceHost<S, Context>;
  readonly #listener: Listener;

  constructor(host: ServiceHost<S, Context>, listener: Listener) {
    this.#host = host;
    this.#listener = listener;
  }

  /** "127.0.0.1:3232" as bound; for port 0, the port that the system chose. */
  get address(): string {
    return this.#listener.address;
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
    return this.#listener.closed;
  }

  /** Replaces certificates, authorities and rules for new connections, without a restart. Open connections continue.
   *  @throws HbiError invalid_argument, without changing anything */
  reloadTls(tls: ServerTls): void {
    this.#listener.reloadTls(tls);
  }

  /** Stops accepting, tells every consumer, answers what they had begun by then, and closes. Takes at most
   *  `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return this.#listener.end(() => this.#host.drain(reason));
  }

  /** Closes at once; calls in flight are lost. The reason is sent to the consumers. */
  close(reason?: string): Promise<void> {
    return this.#listener.end(() => this.#host.close(reason));
  }

  /** Drains. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }
}

/** Serves a definition at an address. `handlers` is called once for each connection, after its peer has authenticated.
 *  A peer for which a handler is missing is refused, and the log names the handler.
 *  @throws HbiError invalid_argument for handlers that are no function, or invalid TLS options; unavailable if the
 *  address cannot be bound */
export async function serve<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  address: Address,
  handlers: (peer: Peer<S, Context>) => H & Surplus<H, S["methods"]>,
  given: ServeOptions<S, Context> = {},
): Promise<Server<S, Context>> {
  checkOptions(given, "serve", SERVE_OPTIONS);
  const { tls, socketMode, ...options } = given;
  const host = new ServiceHost<S, Context>(service, handlers, options);
  const listener = new Listener(address, host.acceptor, { tls, socketMode });
  await host.described(); // it takes long for a large definition, and connections would wait for it
  await listener.listen();
  return new Server(host, listener);
}
