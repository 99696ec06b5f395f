/**
 * Backoff: how long a link waits before it dials again. docs/services.md, "Reconnecting".
 */
import { aBoolean, aFiniteTime, checkOptions, mustBe, type OptionsOf } from "../../options.ts";

export interface ReconnectOptions {
  /** the delay before the first attempt after a loss; doubled after each failed attempt. Default 100 */
  readonly initialDelayMs?: number | undefined;
  /** default 10,000 */
  readonly maxDelayMs?: number | undefined;
  /** The random part of a delay, from 0 to 1, so that many consumers do not return in one wave. Default 0.5 */
  readonly jitter?: number | undefined;
  /** consecutive failures after which the link closes. Default Infinity */
  readonly maxAttempts?: number | undefined;
  /** Also waits for the first connection: `connect` resolves at once with a link that is `connecting`, and its calls wait
   *  within their deadlines. Without it, `connect` rejects if the first attempt fails. Default false */
  readonly waitForFirst?: boolean | undefined;
}

export const RECONNECT_OPTIONS: OptionsOf<ReconnectOptions> = {
  initialDelayMs: aFiniteTime,
  maxDelayMs: aFiniteTime,
  jitter: mustBe("a number from 0 to 1", (value) => typeof value === "number" && value >= 0 && value <= 1),
  waitForFirst: aBoolean,
  maxAttempts: mustBe("at least 1", (value) => typeof value === "number" && value >= 1),
};

export interface Backoff {
  readonly maxAttempts: number;
  readonly maxDelayMs: number;
  /** @param attempt counted from 1 */
  delayMs(attempt: number): number;
}

/** @throws HbiError invalid_argument */
export function backoff(options: ReconnectOptions, random: () => number = Math.random): Backoff {
  checkOptions(options, "reconnect", RECONNECT_OPTIONS, "reconnect.");
  const { initialDelayMs = 100, maxDelayMs = 10_000, jitter = 0.5, maxAttempts = Number.POSITIVE_INFINITY } = options;
  return {
    maxAttempts,
    maxDelayMs,
    delayMs(attempt) {
      const fullMs = Math.min(initialDelayMs * 2 ** (attempt - 1), maxDelayMs);
      return fullMs * (1 - jitter * random());
    },
  };
}
