/**
 * HoRest: the raw data that a hosted conversation leaves unread. It is skipped within bounds, and a poster that was told
 * of a refusal must stop, or send a small rest. docs/protocol.md, section 4.
 */
import { afterHearing, type Timer } from "../../clock.ts";
import { failure } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import type { HostedCo } from "./hosted-co.ts";

export class HoRest {
  readonly #connection: Connection;
  readonly #co: HostedCo;
  /** how many raw bytes are skipped in all, from `closeTimeoutMs` on after the poster was told */
  #mostSkipped = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(connection: Connection, co: HostedCo) {
    this.#connection = connection;
    this.#co = co;
  }

  /** Whether the rest may be skipped. If not, the connection has ended. */
  check(): boolean {
    if (this.#co.intake.skippedBytes <= this.#maxDrainBytes) return true;
    this.#co.lane.session.cut(failure("drain_too_big"));
    return false;
  }

  /** What a handler accepted it may also leave unread; a poster that can be told stops. */
  get #maxDrainBytes(): number {
    const { env, failure: failed, limits, tellsEarly } = this.#co;
    if (env.isPreAuth) return 0;
    if (failed === undefined || tellsEarly) return Number.POSITIVE_INFINITY;
    const { maxBodyBytes, maxDrainBytes } = limits;
    const { reason } = failed;
    // A peer at no fault is not cut for the size of its data.
    const isOurs = reason === "overloaded" || reason === "draining" || reason === "handler_timeout";
    return isOurs ? Math.max(maxBodyBytes, maxDrainBytes) : maxDrainBytes;
  }

  /** The poster has been told. What was on its way is skipped, but it must stop, or send a small rest. */
  watch(): void {
    const { clock, limits } = this.#connection;
    const { closeTimeoutMs, gapTimeoutMs, handlerTimeoutMs, maxDrainBytes } = limits;
    const most = this.#co.intake.droppedBytes + maxDrainBytes;
    this.#timer = afterHearing(clock, closeTimeoutMs, () => {
      this.#mostSkipped = most;
      this.skipped();
      // It stays as long as it waits for other answers.
      if (this.#co.intake.droppedBytes <= most)
        this.#timer = afterHearing(clock, handlerTimeoutMs + gapTimeoutMs, () =>
          this.#co.lane.session.cut(failure("read_timeout")),
        );
    });
  }

  /** More of it was skipped. */
  skipped(): void {
    if (this.#co.intake.droppedBytes > this.#mostSkipped) this.#co.lane.session.cut(failure("drain_too_big"));
  }

  /** The conversation has ended. */
  end(): void {
    this.#timer?.cancel();
  }
}
