/**
 * The other side of one connection: sends what it is given, and records what it receives.
 */
import type { Clock, Transport, TransportSink } from "../../src/index.ts";

export class FedPeer implements Transport {
  readonly localAddress = "fuzz:victim";
  readonly remoteAddress = "fuzz:peer";
  bufferedBytes = 0;
  said = "";
  isOver = false;
  readonly #clock: Clock;
  #sink: TransportSink | undefined;
  #isPaused = false;
  #held: Uint8Array[] = [];
  #isEndHeld = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
  }

  /** Takes it in the next turn of the event loop. */
  write(chunk: Uint8Array | string): void {
    if (this.bufferedBytes === 0) this.#clock.soon(() => this.#drain());
    this.bufferedBytes += chunk.length;
    if (typeof chunk === "string") this.said += chunk;
    else for (const byte of chunk) this.said += String.fromCharCode(byte);
  }

  #drain(): void {
    this.bufferedBytes = 0;
    if (!this.isOver) this.#sink?.onDrain();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#flow();
  }

  end(): void {
    this.#sink?.onEnd();
    this.destroy();
  }

  destroy(): void {
    if (this.isOver) return;
    this.isOver = true;
    queueMicrotask(() => this.#sink?.onClose());
  }

  give(chunk: Uint8Array): void {
    this.#held.push(chunk);
    this.#flow();
  }

  giveEnd(): void {
    this.#isEndHeld = true;
    this.#flow();
  }

  #flow(): void {
    while (!this.#isPaused && !this.isOver) {
      const chunk = this.#held.shift();
      if (chunk === undefined) break;
      this.#sink?.onData(chunk);
    }
    if (this.#isEndHeld && this.#held.length === 0 && !this.isOver) this.#sink?.onEnd();
  }
}
