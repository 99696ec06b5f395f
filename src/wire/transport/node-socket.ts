/**
 * Node's sockets as transports: TCP, Unix, and TLS, which has the same interface.
 */
import { connect, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { afterHearing, type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import { aClock, aSignal, aTime, checkOptions, type OptionsOf } from "../../options.ts";
import type { PeerIdentity } from "../peer-identity.ts";
import type { Transport, TransportSink } from "../transport.ts";
import { connectTls, serverNameOf, whenAdmitted } from "./node-tls-dial.ts";
import { identityOf } from "./node-tls-identity.ts";
import { type ClientTls, clientTls } from "./node-tls-options.ts";
import { dialTrouble } from "./node-tls-trouble.ts";
import { checkPath, connectTrouble } from "./node-trouble.ts";

const KEEPALIVE_MS = 60_000;

/** Takes over a connected socket that was created with `allowHalfOpen`. */
export function nodeSocketTransport(socket: Socket): Transport {
  return new NodeSocketTransport(socket);
}

class NodeSocketTransport implements Transport {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly identity: PeerIdentity | undefined;
  readonly #socket: Socket;
  #sink: TransportSink | undefined;
  #error: Error | undefined;
  #isClosed = false;
  lowWaterBytes = Number.POSITIVE_INFINITY;
  /** all bytes written, text by its characters, as Node counts */
  #writtenBytes = 0;
  /** the bytes taken at the last report to the sink */
  #toldBytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    // Read once: a closed socket no longer knows them.
    this.localAddress = endpoint(socket.localAddress, socket.localPort);
    this.remoteAddress = endpoint(socket.remoteAddress, socket.remotePort);
    this.identity = socket instanceof TLSSocket ? identityOf(socket) : undefined;
    this.#isClosed = socket.closed; // `close` will not be emitted again
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on("error", (error) => {
      this.#error = error; // `close` follows and reports it
      socket.destroy(); // after some TLS errors the socket would stay open
    });
    socket.on("close", () => {
      this.#isClosed = true;
      this.#sink?.onClose(this.#error);
    });
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get takenBytes(): number {
    return this.#writtenBytes - this.#socket.writableLength;
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) {
      systemClock.endOfTurn(() => sink.onClose(this.#error)); // not a global, which a test may have replaced
      return;
    }
    this.#socket.on("data", (chunk: Buffer) => sink.onData(chunk));
    this.#socket.on("end", () => sink.onEnd());
    this.#socket.resume();
  }

  write(chunk: Uint8Array | string): void {
    if (this.#isClosed || this.#socket.writableEnded) return;
    this.#writtenBytes += chunk.length;
    this.#socket.write(chunk, this.#taken);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** One function for all writes. Node calls it for each of several writes taken together; the sink is called once. */
  readonly #taken = (): void => {
    const leftBytes = this.#socket.writableLength;
    const takenBytes = this.#writtenBytes - leftBytes;
    if (this.#isClosed || leftBytes > this.lowWaterBytes || takenBytes === this.#toldBytes) return;
    this.#toldBytes = takenBytes;
    this.#sink?.onDrain();
  };

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (!this.#socket.writableEnded) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

export interface DialOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly tls?: ClientTls | undefined;
  readonly clock?: Clock | undefined;
}

const DIAL_OPTIONS: OptionsOf<DialOptions> = { timeoutMs: aTime, signal: aSignal, tls: clientTls, clock: aClock };

/** Connects. `timeoutMs` bounds everything, including the TLS handshake.
 *  @throws HbiError unavailable, deadline_exceeded, cancelled; with TLS also unauthenticated, invalid_argument */
export function dialSocket(
  address: { readonly host: string; readonly port: number } | { readonly path: string },
  options: DialOptions,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    checkOptions(options, "dialSocket", DIAL_OPTIONS);
    const { timeoutMs, signal, tls, clock = systemClock } = options;
    if (signal?.aborted === true) {
      reject(failure("cancelled", "connect", { cause: signal.reason }));
      return;
    }
    if ("path" in address) checkPath(address.path);
    const target = "path" in address ? address.path : endpoint(address.host, address.port);
    const serverName = tls === undefined ? "" : serverNameOf(address, tls);
    const socket =
      tls === undefined ? connect({ ...address, allowHalfOpen: true }) : connectTls(address, serverName, tls);
    const giveUp = (error: Error): void => {
      done();
      socket.on("error", () => undefined); // may be refused twice: by this side and by the network
      socket.destroy();
      reject(error);
    };
    const trouble = (cause: Error): HbiError =>
      tls === undefined ? connectTrouble(target, cause) : dialTrouble(target, serverName, cause);
    const onError = (cause: Error): void => giveUp(trouble(cause));
    const onAbort = (): void => giveUp(failure("cancelled", "connect", { cause: signal?.reason }));
    const timer = afterHearing(clock, timeoutMs, () => giveUp(failure("timeout", `connect to ${target}`)));
    const done = (): void => {
      timer.cancel();
      socket.off("error", onError);
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", onError);
    const ready = (): void => {
      done();
      let transport: Transport;
      try {
        transport = nodeSocketTransport(socket); // sets noDelay, reads the peer's certificate
      } catch (thrown) {
        giveUp(asHbiError(thrown));
        return;
      }
      resolve(transport);
    };
    if (socket instanceof TLSSocket) whenAdmitted(socket, target, clock, ready, giveUp);
    else socket.once("connect", ready);
  });
}

function endpoint(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return "unix";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
