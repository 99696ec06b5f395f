/**
 * Lanes: the lanes of a connection beside lane 0. A conversation that sends or receives much has one for itself: an idle
 * one, a new one, or the next that is free. docs/lanes.md.
 */
import { Chain, type Chained } from "../../chain.ts";
import type { Timer } from "../../clock.ts";
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { LaneTransport } from "../../wire/lanes/lane-transport.ts";
import { type LaneHost, Multiplexer } from "../../wire/lanes/multiplexer.ts";
import type { SwitchingTransport } from "../../wire/lanes/switching-transport.ts";
import { encodePacket } from "../../wire/packet.ts";
import type { Lane } from "../lane/lane.ts";
import { PATIENCE_MS, type TurnTaker } from "../lane/send-turn.ts";
import { ignore } from "../waits.ts";
import type { Connection } from "./connection.ts";
import type { PostedCo } from "./posted-co.ts";
import { SideLane } from "./side-lane.ts";

/** The only version. */
const VERSION = "1";
/** Lanes of this side that stay open without a conversation. */
const MOST_IDLE = 8;

/** What the peer has said of its lanes. */
export interface PeerLanes {
  readonly maxLanes: number;
  readonly windowBytes: number;
}

export class Lanes implements LaneHost {
  /** of each lane: what it holds for a reader is within its window, however much the connection may hold */
  readonly limits: Limits;
  readonly #connection: Connection;
  readonly #transport: SwitchingTransport;
  readonly #multiplexer: Multiplexer;
  readonly #peer: PeerLanes;
  readonly #open = new Set<SideLane>();
  readonly #idle: SideLane[] = [];
  /** conversations that wait until it is their turn */
  readonly #entries = new Map<object, Entry>();
  /** conversations that wait for a lane */
  readonly #waiting = new Chain<PostedCo>();
  /** lanes whose conversations or answers wait for what has arrived before on lane 0 */
  readonly #beginning = new Chain<SideLane>();
  #isBeginning = false;
  #own = 0;
  #peers = 0;
  /** whether the switch waits for its turn, and whether it was written */
  #isSwitching = false;
  #hasSwitched = false;

  constructor(connection: Connection, transport: SwitchingTransport, peer: PeerLanes) {
    this.#connection = connection;
    this.#transport = transport;
    this.#peer = peer;
    const windows = { ownBytes: connection.limits.laneWindowBytes, peerBytes: peer.windowBytes };
    const { clock, isDialing, limits } = connection;
    const { laneWindowBytes, maxBufferedBytes } = limits;
    this.limits = maxBufferedBytes <= laneWindowBytes ? limits : { ...limits, maxBufferedBytes: laneWindowBytes };
    this.#multiplexer = transport.lanes((line) => new Multiplexer(line, clock, this, isDialing, windows));
  }

  // --- posted conversations ------------------------------------------------------------------------------------------

  /** A lane of its own for a conversation, which begins there when it would have begun on lane 0: calls begin in the
   *  order in which they are made. */
  enter(co: PostedCo): void {
    this.#enter(co, co.taker, () => this.#give(co));
  }

  /** The same for an answer, on the lane of its conversation: it follows what was sent before on lane 0. */
  enterAnswer(taker: TurnTaker, lane: Lane): void {
    const { session } = lane;
    if (session instanceof SideLane) this.#enter(taker, taker, () => session);
  }

  #enter(key: object, taker: TurnTaker, laneOf: () => SideLane | undefined): void {
    const begin = () => {
      this.#entries.delete(key);
      this.#writeSwitch();
      return laneOf();
    };
    const entry = new Entry(this.#multiplexer, this.#connection.lane, taker, begin);
    this.#entries.set(key, entry);
    this.#connection.turn.request(entry);
  }

  /** Undefined if it has to wait for one. */
  #give(co: PostedCo): SideLane | undefined {
    const side = this.#idle.pop() ?? this.#opened(); // what the peer ends leaves the idle ones
    if (side === undefined) this.#waiting.add(co);
    else this.#enterLane(co, side);
    return side;
  }

  #enterLane(co: PostedCo, { lane, transport }: SideLane): void {
    co.enterLane(lane);
    transport.awaitsBegin = true;
  }

  /** Those that have waited for a lane are passed by those that need none. */
  #giveFree(co: PostedCo, side: SideLane): void {
    this.#enterLane(co, side);
    side.lane.turn.request(co.taker);
  }

  #opened(): SideLane | undefined {
    if (this.#own >= this.#peer.maxLanes) return undefined;
    this.#own += 1;
    return this.#added(this.#multiplexer.open(), true);
  }

  #added(transport: LaneTransport, isOwn: boolean): SideLane {
    const side = new SideLane(this.#connection, this, transport, isOwn);
    this.#open.add(side);
    return side;
  }

  withdraw(co: PostedCo): void {
    this.#waiting.remove(co);
    this.#withdraw(co);
  }

  withdrawAnswer(taker: TurnTaker): void {
    this.#withdraw(taker);
  }

  #withdraw(key: object): void {
    this.#entries.get(key)?.withdraw();
    this.#entries.delete(key);
  }

  /** A conversation on it has ended. It gives back the turns of the lane after that. */
  left(lane: Lane): void {
    this.#connection.clock.soon(() => this.#free(lane));
    const side = lane.session;
    if (side instanceof SideLane && !side.isOwn) side.transport.awaitsBegin = true;
  }

  #free(lane: Lane): void {
    const side = lane.session;
    if (!(side instanceof SideLane) || !this.#open.has(side) || !this.isOpen) return;
    if (!side.isOwn || side.hasPeerEnded) side.ended();
    else if (side.transport.isEnding)
      return; // with a body: it is over when the other side has ended it as well
    else if (!lane.isIdle)
      side.abandon(failure("cancelled")); // nobody would ever use it again
    else {
      const next = this.#waiting.shift();
      if (next !== undefined) this.#giveFree(next, side);
      else if (this.#idle.length < MOST_IDLE) this.#idle.push(side);
      else lane.wire.end();
    }
  }

  /** Whether a conversation of either side is on it. */
  isUsed(lane: Lane): boolean {
    const { hosting, posting } = this.#connection;
    return !lane.isIdle || posting.usesLane(lane) || hosting.usesLane(lane);
  }

  // --- called by the multiplexer -------------------------------------------------------------------------------------

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  discard(bytes: number): void {
    this.#connection.discard(bytes);
  }

  laneOpened(transport: LaneTransport): void {
    const { budgets, env, limits } = this.#connection;
    if (this.#peers >= limits.maxLanes) throw failure("too_many_lanes", `at most ${limits.maxLanes}`);
    if (env.isPreAuth) throw failure("unauthenticated", "a lane was opened");
    budgets.called(1);
    this.#peers += 1;
    this.#added(transport, false);
    transport.awaitsBegin = true;
  }

  /** Conversations and answers begin in the order in which they arrive: not before what lane 0 has, and lane 0 goes on
   *  behind. */
  laneBegins(transport: LaneTransport): void {
    const side = this.#sideOf(transport);
    if (side === undefined) return;
    side.beginsAt = this.#multiplexer.main.receivedBytes;
    this.#beginning.add(side);
    this.#holdMain();
  }

  #sideOf(transport: LaneTransport): SideLane | undefined {
    for (const side of this.#open) if (side.transport === transport) return side;
    return undefined;
  }

  #holdMain(): void {
    this.#multiplexer.main.holdsAt = this.#beginning.first?.beginsAt ?? Number.POSITIVE_INFINITY;
  }

  #mayBegin(side: SideLane): boolean {
    if (side !== this.#beginning.first) return side.chain !== this.#beginning;
    return this.#multiplexer.main.deliveredBytes >= side.beginsAt && this.#connection.lane.reading.isExhausted;
  }

  /** A conversation of the peer, or its answer, begins on the lane, if it is its turn. */
  begins(side: SideLane): boolean {
    if (!this.#mayBegin(side)) return false;
    if (this.#beginning.remove(side)) this.#holdMain();
    return true;
  }

  /** Lane 0 has handled what has arrived. */
  beginNext(): void {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    let side: SideLane | undefined;
    while (this.#beginning.first !== side) {
      // otherwise, less than a packet has arrived
      side = this.#beginning.first;
      if (side !== undefined && this.#mayBegin(side)) side.lane.pump();
    }
    this.#isBeginning = false;
  }

  heard(): void {
    this.#connection.heard(this.#connection.clock.now());
  }

  /** Whether no lane can send, because nothing leaves this side: a platform that holds much takes more only after a third
   *  of it has gone. */
  get isStuck(): boolean {
    return this.#multiplexer.stuckMs >= this.#connection.limits.sendStallTimeoutMs + this.transitMs / 3;
  }

  get transitMs(): number {
    return this.#multiplexer.transitMs;
  }

  framesNeeded(): void {
    if (this.#isSwitching || this.#hasSwitched) return;
    this.#isSwitching = true;
    this.#connection.turn.request(new Switch(this.#connection.lane, () => this.#writeSwitch()));
  }

  /** Once, between two conversations on lane 0: by what begins on a lane, or before, when the switch has its turn. */
  #writeSwitch(): void {
    if (this.#hasSwitched) return;
    this.#hasSwitched = true;
    const { wire } = this.#connection.lane;
    wire.text(encodePacket("lanes", VERSION));
    this.#transport.switchAt(wire.writtenBytes);
    wire.flush();
  }

  laneHeld(bytes: number): void {
    this.#connection.account.received += bytes;
  }

  cut(error: HbiError): void {
    this.#connection.cut(error);
  }

  // --- called by the connection --------------------------------------------------------------------------------------

  /** The peer sends frames from here on. @param rest what has arrived behind */
  switchReceiving(version: string, rest: readonly Uint8Array[]): void {
    if (version !== VERSION || this.#multiplexer.isReceiving) throw failure("bad_state", "lanes");
    this.#transport.switchReceiving(rest);
  }

  /** Whether nothing is under way on any of them. */
  get isIdle(): boolean {
    if (this.#beginning.size > 0) return false;
    for (const side of this.#open) if (this.isUsed(side.lane)) return false;
    return true;
  }

  /** Whether something has arrived on one of them that is not handled. */
  get isHeldUp(): boolean {
    for (const { hasPeerEnded, lane, transport } of this.#open) {
      const { isExhausted, owner } = lane.reading;
      if (transport.isHeldUp || !isExhausted || (hasPeerEnded && owner !== undefined)) return true;
    }
    return false;
  }

  pump(): void {
    for (const { lane } of [...this.#open]) lane.pump();
  }

  pumpHeldUp(): void {
    for (const { lane } of [...this.#open]) if (lane.reading.isHeldUp) lane.pump();
  }

  set maxPacketBytes(bytes: number) {
    for (const { lane } of this.#open) lane.reading.maxPacketBytes = bytes;
  }

  /** The lane has closed: what was on it is lost. */
  closed(side: SideLane, error: HbiError | undefined): void {
    if (!this.#open.delete(side)) return;
    if (side.isOwn) this.#own -= 1;
    else this.#peers -= 1;
    const at = this.#idle.indexOf(side);
    if (at >= 0) this.#idle.splice(at, 1);
    if (this.#beginning.remove(side)) this.#holdMain();
    const { lane } = side;
    const isUsed = this.isUsed(lane);
    lane.turn.close();
    if (this.#connection.isOpen && isUsed) {
      const lost = error ?? failure("lane_reset");
      this.#connection.posting.loseLane(lane, lost);
      this.#connection.hosting.loseLane(lane, lost);
    }
    lane.wire.destroy();
    if (this.#connection.isOpen && this.#waiting.size > 0) this.#admitNext();
  }

  #admitNext(): void {
    const side = this.#opened();
    const next = side === undefined ? undefined : this.#waiting.shift();
    if (side !== undefined && next !== undefined) this.#giveFree(next, side);
  }

  /** The connection ends. @param isOrderly what was written is still sent; what is not complete must not seem to be */
  end(isOrderly: boolean): void {
    for (const { lane, transport } of [...this.#open]) {
      const isComplete = lane.turn.holder === undefined;
      lane.reading.stop();
      lane.turn.close();
      if (isOrderly && isComplete) lane.wire.end();
      else if (isOrderly) transport.reset("cancelled");
    }
    if (!isOrderly) this.#multiplexer.closeLanes();
  }
}

/** Switches to frames between two conversations. */
class Switch implements TurnTaker {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly label = "the switch to lanes";
  readonly #lane: Lane;
  readonly #write: () => void;

  constructor(lane: Lane, write: () => void) {
    this.#lane = lane;
    this.#write = write;
  }

  granted(): void {
    this.#write();
    this.#lane.turn.release(this);
  }
}

/** Has the send turn of lane 0 until something has begun on another lane, or cannot yet: then, others go first. */
class Entry implements TurnTaker {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #multiplexer: Multiplexer;
  readonly #main: Lane;
  readonly #taker: TurnTaker;
  readonly #begin: () => SideLane | undefined;
  #isWithdrawn = false;

  /** @param taker what begins
   *  @param begin its lane; undefined if it has to wait for one */
  constructor(multiplexer: Multiplexer, main: Lane, taker: TurnTaker, begin: () => SideLane | undefined) {
    this.#multiplexer = multiplexer;
    this.#main = main;
    this.#taker = taker;
    this.#begin = begin;
  }

  get label(): string {
    return this.#taker.label;
  }

  granted(): void {
    const handedOver = this.#main.wire.whenHandedOver();
    if (handedOver === undefined) this.#enter();
    else {
      const { session } = this.#main;
      handedOver.then(() => this.#enter(), ignore).catch((thrown) => session.cut(asHbiError(thrown)));
    }
  }

  #enter(): void {
    const { turn } = this.#main;
    const side = this.#isWithdrawn ? undefined : this.#begin();
    if (side?.isOpen !== true) {
      turn.release(this);
      return;
    }
    const { lane, transport } = side;
    const before = lane.wire.writtenBytes;
    this.#multiplexer.beginHead(transport);
    lane.turn.request(this.#taker);
    let timer: Timer | undefined;
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      timer?.cancel();
      if (!transport.isClosed) {
        lane.wire.flush();
        this.#multiplexer.endHead(transport);
      }
      turn.release(this);
    };
    const { clock } = lane.session;
    const { awaited } = this.#taker;
    if (lane.wire.writtenBytes > before) end();
    else if (awaited === undefined) clock.soon(end);
    else {
      timer = clock.after(PATIENCE_MS, end);
      awaited.then(end, end);
    }
  }

  withdraw(): void {
    this.#isWithdrawn = true;
    this.#main.turn.withdraw(this);
  }
}
