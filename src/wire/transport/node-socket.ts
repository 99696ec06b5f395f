/**
 * Node's sockets as transports: TCP, Unix, and TLS, which has the same interface; and other streams of bytes.
 */
import { connect, Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";
import { TLSSocket } from "node:tls";
import { afterHearing, type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import { aClock, aSignal, aString, aTime, checkOptions, type OptionsOf } from "../../options.ts";
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
  const places = {
    // Read once: a closed socket no longer knows them.
    localAddress: endpointOf(socket.localAddress, socket.localPort),
    remoteAddress: endpointOf(socket.remoteAddress, socket.remotePort),
    identity: socket instanceof TLSSocket ? identityOf(socket) : undefined,
  };
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEPALIVE_MS);
  return new StreamTransport(socket, socket, places);
}

export interface Places {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly identity?: PeerIdentity | undefined;
}

/** Node's streams of bytes as a transport: one for both directions, or one for each. */
export class StreamTransport implements Transport {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly identity: PeerIdentity | undefined;
  readonly #input: Readable;
  readonly #output: Writable;
  /** Only sockets count text by its characters. */
  readonly #isSocket: boolean;
  #write: ((piece: Uint8Array | string, taken: () => void) => unknown) | undefined;
  #sink: TransportSink | undefined;
  #error: Error | undefined;
  /** streams that are not closed yet */
  #open = 0;
  #isClosed = false;
  lowWaterBytes = Number.POSITIVE_INFINITY;
  /** all bytes written, text of sockets by its characters, as Node counts */
  #writtenBytes = 0;
  /** the bytes taken at the last report to the sink */
  #toldBytes = 0;

  constructor(input: Readable, output: Writable, { localAddress, remoteAddress, identity }: Places) {
    this.#input = input;
    this.#output = output;
    this.#isSocket = output instanceof Socket;
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
    this.identity = identity;
    for (const stream of new Set([input, output])) this.#watch(stream);
    if (this.#open === 0) this.#isClosed = true;
    if (!this.#isSocket || input !== (output as unknown)) this.#watchEnds();
  }

  /** Some streams never say that they are closed. */
  #watchEnds(): void {
    const ended = (): void => {
      if (this.#input.readableEnded && this.#output.writableFinished) systemClock.soon(() => this.closes(this.#error));
    };
    this.#input.on("end", ended);
    this.#output.on("finish", ended);
  }

  #watch(stream: Readable | Writable): void {
    stream.on("error", (error) => {
      this.#error ??= error; // `close` follows and reports it
      this.#destroyStreams(); // after some TLS errors the socket would stay open
    });
    if (stream.closed) return; // `close` will not be emitted again
    this.#open += 1;
    stream.on("close", () => {
      this.#open -= 1;
      if (this.#open === 0) this.closes(this.#error);
    });
  }

  get bufferedBytes(): number {
    return this.#output.writableLength;
  }

  get takenBytes(): number {
    return this.#writtenBytes - this.#output.writableLength;
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) {
      systemClock.endOfTurn(() => sink.onClose(this.#error)); // not a global, which a test may have replaced
      return;
    }
    this.#input.on("data", (chunk: Buffer) => {
      if (!this.#isClosed) sink.onData(chunk);
    });
    this.#input.on("end", () => {
      if (!this.#isClosed) sink.onEnd();
    });
    this.#input.resume();
  }

  write(chunk: Uint8Array | string): void {
    if (this.#isClosed || this.#output.writableEnded) return;
    // Others may still read a chunk that they have said to have taken.
    const piece = this.#isSocket ? chunk : copyOf(chunk);
    this.#writtenBytes += piece.length;
    if (this.#write === undefined) this.#output.write(piece, this.#taken);
    else this.#write(piece, this.#taken);
  }

  /** Instead of the method of the stream, which others use. */
  writesBy(write: (piece: Uint8Array | string, taken: () => void) => unknown): void {
    this.#write = write;
  }

  cork(): void {
    this.#output.cork();
  }

  uncork(): void {
    this.#output.uncork();
  }

  /** One function for all writes. Node calls it for each of several writes taken together; the sink is called once. */
  readonly #taken = (): void => {
    const leftBytes = this.#output.writableLength;
    const takenBytes = this.#writtenBytes - leftBytes;
    if (this.#isClosed || leftBytes > this.lowWaterBytes || takenBytes === this.#toldBytes) return;
    this.#toldBytes = takenBytes;
    this.#sink?.onDrain();
  };

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
  }

  end(): void {
    if (!this.#output.writableEnded) this.#output.end();
  }

  destroy(): void {
    this.#destroyStreams();
    if (!this.#isSocket || this.#input !== (this.#output as unknown)) systemClock.soon(() => this.closes(this.#error));
  }

  #destroyStreams(): void {
    this.#input.destroy();
    if (this.#output !== (this.#input as unknown)) this.#output.destroy();
  }

  /** Only the first call has an effect. */
  closes(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error = error;
    this.#sink?.onClose(error);
  }
}

function copyOf(chunk: Uint8Array | string): Buffer {
  return typeof chunk === "string" ? Buffer.from(chunk, "utf8") : Buffer.from(chunk);
}

export interface DuplexOptions {
  /** What logs and `peer.remoteAddress` show, and whose share the connection counts for: "203.0.113.7:51034".
   *  Default: what a socket knows, otherwise "stream" */
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
}

const DUPLEX_OPTIONS: OptionsOf<DuplexOptions> = { remoteAddress: aString, localAddress: aString };

/** Takes over an open stream of bytes: an accepted or connected socket, or any other Duplex. Nobody else may read or
 *  write it afterwards.
 *  @throws HbiError invalid_argument for what is no stream of bytes; failed_precondition while a socket is connecting */
export function duplexTransport(stream: Duplex, options: DuplexOptions = {}): Transport {
  checkOptions(options, "duplexTransport", DUPLEX_OPTIONS);
  if (!(stream instanceof Duplex)) throw failure("bad_option", "a stream must be a Duplex of node:stream");
  if (stream.readableObjectMode || stream.writableObjectMode || stream.readableEncoding !== null)
    throw failure("bad_option", "a stream must carry bytes: it has object mode, or an encoding");
  if (stream instanceof Socket && stream.connecting) throw failure("wrong_stage", "the socket is not connected yet");
  stream.allowHalfOpen = true; // the peer may have ended while it waits for an answer
  const isPlain = options.remoteAddress === undefined && options.localAddress === undefined;
  if (stream instanceof Socket && isPlain) return nodeSocketTransport(stream);
  const { localAddress = "stream", remoteAddress = "stream" } = options;
  const identity = stream instanceof TLSSocket ? identityOf(stream) : undefined;
  return new StreamTransport(stream, stream, { localAddress, remoteAddress, identity });
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
    const target = "path" in address ? address.path : endpointOf(address.host, address.port);
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

/** "127.0.0.1:51034", "[::1]:51034", or "unix" */
export function endpointOf(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return "unix";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
