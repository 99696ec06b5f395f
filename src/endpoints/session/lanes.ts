/**
 * Lanes: the lanes of a connection beside lane 0. A conversation that sends or receives much has one for itself: an idle
 * one, a new one, or the next that is free. docs/lanes.md.
 */
import { Chain, type Chained } from "../../chain.ts";
import { failure, type HbiError } from "../../errors.ts";
import type { LaneTransport } from "../../wire/lanes/lane-transport.ts";
import type { LaneHost, Multiplexer } from "../../wire/lanes/multiplexer.ts";
import type { SwitchingTransport } from "../../wire/lanes/switching-transport.ts";
import { encodePacket } from "../../wire/packet.ts";
import type { Lane } from "../lane/lane.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import type { Connection } from "./connection.ts";
import type { PostedCo } from "./posted-co.ts";
import { SideLane } from "./side-lane.ts";

/** The only version. */
const VERSION = "1";
/** Lanes of this side that stay open without a conversation. */
const MOST_IDLE = 4;

/** What the peer has said of its lanes. */
export interface PeerLanes {
  readonly maxLanes: number;
  readonly windowBytes: number;
}

export class Lanes implements LaneHost {
  readonly #connection: Connection;
  readonly #transport: SwitchingTransport;
  readonly #multiplexer: Multiplexer;
  readonly #peer: PeerLanes;
  readonly #open = new Set<SideLane>();
  readonly #idle: SideLane[] = [];
  /** conversations that wait for one */
  readonly #waiting = new Chain<PostedCo>();
  #own = 0;
  #peers = 0;
  #isSwitching = false;

  constructor(connection: Connection, transport: SwitchingTransport, peer: PeerLanes) {
    this.#connection = connection;
    this.#transport = transport;
    this.#peer = peer;
    const windows = { ownBytes: connection.limits.laneWindowBytes, peerBytes: peer.windowBytes };
    this.#multiplexer = transport.lanes(connection.clock, this, connection.isDialing, windows);
  }

  // --- posted conversations ------------------------------------------------------------------------------------------

  /** A lane of its own for a conversation, now or when one is free; then it requests the send turn there. */
  enter(co: PostedCo): void {
    const lane = this.#idle.pop() ?? this.#opened(); // what the peer ends leaves the idle ones
    if (lane === undefined) this.#waiting.add(co);
    else this.#give(co, lane);
  }

  #give(co: PostedCo, { lane }: SideLane): void {
    co.enterLane(lane);
    lane.turn.request(co.taker);
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
  }

  /** A conversation on it has ended. It gives back the turns of the lane after that. */
  left(lane: Lane): void {
    this.#connection.clock.soon(() => this.#free(lane));
  }

  #free(lane: Lane): void {
    const side = lane.session;
    if (!(side instanceof SideLane) || !this.#open.has(side) || !this.isOpen) return;
    if (!side.isOwn || side.hasPeerEnded) side.ended();
    else if (!lane.isIdle)
      side.abandon(failure("cancelled")); // nobody would ever use it again
    else {
      const next = this.#waiting.shift();
      if (next !== undefined) this.#give(next, side);
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
  }

  framesNeeded(): void {
    if (this.#isSwitching) return;
    this.#isSwitching = true;
    this.#connection.turn.request(new Switch(this.#connection.lane, this.#transport));
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
    for (const side of this.#open) if (this.isUsed(side.lane)) return false;
    return true;
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
  closed(side: SideLane, error: HbiError): void {
    if (!this.#open.delete(side)) return;
    if (side.isOwn) this.#own -= 1;
    else this.#peers -= 1;
    const at = this.#idle.indexOf(side);
    if (at >= 0) this.#idle.splice(at, 1);
    const { lane } = side;
    lane.turn.close();
    if (this.#connection.isOpen) {
      this.#connection.posting.loseLane(lane, error);
      this.#connection.hosting.loseLane(lane, error);
    }
    lane.wire.destroy();
    if (this.#connection.isOpen && this.#waiting.size > 0) this.#admitNext();
  }

  #admitNext(): void {
    const side = this.#opened();
    const next = side === undefined ? undefined : this.#waiting.shift();
    if (side !== undefined && next !== undefined) this.#give(next, side);
  }

  /** The connection ends. @param isOrderly what was written is still sent */
  end(isOrderly: boolean): void {
    for (const { lane } of [...this.#open]) {
      lane.reading.stop();
      lane.turn.close();
      if (isOrderly) lane.wire.end();
    }
    if (!isOrderly) this.#multiplexer.closeLanes();
  }
}

/** Writes the packet behind which everything is sent in frames, between two conversations. */
class Switch implements TurnTaker {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly label = "the switch to lanes";
  readonly #lane: Lane;
  readonly #transport: SwitchingTransport;

  constructor(lane: Lane, transport: SwitchingTransport) {
    this.#lane = lane;
    this.#transport = transport;
  }

  granted(): void {
    const { turn, wire } = this.#lane;
    wire.text(encodePacket("lanes", VERSION));
    this.#transport.switchAt(wire.writtenBytes);
    turn.release(this);
  }
}
