/**
 * IdleWatch: drains and closes a connection without conversations for `idleTimeoutMs`. Uses one timer, which is not
 * reset for each conversation.
 */
import type { Timer } from "../../clock.ts";
import type { Connection } from "./connection.ts";

const LEAST_MS = 1_000;

export class IdleWatch {
  readonly #connection: Connection;
  #lastActiveMs = 0;
  #timer: Timer | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  start(): void {
    this.touched();
    this.#lookAfter(this.#connection.limits.idleTimeoutMs);
  }

  /** A conversation has ended. */
  touched(): void {
    this.#lastActiveMs = this.#connection.clock.now();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #lookAfter(ms: number): void {
    this.#timer = this.#connection.clock.after(ms, () => this.#look());
  }

  #look(): void {
    const { clock, hosting, limits, posting } = this.#connection;
    const leftMs = this.#lastActiveMs + limits.idleTimeoutMs - clock.now();
    if (leftMs <= 0 && hosting.liveCount + posting.liveCount === 0) void this.#connection.drain("idle");
    else this.#lookAfter(Math.max(leftMs, LEAST_MS));
  }
}
