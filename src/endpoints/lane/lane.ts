/**
 * Lane: one stream of bytes in each direction, and the turns on it: what arrives goes to the conversation that has the read turn, what
 * is written comes from the one that has the send turn. What belongs to the peer rather than to the bytes is its session's. A session
 * has one lane; conversations know theirs, so that there may be more. docs/protocol.md, sections 3 to 5.
 */
import type { Clock } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
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

/** Answers below this size are not checked while they are built: most are given to the wire at once. */
const SMALL_ANSWERS_BYTES = 64 * 1024;

/** What a lane needs of its session, which stands above it. */
export interface LaneSession {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly account: Account;
  readonly scheduler: Scheduler;
  readonly waits: Waits;
  /** Whether conversations go on; while not, what still arrives is discarded. */
  readonly isOpen: boolean;
  /** Whether so much waits, on this connection and others, that senders should wait sooner. */
  readonly isTight: boolean;
  /** Whether what has arrived may be handled: the init hooks have run, and the connection does not close. */
  readonly isLanding: boolean;
  /** Takes a packet between conversations; false: not now, the same one again after the next `pump`. */
  route(packet: Packet, lane: Lane): boolean;
  /** Takes `err`, wherever it stands. */
  peerError(text: string): void;
  /** So many bytes have come. Gives the milliseconds for which no more should. */
  received(bytes: number, nowMs: number): number;
  /** They came while the connection closes. */
  discard(bytes: number): void;
  /** More or less of what was written waits for the peer now. */
  unsentMoved(): void;
  /** All that has arrived was handled. */
  exhausted(): void;
  /** The peer will send no more here. */
  peerEnds(): void;
  transportClosed(error: Error | undefined): void;
  /** Ends the connection because of `error`. */
  cut(error: HbiError): void;
}

export class Lane implements TransportSink, WireHost, WatchHost {
  readonly session: LaneSession;
  readonly wire: Wire;
  readonly turn: SendTurn;
  readonly reading: ReadTurn;
  readonly #transport: Transport;
  /** entered in the account of the session */
  #unsentBytes = 0;

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

  /** Guarded without a function of its own: this is on the stack of every handler. */
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

  /** Handles what has arrived, as far as somebody wants it. */
  pump(): void {
    const { session, reading } = this;
    if (!session.isLanding) {
      if (session.isOpen) reading.holdBack();
      return;
    }
    reading.pump();
    if (reading.isExhausted) session.exhausted();
  }

  /** Why a wait of this conversation was in vain, when more is known than that time is over. */
  explainTimeout(waiting: BracketReader): HbiError {
    const { owner } = this.reading;
    if (owner === undefined || owner === waiting || owner.wantsRaw || owner.wantsPacket) return failure("timeout");
    return failure("body_unread");
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
    const { account } = this.session;
    const bytes = this.wire.bufferedBytes;
    account.unsent += bytes - this.#unsentBytes;
    this.#unsentBytes = bytes;
    this.session.unsentMoved();
  }

  /** So much more is built up, or less: what a peer does not read is bounded together with what is written. */
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

  /** A packet of an answer outside of any bracket, in its turn. */
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

  /** Whether nobody reads or writes here, nor waits to. */
  get isIdle(): boolean {
    return this.turn.isIdle && this.reading.owner === undefined;
  }

  /** Nothing more is handled. What is queued is sent, then FIN; before it `err`, if there is something to say and it would be read as such. */
  end(words: string): void {
    this.reading.stop();
    const { holder } = this.turn;
    const isInRawData = holder !== undefined && "isInRawData" in holder && holder.isInRawData === true;
    if (!isInRawData && words !== "") this.wire.text(encodePacket("err", words));
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
    // Without half-close, the peer says that it will send no more by closing.
    if (error === undefined && this.#transport.canHalfClose === false) this.onEnd();
    this.reading.stop();
    try {
      this.session.transportClosed(error);
    } catch (thrown) {
      this.session.cut(asHbiError(thrown));
    }
    this.session.account.unsent -= this.#unsentBytes;
    this.#unsentBytes = 0;
  }
}
