/**
 * HBIS: the listening side, over Node's sockets. Every connection has a hosting environment of its own.
 */
import { createServer, type Server, type Socket } from "node:net";
import { asHbiError, failure } from "../errors.ts";
import { resolveLimits } from "../limits.ts";
import { nodeSocketTransport } from "../wire/node-socket-transport.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { HostingEnd } from "./hosting-end.ts";
import type { HostingEnv } from "./hosting-env.ts";
import type { PostingEnd } from "./posting-end.ts";

/** Makes the environment of a new connection: what its peer may use. The ends are connected when init hooks run. */
export type ContextFactory = (po: PostingEnd, ho: HostingEnd, connection: Connection) => HostingEnv;

export class HBIS {
  readonly #address: Address;
  readonly #context: ContextFactory;
  readonly #options: ConnectionOptions;
  readonly #connections = new Set<Connection>();
  #server: Server | undefined;
  #closed: Promise<void> | undefined;

  constructor(address: Address, context: ContextFactory, options: ConnectionOptions = {}) {
    parseAddress(address);
    resolveLimits(options.limits);
    this.#address = address;
    this.#context = context;
    this.#options = options;
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
      void this.#accept(socket);
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

  async #accept(socket: Socket): Promise<void> {
    const transport = nodeSocketTransport(socket);
    let connection: Connection;
    try {
      connection = new Connection(transport, this.#context, this.#options);
    } catch (thrown) {
      this.#report(thrown);
      transport.destroy();
      return;
    }
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    try {
      await connection.start();
    } catch (thrown) {
      asHbiError(thrown); // told to the log and the peer by the connection
    }
  }

  /** Accepts no one any more, tells peers that speak the extension, lets the conversations in flight finish, then closes. */
  async drain(reason?: string): Promise<void> {
    this.#stopListening();
    await Promise.all([...this.#connections].map((connection) => connection.drain(reason)));
    await this.#closed;
  }

  /** Closes at once; conversations in flight are lost. A reason is told to the peers. */
  async close(reason?: string): Promise<void> {
    this.#stopListening();
    await Promise.all([...this.#connections].map((connection) => connection.disconnect(reason)));
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #stopListening(): void {
    const server = this.#server;
    if (server?.listening === true) server.close();
  }

  #report(thrown: unknown): void {
    const error = asHbiError(thrown);
    const log = this.#options.log;
    if (log !== undefined) log({ error, netIdent: formatAddress(parseAddress(this.#address)), where: "accept" });
    else console.error("hbi: accept:", thrown);
  }
}
