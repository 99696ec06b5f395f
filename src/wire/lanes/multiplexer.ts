/**
 * Multiplexer: several lanes over one transport, in frames. Each lane is an independent stream of bytes with a window
 * of its own. Lane 0 gets up to half of what is sent while others wait; those take turns. docs/lanes.md.
 */
import type { Clock } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import type { Scratch } from "../scratch.ts";
import { Transit } from "../transit.ts";
import type { Transport } from "../transport.ts";
import { type Control, FrameReader, type FrameSink, MAX_FRAME_BYTES, MAX_LANE } from "./frame-reader.ts";
import { type LaneCarrier, LaneTransport } from "./lane-transport.ts";

/** At most about so many bytes are handed to the platform before it has taken them, so that what is urgent never waits
 *  behind megabytes. */
const HANDED_BYTES = 128 * 1024;
/** So much of a lane is sent before it is reset. */
const LITTLE_BYTES = 16 * 1024;
/** Credit beyond this is an error of the peer. */
const MAX_CREDIT = 2 ** 31 - 1;
const CREDIT = /^(0|[1-9]\d{0,9}) ([1-9]\d{0,9})$/;
const REASON = /^[a-z_]{1,48}$/;
const RESET = /^(0|[1-9]\d{0,9})(?: ([a-z_]{1,48}))?$/;
const ID = /^[1-9]\d{0,9}$/;

/** What the multiplexer needs of its connection. */
export interface LaneHost {
  /** Something has arrived, if only a part of a frame. */
  heard(): void;
  /** Whether the connection is open; otherwise, received data is discarded, and only credit counts. */
  readonly isOpen: boolean;
  discard(bytes: number): void;
  /** The peer has opened a lane. @throws HbiError if it may not */
  laneOpened(lane: LaneTransport): void;
  /** Data has arrived on a lane that awaited it, and is passed to it next. */
  laneBegins(lane: LaneTransport): void;
  /** Something has to be sent in frames, and this direction has not switched. */
  framesNeeded(): void;
  /** So many bytes more are held for lanes that do not read, or less. */
  laneHeld(bytes: number): void;
  /** The peer violates the protocol. */
  cut(error: HbiError): void;
}

/** How much each side may send on a new lane. */
export interface Windows {
  readonly ownBytes: number;
  readonly peerBytes: number;
}

/** The text with which a conversation begins on a lane: sent when lane 0 has sent so much, and before it sends more. */
interface Head {
  readonly lane: LaneTransport;
  readonly after: number;
}

export class Multiplexer implements FrameSink, LaneCarrier {
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** lane 0 */
  readonly main: LaneTransport;
  readonly #line: Transport;
  readonly #clock: Clock;
  readonly #host: LaneHost;
  readonly #windows: Windows;
  readonly #isOdd: boolean;
  readonly #reader = new FrameReader(this);
  /** those that are open, without lane 0 */
  readonly #lanes = new Map<number, LaneTransport>();
  #nextId: number;
  #peersHighest = 0;
  #isReceiving = false;
  #hasFailed = false;
  // sending
  #isSending = false;
  /** control frames that wait */
  #controls = "";
  /** those that have something to send, without lane 0, in turn */
  readonly #ready: LaneTransport[] = [];
  /** those that lane 0 must not pass, as they were written */
  readonly #heads: Head[] = [];
  /** those from which something was written since the platform was asked to take it */
  readonly #scratches: Scratch[] = [];
  #mainBytes = 0;
  #otherBytes = 0;
  #writtenBytes = 0;
  readonly #transit = new Transit();
  /** when the platform last took something, or had taken everything */
  #progressMs = 0;
  #isPumping = false;
  #isDispatching = false;
  #hasTaken = false;
  #end: "open" | "asked" | "sent" = "open";

  /** @param isOdd whether this side opens lanes with odd numbers: the one that has dialed */
  constructor(line: Transport, clock: Clock, host: LaneHost, isOdd: boolean, windows: Windows) {
    this.localAddress = line.localAddress;
    this.remoteAddress = line.remoteAddress;
    this.#line = line;
    this.#clock = clock;
    this.#host = host;
    this.#windows = windows;
    this.#isOdd = isOdd;
    this.#nextId = isOdd ? 1 : 2;
    this.main = new LaneTransport(0, this, windows.ownBytes, windows.peerBytes);
  }

  /** Whether what is sent is in frames. */
  get isSending(): boolean {
    return this.#isSending;
  }

  /** Whether what arrives is in frames. */
  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  /** Opens a lane. @throws HbiError resource_exhausted when all numbers were used */
  open(): LaneTransport {
    const id = this.#nextId;
    if (id > MAX_LANE) throw failure("too_many_waiting", "no number is left for a lane");
    this.#nextId += 2;
    const lane = this.#created(id);
    this.#control("open", String(id));
    return lane;
  }

  #created(id: number): LaneTransport {
    const lane = new LaneTransport(id, this, this.#windows.ownBytes, this.#windows.peerBytes);
    this.#lanes.set(id, lane);
    return lane;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** From now on, everything is sent in frames. */
  switchSending(): void {
    this.#isSending = true;
    this.#pump();
  }

  /** For how long the platform has taken nothing of what it was handed; 0 if it has all of it. */
  get stuckMs(): number {
    return this.#line.bufferedBytes === 0 ? 0 : this.#clock.now() - this.#progressMs;
  }

  /** The time until the peer has received what was sent in frames and is not confirmed, if it reads as slowly as permitted. */
  get transitMs(): number {
    return this.#transit.ms(this.#clock.now());
  }

  /** The text that is written to the lane from now on is sent behind what lane 0 has. */
  beginHead(lane: LaneTransport): void {
    lane.beginHead();
  }

  /** That text is sent before what is written to lane 0 from now on. */
  endHead(lane: LaneTransport): void {
    if (lane.endHead()) this.#heads.push({ lane, after: this.main.takenBytes + this.main.queuedBytes });
    this.laneMoved(lane);
  }

  underWay(position: number): number {
    return Math.max(position - (this.#writtenBytes - this.#line.bufferedBytes), 0);
  }

  laneMoved(lane: LaneTransport): void {
    this.#makeReady(lane);
    if (this.#isSending) this.#pump();
    else this.#host.framesNeeded();
  }

  grant(lane: LaneTransport, bytes: number): void {
    this.#control("credit", `${lane.id} ${bytes}`);
  }

  /** Ends this direction when everything was sent, and all lanes have ended it. */
  end(): void {
    if (this.#end !== "open") return;
    this.#end = "asked";
    this.#pump();
  }

  get #areLanesSent(): boolean {
    for (const lane of this.#lanes.values()) if (!lane.isSent || !lane.isEnding) return false;
    return true;
  }

  cork(): void {
    this.#line.cork?.();
  }

  uncork(): void {
    this.#line.uncork?.();
  }

  #control(control: Control, text: string): void {
    this.#controls += `[${text.length}#${control}]${text}`;
    if (!this.#isSending) this.#host.framesNeeded();
    else if (!this.#isDispatching) this.#pump();
  }

  /** Control frames are small, and few for what they answer, so they do not wait for the platform. They precede data that
   *  was written later, such as that of a lane which they open. */
  #writeControls(): void {
    if (!this.#isSending || this.#controls === "") return;
    const text = this.#controls;
    this.#controls = "";
    this.#writtenBytes += text.length;
    this.#line.write(text);
  }

  #makeReady(lane: LaneTransport): void {
    if (lane === this.main || lane.isReady || lane.isClosed || lane.headBytes > 0 || !lane.canSend) return;
    lane.isReady = true;
    this.#ready.push(lane);
  }

  #pump(): void {
    if (!this.#isSending || this.#isPumping) return;
    this.#isPumping = true;
    this.#writeControls();
    while (this.#writeSome()) {
      // the platform has taken it at once
    }
    this.#isPumping = false;
    if (this.#end === "asked" && this.main.isSent && this.#areLanesSent) {
      this.#end = "sent";
      this.#line.end();
    }
  }

  /** As much as is handed to the platform at a time. Whether there may be more. */
  #writeSome(): boolean {
    const line = this.#line;
    if (line.bufferedBytes === 0) this.#progressMs = this.#clock.now();
    const isSingle = this.#ready.length === 0 && this.#heads.length === 0 && this.main.isSingleText;
    if (!isSingle) line.cork?.();
    let lane = line.bufferedBytes < HANDED_BYTES ? this.#next() : undefined;
    const isSome = lane !== undefined;
    while (lane !== undefined) {
      if (lane.isAsking) this.#giveTurn(lane);
      else this.#send(lane);
      lane = line.bufferedBytes < HANDED_BYTES ? this.#next() : undefined;
    }
    this.#writeControls();
    if (!isSingle) line.uncork?.();
    if (line.bufferedBytes === 0) for (const scratch of this.#scratches) scratch.giveBack();
    this.#scratches.length = 0;
    return isSome && line.bufferedBytes < HANDED_BYTES;
  }

  /** The next lane that sends a frame. */
  #next(): LaneTransport | undefined {
    const { main } = this;
    const [head] = this.#heads;
    if (head !== undefined && main.takenBytes >= head.after) return head.lane;
    if (this.#ready.length === 0) {
      this.#mainBytes = 0;
      this.#otherBytes = 0;
      return main.canSend ? main : undefined;
    }
    if (main.canSend && this.#mainBytes <= this.#otherBytes) return main;
    return this.#nextReady() ?? (main.canSend ? main : undefined);
  }

  #nextReady(): LaneTransport | undefined {
    for (let lane = this.#ready.shift(); lane !== undefined; lane = this.#ready.shift()) {
      lane.isReady = false;
      if (lane.headBytes === 0) return lane; // otherwise, it is sent in the order of writing
    }
    return undefined;
  }

  #giveTurn(lane: LaneTransport): void {
    lane.giveTurn(this.#mostOf(lane));
    this.#makeReady(lane);
  }

  giveBackLater(scratch: Scratch): void {
    this.#scratches.push(scratch);
  }

  sendNow(lane: LaneTransport): void {
    while (lane.queuedBytes > 0 && lane.credit > 0 && this.#mostOf(lane) > 0) this.#send(lane);
  }

  #send(lane: LaneTransport): void {
    const piece = lane.take(this.#mostOf(lane));
    if (piece === undefined) {
      if (lane.takeEnd()) this.#ended(lane);
      return;
    }
    this.#hasTaken = true;
    if (lane === this.#heads[0]?.lane && lane.headBytes === 0) this.#heads.shift();
    const header = `[${piece.length}#${lane.id}]`;
    this.#writtenBytes += header.length + piece.length;
    lane.lastAt = this.#writtenBytes;
    this.#transit.add(piece.length, this.#clock.now());
    if (lane.landmarkBytes === 0) {
      lane.landmarkBytes = lane.takenBytes;
      lane.landmarkAt = this.#writtenBytes;
    }
    if (lane === this.main) this.#mainBytes += piece.length;
    else this.#otherBytes += piece.length;
    if (typeof piece === "string") this.#line.write(header + piece);
    else {
      this.#line.write(header);
      this.#line.write(piece);
    }
    this.#makeReady(lane);
  }

  /** How much of a lane is sent in one frame. */
  #mostOf(lane: LaneTransport): number {
    const { main } = this;
    const [head] = this.#heads;
    if (lane === main && head !== undefined) return Math.min(MAX_FRAME_BYTES, head.after - main.takenBytes);
    return lane === head?.lane ? Math.min(MAX_FRAME_BYTES, lane.headBytes) : MAX_FRAME_BYTES;
  }

  /** At once, if this direction has switched. */
  #sendAll(lane: LaneTransport): void {
    this.#forgetHead(lane);
    this.#writeControls();
    while (this.#isSending && lane.queuedBytes > 0) this.#send(lane);
  }

  #ended(lane: LaneTransport): void {
    this.#control("end", String(lane.id));
    this.laneLeft(lane);
  }

  laneLeft(lane: LaneTransport): void {
    if (lane.isOver) this.#remove(lane);
  }

  /** The platform has taken something. */
  onDrain(): void {
    this.#progressMs = this.#clock.now();
    this.#dispatch(() => {
      this.#hasTaken = true;
    });
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** From now on, everything arrives in frames. */
  switchReceiving(): void {
    this.#isReceiving = true;
  }

  receive(chunk: Uint8Array): void {
    this.#host.heard();
    this.#dispatch(() => this.#reader.push(chunk));
  }

  /** What is caused by it is sent together. */
  #dispatch(run: () => void): void {
    if (this.#hasFailed) return;
    const isOuter = !this.#isDispatching;
    this.#isDispatching = true;
    try {
      run();
    } catch (thrown) {
      this.#hasFailed = true;
      this.#host.cut(asHbiError(thrown));
    }
    if (!isOuter) return;
    this.#isDispatching = false;
    this.#pump();
    if (!this.#hasTaken) return;
    this.#hasTaken = false;
    for (const lane of this.#lanes.values()) lane.drained();
    this.main.drained();
  }

  onFrameData(id: number, view: Uint8Array): void {
    const lane = id === 0 ? this.main : this.#lanes.get(id);
    if (!this.#host.isOpen) this.#host.discard(view.length);
    else if (lane === undefined) this.#checkKnown(id);
    else {
      if (lane.awaitsBegin) {
        lane.awaitsBegin = false;
        this.#host.laneBegins(lane);
      }
      lane.receive(view);
    }
  }

  onControl(control: Control, text: string): void {
    switch (control) {
      case "open":
        this.#opened(text);
        return;
      case "credit": {
        const [, id, bytes] = CREDIT.exec(text) ?? [];
        const lane = this.#laneOf(id);
        if (lane !== undefined) this.#credited(lane, Number(bytes));
        return;
      }
      case "end": {
        this.#laneOf(ID.exec(text)?.[0])?.peerEnds();
        return;
      }
      case "reset": {
        const [, id, reason] = RESET.exec(text) ?? [];
        const lane = this.#laneOf(id);
        if (lane === this.main) throw failure("bad_frame", "of a lane: lane 0 reset");
        if (lane === undefined) return;
        lane.resetFor = reason;
        this.#remove(lane, failure("lane_reset", reason));
      }
    }
  }

  #opened(text: string): void {
    if (!this.#host.isOpen) return;
    const id = ID.test(text) ? Number(text) : 0;
    const isPeers = (id % 2 === 1) !== this.#isOdd;
    if (!isPeers || id > MAX_LANE || id <= this.#peersHighest) throw failure("bad_frame", "of a lane: number");
    this.#peersHighest = id;
    this.#host.laneOpened(this.#created(id));
  }

  #credited(lane: LaneTransport, bytes: number): void {
    if (lane.credit + bytes > MAX_CREDIT) throw failure("bad_frame", "of a lane: too much credit");
    lane.credit += bytes;
    if (lane.takenBytes + lane.credit - this.#windows.peerBytes >= lane.landmarkBytes) {
      lane.landmarkBytes = 0;
      this.#transit.confirmed(this.#writtenBytes - lane.landmarkAt, this.#clock.now());
    }
    this.#makeReady(lane);
  }

  /** The lane of an id; undefined if it is over, which the peer may not know yet. */
  #laneOf(text: string | undefined): LaneTransport | undefined {
    if (text === undefined) throw failure("bad_frame", "of a lane: malformed");
    const id = Number(text);
    const lane = id === 0 ? this.main : this.#lanes.get(id);
    if (lane === undefined) this.#checkKnown(id);
    return lane;
  }

  #checkKnown(id: number): void {
    if (!this.#host.isOpen) return;
    const isPeers = (id % 2 === 1) !== this.#isOdd;
    if (isPeers ? id > this.#peersHighest : id >= this.#nextId) throw failure("bad_frame", "of a lane: not open");
  }

  laneHeld(bytes: number): void {
    this.#host.laneHeld(bytes);
  }

  soon(run: () => void): void {
    this.#clock.soon(() => this.#dispatch(run));
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Ends a lane in both directions. What of it is on its way is ignored. Little that waits to be sent, such as the
   *  answer to a refused upload, is sent before.
   *  @param reason the peer is told if it has the form of one */
  reset(lane: LaneTransport, reason: string): void {
    if (lane === this.main) return;
    if (lane.queuedBytes <= Math.min(LITTLE_BYTES, lane.credit)) this.#sendAll(lane);
    this.#control("reset", REASON.test(reason) ? `${lane.id} ${reason}` : String(lane.id));
    this.#remove(lane);
  }

  #remove(lane: LaneTransport, error?: Error): void {
    this.#lanes.delete(lane.id);
    const at = this.#ready.indexOf(lane);
    if (at >= 0) this.#ready.splice(at, 1);
    lane.isReady = false;
    this.#forgetHead(lane);
    lane.close(error);
  }

  /** What is left of it waits for its turn, if it is sent at all. */
  #forgetHead(lane: LaneTransport): void {
    lane.headBytes = 0;
    const at = this.#heads.findIndex((head) => head.lane === lane);
    if (at >= 0) this.#heads.splice(at, 1);
  }

  /** The transport has closed, or what the lanes still have is not sent. */
  closeLanes(): void {
    for (const lane of [...this.#lanes.values()]) this.#remove(lane);
  }
}
