/**
 * Keepalive: detects a dead peer when the network does not report it. After a silence, a peer that supports the
 * extension is pinged; anything that it sends is an answer. A peer is not blamed for what this side does not read, or
 * for what may still be on its way. Other peers are watched by TCP keepalive. docs/errors-and-limits.md, "keepaliveMs".
 */
import { heldUpMs, type Timer } from "../../clock.ts";
import { failure } from "../../errors.ts";
import type { Lane } from "../lane/lane.ts";
import { ignore } from "../waits.ts";
import type { Connection } from "./connection.ts";

/** After a sleep, or when the network is back, the peer must answer within this time. */
const PROBE_MS = 5_000;

export class Keepalive {
  readonly #connection: Connection;
  readonly #lane: Lane;
  #heardMs = 0;
  /** bytes written at the last check */
  #saidBytes = 0;
  /** the part of the silence that is not the peer's */
  #heldUpMs = 0;
  #isAsking = false;
  #isProbing = false;
  /** when an answer is due, unless this side is blocked meanwhile */
  #answerMs = 0;
  #askedHeldUpMs = 0;
  #timer: Timer | undefined;

  constructor(connection: Connection, lane: Lane) {
    this.#connection = connection;
    this.#lane = lane;
  }

  start(): void {
    this.heard(this.#connection.clock.now());
    this.#lookAfter(this.#connection.limits.keepaliveMs / 2);
  }

  /** Data has arrived. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#heldUpMs = heldUpMs(this.#connection.clock);
    this.#isAsking = false;
    this.#isProbing = false;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The peer may have gone unnoticed: it is asked at once, and must answer soon. */
  probe(): void {
    if (this.#timer === undefined || this.#isProbing || !this.#connection.posting.knowsExtension) return;
    this.#timer.cancel();
    this.#isProbing = true;
    this.#ask(Math.min(this.#connection.limits.keepaliveTimeoutMs, PROBE_MS));
  }

  #lookAfter(ms: number): void {
    this.#timer = this.#connection.clock.after(ms, () => this.#look());
  }

  #look(): void {
    const { clock, limits, posting } = this.#connection;
    const { keepaliveMs, keepaliveTimeoutMs } = limits;
    const nowMs = clock.now();
    if (this.#lane.reading.isStanding || !posting.knowsExtension) this.heard(nowMs);
    const heldUp = heldUpMs(clock);
    const silenceMs = nowMs - this.#heardMs - (heldUp - this.#heldUpMs);
    if (!this.#isAsking) {
      if (silenceMs < keepaliveMs) {
        this.#showLife();
        this.#lookAfter(Math.min(keepaliveMs - silenceMs, keepaliveMs / 2));
      } else this.#ask(keepaliveTimeoutMs);
      return;
    }
    // The ping may still be on its way, or not sent yet; a peer that does not read is handled by the wire.
    const leftMs =
      this.#lane.wire.bufferedBytes > 0 ? keepaliveTimeoutMs : this.#answerMs + (heldUp - this.#askedHeldUpMs) - nowMs;
    if (leftMs > 0) this.#lookAfter(leftMs);
    else this.#connection.drop(failure("unresponsive", `no data for ${Math.round(silenceMs / 1_000)} s`));
  }

  /** While this side slowly reads what the peer sends, it cannot answer a ping behind it. It therefore sends something
   *  occasionally, unless it has sent something else. */
  #showLife(): void {
    const { posting } = this.#connection;
    const isTaking = this.#lane.reading.isTakingRaw || this.#lane.reading.isStanding;
    const hasSpoken = this.#lane.wire.writtenBytes !== this.#saidBytes;
    if (isTaking && !hasSpoken && posting.knowsExtension) posting.showLife();
    this.#saidBytes = this.#lane.wire.writtenBytes;
  }

  #ask(withinMs: number): void {
    const { clock, posting } = this.#connection;
    const timeoutMs = withinMs + this.#connection.transitMs;
    this.#isAsking = true;
    this.#answerMs = clock.now() + timeoutMs;
    this.#askedHeldUpMs = heldUpMs(clock);
    this.#lookAfter(timeoutMs);
    posting.ping({ timeoutMs }).catch(ignore); // only whether anything arrived counts
  }
}
