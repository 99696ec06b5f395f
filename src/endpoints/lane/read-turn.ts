/**
 * ReadTurn: exactly one of the keeper and a conversation reads the wire. Hands what has arrived to whoever has the turn, as
 * far as it wants it, and stops the transport when nobody does. docs/protocol.md, sections 4 and 5.
 */
import type { Chained } from "../../chain.ts";
import type { Clock, Timer } from "../../clock.ts";
import { failure } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader, ReaderPhase } from "../../wire/packet-reader.ts";
import type { Transport } from "../../wire/transport.ts";
import type { Account } from "../guard/account.ts";
import type { Scheduler, Waiting } from "../guard/scheduler.ts";
import type { BracketReader } from "./conversation.ts";
import type { ReadWatch } from "./read-watch.ts";

/** The keeper: reads what stands between conversations. */
export interface ReadHost {
  /** Takes a packet; false: not now, the same one again after the next `pump`. */
  route(packet: Packet): boolean;
  /** Takes `err`, wherever it stands. */
  peerError(text: string): void;
  readFailed(thrown: unknown): void;
  /** Pumps again after others had their turn. */
  pump(): void;
}

/** How often the time is looked at while packets are handled: after so many, or so many bytes. */
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
  readonly #host: ReadHost;
  readonly #account: Account;
  readonly #scheduler: Scheduler;
  #owner: BracketReader | undefined;
  #held: Packet | undefined;
  #isPumping = false;
  #isPumpScheduled = false;
  #hasTurn = false;
  #isPaused = false;
  #isStopped = false;
  #isBlocked = false;
  /** it came while it should not, over a transport that can't stop the peer */
  #isPremature = false;
  /** while the peer has had more than its share */
  #throttle: Timer | undefined;
  #receivedMs = 0;
  // what has been handled in this turn of the event loop, or since something came
  #turnPackets = 0;
  #turnBytes = 0;
  #lookBytes = 0;
  #turnMs = 0;

  constructor(
    transport: Transport,
    reader: PacketReader,
    watch: ReadWatch,
    clock: Clock,
    limits: Limits,
    account: Account,
    scheduler: Scheduler,
    host: ReadHost,
  ) {
    this.#transport = transport;
    this.#reader = reader;
    this.#watch = watch;
    this.#clock = clock;
    this.#limits = limits;
    this.#account = account;
    this.#host = host;
    this.#scheduler = scheduler;
  }

  /** The conversation that reads; undefined: the keeper. */
  get owner(): BracketReader | undefined {
    return this.#owner;
  }

  /** When what is handled now has come. */
  get arrivedMs(): number {
    return this.#reader.arrivedMs;
  }

  /** Where in the stream of packets the reader stands. */
  get phase(): ReaderPhase {
    return this.#reader.phase;
  }

  /** Whether all that has arrived was taken, and it is not only that others have their turn. */
  get isExhausted(): boolean {
    return !this.#isBlocked && !this.#isPumpScheduled && !this.#isPumping;
  }

  /** Whether something stands there that nobody wants, and it is not only that others have their turn. */
  get isHeldUp(): boolean {
    return this.#isBlocked && !this.#isPumpScheduled;
  }

  /** Whether what the peer sends now would not be looked at. */
  get isStanding(): boolean {
    return this.#isBlocked || this.#isPumpScheduled || this.#isPaused;
  }

  /** Whether raw data is on its way, which a slow application takes as slowly as it likes. */
  get isTakingRaw(): boolean {
    return this.#owner?.wantsRaw === true;
  }

  give(owner: BracketReader): void {
    this.#owner = owner;
    this.#account.readTurns = 1;
  }

  release(owner: BracketReader): void {
    if (this.#owner === owner) this.#disown();
  }

  #disown(): void {
    this.#owner = undefined;
    this.#account.readTurns = 0;
  }

  /** When something came last. */
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

  /** What is handled from here on, by however many pumps, counts as one turn: a handler that has ended pumps as well. */
  #beginTurn(nowMs: number): void {
    this.#turnPackets = 0;
    this.#turnBytes = this.#reader.consumedBytes;
    this.#lookBytes = this.#turnBytes;
    this.#turnMs = nowMs;
  }

  #note(): void {
    this.#account.received = this.#reader.heldBytes + (this.#held?.text.length ?? 0);
  }

  set maxPacketBytes(bytes: number) {
    this.#reader.maxPacketBytes = bytes;
  }

  /** Takes nothing more from the transport for so long. */
  throttle(ms: number): void {
    this.#throttle?.cancel();
    this.#throttle = this.#clock.after(ms, () => {
      this.#throttle = undefined;
      this.#isPremature = false;
      this.#host.pump();
    });
  }

  /** Before the init hooks have run nothing is taken, and no more than the bound is held. */
  holdBack(): void {
    this.#setPaused(this.#throttle !== undefined || this.#reader.bufferedBytes >= this.#limits.maxBufferedBytes);
    this.#boundHeld();
  }

  /** Handles what has arrived, as far as somebody wants it. Cost: linear in the bytes taken. */
  pump(): void {
    if (this.#isPumping || this.#isStopped) return;
    if (this.#isPremature) {
      this.#isBlocked = true;
      this.#watch.stop(); // it is not the peer that is late
      this.#pauseIfFull();
      return;
    }
    if (this.#isPumpScheduled || (this.#scheduler.isOver && !this.#hasTurn)) {
      this.#yield(); // the others first
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
      this.#host.readFailed(thrown);
    } finally {
      this.#isPumping = false;
      if (isCounted) this.#scheduler.end();
    }
    if (this.#isStopped) return;
    this.#note();
    this.#pauseIfFull();
    if (this.#isStopped) return;
    if (this.#throttle !== undefined)
      this.#watch.stop(); // it is not the peer that is late
    else
      this.#watch.update(this.#reader, !this.#isBlocked && this.#owner !== undefined, this.#owner?.wantsRaw === true);
  }

  #pauseIfFull(): void {
    const isFull =
      (this.#isBlocked || this.#isPumpScheduled) && this.#reader.bufferedBytes >= this.#limits.maxBufferedBytes;
    this.#setPaused(isFull || this.#throttle !== undefined);
    if (isFull) this.#boundHeld();
  }

  /** Where the peer can't be stopped, what it sends beyond the bound ends the connection. */
  #boundHeld(): void {
    if (this.#transport.canPause === false && this.#reader.bufferedBytes > this.#limits.maxBufferedBytes)
      this.#host.readFailed(failure("buffer_full"));
  }

  /** Nothing is handled any more; what still comes is read and thrown away by the keeper. */
  stop(): void {
    this.#isStopped = true;
    this.#watch.stop();
    this.#throttle?.cancel();
    this.#throttle = undefined;
    this.#held = undefined;
    this.#reader.clear();
    this.#note();
    this.#disown();
    this.#setPaused(false);
  }

  /** True when it stopped because nobody wants what is there, false when more has to arrive. */
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
      const owner = this.#owner;
      if (owner?.wantsRaw === true) {
        if (this.#held !== undefined) throw failure("position_lost"); // it has been read as a packet
        if (!owner.takeRaw(this.#reader)) return false;
        continue;
      }
      if (owner !== undefined && !owner.wantsPacket) return true;
      const packet = this.#held ?? this.#reader.next();
      if (packet === undefined) return false;
      owner?.checkPosition(); // the one place where bytes become a packet
      // Taken before it is handled: what the packet runs may pump again when it is done.
      this.#held = undefined;
      if (!this.#take(packet, owner)) {
        if (!this.#isStopped) this.#held = packet;
        return true;
      }
    }
    return true;
  }

  #take(packet: Packet, owner: BracketReader | undefined): boolean {
    if (packet.directive !== "err") return owner === undefined ? this.#host.route(packet) : owner.onPacket(packet);
    this.#host.peerError(packet.text);
    return true;
  }

  /** The other connections first. */
  #yield(): boolean {
    if (!this.#isPumpScheduled) {
      this.#isPumpScheduled = true;
      this.#scheduler.later(this, this.#reader.bufferedBytes);
    }
    return true;
  }

  /** It is its turn. */
  run(): void {
    this.#isPumpScheduled = false;
    this.#beginTurn(this.#clock.now());
    this.#hasTurn = true;
    try {
      this.#host.pump();
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
