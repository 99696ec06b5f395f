/**
 * A pair of transports in memory: each receives what the other writes, later, in order, split as configured.
 */
import type { Clock } from "../../clock.ts";
import { systemClock } from "../../clock.ts";
import { aBoolean, aClock, aCount, aFunction, anObject, checkOptions, nested, type OptionsOf } from "../../options.ts";
import type { Transport, TransportRequest, TransportSink } from "../transport.ts";

export interface MemoryOptions {
  readonly clock?: Clock | undefined;
  /** The number of the `available` bytes in the next chunk; default: all. */
  readonly cut?: ((available: number) => number) | undefined;
  /** Breaks the connection without FIN after this many bytes were delivered in either direction. */
  readonly breakAfterBytes?: number | undefined;
  /** False: behaves like a transport that cannot end one direction only, such as a WebSocket. */
  readonly canHalfClose?: boolean | undefined;
  /** False: behaves like a transport that cannot stop its peer. */
  readonly canPause?: boolean | undefined;
  /** The request of the second transport; a service's `authenticate` sees it as `peer.request`. */
  readonly request?: TransportRequest | undefined;
}

const MEMORY_OPTIONS: OptionsOf<MemoryOptions> = {
  clock: aClock,
  cut: aFunction,
  breakAfterBytes: aCount,
  canHalfClose: aBoolean,
  canPause: aBoolean,
  request: anObject,
};
/** As an option of something else. */
export const memoryOptions = nested<MemoryOptions>(MEMORY_OPTIONS);

interface Shared {
  readonly clock: Clock;
  readonly cut: (available: number) => number;
  readonly breakAfterBytes: number;
  readonly canHalfClose: boolean;
  readonly canPause: boolean;
  deliveredBytes: number;
}

/** A connected pair. */
export function memoryTransportPair(options: MemoryOptions = {}): [Transport, Transport] {
  checkOptions(options, "memoryTransportPair", MEMORY_OPTIONS);
  const shared: Shared = {
    clock: options.clock ?? systemClock,
    cut: options.cut ?? ((available) => available),
    breakAfterBytes: options.breakAfterBytes ?? Number.POSITIVE_INFINITY,
    canHalfClose: options.canHalfClose !== false,
    canPause: options.canPause !== false,
    deliveredBytes: 0,
  };
  const left = new MemoryTransport(shared, "memory:left", "memory:right", undefined);
  const right = new MemoryTransport(shared, "memory:right", "memory:left", options.request);
  left.join(right);
  right.join(left);
  return [left, right];
}

class MemoryTransport implements Transport {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly request: TransportRequest | undefined;
  readonly canHalfClose: boolean;
  readonly canPause: boolean;
  readonly #shared: Shared;
  #other: MemoryTransport | undefined;
  #sink: TransportSink | undefined;
  /** written here and not yet delivered to the other side */
  #outgoing: Uint8Array[] = [];
  #head = 0;
  #outgoingBytes = 0;
  #takenBytes = 0;
  #hasEnded = false;
  #isEndDelivered = false;
  #isPaused = false;
  #isClosed = false;
  #error: Error | undefined;
  #isScheduled = false;

  constructor(shared: Shared, localAddress: string, remoteAddress: string, request: TransportRequest | undefined) {
    this.#shared = shared;
    this.canHalfClose = shared.canHalfClose;
    this.canPause = shared.canPause;
    this.request = request;
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
  }

  join(other: MemoryTransport): void {
    this.#other = other;
  }

  get bufferedBytes(): number {
    return this.#outgoingBytes;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) this.#shared.clock.soon(() => sink.onClose(this.#error));
    else this.#other?.schedule();
  }

  write(chunk: Uint8Array | string): void {
    if (this.#isClosed || this.#hasEnded) return;
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    if (bytes.length === 0) return;
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.length;
    this.schedule();
  }

  pause(): void {
    this.#isPaused = this.canPause;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#other?.schedule();
  }

  end(): void {
    if (this.#isClosed || this.#hasEnded) return;
    this.#hasEnded = true;
    this.schedule();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.close(undefined);
    const error = this.#hasEnded && this.#outgoingBytes === 0 ? undefined : new Error("connection reset");
    this.#shared.clock.soon(() => this.#other?.close(error));
  }

  /** Delivers one chunk to the other side in a later turn, and continues while there is more. */
  schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#shared.clock.soon(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const other = this.#other;
    if (this.#isClosed || other === undefined || other.#sink === undefined || other.#isPaused) return;
    if (this.#outgoingBytes > 0) {
      const chunk = this.#nextChunk();
      this.#shared.deliveredBytes += chunk.length;
      if (this.#shared.deliveredBytes >= this.#shared.breakAfterBytes) {
        this.#break();
        return;
      }
      other.#sink.onData(chunk);
      if (!this.#isClosed) this.#sink?.onDrain();
      if (this.#outgoingBytes > 0 || this.#hasEnded) this.schedule();
      return;
    }
    if (!this.#hasEnded || this.#isEndDelivered) return;
    this.#isEndDelivered = true;
    if (!this.canHalfClose) {
      other.close(undefined);
      this.close(undefined);
      return;
    }
    other.#sink.onEnd();
    this.#closeWhenBothEnded();
    other.#closeWhenBothEnded();
  }

  /** A copy, as with a socket: later changes by the writer have no effect. */
  #nextChunk(): Uint8Array {
    const head = this.#outgoing[this.#head] as Uint8Array; // called only if there are outgoing bytes
    const wanted = Math.min(Math.max(Math.floor(this.#shared.cut(head.length)), 1), head.length);
    const chunk = head.slice(0, wanted);
    if (wanted < head.length) this.#outgoing[this.#head] = head.subarray(wanted);
    else this.#head += 1;
    if (this.#head === this.#outgoing.length) {
      this.#outgoing = [];
      this.#head = 0;
    }
    this.#outgoingBytes -= wanted;
    this.#takenBytes += wanted;
    return chunk;
  }

  #break(): void {
    const error = new Error("connection broken");
    this.close(error);
    this.#other?.close(error);
  }

  #closeWhenBothEnded(): void {
    if (this.#isEndDelivered && this.#other?.hasDelivered === true) {
      this.#shared.clock.soon(() => this.close(undefined));
    }
  }

  get hasDelivered(): boolean {
    return this.#isEndDelivered;
  }

  close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error = error;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#sink?.onClose(error);
  }
}
