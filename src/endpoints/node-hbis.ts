/**
 * HBIS: the listening side, over Node's sockets. Every connection has a hosting environment of its own.
 */
import { createServer, type Server, type Socket } from "node:net";
import { systemClock } from "../clock.ts";
import { asHbiError, failure, type HbiError, oneLine } from "../errors.ts";
import { resolveLimits } from "../limits.ts";
import { nodeSocketTransport } from "../wire/node-socket-transport.ts";
import { TlsGate } from "../wire/node-tls-gate.ts";
import type { ServerTls } from "../wire/node-tls-options.ts";
import { AcceptGuard, networkOf } from "./accept-guard.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { Connection } from "./connection.ts";
import { type ConnectionOptions, tell } from "./connection-options.ts";
import type { HostingEnd } from "./hosting-end.ts";
import { HostingEnv } from "./hosting-env.ts";
import type { PostingEnd } from "./posting-end.ts";
import { Neighbourhood } from "./unsent-load.ts";

/** Makes the environment of a new connection: what its peer may use. The ends are connected when init hooks run. */
export type ContextFactory = (po: PostingEnd, ho: HostingEnd, connection: Connection) => HostingEnv;

export interface ServerOptions extends ConnectionOptions {
  /** Over TLS; with `ca`, clients must show a certificate. */
  readonly tls?: ServerTls;
}

export class HBIS {
  readonly #address: Address;
  readonly #context: ContextFactory;
  readonly #options: ConnectionOptions;
  readonly #gate: TlsGate | undefined;
  readonly #guard: AcceptGuard;
  readonly #neighbourhood = new Neighbourhood();
  /** connections refused since the log was told */
  #refused = 0;
  readonly #connections = new Set<Connection>();
  #server: Server | undefined;
  #closed: Promise<void> | undefined;

  constructor(address: Address, context: ContextFactory, { tls, ...options }: ServerOptions = {}) {
    parseAddress(address);
    const limits = resolveLimits(options.limits);
    this.#guard = new AcceptGuard(limits, options.clock ?? systemClock);
    const keeper = {
      onSecure: (socket: Socket, refusal: HbiError | undefined) => void this.#accept(socket, refusal),
      onFailed: (error: HbiError) => {
        if (options.log !== undefined) tell(options.log, { error, netIdent: this.#netIdent, where: "accept" });
      },
    };
    this.#gate = tls === undefined ? undefined : new TlsGate(tls, limits.connectTimeoutMs, keeper);
    this.#address = address;
    this.#context = context;
    this.#options = { ...options, limits };
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** "127.0.0.1:3232" as bound; of port 0 the one that the system chose. @throws HbiError before it listens */
  get address(): string {
    const bound = this.#server?.address();
    if (bound === null || bound === undefined) throw failure("wrong_stage", "the server does not listen");
    return typeof bound === "string" ? bound : formatAddress({ host: bound.address, port: bound.port });
  }

  /** Starts to listen. @throws HbiError unavailable when the address can't be had */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    const address = parseAddress(this.#address);
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      if (!this.#mayEnter(socket)) return;
      if (this.#gate === undefined) void this.#accept(socket);
      else this.#gate.take(socket);
    });
    this.#server = server;
    this.#closed = new Promise((resolve) => server.once("close", resolve));
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: Error): void => {
        this.#server = undefined;
        reject(failure("connect_failed", `cannot listen at ${formatAddress(address)}`, { cause }));
      };
      server.once("error", refuse);
      const path = "path" in address ? { path: address.path } : { host: address.host, port: address.port };
      server.listen(path, () => {
        server.off("error", refuse);
        // A failing accept (no more file descriptors) concerns that connection; the server goes on.
        server.on("error", (cause) => this.#report(cause));
        resolve();
      });
    });
  }

  /** Listens and serves until `close` or `drain`. */
  async serveUntilClosed(): Promise<void> {
    await this.listen();
    await this.#closed;
  }

  /** Resolves when it has stopped listening and every connection is over. */
  get closed(): Promise<void> {
    return this.#closed ?? Promise.resolve();
  }

  /** Certificates, authorities and rules of new connections, without a restart; those that are open go on.
   *  @throws HbiError invalid_argument, and nothing has changed */
  reloadTls(tls: ServerTls): void {
    if (this.#gate === undefined) throw failure("wrong_stage", "the server has no TLS");
    this.#gate.reload(tls);
  }

  /** Refused before anything is allocated for it: nothing is said, and the log is told once a second. */
  #mayEnter(socket: Socket): boolean {
    const { remoteAddress } = socket;
    const full = this.#guard.enter(remoteAddress);
    if (full === undefined) {
      socket.once("close", () => this.#guard.leave(remoteAddress));
      return true;
    }
    socket.on("error", () => undefined);
    socket.resetAndDestroy();
    this.#refused += 1;
    if (this.#refused === 1) {
      (this.#options.clock ?? systemClock).after(1_000, () => {
        const error = failure("too_many_connections", `${this.#refused} refused in a second, ${full}`);
        this.#refused = 0;
        this.#report(error);
      });
    }
    return false;
  }

  async #accept(socket: Socket, refusal?: HbiError): Promise<void> {
    const transport = nodeSocketTransport(socket);
    if (this.#server?.listening !== true) {
      transport.destroy(); // its handshake took longer than this server
      return;
    }
    const context: ContextFactory = refusal === undefined ? this.#context : () => new HostingEnv();
    let connection: Connection;
    try {
      const network = networkOf(socket.remoteAddress);
      const neighbours = network === undefined ? undefined : { neighbourhood: this.#neighbourhood, network };
      connection = new Connection(transport, context, this.#options, { neighbours });
    } catch (thrown) {
      this.#report(thrown);
      transport.destroy();
      return;
    }
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    try {
      const started = connection.start();
      if (refusal !== undefined) connection.cut(refusal); // before anything is read
      await started;
    } catch (thrown) {
      asHbiError(thrown); // told to the log and the peer by the connection
    }
  }

  /** Accepts no one any more, tells peers that speak the extension, lets the conversations in flight finish, then closes. */
  async drain(reason?: string): Promise<void> {
    this.#stopListening();
    await Promise.all([...this.#connections].map((connection) => connection.drain(reason)));
    this.#gate?.destroyAll();
    await this.#closed;
  }

  /** Closes at once; conversations in flight are lost. A reason is told to the peers. */
  async close(reason?: string): Promise<void> {
    this.#stopListening();
    await Promise.all([...this.#connections].map((connection) => connection.disconnect(reason)));
    this.#gate?.destroyAll();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #stopListening(): void {
    const server = this.#server;
    if (server?.listening === true) server.close();
  }

  get #netIdent(): string {
    return formatAddress(parseAddress(this.#address));
  }

  #report(thrown: unknown): void {
    const error = asHbiError(thrown);
    const log = this.#options.log;
    if (log !== undefined) tell(log, { error, netIdent: this.#netIdent, where: "accept" });
    else console.error(`hbi: ${this.#netIdent}: accept: ${oneLine(error.message)}`);
  }
}
