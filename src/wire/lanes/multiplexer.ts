/**
 * Multiplexer: several lanes over one transport, in frames. Each lane is an independent stream of bytes with a window
 * of its own. Lane 0 gets up to half of what is sent while others wait; those take turns. docs/lanes.md.
 */
import type { Clock } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import type { Transport } from "../transport.ts";
import { type Control, FrameReader, type FrameSink, MAX_FRAME_BYTES, MAX_LANE } from "./frame-reader.ts";
import { type LaneCarrier, LaneTransport } from "./lane-transport.ts";

/** At most about so many bytes are handed to the platform before it has taken them, so that what is urgent never waits
 *  behind megabytes. */
const HANDED_BYTES = 128 * 1024;
/** A frame, if other lanes wait as well. */
const SHARED_FRAME_BYTES = 16 * 1024;
/** Credit beyond this is an error of the peer. */
const MAX_CREDIT = 2 ** 31 - 1;
const CREDIT = /^(0|[1-9]\d{0,9}) ([1-9]\d{0,9})$/;
const RESET = /^(0|[1-9]\d{0,9})(?: ([a-z_]{1,48}))?$/;
const ID = /^[1-9]\d{0,9}$/;

/** What the multiplexer needs of its connection. */
export interface LaneHost {
  /** Whether the connection is open; otherwise, received data is discarded, and only credit counts. */
  readonly isOpen: boolean;
  discard(bytes: number): void;
  /** The peer has opened a lane. @throws HbiError if it may not */
  laneOpened(lane: LaneTransport): void;
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
  #mainBytes = 0;
  #otherBytes = 0;
  #writtenBytes = 0;
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
    this.#flush();
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
    else if (!this.#isDispatching) this.#flush();
  }

  /** They are small, and few for what they answer, so they do not wait for the platform. */
  #flush(): void {
    if (this.#isSending && this.#controls !== "") {
      const text = this.#controls;
      this.#controls = "";
      this.#writtenBytes += text.length;
      this.#line.write(text);
    }
    this.#pump();
  }

  #makeReady(lane: LaneTransport): void {
    if (lane === this.main || lane.isReady || !lane.canSend) return;
    lane.isReady = true;
    this.#ready.push(lane);
  }

  #pump(): void {
    if (!this.#isSending || this.#isPumping) return;
    this.#isPumping = true;
    const isSingle = this.#ready.length === 0 && this.main.isSingleText;
    if (!isSingle) this.#line.cork?.();
    while (this.#line.bufferedBytes < HANDED_BYTES) {
      const lane = this.#next();
      if (lane === undefined) break;
      this.#send(lane);
    }
    if (!isSingle) this.#line.uncork?.();
    this.#isPumping = false;
    if (this.#end === "asked" && this.main.isSent && this.#areLanesSent) {
      this.#end = "sent";
      this.#line.end();
    }
  }

  /** The next lane that sends a frame. */
  #next(): LaneTransport | undefined {
    const { main } = this;
    if (this.#ready.length === 0) {
      this.#mainBytes = 0;
      this.#otherBytes = 0;
      return main.canSend ? main : undefined;
    }
    if (main.canSend && this.#mainBytes <= this.#otherBytes) return main;
    const lane = this.#ready.shift();
    if (lane !== undefined) lane.isReady = false;
    return lane;
  }

  #send(lane: LaneTransport): void {
    const isAlone = this.#ready.length === 0 && (lane === this.main || !this.main.canSend);
    const piece = lane.take(isAlone ? MAX_FRAME_BYTES : SHARED_FRAME_BYTES);
    if (piece === undefined) {
      if (lane.takeEnd()) this.#ended(lane);
      return;
    }
    this.#hasTaken = true;
    const header = `[${piece.length}#${lane.id}]`;
    this.#writtenBytes += header.length + piece.length;
    lane.lastAt = this.#writtenBytes;
    if (lane === this.main) this.#mainBytes += piece.length;
    else this.#otherBytes += piece.length;
    if (typeof piece === "string") this.#line.write(header + piece);
    else {
      this.#line.write(header);
      this.#line.write(piece);
    }
    this.#makeReady(lane);
  }

  #ended(lane: LaneTransport): void {
    this.#control("end", String(lane.id));
    if (lane.isOver) this.#remove(lane);
  }

  /** The platform has taken something. */
  onDrain(): void {
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
    this.#flush();
    if (!this.#hasTaken) return;
    this.#hasTaken = false;
    for (const lane of this.#lanes.values()) lane.drained();
    this.main.drained();
  }

  onFrameData(id: number, view: Uint8Array): void {
    const lane = id === 0 ? this.main : this.#lanes.get(id);
    if (!this.#host.isOpen) this.#host.discard(view.length);
    else if (lane === undefined) this.#checkKnown(id);
    else lane.receive(view);
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
        const lane = this.#laneOf(ID.exec(text)?.[0]);
        lane?.peerEnds();
        if (lane?.isOver === true) this.#remove(lane);
        return;
      }
      case "reset": {
        const [, id, reason] = RESET.exec(text) ?? [];
        const lane = this.#laneOf(id);
        if (lane === this.main) throw failure("bad_frame", "of a lane: lane 0 reset");
        if (lane !== undefined) this.#remove(lane, failure("lane_reset", reason));
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

  /** Ends a lane in both directions. What of it is on its way is ignored. */
  reset(lane: LaneTransport, reason: string): void {
    if (lane === this.main) return;
    this.#control("reset", `${lane.id} ${reason}`);
    this.#remove(lane);
  }

  #remove(lane: LaneTransport, error?: Error): void {
    this.#lanes.delete(lane.id);
    const at = this.#ready.indexOf(lane);
    if (at >= 0) this.#ready.splice(at, 1);
    lane.isReady = false;
    lane.close(error);
  }

  /** The transport has closed, or what the lanes still have is not sent. */
  closeLanes(): void {
    for (const lane of [...this.#lanes.values()]) this.#remove(lane);
  }
}
