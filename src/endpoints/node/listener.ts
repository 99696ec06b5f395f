/**
 * Listener: a listening socket, TCP or Unix, and its TLS handshakes. An Acceptor serves the accepted connections. An
 * exception in an event handler here would end the process, so none may be caused by a peer. docs/services.md,
 * "Serving".
 */

import { type BigIntStats, chmodSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { failure, HbiError } from "../../errors.ts";
import { mustBe, type OptionsOf } from "../../options.ts";
import { nodeSocketTransport } from "../../wire/transport/node-socket.ts";
import { TlsGate } from "../../wire/transport/node-tls-gate.ts";
import { type ServerTls, serverTls } from "../../wire/transport/node-tls-options.ts";
import { checkPath, codeOf, listenTrouble } from "../../wire/transport/node-trouble.ts";
import type { Transport } from "../../wire/transport.ts";
import { type Address, formatAddress, type PathAddress, parseAddress, type TcpAddress } from "../address.ts";
import type { Accepted, Acceptor } from "../session/acceptor.ts";
import { ignore, markHandled } from "../waits.ts";
import { closeSparingOthers, fileAt, removeStaleSocket } from "./socket-file.ts";

export interface ListenOptions {
  /** Serves over TLS; with `ca`, clients must present a certificate, which `peer.identity` describes. */
  readonly tls?: ServerTls | undefined;
  /** The permissions of a Unix socket: 0o660 admits the group. Default: as the process's umask says. */
  readonly socketMode?: number | undefined;
}

export const LISTEN_OPTIONS: OptionsOf<ListenOptions> = {
  tls: serverTls,
  socketMode: mustBe(
    "permissions from 0 to 0o777",
    (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0o777,
  ),
};

export class Listener {
  readonly #address: TcpAddress | PathAddress;
  readonly #mode: number | undefined;
  readonly #acceptor: Acceptor;
  readonly #gate: TlsGate | undefined;
  #server: Server | undefined;
  /** of a Unix socket, as it was bound */
  #file: BigIntStats | undefined;
  #closed: Promise<unknown> | undefined;

  /** @throws HbiError invalid_argument */
  constructor(address: Address, acceptor: Acceptor, { tls, socketMode }: ListenOptions) {
    const parsed = parseAddress(address);
    if ("path" in parsed) checkPath(parsed.path);
    else if (socketMode !== undefined) throw failure("bad_option", "socketMode is for a Unix socket");
    acceptor.name = formatAddress(parsed);
    this.#address = parsed;
    this.#mode = socketMode;
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

  /** Resolves when it has stopped listening and every connection has ended. */
  get closed(): Promise<void> {
    return this.#closed?.then(ignore) ?? Promise.resolve();
  }

  /** @throws HbiError unavailable if the address cannot be bound; failed_precondition after it was closed */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    if (this.#acceptor.isEnding) throw failure("wrong_stage", "the server is closed");
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#connected(socket),
    );
    this.#server = server;
    const stopped = new Promise((resolve) => server.once("close", resolve));
    this.#closed = Promise.all([stopped, this.#acceptor.closed]);
    try {
      await this.#bind(server);
    } catch (thrown) {
      this.#server = undefined;
      this.#closed = undefined;
      server.close(ignore);
      throw thrown instanceof HbiError ? thrown : listenTrouble(this.#address, thrown as Error); // an error event has an Error
    }
    // A failing accept (no file descriptors left) concerns that connection; the server continues.
    server.on("error", (cause) => this.#acceptor.report(cause));
    if (this.#acceptor.isEnding) this.#stop();
  }

  async #bind(server: Server): Promise<void> {
    const address = this.#address;
    try {
      await bound(server, address);
    } catch (thrown) {
      const isInUse = thrown instanceof Error && codeOf(thrown) === "EADDRINUSE";
      if (!isInUse || !("path" in address) || address.path.startsWith("\0")) throw thrown; // an abstract socket has no file
      await removeStaleSocket(address.path, thrown);
      await bound(server, address);
    }
    if (!("path" in address)) return;
    this.#file = fileAt(address.path);
    if (this.#mode !== undefined) chmodSync(address.path, this.#mode);
  }

  /** @throws HbiError invalid_argument, without changing anything; failed_precondition without TLS */
  reloadTls(tls: ServerTls): void {
    if (this.#gate === undefined) throw failure("wrong_stage", "the server has no TLS");
    this.#gate.reload(tls);
  }

  /** Stops listening and ends the connections. Handshakes do not delay this; they are destroyed afterwards. */
  end(endConnections: () => Promise<void>): Promise<void> {
    return markHandled(this.#end(endConnections));
  }

  async #end(endConnections: () => Promise<void>): Promise<void> {
    const ended = endConnections(); // first, so that no further connection is accepted
    this.#stop();
    await ended;
    this.#gate?.destroyAll();
    if (this.#acceptor.connections.size === 0) await this.#closed; // otherwise a handler called this, and its connection waits for it
  }

  #stop(): void {
    const server = this.#server;
    if (server?.listening !== true) return;
    const address = this.#address;
    if ("path" in address) closeSparingOthers(address.path, this.#file, () => server.close());
    else server.close();
  }

  // --- incoming sockets ----------------------------------------------------------------------------------------------

  #connected(socket: Socket): void {
    if (this.#isGone(socket)) {
      refuse(socket);
      this.#acceptor.refused("gone");
      return;
    }
    const place = this.#acceptor.enter(socket.remoteAddress);
    if (place instanceof HbiError) {
      refuse(socket, "host" in this.#address);
      return;
    }
    socket.once("close", () => place.leave());
    if (this.#gate !== undefined) this.#gate.take(socket);
    else this.#serve(socket, { neighbours: place.neighbours });
  }

  /** Over TCP, a socket without an address has been reset by its peer. Its address is unknown, so counting it would
   *  penalise the others. */
  #isGone(socket: Socket): boolean {
    return "host" in this.#address && socket.remoteAddress === undefined;
  }

  #secured(socket: TLSSocket, refusal: HbiError | undefined, isDrained: boolean): void {
    const hasEnded = this.#acceptor.isEnding; // the server was closed during the handshake
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
      transport = nodeSocketTransport(socket); // reads the peer's certificate
    } catch (thrown) {
      refuse(socket);
      this.#acceptor.report(thrown);
      return;
    }
    // The connection reports failures to the log and to the peer.
    const until = isDrained ? transport.identity?.validUntil : undefined;
    const expires = until && { at: until, reason: "the client certificate has expired" };
    this.#acceptor.serve({ ...accepted, transport, expires }).catch(ignore);
  }
}

function bound(server: Server, address: TcpAddress | PathAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const target = "path" in address ? { path: address.path } : { host: address.host, port: address.port };
    server.listen(target, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Ends a socket from which nothing was read. Node throws when a Unix socket is reset. */
function refuse(socket: Socket, isReset = false): void {
  socket.on("error", ignore);
  if (isReset) socket.resetAndDestroy();
  else socket.destroy();
}
