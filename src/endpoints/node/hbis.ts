/**
 * HBIS: the listening side, over Node's sockets. Every connection has a hosting environment of its own.
 */
import type { ServerTls } from "../../wire/transport/node-tls-options.ts";
import type { Address } from "../address.ts";
import { Acceptor, type ContextFactory } from "../session/acceptor.ts";
import type { ConnectionOptions } from "../session/connection-options.ts";
import { Listener } from "./listener.ts";

export interface ServerOptions extends ConnectionOptions {
  /** Over TLS; with `ca`, clients must show a certificate. */
  readonly tls?: ServerTls;
}

export class HBIS {
  readonly #acceptor: Acceptor;
  readonly #listener: Listener;

  /** @throws HbiError invalid_argument */
  constructor(address: Address, context: ContextFactory, { tls, ...options }: ServerOptions = {}) {
    this.#acceptor = new Acceptor(context, options);
    this.#listener = new Listener(address, this.#acceptor, tls);
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#acceptor.connections.size;
  }

  /** "127.0.0.1:3232" as bound; of port 0 the one that the system chose. @throws HbiError failed_precondition before it listens */
  get address(): string {
    return this.#listener.address;
  }

  /** Starts to listen. @throws HbiError unavailable when the address can't be had; failed_precondition when it has been closed */
  listen(): Promise<void> {
    return this.#listener.listen();
  }

  /** Listens and serves until `close` or `drain`. */
  async serveUntilClosed(): Promise<void> {
    await this.#listener.listen();
    await this.#listener.closed;
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

  /** Accepts no one any more, tells peers that speak the extension, lets the conversations in flight finish, then closes. Takes at
   *  most `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return this.#listener.end(() => this.#acceptor.drain(reason));
  }

  /** Closes at once; conversations in flight are lost. A reason is told to the peers. */
  close(reason?: string): Promise<void> {
    return this.#listener.end(() => this.#acceptor.close(reason));
  }

  /** `drain`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }
}
