/**
 * Network: connections in memory whose bytes are late, split, held up, and lost with their connection. Each end is watched:
 * what reaches it, and what the library leaves there when it is over.
 */
import { type Clock, type Connection, HbiError, memoryTransportPair, type Transport, type TransportSink } from "hbi";
import { connectionOf } from "../../support/connection-of.ts";
import type { History } from "./history.ts";
import type { Random } from "./random.ts";

export interface NetworkOptions {
  readonly chunkBytes: number;
  readonly latencyMs: number;
  readonly breaks: number;
}

export class Network {
  /** both ends of every connection that there was */
  readonly ends: End[] = [];
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #history: History;
  readonly #options: NetworkOptions;

  constructor(random: Random, clock: Clock, history: History, options: NetworkOptions) {
    this.#random = random;
    this.#clock = clock;
    this.#history = history;
    this.#options = options;
  }

  /** A connection of a link: its near and its far end. */
  connect(label: string): [End, End] {
    const random = this.#random;
    const { chunkBytes, breaks } = this.#options;
    const isBreaking = random.chance(breaks);
    const breakAfterBytes = isBreaking ? random.between(1, random.pick([60, 500, 6_000])) : Number.POSITIVE_INFINITY;
    const [near, far] = memoryTransportPair({
      clock: { ...this.#clock, soon: (run) => void this.#clock.after(this.#delayMs(), run) },
      cut: (available) => Math.min(available, chunkBytes > 1e9 ? available : random.between(1, chunkBytes)),
      breakAfterBytes,
    });
    const ends: [End, End] = [
      new End(near, `${label}n`, this.#clock, this.#history, isBreaking),
      new End(far, `${label}f`, this.#clock, this.#history, isBreaking),
    ];
    this.ends.push(...ends);
    this.#history.add(label, isBreaking ? `connects, to break after ${breakAfterBytes} bytes` : "connects");
    return ends;
  }

  #delayMs(): number {
    const { latencyMs } = this.#options;
    if (latencyMs === 0 || this.#random.chance(30)) return 0;
    return this.#random.chance(2) ? this.#random.between(0, 40 * latencyMs) : this.#random.between(0, latencyMs);
  }
}

/** One end of a connection. */
export class End implements Transport, TransportSink {
  readonly label: string;
  /** whether it is going to break */
  readonly isBreaking: boolean;
  readonly #inner: Transport;
  readonly #clock: Clock;
  readonly #history: History;
  #sink: TransportSink | undefined;
  #isPaused = false;
  #isHeldUp = false;
  deliveredBytes = 0;
  mostChunkBytes = 0;
  /** when the last bytes reached it, by the clock of the network */
  #lastMs = 0;
  isClosed = false;
  isOver = false;
  /** why it is over; undefined: in peace, or it is not */
  reason: HbiError | undefined;
  /** Told at the first sign of an end. */
  onTrouble: () => void = () => undefined;

  constructor(inner: Transport, label: string, clock: Clock, history: History, isBreaking: boolean) {
    this.isBreaking = isBreaking;
    this.#inner = inner;
    this.label = label;
    this.#clock = clock;
    this.#history = history;
  }

  /** What the library made of it. */
  get connection(): Connection | undefined {
    return connectionOf(this.#sink);
  }

  get localAddress(): string {
    return this.label;
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes;
  }

  /** How long nothing has come here, though it might. */
  get quietMs(): number {
    return this.#isHeldUp ? 0 : this.#clock.now() - this.#lastMs;
  }

  /** Nothing reaches this end for so long. */
  holdUp(ms: number): void {
    if (this.#isHeldUp) return;
    this.#isHeldUp = true;
    this.#inner.pause();
    this.#clock.after(ms, () => {
      this.#isHeldUp = false;
      if (!this.#isPaused) this.#inner.resume();
    });
  }

  // --- as the library's transport --------------------------------------------------------------------------------------

  start(sink: TransportSink): void {
    this.#sink = sink;
    this.connection?.closed.then((reason) => {
      this.reason = reason;
      this.isOver = true;
      this.#history.add(this.label, `over: ${reason === undefined ? "in peace" : `${reason.code} ${reason.reason}`}`);
    });
    this.#inner.start(this);
  }

  write(chunk: Uint8Array | string): void {
    this.#inner.write(chunk);
  }

  pause(): void {
    this.#isPaused = true;
    this.#history.add(this.label, "pauses");
    this.#inner.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#history.add(this.label, "resumes");
    if (!this.#isHeldUp) this.#inner.resume();
  }

  end(): void {
    this.#history.add(this.label, "says goodbye");
    this.onTrouble();
    this.#inner.end();
  }

  destroy(): void {
    this.#inner.destroy();
  }

  // --- as the sink of the memory transport -----------------------------------------------------------------------------

  onData(chunk: Uint8Array): void {
    this.deliveredBytes += chunk.length;
    this.#lastMs = this.#clock.now();
    this.mostChunkBytes = Math.max(this.mostChunkBytes, chunk.length);
    this.#history.add(this.label, `< ${chunk.length}`);
    this.#sink?.onData(chunk);
  }

  onDrain(): void {
    this.#sink?.onDrain();
  }

  onEnd(): void {
    this.#history.add(this.label, "is told goodbye");
    this.onTrouble();
    this.#sink?.onEnd();
  }

  onClose(error?: Error): void {
    this.isClosed = true;
    this.onTrouble();
    this.#history.add(this.label, `closes${error === undefined ? "" : `: ${error.message}`}`);
    this.#sink?.onClose(error);
  }
}

/** A dial that came to nothing. */
export function dialFailed(): HbiError {
  return new HbiError("unavailable", "could not connect", undefined, { reason: "connect_failed" });
}
