/**
 * HoDeadline: the time that a hosted conversation has: until the poster's deadline, and for the handlers of a script
 * that wait. Created on first use: most handlers of small calls do not wait.
 */
import type { Clock, Timer } from "../../clock.ts";
import { digits } from "../../errors.ts";
import type { HoAnswer } from "./ho-answer.ts";
import type { HostedCo } from "./hosted-co.ts";

export class HoDeadline {
  readonly #clock: Clock;
  readonly #co: HostedCo;
  readonly #answer: HoAnswer;
  /** undefined if the poster has none */
  readonly #deadlineMs: number | undefined;
  readonly #beganAt: number;
  #landedAt: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, co: HostedCo, answer: HoAnswer, beganAt: number, deadlineMs: number | undefined) {
    this.#clock = clock;
    this.#co = co;
    this.#answer = answer;
    this.#beganAt = beganAt;
    this.#landedAt = beganAt;
    this.#deadlineMs = deadlineMs;
  }

  get remainingMs(): number {
    const deadlineMs = this.#deadlineMs ?? Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    return Math.max(Math.min(deadlineMs + this.#beganAt, this.#co.handlerTimeoutMs + this.#landedAt) - now, 0);
  }

  /** A script has begun to run, and its handler waits. */
  start(): void {
    this.#landedAt = this.#clock.now();
    this.#timer = this.#clock.after(this.remainingMs, () => {
      if (this.#answer.isMidway) this.#watchAnswer();
      else this.#stop();
    });
  }

  #stop(): void {
    const deadlineMs = this.#deadlineMs ?? Number.POSITIVE_INFINITY;
    const { handlerTimeoutMs } = this.#co;
    const isOfPoster = deadlineMs + this.#beganAt < handlerTimeoutMs + this.#landedAt;
    const most = isOfPoster
      ? `of ${digits(deadlineMs)} that the caller allowed`
      : `at most ${digits(handlerTimeoutMs)} (handlerTimeoutMs)`;
    const tookMs = this.#clock.now() - (isOfPoster ? this.#beganAt : this.#landedAt);
    this.#co.stop("handler_timeout", `after ${digits(tookMs)} ms, ${most}`);
  }

  /** Raw data that has begun may take as long as it makes progress; the wire watches how fast the peer reads. A handler
   *  without progress holds the send turn, so its connection ends. */
  #watchAnswer(): void {
    const { sentBytes } = this.#answer;
    this.#timer = this.#clock.after(this.#co.handlerTimeoutMs, () => {
      if (this.#answer.sentBytes > sentBytes) this.#watchAnswer();
      else
        this.#co.stop(
          "handler_timeout",
          `no raw data was sent for ${digits(this.#co.handlerTimeoutMs)} ms (handlerTimeoutMs)`,
        );
    });
  }

  /** The script has ended, or is not wanted any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
