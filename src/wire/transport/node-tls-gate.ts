/**
 * TlsGate: the handshakes of a server's sockets. A failure ends one socket, never the server, and is reported.
 * docs/tls.md.
 */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { afterHearing, type Clock, type Timer } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import { type ServerTls, serverOptions } from "./node-tls-options.ts";
import { acceptTrouble, certificateTrouble } from "./node-tls-trouble.ts";

export interface GateKeeper {
  /** The handshake is complete. After a refusal, nothing of the peer may be read; the peer is told the reason, and the
   *  connection is closed.
   *  @param isDrained whether the connection drains when its peer's certificate expires */
  onSecure(socket: TLSSocket, refusal: HbiError | undefined, isDrained: boolean): void;
  onFailed(error: HbiError): void;
}

export class TlsGate {
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #keeper: GateKeeper;
  readonly #sockets = new Map<Socket, Patience>();
  #server: Server;

  /** @param timeoutMs for a whole handshake, however slowly its bytes arrive @throws HbiError invalid_argument */
  constructor(tls: ServerTls, timeoutMs: number, clock: Clock, keeper: GateKeeper) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#keeper = keeper;
    this.#server = this.#serverOf(tls);
  }

  /** New sockets use these certificates, authorities and rules. Open connections continue; earlier sessions are not
   *  resumed.
   *  @throws HbiError invalid_argument, without changing anything */
  reload(tls: ServerTls): void {
    this.#server = this.#serverOf(tls);
  }

  /** Takes over an accepted socket from which nothing has been read. */
  take(socket: Socket): void {
    const patience = new Patience(this.#clock, this.#timeoutMs);
    this.#sockets.set(socket, patience);
    socket.allowHalfOpen = false; // a peer that half-closes during the handshake has left
    socket.once("close", () => {
      patience.gone();
      this.#sockets.delete(socket);
    });
    this.#server.emit("connection", socket);
  }

  /** Called when all connections have ended: only handshakes are left. */
  destroyAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  /** A server that never listens. Node passes sockets to it as usual, and it can be replaced. */
  #serverOf(tls: ServerTls): Server {
    const options = serverOptions(tls);
    const server = createServer({ ...options, pauseOnConnect: true, handshakeTimeout: this.#timeoutMs });
    server.on("secureConnection", (socket) => {
      this.#patienceWith(socket)?.end();
      let refusal: HbiError | undefined;
      try {
        socket.allowHalfOpen = true;
        socket.disableRenegotiation(); // the identity is settled
        refusal = refusalOf(socket, tls);
      } catch (thrown) {
        socket.destroy();
        this.#keeper.onFailed(asHbiError(thrown));
        return;
      }
      this.#keeper.onSecure(socket, refusal, tls.expiredCertificate === "drain");
    });
    server.on("tlsClientError", (cause, socket) => {
      // Node's own deadline does not know whether this side was able to read.
      if (isTimeout(cause) && this.#patienceWith(socket)?.whenOver(() => this.#failed(cause, socket)) === true) return;
      this.#failed(cause, socket);
    });
    return server;
  }

  #failed(cause: Error, socket: TLSSocket): void {
    const remote = socket.remoteAddress === undefined ? "a peer" : `${socket.remoteAddress}:${socket.remotePort}`;
    socket.destroy(); // Node leaves a timed-out socket open
    this.#keeper.onFailed(acceptTrouble(remote, cause));
  }

  #patienceWith(socket: TLSSocket): Patience | undefined {
    const { _parent } = socket as { readonly _parent?: Socket }; // present in all versions of Node; without it, only Node's deadline applies
    return _parent === undefined ? undefined : this.#sockets.get(_parent);
  }
}

/** The peer's time for its handshake, excluding time in which this side could not read. */
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

  /** Returns false if the time is already over. */
  whenOver(run: () => void): boolean {
    this.#run = run;
    return !this.#isOver;
  }

  /** The handshake is complete. */
  end(): void {
    this.#run = undefined;
    this.#timer.cancel();
  }

  /** The peer has left. Node has already reported its deadline and reports nothing more. */
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
  // Checked before `authorized`, which is true for a session resumed without a certificate.
  if (socket.getPeerX509Certificate() === undefined) {
    return clientCertificate === "optional"
      ? undefined
      : failure("unauthenticated", "a client certificate is required");
  }
  if (socket.authorized) return undefined;
  const code = String(socket.authorizationError);
  return failure("unauthenticated", `the client certificate ${certificateTrouble(code)}`);
}
