/**
 * serve: a service on Node's sockets. docs/services.md.
 */
import type { Service } from "../../registry/service.ts";
import type { ServerTls } from "../../wire/transport/node-tls-options.ts";
import type { Address } from "../address.ts";
import type { Peer } from "../service/peer.ts";
import type { Surplus } from "../service/service-env.ts";
import { type HandlersOf, type HostOptions, ServiceHost } from "../service/service-host.ts";
import { Listener } from "./listener.ts";

export interface ServeOptions<S extends Service, Context> extends HostOptions<S, Context> {
  /** Over TLS; with `ca`, consumers must show a certificate, and `peer.identity` says whose. */
  readonly tls?: ServerTls;
}

export class Server<S extends Service = Service, Context = unknown> {
  readonly #host: ServiceHost<S, Context>;
  readonly #listener: Listener;

  constructor(host: ServiceHost<S, Context>, listener: Listener) {
    this.#host = host;
    this.#listener = listener;
  }

  /** "127.0.0.1:3232" as bound; of port 0 the one that the system chose. */
  get address(): string {
    return this.#listener.address;
  }

  /** Consumers that are connected and, where that is asked for, authenticated: push to all of them. */
  get peers(): ReadonlySet<Peer<S, Context>> {
    return this.#host.peers;
  }

  /** Connections that are open, authenticated or not. */
  get connectionCount(): number {
    return this.#host.connectionCount;
  }

  /** Resolves when it has stopped listening and every connection is over. */
  get closed(): Promise<void> {
    return this.#listener.closed;
  }

  /** Certificates, authorities and rules of new connections, without a restart; those that are open go on.
   *  @throws HbiError invalid_argument, and nothing has changed */
  reloadTls(tls: ServerTls): void {
    this.#listener.reloadTls(tls);
  }

  /** Accepts no one any more and tells every consumer so; answers what they had begun by then, and closes. Takes at most
   *  `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return this.#listener.end(() => this.#host.drain(reason));
  }

  /** Closes at once; calls in flight are lost. A reason is told to the consumers. */
  close(reason?: string): Promise<void> {
    return this.#listener.end(() => this.#host.close(reason));
  }

  /** `drain`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }
}

/** Serves a definition at an address. `handlers` is called for each consumer, once it is connected and authenticated, and once
 *  at the start for a peer that is not connected, so that a missing handler is found before anybody connects.
 *  @throws HbiError invalid_argument for a missing or surplus handler, or TLS options that are of no use; unavailable when the address can't be had */
export async function serve<S extends Service, H extends HandlersOf<S, Context>, Context = undefined>(
  service: S,
  address: Address,
  handlers: (peer: Peer<S, Context>) => H & Surplus<H, S["methods"]>,
  { tls, ...options }: ServeOptions<S, Context> = {},
): Promise<Server<S, Context>> {
  const host = new ServiceHost<S, Context>(service, handlers, options);
  const listener = new Listener(address, host.acceptor, tls);
  await listener.listen();
  return new Server(host, listener);
}
