/**
 * TlsGate: the handshakes of a server's sockets. What fails here ends one socket, never the server, and says why. docs/tls.md.
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { asHbiError, failure, type HbiError } from "../errors.ts";
import { type ServerTls, serverOptions } from "./node-tls-options.ts";
import { acceptTrouble, certificateTrouble } from "./node-tls-trouble.ts";

export interface GateKeeper {
  /** The handshake is done. With a refusal nothing of the peer may be read; it is told why, and closed.
   *  @param isDrained whether the connection is to be drained when the certificate of its peer expires */
  onSecure(socket: TLSSocket, refusal: HbiError | undefined, isDrained: boolean): void;
  onFailed(error: HbiError): void;
}

export class TlsGate {
  readonly #timeoutMs: number;
  readonly #keeper: GateKeeper;
  readonly #sockets = new Set<Socket>();
  #server: Server;

  /** @param timeoutMs of a handshake, however slowly its bytes come  @throws HbiError invalid_argument */
  constructor(tls: ServerTls, timeoutMs: number, keeper: GateKeeper) {
    this.#timeoutMs = timeoutMs;
    this.#keeper = keeper;
    this.#server = this.#serverOf(tls);
  }

  /** New sockets meet these certificates, authorities and rules. Those that are in go on; sessions of before are not resumed.
   *  @throws HbiError invalid_argument, and nothing has changed */
  reload(tls: ServerTls): void {
    this.#server = this.#serverOf(tls);
  }

  /** Takes over an accepted socket that nobody has read from. */
  take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.allowHalfOpen = false; // half of a handshake is none: who ends it is gone
    socket.once("close", () => this.#sockets.delete(socket));
    this.#server.emit("connection", socket);
  }

  /** For the end, when every connection is over: what is left are handshakes. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** A server that never listens: Node hands sockets to it in the same way, and another can take its place. */
  #serverOf(tls: ServerTls): Server {
    const options = serverOptions(tls);
    const server = createServer({ ...options, pauseOnConnect: true, handshakeTimeout: this.#timeoutMs });
    server.on("secureConnection", (socket) => {
      let refusal: HbiError | undefined;
      try {
        socket.allowHalfOpen = true;
        socket.disableRenegotiation(); // who it is has been said
        refusal = refusalOf(socket, tls);
      } catch (thrown) {
        socket.destroy();
        this.#keeper.onFailed(asHbiError(thrown));
        return;
      }
      this.#keeper.onSecure(socket, refusal, tls.expiredCertificate === "drain");
    });
    server.on("tlsClientError", (cause, socket) => {
      const remote = socket.remoteAddress === undefined ? "a peer" : `${socket.remoteAddress}:${socket.remotePort}`;
      socket.destroy(); // one that took too long is not
      this.#keeper.onFailed(acceptTrouble(remote, cause));
    });
    return server;
  }
}

function refusalOf(socket: TLSSocket, { ca, clientCertificate = "required" }: ServerTls): HbiError | undefined {
  if (ca === undefined) return undefined;
  // Before `authorized`, which is true for a session that was resumed without any certificate.
  if (socket.getPeerX509Certificate() === undefined) {
    return clientCertificate === "optional"
      ? undefined
      : failure("unauthenticated", "a client certificate is required");
  }
  if (socket.authorized) return undefined;
  const code = String(socket.authorizationError);
  return failure("unauthenticated", `the client certificate ${certificateTrouble(code)}`);
}
