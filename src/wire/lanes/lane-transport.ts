/**
 * LaneTransport: one lane of a connection as a transport of its own. What the peer may send is bounded by a window,
 * which grows again as data is consumed; what this side may send, by the window of the peer. docs/lanes.md.
 */
import { failure } from "../../errors.ts";
import type { Transport, TransportSink } from "../transport.ts";

/** Views up to this size are copied into a common buffer when they are held, because a view keeps the whole chunk in
 *  which it was received. */
const SMALL_BYTES = 4 * 1024;
const COMMON_BYTES = 4 * SMALL_BYTES;
const encoder = new TextEncoder();
/** Only ASCII text is written as text: its length is then the number of its bytes. */
const MAX_TEXT_CHARS = 16 * 1024;

/** The multiplexer that carries the lane. */
export interface LaneCarrier {
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Bytes that the platform has not taken, up to this position in what was written to it. */
  underWay(position: number): number;
  /** There is something to send, or to end. */
  laneMoved(lane: LaneTransport): void;
  /** So many bytes were consumed since credit was last granted. */
  grant(lane: LaneTransport, bytes: number): void;
  /** So many bytes more are held, or less. */
  laneHeld(bytes: number): void;
  /** Runs it when the present event is over. */
  soon(run: () => void): void;
  cork(): void;
  uncork(): void;
  reset(lane: LaneTransport, reason: string): void;
}

export class LaneTransport implements Transport {
  readonly id: number;
  readonly isHolding = false;
  readonly canHalfClose = true;
  readonly canPause = true;
  readonly #carrier: LaneCarrier;
  readonly #windowBytes: number;
  #sink: TransportSink | undefined;
  // sending
  readonly #queue: (string | Uint8Array)[] = [];
  #head = 0;
  #queuedBytes = 0;
  #takenBytes = 0;
  /** how many bytes the peer has room for */
  credit: number;
  /** the position of its last byte in what was written to the platform */
  lastAt = 0;
  /** whether it is in the multiplexer's list of lanes that have something to send */
  isReady = false;
  /** whether its sink waits for the platform to take something */
  isMoving = false;
  #end: "open" | "asked" | "sent" = "open";
  // receiving
  #roomBytes: number;
  #consumedBytes = 0;
  #isPaused = false;
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** the last of them, if it collects small views, and how much of it is filled */
  #common: Uint8Array | undefined;
  #commonBytes = 0;
  #hasPeerEnded = false;
  #isClosed = false;
  #isReleasing = false;

  /** @param windowBytes how much the peer may send before it gets credit
   *  @param credit the same of the peer */
  constructor(id: number, carrier: LaneCarrier, windowBytes: number, credit: number) {
    this.id = id;
    this.#carrier = carrier;
    this.#windowBytes = windowBytes;
    this.#roomBytes = windowBytes;
    this.credit = credit;
  }

  get localAddress(): string {
    return this.#carrier.localAddress;
  }

  get remoteAddress(): string {
    return this.#carrier.remoteAddress;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Never called: nothing is reported inside a call to it. */
  hold(event: () => void): void {
    this.#carrier.soon(event);
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  get bufferedBytes(): number {
    return this.#queuedBytes + this.#carrier.underWay(this.lastAt);
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Bytes that were not handed to the platform. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether something could be sent now. */
  get canSend(): boolean {
    return this.#queuedBytes > 0 ? this.credit > 0 : this.#end === "asked";
  }

  /** Whether it is one text, which is sent by one write. */
  get isSingleText(): boolean {
    return this.#queue.length === 1 && typeof this.#queue[0] === "string";
  }

  /** Whether nothing more has to be sent. */
  get isSent(): boolean {
    return this.#isClosed || (this.#queuedBytes === 0 && this.#end !== "asked");
  }

  /** Whether its end was sent or asked for. */
  get isEnding(): boolean {
    return this.#isClosed || this.#end !== "open";
  }

  write(chunk: Uint8Array | string): void {
    if (chunk.length === 0 || this.isEnding) return;
    const piece = typeof chunk === "string" ? asPiece(chunk) : chunk;
    this.#queue.push(piece);
    this.#queuedBytes += piece.length;
    this.#carrier.laneMoved(this);
  }

  /** The next piece, of at most so many bytes and as far as there is credit; undefined if there is none. */
  take(most: number): string | Uint8Array | undefined {
    const piece = this.#queue[this.#head];
    const bytes = Math.min(most, this.credit);
    if (piece === undefined || bytes === 0) return undefined;
    const isWhole = piece.length <= bytes;
    const taken = isWhole ? piece : typeof piece === "string" ? piece.slice(0, bytes) : piece.subarray(0, bytes);
    if (isWhole) this.#dropFirst();
    else this.#queue[this.#head] = typeof piece === "string" ? piece.slice(bytes) : piece.subarray(bytes);
    this.#queuedBytes -= taken.length;
    this.#takenBytes += taken.length;
    this.credit -= taken.length;
    this.isMoving = true;
    return taken;
  }

  #dropFirst(): void {
    this.#queue[this.#head] = "";
    this.#head += 1;
    if (this.#head * 2 < this.#queue.length) return;
    this.#queue.splice(0, this.#head);
    this.#head = 0;
  }

  /** True once, when everything was sent and the end is next. */
  takeEnd(): boolean {
    if (this.#queuedBytes > 0 || this.#end !== "asked") return false;
    this.#end = "sent";
    return true;
  }

  /** Tells the sink that the platform has taken something. */
  drained(): void {
    if (!this.isMoving) return;
    if (this.bufferedBytes === 0) this.isMoving = false;
    this.#sink?.onDrain();
  }

  cork(): void {
    this.#carrier.cork();
  }

  uncork(): void {
    this.#carrier.uncork();
  }

  end(): void {
    if (this.isEnding) return;
    this.#end = "asked";
    this.#carrier.laneMoved(this);
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  start(sink: TransportSink): void {
    this.#sink = sink;
    if (this.#isClosed) this.#carrier.soon(() => sink.onClose());
    else this.#releaseSoon();
  }

  /** @throws HbiError bad_frame beyond the window, and behind the end */
  receive(view: Uint8Array): void {
    if (this.#isClosed) return;
    this.#roomBytes -= view.length;
    if (this.#roomBytes < 0) throw failure("bad_frame", "of a lane: more than its window");
    if (this.#hasPeerEnded) throw failure("bad_frame", "of a lane: data behind its end");
    if (this.#isPaused || this.#isReleasing || this.#held.length > 0 || this.#sink === undefined) this.#hold(view);
    else this.#deliver(this.#sink, view);
  }

  #deliver(sink: TransportSink, view: Uint8Array): void {
    this.#consumedBytes += view.length;
    sink.onData(view);
    if (this.#consumedBytes * 2 < this.#windowBytes || this.#isClosed) return;
    this.#roomBytes += this.#consumedBytes;
    const bytes = this.#consumedBytes;
    this.#consumedBytes = 0;
    this.#carrier.grant(this, bytes);
  }

  #hold(view: Uint8Array): void {
    if (view.length > SMALL_BYTES) {
      this.#closeCommon();
      this.#held.push(view);
      this.#addHeld(view.length);
      return;
    }
    if (this.#common === undefined || this.#commonBytes + view.length > COMMON_BYTES) {
      this.#closeCommon();
      this.#common = new Uint8Array(COMMON_BYTES);
      this.#held.push(this.#common);
      this.#addHeld(COMMON_BYTES);
    }
    this.#common.set(view, this.#commonBytes);
    this.#commonBytes += view.length;
  }

  #closeCommon(): void {
    if (this.#common === undefined) return;
    this.#held[this.#held.length - 1] = this.#common.subarray(0, this.#commonBytes);
    this.#addHeld(this.#commonBytes - COMMON_BYTES);
    this.#common = undefined;
    this.#commonBytes = 0;
  }

  #addHeld(bytes: number): void {
    this.#heldBytes += bytes;
    this.#carrier.laneHeld(bytes);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#releaseSoon();
  }

  #releaseSoon(): void {
    if (this.#isReleasing || (this.#held.length === 0 && !this.#hasPeerEnded)) return;
    this.#isReleasing = true;
    this.#carrier.soon(() => {
      this.#release();
      this.#isReleasing = false;
    });
  }

  /** Until the sink pauses again. What arrives meanwhile is held behind the rest. */
  #release(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    this.#closeCommon();
    let head = 0;
    for (; head < this.#held.length && !this.#isPaused; head++) {
      const view = this.#held[head] as Uint8Array; // below the length
      this.#addHeld(-view.length);
      this.#deliver(sink, view);
      if (this.#isClosed) return;
    }
    this.#held.splice(0, head);
    if (this.#held.length === 0 && this.#hasPeerEnded && !this.#isPaused) sink.onEnd();
  }

  /** The peer sends nothing more on it. */
  peerEnds(): void {
    if (this.#isClosed) return;
    if (this.#hasPeerEnded) throw failure("bad_frame", "of a lane: ended twice");
    this.#hasPeerEnded = true;
    if (this.#held.length === 0 && !this.#isPaused && !this.#isReleasing) this.#sink?.onEnd();
  }

  /** Whether both sides have ended it. */
  get isOver(): boolean {
    return this.#hasPeerEnded && this.#end === "sent";
  }

  // --- closing -------------------------------------------------------------------------------------------------------

  /** Ends it in both directions, and tells the peer. */
  destroy(): void {
    this.reset("cancelled");
  }

  reset(reason: string): void {
    if (this.#isClosed) return;
    this.#carrier.reset(this, reason);
  }

  /** It is over: nothing is sent or received any more. */
  close(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#head = 0;
    this.#queuedBytes = 0;
    this.#held.length = 0;
    this.#common = undefined;
    this.#addHeld(-this.#heldBytes);
    this.#sink?.onClose(error);
  }
}

/** Text that is not ASCII is encoded, because it is cut into frames by bytes. */
function asPiece(text: string): string | Uint8Array {
  return text.length <= MAX_TEXT_CHARS && isAscii(text) ? text : encoder.encode(text);
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}
