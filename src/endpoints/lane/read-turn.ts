/**
 * ReadTurn: exactly one reads the wire: a conversation, or the host, which reads between conversations. Passes received
 * data to the one that has the turn, as far as it wants it, and pauses the transport otherwise. docs/protocol.md,
 * sections 4 and 5.
 */
import type { Chained } from "../../chain.ts";
import type { Clock, Timer } from "../../clock.ts";
import { asHbiError, failure } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { OnDemand } from "../../on-demand.ts";
import { isReadable } from "../../parser/landing-reader.ts";
import { RARE_TOKENS } from "../../parser/rare-tokens.ts";
import type { Packet } from "../../wire/packet.ts";
import { PacketReader, type ReaderPhase } from "../../wire/packet-reader.ts";
import type { Transport } from "../../wire/transport.ts";
import type { Account } from "../guard/account.ts";
import type { Scheduler, Waiting } from "../guard/scheduler.ts";
import type { BracketReader } from "./conversation.ts";
import type { Lane, LaneSession } from "./lane.ts";
import { ReadWatch } from "./read-watch.ts";

/** The time is checked after this many packets or bytes. */
const PACKETS_PER_LOOK = 16;
const BYTES_PER_LOOK = 16 * 1024;

export class ReadTurn implements Waiting {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #transport: Transport;
  readonly #reader: PacketReader;
  readonly #watch: ReadWatch;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #lane: Lane;
  readonly #session: LaneSession;
  readonly #account: Account;
  readonly #scheduler: Scheduler;
  #owner: BracketReader | undefined;
  /** entered in the account of the session */
  #accountedBytes = 0;
  #held: Packet | undefined;
  /** needs a part of the library that is being loaded; nothing is read meanwhile */
  #early: Packet | undefined;
  /** set while it is being loaded: the deadline */
  #loading: Timer | undefined;
  #isPumping = false;
  #isPumpScheduled = false;
  #hasTurn = false;
  #isPaused = false;
  #isStopped = false;
  #isBlocked = false;
  /** received while throttled, over a transport that cannot pause the peer */
  #isPremature = false;
  /** set while the peer has exceeded its rate */
  #throttle: Timer | undefined;
  #receivedMs = 0;
  // handled in this turn of the event loop, or since the last received chunk
  #turnPackets = 0;
  #turnBytes = 0;
  #lookBytes = 0;
  #turnMs = 0;

  constructor(transport: Transport, lane: Lane) {
    const { session } = lane;
    const { account, clock, limits, scheduler } = session;
    this.#transport = transport;
    this.#lane = lane;
    this.#session = session;
    this.#clock = clock;
    this.#limits = limits;
    this.#account = account;
    this.#scheduler = scheduler;
    this.#reader = new PacketReader(limits);
    this.#watch = new ReadWatch(clock, limits, lane);
  }

  /** The conversation that reads; undefined: the host. */
  get owner(): BracketReader | undefined {
    return this.#owner;
  }

  /** When the data that is handled now arrived. */
  get arrivedMs(): number {
    return this.#reader.arrivedMs;
  }

  /** How many bytes were taken as packets and raw data. */
  get consumedBytes(): number {
    return this.#reader.consumedBytes;
  }

  /** Whether the peer has sent an HTTP request. */
  get isHttp(): boolean {
    return this.#reader.isHttp;
  }

  /** Whether the peer has sent anything. */
  get hasHeard(): boolean {
    return this.#reader.consumedBytes + this.#reader.bufferedBytes > 0;
  }

  /** The reader's position in the stream of packets. */
  get phase(): ReaderPhase {
    return this.#reader.phase;
  }

  /** Whether everything received was taken, rather than postponed for others. */
  get isExhausted(): boolean {
    return !this.#isBlocked && !this.#isPumpScheduled && !this.#isPumping;
  }

  /** Whether there is data that nobody wants now, rather than data postponed for others. */
  get isHeldUp(): boolean {
    return this.#isBlocked && !this.#isPumpScheduled;
  }

  /** Whether data that arrives now would not be read. */
  get isStanding(): boolean {
    return this.#isBlocked || this.#isPumpScheduled || this.#isPaused;
  }

  /** Whether raw data is being received, which an application may take as slowly as it likes. */
  get isTakingRaw(): boolean {
    return this.#owner?.wantsRaw === true;
  }

  give(owner: BracketReader): void {
    if (this.#owner === undefined) this.#account.readTurns += 1;
    this.#owner = owner;
  }

  release(owner: BracketReader): void {
    if (this.#owner === owner) this.#disown();
  }

  #disown(): void {
    if (this.#owner !== undefined) this.#account.readTurns -= 1;
    this.#owner = undefined;
  }

  /** When the last data arrived. */
  get receivedMs(): number {
    return this.#receivedMs;
  }

  received(chunk: Uint8Array): void {
    const nowMs = this.#clock.now();
    this.#watch.received(chunk.length);
    this.#receivedMs = nowMs;
    this.#reader.push(chunk, nowMs);
    this.#note();
    if (this.#throttle !== undefined) this.#isPremature = this.#transport.canPause === false;
    if (this.#isPumpScheduled) this.#scheduler.later(this, this.#reader.bufferedBytes);
    else this.#beginTurn(nowMs);
  }

  /** Everything handled from here on counts as one turn, in any number of pumps: the end of a handler pumps as well. */
  #beginTurn(nowMs: number): void {
    this.#turnPackets = 0;
    this.#turnBytes = this.#reader.consumedBytes;
    this.#lookBytes = this.#turnBytes;
    this.#turnMs = nowMs;
  }

  #note(): void {
    const bytes = this.#reader.heldBytes + ((this.#held ?? this.#early)?.text.length ?? 0);
    this.#account.received += bytes - this.#accountedBytes;
    this.#accountedBytes = bytes;
  }

  /** What was received behind the packet that is handled now, which is not read here. */
  takeRest(): Uint8Array[] {
    return this.#reader.takeRest();
  }

  set maxPacketBytes(bytes: number) {
    this.#reader.maxPacketBytes = bytes;
  }

  /** Pauses the transport for this time. */
  throttle(ms: number): void {
    this.#throttle?.cancel();
    this.#throttle = this.#clock.after(ms, () => {
      this.#throttle = undefined;
      this.#isPremature = false;
      this.#lane.pump();
    });
  }

  /** Before the init hooks have run, nothing is taken, and the bound applies to what is held. */
  holdBack(): void {
    this.#setPaused(this.#throttle !== undefined || this.#reader.bufferedBytes >= this.#limits.maxBufferedBytes);
    this.#boundHeld();
  }

  /** Handles received data as far as it is wanted. Cost: linear in the bytes taken. */
  pump(): void {
    if (this.#isPumping || this.#isStopped) return;
    if (this.#isPremature) {
      this.#isBlocked = true;
      this.#watch.stop(); // the peer is not late
      this.#pauseIfFull();
      return;
    }
    if (this.#isPumpScheduled || (this.#scheduler.isOver && !this.#hasTurn)) {
      this.#yield(); // others go first
      this.#watch.isHeldBack = true;
      this.#pauseIfFull();
      return;
    }
    this.#watch.isHeldBack = false;
    this.#isPumping = true;
    const isCounted = this.#scheduler.begin(this.#clock.now());
    try {
      this.#isBlocked = this.#pumpPackets();
    } catch (thrown) {
      this.#session.cut(asHbiError(thrown));
    } finally {
      this.#isPumping = false;
      if (isCounted) this.#scheduler.end();
    }
    if (this.#isStopped) return;
    this.#note();
    this.#pauseIfFull();
    if (this.#isStopped) return;
    if (this.#throttle !== undefined)
      this.#watch.stop(); // the peer is not late
    else {
      const owner = this.#owner?.mayStop === true || this.#owner?.isPatient === true ? undefined : this.#owner; // it owes nothing
      this.#watch.update(this.#reader, !this.#isBlocked && owner !== undefined, owner?.wantsRaw === true);
    }
  }

  #pauseIfFull(): void {
    const isFull =
      (this.#isBlocked || this.#isPumpScheduled) && this.#reader.bufferedBytes >= this.#limits.maxBufferedBytes;
    this.#setPaused(isFull || this.#throttle !== undefined);
    if (isFull) this.#boundHeld();
  }

  /** If the peer cannot be stopped, exceeding the bound ends the connection. That this side loads something is not its
   *  fault: as much as a packet more is held meanwhile. */
  #boundHeld(): void {
    const { maxBufferedBytes, maxPacketBytes } = this.#limits;
    const most = this.#loading === undefined ? maxBufferedBytes : maxBufferedBytes + maxPacketBytes;
    if (this.#transport.canPause === false && this.#reader.bufferedBytes > most)
      this.#session.cut(failure("buffer_full"));
  }

  /** Nothing more is handled; the host discards what still arrives. */
  stop(): void {
    this.#isStopped = true;
    this.#watch.stop();
    this.#throttle?.cancel();
    this.#throttle = undefined;
    this.#held = undefined;
    this.#early = undefined;
    this.#loaded();
    this.#reader.clear();
    this.#note();
    this.#disown();
    this.#setPaused(false);
  }

  /** True if the data at hand is not wanted now, false if more must arrive. */
  #pumpPackets(): boolean {
    const { maxTurnPackets, maxTurnBytes, maxTurnMs } = this.#limits;
    for (; !this.#isStopped; this.#turnPackets++) {
      const { consumedBytes } = this.#reader;
      if (
        this.#turnPackets % PACKETS_PER_LOOK === PACKETS_PER_LOOK - 1 ||
        consumedBytes - this.#lookBytes > BYTES_PER_LOOK
      ) {
        this.#lookBytes = consumedBytes;
        if (this.#clock.now() - this.#turnMs > maxTurnMs || this.#turnPackets >= maxTurnPackets) return this.#yield();
      }
      if (consumedBytes - this.#turnBytes > maxTurnBytes) return this.#yield();
      if (this.#loading !== undefined) return true;
      const owner = this.#owner;
      let packet = this.#early;
      let isNew = packet !== undefined;
      if (packet === undefined) {
        if (owner?.wantsRaw === true) {
          if (this.#held !== undefined) throw failure("position_lost"); // it was read as a packet
          if (!owner.takeRaw(this.#reader)) return false;
          continue;
        }
        if (owner !== undefined && !owner.wantsPacket) return true;
        isNew = this.#held === undefined;
        packet = this.#held ?? this.#reader.next();
        if (packet === undefined) return false;
        owner?.checkPosition(); // the only place where bytes become a packet
      }
      if (isNew && !OnDemand.isComplete) {
        const missing = this.#missingFor(packet, owner);
        if (missing !== undefined) {
          this.#load(missing, packet);
          return true;
        }
      }
      // Cleared before the packet is handled, because handling it may pump again.
      this.#held = undefined;
      this.#early = undefined;
      if (packet.directive === "err") {
        this.#session.peerError(packet.text);
        continue;
      }
      const isTaken = owner === undefined ? this.#session.route(packet, this.#lane) : owner.onPacket(packet);
      if (!isTaken) {
        if (!this.#isStopped) this.#held = packet;
        return true;
      }
    }
    return true;
  }

  /** What must be loaded before the packet can be handled; in a bundle, the first that needs it waits for it. */
  #missingFor(packet: Packet, owner: BracketReader | undefined): OnDemand<unknown> | undefined {
    const { directive, text } = packet;
    const isLanded = directive === "" || directive === "co_send" || directive === "co_recv";
    if (isLanded && !isReadable(text, this.#limits)) return RARE_TOKENS;
    return owner === undefined ? this.#session.missingFor(packet) : owner.missingFor?.(packet);
  }

  #load(missing: OnDemand<unknown>, packet: Packet): void {
    this.#early = packet;
    const failed = (thrown: unknown): void => this.#session.cut(asHbiError(thrown));
    const ms = this.#limits.connectTimeoutMs;
    const late = `${missing.what}, within ${ms} ms (connectTimeoutMs)`;
    this.#loading = this.#clock.after(ms, () => failed(failure("not_loaded", late)));
    const goOn = (): void => {
      this.#loaded();
      this.#lane.pump();
    };
    missing.load().then(goOn).catch(failed);
  }

  #loaded(): void {
    this.#loading?.cancel();
    this.#loading = undefined;
  }

  /** Lets the other connections go first. */
  #yield(): boolean {
    if (!this.#isPumpScheduled) {
      this.#isPumpScheduled = true;
      this.#scheduler.later(this, this.#reader.bufferedBytes);
    }
    return true;
  }

  /** Called by the scheduler. */
  run(): void {
    this.#isPumpScheduled = false;
    this.#beginTurn(this.#clock.now());
    this.#hasTurn = true;
    try {
      this.#lane.pump();
    } finally {
      this.#hasTurn = false;
    }
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#transport.pause();
    else this.#transport.resume();
  }
}
