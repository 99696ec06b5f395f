/**
 * HBIC: the connecting side over Node's sockets.
 */
import { systemClock } from "../../clock.ts";
import { failure, type HbiError } from "../../errors.ts";
import { resolveLimits } from "../../limits.ts";
import { aSignal, checkOptions, type OptionsOf } from "../../options.ts";
import { type ClientTls, clientTls } from "../../wire/transport/node-tls-options.ts";
import type { Transport } from "../../wire/transport.ts";
import type { Address } from "../address.ts";
import type { Dial } from "../service/reconnect.ts";
import { Connection } from "../session/connection.ts";
import { CONNECTION_OPTIONS, type ConnectionOptions } from "../session/connection-options.ts";
import type { HostingEnd } from "../session/hosting-end.ts";
import type { HostingEnv } from "../session/hosting-env.ts";
import type { PostingEnd } from "../session/posting-end.ts";
import { ignore, markHandled } from "../waits.ts";
import { dialer } from "./dialer.ts";

export interface ConnectOptions extends ConnectionOptions {
  readonly signal?: AbortSignal | undefined;
  /** Connects over TLS and verifies the server; may be `{}`. Read for each connection. */
  readonly tls?: ClientTls | undefined;
}

const CONNECT_OPTIONS: OptionsOf<ConnectOptions> = { ...CONNECTION_OPTIONS, signal: aSignal, tls: clientTls };

export interface PeerEnds {
  readonly po: PostingEnd;
  readonly ho: HostingEnd;
}

/** A client of one address. `connect` dials. After a disconnect, it may be called again with the same environment. */
export class HBIC {
  readonly #dialAddress: Dial;
  readonly #env: () => HostingEnv;
  readonly #options: ConnectOptions;
  readonly #connectionOptions: ConnectionOptions;
  #connection: Connection | undefined;
  #dialing: Promise<PeerEnds> | undefined;
  #abortDial: AbortController | undefined;

  /** @param env what the server may call here, or a function that creates it for each connection */
  constructor(address: Address, env: HostingEnv | (() => HostingEnv), options: ConnectOptions = {}) {
    checkOptions(options, "HBIC", CONNECT_OPTIONS);
    resolveLimits(options.limits, "client");
    const { clock = systemClock } = options;
    this.#dialAddress = dialer(address, { clock, tls: () => options.tls, webSocket: undefined });
    this.#env = typeof env === "function" ? env : () => env;
    this.#options = options;
    const { tls: _tls, signal: _signal, ...connectionOptions } = options;
    this.#connectionOptions = connectionOptions;
  }

  get isConnected(): boolean {
    return this.#connection?.isOpen === true;
  }

  /** Dials unless connected, and waits for the init hooks.
   *  @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled */
  connect(): Promise<PeerEnds> {
    return markHandled(this.#connect());
  }

  async #connect(): Promise<PeerEnds> {
    const connection = this.#connection;
    if (connection?.isOpen === true && this.#dialing === undefined) return endsOf(connection);
    this.#dialing ??= this.#dial().finally(() => {
      this.#dialing = undefined;
    });
    return this.#dialing;
  }

  async #dial(): Promise<PeerEnds> {
    this.#abortDial = new AbortController();
    const signals = [this.#abortDial.signal, ...(this.#options.signal === undefined ? [] : [this.#options.signal])];
    await this.#connection?.closed; // its cleanup uses the environment until then
    const limits = resolveLimits(this.#options.limits, "client");
    const transport = await this.#dialAddress({
      timeoutMs: limits.connectTimeoutMs,
      signal: AbortSignal.any(signals),
    });
    const connection = this.#connectionOver(transport);
    this.#connection = connection;
    await connection.start();
    return endsOf(connection);
  }

  #connectionOver(transport: Transport): Connection {
    try {
      return new Connection(transport, () => this.#env(), this.#connectionOptions, { isDialing: true });
    } catch (thrown) {
      transport.destroy(); // there is no environment for it
      throw thrown;
    }
  }

  /** Resolves when the current connection has ended; with the reason, unless the close was orderly. */
  get closed(): Promise<HbiError | undefined> {
    return this.#connection?.closed ?? Promise.resolve(failure("disconnected", "not connected"));
  }

  /** Closes the connection or stops dialing; conversations in flight are lost. The reason is sent to the server. */
  disconnect(reason?: string): Promise<void> {
    return markHandled(this.#end((connection) => connection.disconnect(reason)));
  }

  /** Begins nothing new, lets the conversations in flight on both sides finish, and closes; stops dialing. Takes at
   *  most `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return markHandled(this.#end((connection) => connection.drain(reason)));
  }

  async #end(end: (connection: Connection) => Promise<void>): Promise<void> {
    this.#abortDial?.abort();
    if (this.#connection !== undefined) await end(this.#connection);
    await this.#dialing?.catch(ignore); // its caller is informed
    if (this.#connection !== undefined) await end(this.#connection); // connected in the meantime
  }

  /** Drains. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }
}

function endsOf(connection: Connection): PeerEnds {
  return { po: connection.posting, ho: connection.hosting };
}
