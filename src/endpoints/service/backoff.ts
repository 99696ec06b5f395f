/**
 * Backoff: how long a link waits before it dials again. docs/services.md, "Reconnecting".
 */
import { failure } from "../../errors.ts";

export interface ReconnectOptions {
  /** the delay before the first attempt after a loss; doubled after each failed attempt. Default 100 */
  readonly initialDelayMs?: number | undefined;
  /** default 10,000 */
  readonly maxDelayMs?: number | undefined;
  /** The random part of a delay, from 0 to 1, so that many consumers do not return in one wave. Default 0.5 */
  readonly jitter?: number | undefined;
  /** consecutive failures after which the link closes. Default Infinity */
  readonly maxAttempts?: number | undefined;
}

export interface Backoff {
  readonly maxAttempts: number;
  readonly maxDelayMs: number;
  /** @param attempt counted from 1 */
  delayMs(attempt: number): number;
}

/** @throws HbiError invalid_argument */
export function backoff(options: ReconnectOptions, random: () => number = Math.random): Backoff {
  const { initialDelayMs = 100, maxDelayMs = 10_000, jitter = 0.5, maxAttempts = Number.POSITIVE_INFINITY } = options;
  for (const [name, value] of Object.entries({ initialDelayMs, maxDelayMs })) {
    if (!(value > 0) || !Number.isFinite(value))
      throw failure("bad_option", `reconnect.${name} must be a positive time`);
  }
  if (!(jitter >= 0 && jitter <= 1)) throw failure("bad_option", "reconnect.jitter must be between 0 and 1");
  if (!(maxAttempts >= 1)) throw failure("bad_option", "reconnect.maxAttempts must be positive");
  return {
    maxAttempts,
    maxDelayMs,
    delayMs(attempt) {
      const fullMs = Math.min(initialDelayMs * 2 ** (attempt - 1), maxDelayMs);
      return fullMs * (1 - jitter * random());
    },
  };
}
