/**
 * Node's sockets as transports: TCP, Unix, and TLS, which has the same interface.
 */
import { connect, type Socket } from "node:net";
import { failure } from "../errors.ts";
import type { Transport, TransportSink } from "./transport.ts";

const KEEPALIVE_MS = 60_000;

/** Takes over a connected socket that was made with `allowHalfOpen`. */
export function nodeSocketTransport(socket: Socket): Transport {
  return new NodeSocketTransport(socket);
}

class NodeSocketTransport implements Transport {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly #socket: Socket;
  #sink: TransportSink | undefined;
  #error: Error | undefined;
  #isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    // Read now: a closed socket has forgotten them.
    this.localAddress = endpoint(socket.localAddress, socket.localPort);
    this.remoteAddress = endpoint(socket.remoteAddress, socket.remotePort);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on("error", (error) => {
      this.#error = error; // `close` follows and tells
    });
    socket.on("close", () => {
      this.#isClosed = true;
      this.#sink?.onClose(this.#error);
    });
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) {
      queueMicrotask(() => sink.onClose(this.#error));
      return;
    }
    this.#socket.on("data", (chunk: Buffer) => sink.onData(chunk));
    this.#socket.on("end", () => sink.onEnd());
    this.#socket.resume();
  }

  write(chunk: Uint8Array | string): void {
    if (this.#isClosed || this.#socket.writableEnded) return;
    this.#socket.write(chunk, this.#taken);
  }

  /** One function for all writes. */
  readonly #taken = (): void => {
    if (this.#socket.writableLength === 0) this.#sink?.onDrain();
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
  readonly signal?: AbortSignal;
}

/** Connects. @throws HbiError unavailable, deadline_exceeded, cancelled */
export function dialSocket(
  address: { readonly host: string; readonly port: number } | { readonly path: string },
  { timeoutMs, signal }: DialOptions,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(failure("cancelled", "connect", { cause: signal.reason }));
      return;
    }
    const target = "path" in address ? address.path : endpoint(address.host, address.port);
    const socket = connect({ ...address, allowHalfOpen: true, noDelay: true });
    const giveUp = (error: Error): void => {
      done();
      socket.on("error", () => undefined); // refused twice: by us and by the network
      socket.destroy();
      reject(error);
    };
    const onError = (cause: Error): void => giveUp(failure("connect_failed", target, { cause }));
    const onAbort = (): void => giveUp(failure("cancelled", "connect", { cause: signal?.reason }));
    const timer = setTimeout(() => giveUp(failure("timeout", `connect to ${target}`)), timeoutMs);
    const done = (): void => {
      clearTimeout(timer);
      socket.off("error", onError);
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", onError);
    socket.once("connect", () => {
      done();
      resolve(nodeSocketTransport(socket));
    });
  });
}

function endpoint(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return "unix";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
