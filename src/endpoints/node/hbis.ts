/**
 * HBIS: the listening side over Node's sockets. Every connection has its own hosting environment.
 */
import { failure } from "../../errors.ts";
import { checkOptions, type OptionsOf } from "../../options.ts";
import type { ServerTls } from "../../wire/transport/node-tls-options.ts";
import type { Address } from "../address.ts";
import { Acceptor, type ContextFactory } from "../session/acceptor.ts";
import { CONNECTION_OPTIONS, type ConnectionOptions } from "../session/connection-options.ts";
import { addressesOf, LISTEN_OPTIONS, type Listeners, type ListenOptions, listenersAt } from "./listeners.ts";

export interface ServerOptions extends ConnectionOptions, ListenOptions {}

const SERVER_OPTIONS: OptionsOf<ServerOptions> = { ...CONNECTION_OPTIONS, ...LISTEN_OPTIONS };

const NO_WEB = "HBIS listens on sockets: for WebSockets, use serve, or an Acceptor with webSocketTransport";

export class HBIS {
  readonly #acceptor: Acceptor;
  readonly #listeners: Listeners;

  /** @param address one or several, but none of a WebSocket @throws HbiError invalid_argument */
  constructor(address: Address | readonly Address[], context: ContextFactory, given: ServerOptions = {}) {
    checkOptions(given, "HBIS", SERVER_OPTIONS);
    const { tls, socketMode, ...options } = given;
    const parsed = addressesOf(address);
    if (parsed.some((one) => "url" in one)) throw failure("bad_option", NO_WEB);
    this.#acceptor = new Acceptor(context, options);
    this.#listeners = listenersAt(parsed, this.#acceptor, { tls, socketMode }, undefined);
  }

  /** The number of open connections. */
  get connectionCount(): number {
    return this.#acceptor.connections.size;
  }

  /** "127.0.0.1:3232" as bound; for port 0, the port that the system chose. @throws HbiError failed_precondition before
   *  it listens */
  get address(): string {
    return this.#listeners.address;
  }

  /** The same of each address. */
  get addresses(): readonly string[] {
    return this.#listeners.addresses;
  }

  /** Starts to listen. @throws HbiError unavailable if the address cannot be bound; failed_precondition after it was
   *  closed */
  listen(): Promise<void> {
    return this.#listeners.listen();
  }

  /** Listens and serves until `close` or `drain`. */
  async serveUntilClosed(): Promise<void> {
    await this.#listeners.listen();
    await this.#listeners.closed;
  }

  /** Resolves when it has stopped listening and every connection has ended. */
  get closed(): Promise<void> {
    return this.#listeners.closed;
  }

  /** Replaces certificates, authorities and rules for new connections, without a restart. Open connections continue.
   *  @throws HbiError invalid_argument, without changing anything */
  reloadTls(tls: ServerTls): void {
    this.#listeners.reloadTls(tls);
  }

  /** Stops accepting, tells peers that support the extension, lets the conversations in flight finish, and closes.
   *  Takes at most `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return this.#listeners.end(() => this.#acceptor.drain(reason));
  }

  /** Closes at once; conversations in flight are lost. The reason is sent to the peers. */
  close(reason?: string): Promise<void> {
    return this.#listeners.end(() => this.#acceptor.close(reason));
  }

  /** Drains. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }
}
