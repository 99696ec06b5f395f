/**
 * LaneTransport: one lane of a connection as a transport of its own. What the peer may send is bounded by a window,
 * which grows again as data is consumed; what this side may send, by the window of the peer. docs/lanes.md.
 */
import { failure } from "../../errors.ts";
import type { Scratch } from "../scratch.ts";
import type { Transport, TransportSink } from "../transport.ts";
import type { TurnWriter } from "../turn-writer.ts";

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
  /** Sends what was written in the lane's turn. */
  sendNow(lane: LaneTransport): void;
  giveBackLater(scratch: Scratch): void;
  /** So many bytes were consumed since credit was last granted. */
  grant(lane: LaneTransport, bytes: number): void;
  /** So many bytes more are held, or less. */
  laneHeld(bytes: number): void;
  /** Runs it when the present event is over. */
  soon(run: () => void): void;
  cork(): void;
  uncork(): void;
  reset(lane: LaneTransport, reason: string): void;
  /** It may be over. */
  laneLeft(lane: LaneTransport): void;
}

export class LaneTransport implements Transport {
  readonly id: number;
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
  /** what is left of the text with which a conversation begins, which is not sent in turn but in the order of writing */
  headBytes = 0;
  #isWritingHead = false;
  /** how many bytes the peer has room for */
  credit: number;
  /** the position of its last byte in what was written to the platform in frames; 0 if there is none */
  lastAt = 0;
  /** A landmark: that many of its bytes, and the position of the last of them in what was written to the platform. Credit
   *  for it confirms all that was written before. 0 if there is none. */
  landmarkBytes = 0;
  landmarkAt = 0;
  /** whether it is in the multiplexer's list of lanes that have something to send */
  isReady = false;
  /** whether its sink waits for the platform to take something */
  isMoving = false;
  /** what has raw data for its turn */
  #asking: TurnWriter | undefined;
  /** in its turn: how much more of it is sent now */
  #turnBytes = 0;
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
  #receivedBytes = 0;
  #deliveredBytes = 0;
  #holdsAt = Number.POSITIVE_INFINITY;
  /** whether the next data begins a conversation, so that its place among the others counts */
  awaitsBegin = false;
  /** the peer's word for why it has reset this lane */
  resetFor: string | undefined;
  #hasPeerEnded = false;
  #hasToldEnd = false;
  #isLeft = false;
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

  // --- sending -------------------------------------------------------------------------------------------------------

  get bufferedBytes(): number {
    if (this.#isClosed) return 0; // nobody waits for what is on its way
    return this.#queuedBytes + (this.lastAt === 0 ? 0 : this.#carrier.underWay(this.lastAt));
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Bytes that were not handed to the platform. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** How much raw data may be written now: some in its turn, and none otherwise. So it waits where it need not be copied. */
  get roomBytes(): number {
    return Math.max(Math.min(this.#turnBytes, this.credit - this.#queuedBytes), 0);
  }

  /** Whether nothing that was written is sent in its turn, but raw data that has to be written. */
  get isAsking(): boolean {
    return this.#asking !== undefined && this.#queuedBytes === 0;
  }

  /** Whether something could be sent now. */
  get canSend(): boolean {
    return this.#queuedBytes > 0 || this.#asking !== undefined ? this.credit > 0 : this.#end === "asked";
  }

  askForTurn(writer: TurnWriter): void {
    if (this.#asking !== undefined || this.isEnding) return;
    this.#asking = writer;
    this.#carrier.laneMoved(this);
  }

  /** @param most how many bytes are sent now */
  giveTurn(most: number): void {
    const writer = this.#asking;
    this.#asking = undefined;
    this.#turnBytes = most;
    writer?.writeInTurn();
    this.#turnBytes = 0;
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
    if (typeof chunk !== "string") this.#isWritingHead = false;
    else if (this.#isWritingHead) this.headBytes += piece.length;
    this.#queue.push(piece);
    this.#queuedBytes += piece.length;
    if (this.#turnBytes === 0) this.#carrier.laneMoved(this);
    else {
      this.#turnBytes = Math.max(this.#turnBytes - piece.length, 0);
      this.#carrier.sendNow(this);
    }
  }

  giveBackLater(scratch: Scratch): void {
    this.#carrier.giveBackLater(scratch);
  }

  /** The text that is written from now on, up to raw data, is its head. Nothing of it is sent before `endHead`. */
  beginHead(): void {
    this.#isWritingHead = this.#queuedBytes === 0;
  }

  /** False if there is none, or if there is no credit for it: then it is sent in turn. */
  endHead(): boolean {
    this.#isWritingHead = false;
    if (this.headBytes <= this.credit) return this.headBytes > 0;
    this.headBytes = 0;
    return false;
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
    this.headBytes = Math.max(this.headBytes - taken.length, 0);
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

  /** How many bytes have arrived on it, and how many of them the sink has got. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get deliveredBytes(): number {
    return this.#deliveredBytes;
  }

  /** What has arrived behind this position, and arrives now, is held. @param position at least `deliveredBytes` */
  set holdsAt(position: number) {
    this.#holdsAt = position;
    this.#closeCommon(); // what is held is delivered as a whole
    this.#releaseSoon();
  }

  /** Whether something has arrived that its sink has not got. */
  get isHeldUp(): boolean {
    return this.#held.length > 0;
  }

  get #isHolding(): boolean {
    return this.#isPaused || this.#deliveredBytes >= this.#holdsAt;
  }

  /** @throws HbiError bad_frame beyond the window, and behind the end */
  receive(view: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#hasPeerEnded) throw failure("bad_frame", "of a lane: data behind its end");
    this.#roomBytes -= view.length;
    if (this.#roomBytes < 0) throw failure("bad_frame", "of a lane: more than its window");
    this.#receivedBytes += view.length;
    if (this.#isHolding || this.#isReleasing || this.#held.length > 0 || this.#sink === undefined) this.#hold(view);
    else this.#deliver(this.#sink, view);
  }

  #deliver(sink: TransportSink, view: Uint8Array): void {
    this.#consumedBytes += view.length;
    this.#deliveredBytes += view.length;
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
    for (; head < this.#held.length && !this.#isHolding; head++) {
      const view = this.#held[head] as Uint8Array; // below the length
      this.#addHeld(-view.length);
      this.#deliver(sink, view);
      if (this.#isClosed) return;
    }
    this.#held.splice(0, head);
    this.#tellEnd();
  }

  /** The peer sends nothing more on it. */
  peerEnds(): void {
    if (this.#isClosed) return;
    if (this.#hasPeerEnded) throw failure("bad_frame", "of a lane: ended twice");
    this.#hasPeerEnded = true;
    if (!this.#isReleasing) this.#tellEnd();
  }

  /** Once, behind everything that was held. */
  #tellEnd(): void {
    if (!this.#hasPeerEnded || this.#hasToldEnd || this.#held.length > 0 || this.#isHolding) return;
    const sink = this.#sink;
    if (sink === undefined) return;
    this.#hasToldEnd = true;
    sink.onEnd();
  }

  /** The sink has read everything that it wants of it. */
  leave(): void {
    this.#isLeft = true;
    this.#carrier.laneLeft(this);
  }

  /** Whether both sides have ended it, and nobody reads it any more. */
  get isOver(): boolean {
    return this.#hasPeerEnded && this.#end === "sent" && this.#isLeft;
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
    this.headBytes = 0;
    this.#asking = undefined;
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
