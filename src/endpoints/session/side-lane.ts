/**
 * SideLane: a lane of a connection beside lane 0, for one conversation at a time that sends or receives much. What is
 * wrong with its bytes ends it alone; everything that belongs to the peer is shared with the connection. docs/lanes.md.
 */
import type { Chained } from "../../chain.ts";
import type { Clock } from "../../clock.ts";
import { failure, type HbiError, type Reason, refusal } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { OnDemand } from "../../on-demand.ts";
import type { LaneTransport } from "../../wire/lanes/lane-transport.ts";
import type { Packet } from "../../wire/packet.ts";
import type { Account } from "../guard/account.ts";
import type { Scheduler } from "../guard/scheduler.ts";
import { Lane, type LaneSession } from "../lane/lane.ts";
import type { Waits } from "../waits.ts";
import type { Connection } from "./connection.ts";
import type { Lanes } from "./lanes.ts";

/** Violations of the protocol end the connection; what else goes wrong on a lane ends the lane. */
const VIOLATIONS: ReadonlySet<Reason | undefined> = new Set<Reason | undefined>([
  "bad_frame",
  "bad_utf8",
  "bad_state",
  "bad_token",
  "packet_too_big",
  "position_lost",
  "too_many_errors",
  "rate_exceeded",
]);

/** The peer, or the network, does nothing on the lane. */
const STANDSTILLS: ReadonlySet<Reason | undefined> = new Set<Reason | undefined>([
  "slow_reader",
  "data_too_slow",
  "read_timeout",
]);

export class SideLane implements LaneSession, Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  /** while its conversation waits to begin: how much of lane 0 has arrived before */
  beginsAt = 0;
  readonly lane: Lane;
  /** whether this side has opened it */
  readonly isOwn: boolean;
  readonly #connection: Connection;
  readonly #lanes: Lanes;
  readonly transport: LaneTransport;
  /** why this side has ended it */
  #error: HbiError | undefined;
  #hasPeerEnded = false;

  constructor(connection: Connection, lanes: Lanes, transport: LaneTransport, isOwn: boolean) {
    this.isOwn = isOwn;
    this.#connection = connection;
    this.#lanes = lanes;
    this.transport = transport;
    this.lane = new Lane(transport, this);
    this.lane.reading.maxPacketBytes = connection.mostPacketBytes();
    this.lane.start();
  }

  get limits(): Limits {
    return this.#lanes.limits;
  }

  get clock(): Clock {
    return this.#connection.clock;
  }

  get account(): Account {
    return this.#connection.account;
  }

  get scheduler(): Scheduler {
    return this.#connection.scheduler;
  }

  get waits(): Waits {
    return this.#connection.waits;
  }

  get isOpen(): boolean {
    return this.#connection.isOpen && !this.transport.isClosed;
  }

  get isTight(): boolean {
    return this.#connection.isTight;
  }

  get isLanding(): boolean {
    return this.#connection.isLanding && !this.transport.isClosed;
  }

  /** Whether the peer sends nothing more on it. */
  get hasPeerEnded(): boolean {
    return this.#hasPeerEnded;
  }

  missingFor(packet: Packet): OnDemand<unknown> | undefined {
    return this.#connection.missingFor(packet);
  }

  /** Only the side that has opened it begins conversations on it: one at a time. */
  route(packet: Packet, lane: Lane): boolean {
    if (this.isOwn && packet.directive === "co_begin") throw failure("bad_state", "begun on a lane of the other side");
    const { directive } = packet;
    if ((directive === "co_begin" || directive === "co_ack_begin") && !this.#lanes.begins(this)) return false;
    return this.#connection.route(packet, lane);
  }

  peerError(text: string): void {
    this.#connection.peerError(text);
  }

  get receivedBytes(): number {
    return this.#connection.receivedBytes;
  }

  received(bytes: number, nowMs: number): number {
    return this.#connection.received(bytes, nowMs);
  }

  discard(bytes: number): void {
    this.#connection.discard(bytes);
  }

  unsentMoved(): void {
    this.#connection.unsentMoved();
  }

  exhausted(): void {
    if (this.#hasPeerEnded) this.ended();
    this.#connection.exhausted();
  }

  /** The peer sends nothing more on it: an idle lane ends on this side as well. */
  peerEnds(): void {
    this.#hasPeerEnded = true;
    if (this.lane.reading.isExhausted) this.ended(); // otherwise, when what has arrived is handled
  }

  /** Ends it if the peer has, and nothing is under way. */
  ended(): void {
    if (!this.#hasPeerEnded || !this.isOpen) return;
    const { reading, wire } = this.lane;
    const { phase, owner } = reading;
    if (phase === "idle" && owner?.endsWithLane === true) {
      owner.laneEnded?.();
      if (reading.owner !== owner) this.lane.pump(); // nothing is awaited on it any more
    } else if (phase !== "idle" || (owner !== undefined && owner.mayStop !== true)) this.abandon(failure("truncated"));
    if (!this.isOpen || this.#lanes.isUsed(this.lane)) return;
    wire.end();
    this.transport.leave();
  }

  cut(error: HbiError): void {
    const isOfAll = VIOLATIONS.has(error.reason) || (error.reason === "slow_reader" && this.#lanes.isStuck);
    if (isOfAll) this.#connection.cut(error);
    else if (this.isOpen) {
      this.#connection.report(error, `lane ${this.transport.id}`);
      this.abandon(error);
      if (STANDSTILLS.has(error.reason)) this.#connection.probe(); // perhaps the whole connection has gone
    }
  }

  /** Ends it in both directions; its conversation is lost. */
  abandon(error: HbiError): boolean {
    this.#error ??= error;
    this.lane.wire.flush();
    this.transport.reset(error.reason ?? error.code);
    return true;
  }

  transportClosed(error: Error | undefined): void {
    const given = this.#givenUp() ?? (error as HbiError | undefined); // as the multiplexer gives it
    this.#lanes.closed(this, this.#error ?? given);
  }

  /** The caller waits no longer: to a handler it makes no difference whether its call has a lane. */
  #givenUp(): HbiError | undefined {
    const { resetFor } = this.transport;
    if (this.isOwn || (resetFor !== "cancelled" && resetFor !== "timeout")) return undefined;
    return refusal(resetFor);
  }
}
