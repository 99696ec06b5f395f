/**
 * TlsGate: the handshakes of a server's sockets. What fails here ends one socket, never the server, and says why. docs/tls.md.
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { afterHearing, type Clock, type Timer } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
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
  readonly #clock: Clock;
  readonly #keeper: GateKeeper;
  readonly #sockets = new Map<Socket, Patience>();
  #server: Server;

  /** @param timeoutMs of a handshake, however slowly its bytes come  @throws HbiError invalid_argument */
  constructor(tls: ServerTls, timeoutMs: number, clock: Clock, keeper: GateKeeper) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
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
    const patience = new Patience(this.#clock, this.#timeoutMs);
    this.#sockets.set(socket, patience);
    socket.allowHalfOpen = false; // half of a handshake is none: who ends it is gone
    socket.once("close", () => {
      patience.gone();
      this.#sockets.delete(socket);
    });
    this.#server.emit("connection", socket);
  }

  /** For the end, when every connection is over: what is left are handshakes. */
  destroyAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  /** A server that never listens: Node hands sockets to it in the same way, and another can take its place. */
  #serverOf(tls: ServerTls): Server {
    const options = serverOptions(tls);
    const server = createServer({ ...options, pauseOnConnect: true, handshakeTimeout: this.#timeoutMs });
    server.on("secureConnection", (socket) => {
      this.#patienceWith(socket)?.end();
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
      // Node's own deadline does not know whether anybody could look at what has come.
      if (isTimeout(cause) && this.#patienceWith(socket)?.whenOver(() => this.#failed(cause, socket)) === true) return;
      this.#failed(cause, socket);
    });
    return server;
  }

  #failed(cause: Error, socket: TLSSocket): void {
    const remote = socket.remoteAddress === undefined ? "a peer" : `${socket.remoteAddress}:${socket.remotePort}`;
    socket.destroy(); // one that took too long is not
    this.#keeper.onFailed(acceptTrouble(remote, cause));
  }

  #patienceWith(socket: TLSSocket): Patience | undefined {
    const { _parent } = socket as { readonly _parent?: Socket }; // of all Node's versions; without it Node's deadline alone counts
    return _parent === undefined ? undefined : this.#sockets.get(_parent);
  }
}

/** The time that the peer has for its handshake, without what this side could not look at. */
class Patience {
  readonly #timer: Timer;
  #isOver = false;
  #run: (() => void) | undefined;

  constructor(clock: Clock, ms: number) {
    this.#timer = afterHearing(clock, ms, () => {
      this.#isOver = true;
      this.#runOnce();
    });
  }

  /** False: it is. */
  whenOver(run: () => void): boolean {
    this.#run = run;
    return !this.#isOver;
  }

  /** The handshake is done. */
  end(): void {
    this.#run = undefined;
    this.#timer.cancel();
  }

  /** The peer has not waited: Node has told its deadline already, and tells nothing more. */
  gone(): void {
    this.#timer.cancel();
    this.#runOnce();
  }

  #runOnce(): void {
    const run = this.#run;
    this.#run = undefined;
    run?.();
  }
}

function isTimeout(cause: Error): boolean {
  return "code" in cause && cause.code === "ERR_TLS_HANDSHAKE_TIMEOUT";
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
