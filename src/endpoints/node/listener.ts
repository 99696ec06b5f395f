/**
 * Listener: a listening socket, TCP or Unix, and the TLS handshakes behind it. What gets through is served by an Acceptor.
 * Nothing that a peer does may throw out of an event here: that would end the process. docs/services.md, "serving".
 */
import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { failure, HbiError } from "../../errors.ts";
import { nodeSocketTransport } from "../../wire/transport/node-socket.ts";
import { TlsGate } from "../../wire/transport/node-tls-gate.ts";
import type { ServerTls } from "../../wire/transport/node-tls-options.ts";
import type { Transport } from "../../wire/transport.ts";
import { type Address, formatAddress, parseAddress } from "../address.ts";
import type { Accepted, Acceptor } from "../session/acceptor.ts";
import { ignore, markHandled } from "../waits.ts";

export class Listener {
  readonly #address: Address;
  readonly #isTcp: boolean;
  readonly #acceptor: Acceptor;
  readonly #gate: TlsGate | undefined;
  #server: Server | undefined;
  #closed: Promise<unknown> | undefined;

  /** @throws HbiError invalid_argument */
  constructor(address: Address, acceptor: Acceptor, tls: ServerTls | undefined) {
    const parsed = parseAddress(address);
    acceptor.name = formatAddress(parsed);
    this.#address = address;
    this.#isTcp = "host" in parsed;
    this.#acceptor = acceptor;
    const keeper = {
      onSecure: (socket: TLSSocket, refusal: HbiError | undefined, isDrained: boolean) =>
        this.#secured(socket, refusal, isDrained),
      onFailed: (error: HbiError) => acceptor.report(error),
    };
    const { clock, limits } = acceptor;
    this.#gate = tls === undefined ? undefined : new TlsGate(tls, limits.connectTimeoutMs, clock, keeper);
  }

  /** @throws HbiError failed_precondition before it listens */
  get address(): string {
    const bound = this.#server?.address();
    if (bound === null || bound === undefined) throw failure("wrong_stage", "the server does not listen");
    return typeof bound === "string" ? bound : formatAddress({ host: bound.address, port: bound.port });
  }

  /** Resolves when it has stopped listening and every connection is over. */
  get closed(): Promise<void> {
    return this.#closed?.then(ignore) ?? Promise.resolve();
  }

  /** @throws HbiError unavailable when the address can't be had; failed_precondition when it has been closed */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    if (this.#acceptor.isEnding) throw failure("wrong_stage", "the server is closed");
    const address = parseAddress(this.#address);
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#connected(socket),
    );
    this.#server = server;
    const stopped = new Promise((resolve) => server.once("close", resolve));
    this.#closed = Promise.all([stopped, this.#acceptor.closed]);
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: Error): void => {
        this.#server = undefined;
        this.#closed = undefined;
        reject(failure("connect_failed", `cannot listen at ${formatAddress(address)}`, { cause }));
      };
      server.once("error", refuse);
      const path = "path" in address ? { path: address.path } : { host: address.host, port: address.port };
      server.listen(path, () => {
        server.off("error", refuse);
        // A failing accept (no more file descriptors) concerns that connection; the server goes on.
        server.on("error", (cause) => this.#acceptor.report(cause));
        if (this.#acceptor.isEnding) this.#stop();
        resolve();
      });
    });
  }

  /** @throws HbiError invalid_argument, and nothing has changed; failed_precondition without TLS */
  reloadTls(tls: ServerTls): void {
    if (this.#gate === undefined) throw failure("wrong_stage", "the server has no TLS");
    this.#gate.reload(tls);
  }

  /** Stops listening and ends the connections. Handshakes are destroyed when these are over: they hold up nothing. */
  end(endConnections: () => Promise<void>): Promise<void> {
    return markHandled(this.#end(endConnections));
  }

  async #end(endConnections: () => Promise<void>): Promise<void> {
    const ended = endConnections(); // first, so that nobody is let in any more
    this.#stop();
    await ended;
    this.#gate?.destroyAll();
    if (this.#acceptor.connections.size === 0) await this.#closed; // else it is a handler that asks, of a connection that waits for it
  }

  #stop(): void {
    if (this.#server?.listening === true) this.#server.close();
  }

  // --- who comes -----------------------------------------------------------------------------------------------------

  #connected(socket: Socket): void {
    if (this.#isGone(socket)) {
      refuse(socket);
      this.#acceptor.refused("gone");
      return;
    }
    const place = this.#acceptor.enter(socket.remoteAddress);
    if (place instanceof HbiError) {
      refuse(socket, this.#isTcp);
      return;
    }
    socket.once("close", () => place.leave());
    if (this.#gate !== undefined) this.#gate.take(socket);
    else this.#serve(socket, { neighbours: place.neighbours });
  }

  /** Over TCP, a socket without an address has been reset by its peer. As nobody knows whose share it would be, it must not take from
   *  everybody's. */
  #isGone(socket: Socket): boolean {
    return this.#isTcp && socket.remoteAddress === undefined;
  }

  #secured(socket: TLSSocket, refusal: HbiError | undefined, isDrained: boolean): void {
    const hasEnded = this.#acceptor.isEnding; // its handshake took longer than this server
    if (hasEnded || this.#isGone(socket)) {
      refuse(socket);
      return;
    }
    const neighbours = this.#acceptor.neighboursOf(socket.remoteAddress);
    this.#serve(socket, { neighbours, refusal }, isDrained);
  }

  #serve(socket: Socket, accepted: Omit<Accepted, "transport">, isDrained = false): void {
    let transport: Transport;
    try {
      transport = nodeSocketTransport(socket); // reads the certificate of the peer
    } catch (thrown) {
      refuse(socket);
      this.#acceptor.report(thrown);
      return;
    }
    // What fails is told to the log and to the peer by the connection.
    const until = isDrained ? transport.identity?.validUntil : undefined;
    const expires = until && { at: until, reason: "the client certificate has expired" };
    this.#acceptor.serve({ ...accepted, transport, expires }).catch(ignore);
  }
}

/** Ends a socket of which nothing has been read. A Unix socket can't be reset: Node throws. */
function refuse(socket: Socket, isReset = false): void {
  socket.on("error", ignore);
  if (isReset) socket.resetAndDestroy();
  else socket.destroy();
}
