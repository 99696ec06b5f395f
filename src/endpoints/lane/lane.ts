/**
 * Lane: one stream of bytes in each direction, with its turns: received data goes to the conversation that has the read
 * turn, and the conversation that has the send turn writes. What belongs to the peer rather than to the bytes belongs
 * to the session. Lane 0 is the connection's own; others are described in docs/lanes.md. Each conversation knows its
 * lane. docs/protocol.md, sections 3 to 5.
 */
import type { Clock } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { OnDemand } from "../../on-demand.ts";
import { httpRefusal } from "../../wire/foreign-protocol.ts";
import { encodePacket, type Packet } from "../../wire/packet.ts";
import type { Transport, TransportSink } from "../../wire/transport.ts";
import { Wire, type WireHost } from "../../wire/wire.ts";
import { type Account, ENTRY_COST_BYTES } from "../guard/account.ts";
import type { Scheduler } from "../guard/scheduler.ts";
import type { Waits } from "../waits.ts";
import type { BracketReader } from "./conversation.ts";
import { ReadTurn } from "./read-turn.ts";
import type { WatchHost } from "./read-watch.ts";
import { SendTurn, type TurnTaker } from "./send-turn.ts";

/** Answers below this size are not checked while they are collected: most go to the wire at once. */
const SMALL_ANSWERS_BYTES = 64 * 1024;

/** What a lane needs of its session. */
export interface LaneSession {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly account: Account;
  readonly scheduler: Scheduler;
  readonly waits: Waits;
  /** Whether the connection is open; otherwise, received data is discarded. */
  readonly isOpen: boolean;
  /** Whether this and other connections hold so much that senders should wait sooner. */
  readonly isTight: boolean;
  /** Whether received data may be handled: the init hooks have run, and the connection is not closing. */
  readonly isLanding: boolean;
  /** What must be loaded before the packet can be passed to `route`. */
  missingFor(packet: Packet): OnDemand<unknown> | undefined;
  /** Takes a packet between conversations. False if not now; it gets the same packet again after the next `pump`. */
  route(packet: Packet, lane: Lane): boolean;
  /** Takes an `err`, wherever it occurs. */
  peerError(text: string): void;
  /** Bytes that the connection has received. */
  readonly receivedBytes: number;
  /** Counts received bytes. Returns the milliseconds for which reading should pause. */
  received(bytes: number, nowMs: number): number;
  /** Counts bytes received while the connection closes. */
  discard(bytes: number): void;
  /** The amount that waits for the peer has changed. */
  unsentMoved(): void;
  /** Everything received was handled. */
  exhausted(): void;
  /** The peer has half-closed. */
  peerEnds(): void;
  transportClosed(error: Error | undefined): void;
  /** Ends the connection because of `error`, or only the lane, if the connection can go on. */
  cut(error: HbiError): void;
  /** Ends the lane, with the conversation on it, because that is not wanted any more. False for the only lane that a
   *  connection needs. */
  abandon(error: HbiError): boolean;
}

export class Lane implements TransportSink, WireHost, WatchHost {
  readonly session: LaneSession;
  readonly wire: Wire;
  readonly turn: SendTurn;
  readonly reading: ReadTurn;
  readonly #transport: Transport;
  /** as entered in the session's account */
  #unsentBytes = 0;
  #isClosed = false;

  constructor(transport: Transport, session: LaneSession) {
    this.session = session;
    this.#transport = transport;
    this.wire = new Wire(transport, session.limits, session.clock, this);
    this.turn = new SendTurn(this.wire, session.account);
    this.reading = new ReadTurn(transport, this);
  }

  start(): void {
    this.#transport.start(this);
  }

  // --- reading -------------------------------------------------------------------------------------------------------

  /** Catches exceptions without a function of its own, because this is on the stack of every handler. */
  onData(chunk: Uint8Array): void {
    const { session, reading } = this;
    try {
      if (!session.isOpen) {
        session.discard(chunk.length);
        return;
      }
      reading.received(chunk);
      const waitMs = session.received(chunk.length, reading.receivedMs);
      if (waitMs > 0) reading.throttle(waitMs);
      this.pump();
    } catch (thrown) {
      session.cut(asHbiError(thrown));
    }
  }

  /** Handles received data as far as it is wanted. */
  pump(): void {
    const { session, reading } = this;
    if (!session.isLanding) {
      if (session.isOpen) reading.holdBack();
      return;
    }
    reading.pump();
    if (reading.isExhausted) session.exhausted();
  }

  /** A more specific error for a wait of this conversation that timed out. */
  explainTimeout(waiting: BracketReader): HbiError {
    const { owner } = this.reading;
    if (owner === undefined || owner === waiting || owner.wantsRaw || owner.wantsPacket) return failure("timeout");
    return failure("body_unread");
  }

  get receivedBytes(): number {
    return this.session.receivedBytes;
  }

  readLate(reason: "read_timeout" | "data_too_slow"): void {
    this.session.cut(failure(reason));
  }

  // --- writing -------------------------------------------------------------------------------------------------------

  onDrain(): void {
    try {
      this.wire.onDrain();
      this.turn.grant();
      this.pump();
    } catch (thrown) {
      this.session.cut(asHbiError(thrown));
    }
  }

  get isTight(): boolean {
    return this.session.isTight;
  }

  wireStuck(error: HbiError): void {
    this.session.cut(error);
  }

  wireMoved(): void {
    if (this.#isClosed) return; // whatever the transport still counts is not held
    const { account } = this.session;
    const bytes = this.wire.bufferedBytes;
    account.unsent += bytes - this.#unsentBytes;
    this.#unsentBytes = bytes;
    this.session.unsentMoved();
  }

  /** The collected amount has changed: it is bounded together with what is written, because the peer may not read. */
  built(isAnswer: boolean, bytes: number): void {
    const { account } = this.session;
    if (!isAnswer) {
      account.posts += bytes;
      return;
    }
    account.answers += bytes;
    if (bytes > 0 && account.answers > SMALL_ANSWERS_BYTES) this.answerHeld();
  }

  /** An answer waits for the send turn. */
  answerHeld(): void {
    this.wireMoved();
    const { account, limits } = this.session;
    if (account.answers + account.unsent > limits.maxSendBufferBytes) this.session.cut(failure("slow_reader"));
  }

  /** Sends a packet of an answer outside of any bracket, when it has the turn. */
  sendLone(packet: string): void {
    const { turn, wire } = this;
    const bytes = packet.length + ENTRY_COST_BYTES;
    const taker: TurnTaker = {
      chain: undefined,
      before: undefined,
      behind: undefined,
      label: "co_send answer",
      granted: () => {
        this.built(true, -bytes);
        wire.text(packet);
        turn.release(taker);
      },
      dropped: () => this.built(true, -bytes),
    };
    this.built(true, bytes);
    turn.request(taker);
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Whether no conversation reads, writes, or waits to. */
  get isIdle(): boolean {
    return this.turn.isIdle && this.reading.owner === undefined;
  }

  /** Nothing more is handled. What is queued is sent, then FIN; before FIN an `err`, if there is a reason and the peer
   *  would read it as such. */
  end(words: string): void {
    this.reading.stop();
    const { holder } = this.turn;
    const isInRawData = holder !== undefined && "isInRawData" in holder && holder.isInRawData === true;
    if (!isInRawData && words !== "") {
      this.wire.text(this.reading.isHttp ? httpRefusal(words) : encodePacket("err", words));
    }
    this.wire.end();
  }

  onEnd(): void {
    try {
      this.session.peerEnds();
    } catch (thrown) {
      this.session.cut(asHbiError(thrown));
    }
  }

  onClose(error?: Error): void {
    // Without half-close, closing is how the peer half-closes.
    if (error === undefined && this.#transport.canHalfClose === false) this.onEnd();
    this.reading.stop();
    try {
      this.session.transportClosed(error);
    } catch (thrown) {
      this.session.cut(asHbiError(thrown));
    }
    this.session.account.unsent -= this.#unsentBytes;
    this.#unsentBytes = 0;
    this.#isClosed = true;
  }
}
