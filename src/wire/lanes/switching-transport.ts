/**
 * SwitchingTransport: lane 0 of a connection. It passes on what the transport carries until a direction switches to
 * frames; then it is one lane of several. The two directions switch independently. docs/lanes.md.
 */
import type { Clock } from "../../clock.ts";
import type { PeerIdentity } from "../peer-identity.ts";
import type { GuardedTransport } from "../transport/guarded.ts";
import type { Transport, TransportRequest, TransportSink } from "../transport.ts";
import { type LaneHost, Multiplexer, type Windows } from "./multiplexer.ts";

export class SwitchingTransport implements Transport, TransportSink {
  readonly #line: GuardedTransport;
  #sink: TransportSink | undefined;
  #isPaused = false;
  /** characters and bytes that were written before the switch */
  #plain = 0;
  /** where the switch is among them */
  #switchAt = Number.POSITIVE_INFINITY;
  #multiplexer: Multiplexer | undefined;

  constructor(line: GuardedTransport) {
    this.#line = line;
  }

  /** The receiver of lane 0. */
  get sink(): TransportSink | undefined {
    return this.#sink;
  }

  get localAddress(): string {
    return this.#line.localAddress;
  }

  get remoteAddress(): string {
    return this.#line.remoteAddress;
  }

  get identity(): PeerIdentity | undefined {
    return this.#line.identity;
  }

  get request(): TransportRequest | undefined {
    return this.#line.request;
  }

  get canHalfClose(): boolean {
    return this.#line.canHalfClose;
  }

  get canPause(): boolean {
    return this.#multiplexer?.isReceiving === true || this.#line.canPause;
  }

  /** The lanes, created for the first that is needed. */
  lanes(clock: Clock, host: LaneHost, isOdd: boolean, windows: Windows): Multiplexer {
    if (this.#multiplexer === undefined) {
      this.#multiplexer = new Multiplexer(this.#line, clock, host, isOdd, windows);
      if (this.#sink !== undefined) this.#multiplexer.main.start(this.#sink);
    }
    return this.#multiplexer;
  }

  get #framed(): Multiplexer | undefined {
    return this.#multiplexer?.isSending === true ? this.#multiplexer : undefined;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  get bufferedBytes(): number {
    const { bufferedBytes } = this.#line;
    const main = this.#framed?.main;
    return main === undefined ? bufferedBytes : bufferedBytes + main.queuedBytes;
  }

  get takenBytes(): number | undefined {
    const { takenBytes } = this.#line;
    const main = this.#framed?.main;
    return main === undefined || takenBytes === undefined ? takenBytes : takenBytes + main.takenBytes;
  }

  get lowWaterBytes(): number | undefined {
    return this.#line.lowWaterBytes;
  }

  set lowWaterBytes(bytes: number) {
    this.#line.lowWaterBytes = bytes;
  }

  write(chunk: Uint8Array | string): void {
    const framed = this.#framed;
    if (framed !== undefined) {
      framed.main.write(chunk);
      return;
    }
    const left = this.#switchAt - this.#plain;
    this.#plain += chunk.length;
    if (chunk.length < left) {
      this.#line.write(chunk);
      return;
    }
    const isText = typeof chunk === "string";
    this.#line.write(isText ? chunk.slice(0, left) : chunk.subarray(0, left));
    this.#multiplexer?.switchSending();
    if (chunk.length > left) this.#multiplexer?.main.write(isText ? chunk.slice(left) : chunk.subarray(left));
  }

  /** Everything behind this position, which is not written yet, is sent in frames.
   *  @param position in all that was and will be written, text by its characters */
  switchAt(position: number): void {
    this.#switchAt = position;
  }

  cork(): void {
    this.#line.cork();
  }

  uncork(): void {
    this.#line.uncork();
  }

  end(): void {
    const framed = this.#framed;
    if (framed === undefined) this.#line.end();
    else framed.end();
  }

  onDrain(): void {
    const framed = this.#framed;
    if (framed === undefined) this.#sink?.onDrain();
    else if (this.#line.isHolding) this.#line.hold(() => this.onDrain());
    else {
      framed.onDrain();
      this.#sink?.onDrain();
    }
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Whether an event that is reported now must be passed to `hold`. What arrives in frames was already held. */
  get isHolding(): boolean {
    return this.#multiplexer?.isReceiving !== true && this.#multiplexer?.isSending !== true && this.#line.isHolding;
  }

  hold(event: () => void): void {
    this.#line.hold(event);
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#line.start(this);
  }

  onData(chunk: Uint8Array): void {
    const lanes = this.#multiplexer;
    if (lanes?.isReceiving !== true) {
      if (lanes?.isSending === true && this.#line.isHolding) this.#line.hold(() => this.onData(chunk));
      else this.#sink?.onData(chunk);
    } else if (this.#line.isHolding) this.#line.hold(() => this.onData(chunk));
    else lanes.receive(chunk);
  }

  /** From here on, what arrives is in frames. @param rest what has arrived behind the switch */
  switchReceiving(rest: readonly Uint8Array[]): void {
    const lanes = this.#multiplexer;
    if (lanes === undefined) return;
    lanes.switchReceiving();
    if (this.#isPaused) {
      lanes.main.pause();
      this.#line.resume();
    }
    for (const chunk of rest) lanes.receive(chunk);
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#multiplexer?.isReceiving === true) this.#multiplexer.main.pause();
    else this.#line.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#multiplexer?.isReceiving === true) this.#multiplexer.main.resume();
    else this.#line.resume();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  onEnd(): void {
    if (this.#multiplexer !== undefined && this.#line.isHolding) this.#line.hold(() => this.onEnd());
    else this.#sink?.onEnd();
  }

  onClose(error?: Error): void {
    if (this.#multiplexer !== undefined && this.#line.isHolding) this.#line.hold(() => this.onClose(error));
    else {
      this.#multiplexer?.closeLanes();
      this.#sink?.onClose(error);
    }
  }

  destroy(): void {
    this.#line.destroy();
  }
}
