/**
 * SwitchingTransport: lane 0 of a connection. It passes on what the transport carries until a direction switches to
 * frames; then it is one lane of several. The two directions switch independently. docs/lanes.md.
 *
 * What the transport reports inside a call to it is handled later, because the caller is in the middle of an operation.
 */
import type { PeerIdentity } from "../peer-identity.ts";
import type { Scratch } from "../scratch.ts";
import type { GuardedTransport } from "../transport/guarded.ts";
import type { Transport, TransportRequest, TransportSink } from "../transport.ts";
import type { TurnWriter } from "../turn-writer.ts";
import type { Multiplexer } from "./multiplexer.ts";

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
  lanes(create: (line: GuardedTransport) => Multiplexer): Multiplexer {
    if (this.#multiplexer === undefined) {
      this.#multiplexer = create(this.#line);
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

  get roomBytes(): number {
    return this.#framed?.main.roomBytes ?? Number.POSITIVE_INFINITY;
  }

  askForTurn(writer: TurnWriter): void {
    this.#framed?.main.askForTurn(writer);
  }

  giveBackLater(scratch: Scratch): void {
    this.#framed?.main.giveBackLater(scratch);
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
    if (this.#line.isHolding) {
      this.#line.hold(() => this.onDrain());
      return;
    }
    this.#framed?.onDrain();
    this.#sink?.onDrain();
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#line.start(this);
  }

  onData(chunk: Uint8Array): void {
    const lanes = this.#multiplexer;
    if (this.#line.isHolding) this.#line.hold(() => this.onData(chunk));
    else if (lanes?.isReceiving === true) lanes.receive(chunk);
    else this.#sink?.onData(chunk);
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
    const lanes = this.#multiplexer;
    if (this.#line.isHolding) this.#line.hold(() => this.onEnd());
    else if (lanes?.isReceiving === true)
      lanes.main.peerEnds(); // behind what is held
    else this.#sink?.onEnd();
  }

  onClose(error?: Error): void {
    if (this.#line.isHolding) this.#line.hold(() => this.onClose(error));
    else {
      this.#sink?.onClose(error); // what is lost with the connection is not lost with a lane
      this.#multiplexer?.closeLanes();
    }
  }

  destroy(): void {
    this.#line.destroy();
  }
}
