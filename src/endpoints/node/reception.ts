/**
 * Reception: what becomes of a socket that was accepted: a slot, its TLS handshake, its WebSocket upgrade, and a
 * connection of an Acceptor. An exception in an event handler here would end the process, so none may be caused by a
 * peer. docs/services.md, "Serving".
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { HbiError } from "../../errors.ts";
import { nodeSocketTransport } from "../../wire/transport/node-socket.ts";
import { TlsGate } from "../../wire/transport/node-tls-gate.ts";
import type { ServerTls } from "../../wire/transport/node-tls-options.ts";
import type { Transport } from "../../wire/transport.ts";
import type { Place } from "../guard/accept-guard.ts";
import type { Accepted, Acceptor } from "../session/acceptor.ts";
import { ignore } from "../waits.ts";
import type { WebSocketGate } from "./web-socket-gate.ts";

/** Where a listener passes what it accepts. */
export interface Door {
  take(socket: Socket): void;
  /** A failing accept. */
  report(cause: unknown): void;
}

export interface ReceptionOptions {
  /** over TCP, a peer has an address, and a refused socket is reset */
  readonly isTcp: boolean;
  readonly tls: ServerTls | undefined;
  /** of an address for WebSockets */
  readonly web: WebSocketGate | undefined;
}

export class Reception implements Door {
  readonly #acceptor: Acceptor;
  readonly #isTcp: boolean;
  readonly #gate: TlsGate | undefined;
  readonly #web: WebSocketGate | undefined;

  /** @throws HbiError invalid_argument */
  constructor(acceptor: Acceptor, { isTcp, tls, web }: ReceptionOptions) {
    this.#acceptor = acceptor;
    this.#isTcp = isTcp;
    this.#web = web;
    const keeper = {
      onSecure: (socket: TLSSocket, refusal: HbiError | undefined, isDrained: boolean) =>
        this.#secured(socket, refusal, isDrained),
      onFailed: (error: HbiError) => acceptor.report(error),
    };
    const { clock, limits } = acceptor;
    this.#gate = tls === undefined ? undefined : new TlsGate(tls, limits.connectTimeoutMs, clock, keeper);
  }

  /** whether it has TLS of its own */
  get isSecure(): boolean {
    return this.#gate !== undefined;
  }

  /** @throws HbiError invalid_argument, without changing anything */
  reloadTls(tls: ServerTls): void {
    this.#gate?.reload(tls);
  }

  report(cause: unknown): void {
    this.#acceptor.report(cause);
  }

  /** Takes over a socket from which nothing was read. */
  take(socket: Socket): void {
    if (this.#hasGone(socket)) return;
    let neighbours: Accepted["neighbours"];
    if (!this.#isProxy(socket)) {
      const place = this.#enter(socket, socket.remoteAddress);
      if (place === undefined) return;
      socket.once("close", () => place.leave());
      ({ neighbours } = place);
    }
    if (this.#gate !== undefined) this.#gate.take(socket);
    else this.#serve(socket, { neighbours });
  }

  /** A slot for a socket that another process will serve; undefined if it is refused. Who the clients of a proxy are is
   *  known there alone. */
  admit(socket: Socket): Place | undefined {
    if (this.#hasGone(socket)) return undefined;
    return this.#enter(socket, this.#isProxy(socket) ? undefined : socket.remoteAddress);
  }

  /** Handshakes do not delay the end; they are destroyed afterwards. */
  abandon(): void {
    this.#gate?.destroyAll();
    this.#web?.destroyAll();
  }

  #hasGone(socket: Socket): boolean {
    if (!this.#isGone(socket)) return false;
    refuse(socket);
    this.#acceptor.refused("gone");
    return true;
  }

  /** Over TCP, a socket without an address has been reset by its peer. Its address is unknown, so counting it would
   *  penalise the others. */
  #isGone(socket: Socket): boolean {
    return this.#isTcp && socket.remoteAddress === undefined;
  }

  #isProxy(socket: Socket): boolean {
    return this.#web?.isProxy(socket.remoteAddress) === true;
  }

  #enter(socket: Socket, address: string | undefined): Place | undefined {
    const place = this.#acceptor.enter(address);
    if (!(place instanceof HbiError)) return place;
    refuse(socket, this.#isTcp);
    return undefined;
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
    if (this.#web !== undefined) {
      this.#web.take(socket, { ...accepted, isDrained, isPlaced: !this.#isProxy(socket) });
      return;
    }
    let transport: Transport;
    try {
      transport = nodeSocketTransport(socket); // reads the peer's certificate
    } catch (thrown) {
      refuse(socket);
      this.#acceptor.report(thrown);
      return;
    }
    // The connection reports failures to the log and to the peer.
    this.#acceptor.serve({ ...accepted, transport, expires: expiryOf(transport, isDrained) }).catch(ignore);
  }
}

/** When a connection drains because the certificate of its peer expires. */
export function expiryOf({ identity }: Transport, isDrained: boolean): Accepted["expires"] {
  const until = isDrained ? identity?.validUntil : undefined;
  return until && { at: until, reason: "the client certificate has expired" };
}

/** Ends a socket from which nothing was read. Node throws when a Unix socket is reset. */
export function refuse(socket: Socket, isReset = false): void {
  socket.on("error", ignore);
  if (isReset) socket.resetAndDestroy();
  else socket.destroy();
}
