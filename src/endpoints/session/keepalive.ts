/**
 * Keepalive: finds out that the peer is gone where the network does not say so. After a silence a peer that speaks the extension is
 * asked; anything that it sends is an answer. Nobody is blamed for what this side does not read, or what may still be on its way.
 * For other peers there is TCP's own keepalive. docs/errors-and-limits.md, "keepaliveMs".
 */
import { heldUpMs, type Timer } from "../../clock.ts";
import { failure } from "../../errors.ts";
import type { Lane } from "../lane/lane.ts";
import { ignore } from "../waits.ts";
import type { Connection } from "./connection.ts";

export class Keepalive {
  readonly #connection: Connection;
  readonly #lane: Lane;
  #heardMs = 0;
  /** written when this was last looked at */
  #saidBytes = 0;
  /** by how much less of the silence is the peer's */
  #heldUpMs = 0;
  #isAsking = false;
  /** until when there must be an answer, if this side is held up no more than it had been then */
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

  /** Something came. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#heldUpMs = heldUpMs(this.#connection.clock);
    this.#isAsking = false;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
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
      } else this.#ask();
      return;
    }
    // The question may still be on its way, or not even on it: a peer that does not read is the wire's concern.
    const leftMs =
      this.#lane.wire.bufferedBytes > 0 ? keepaliveTimeoutMs : this.#answerMs + (heldUp - this.#askedHeldUpMs) - nowMs;
    if (leftMs > 0) this.#lookAfter(leftMs);
    else this.#connection.drop(failure("unresponsive", `nothing came for ${Math.round(silenceMs / 1_000)} s`));
  }

  /** While this side slowly takes what the peer sends, it can't answer a question that stands behind it. So it says something by itself, now
   *  and then, if it has said nothing else. */
  #showLife(): void {
    const { posting } = this.#connection;
    const isTaking = this.#lane.reading.isTakingRaw || this.#lane.reading.isStanding;
    const hasSpoken = this.#lane.wire.writtenBytes !== this.#saidBytes;
    if (isTaking && !hasSpoken && posting.knowsExtension) posting.showLife();
    this.#saidBytes = this.#lane.wire.writtenBytes;
  }

  #ask(): void {
    const { clock, limits, posting } = this.#connection;
    const timeoutMs = limits.keepaliveTimeoutMs + this.#lane.wire.transitMs;
    this.#isAsking = true;
    this.#answerMs = clock.now() + timeoutMs;
    this.#askedHeldUpMs = heldUpMs(clock);
    this.#lookAfter(timeoutMs);
    posting.ping({ timeoutMs }).catch(ignore); // whether anything came is what counts
  }
}
