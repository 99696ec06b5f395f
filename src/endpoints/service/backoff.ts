/**
 * Backoff: how long a link waits before it dials again. docs/services.md, "reconnecting".
 */
import { failure } from "../../errors.ts";

export interface ReconnectOptions {
  /** before the first attempt after a loss; doubled for each one that fails. Default 100 */
  readonly initialDelayMs?: number;
  /** Default 10,000 */
  readonly maxDelayMs?: number;
  /** How much of a delay is left to chance, from 0 to 1, so that many consumers do not come back in one wave. Default 0.5 */
  readonly jitter?: number;
  /** attempts that fail one after the other, until the link gives up. Default Infinity */
  readonly maxAttempts?: number;
}

export interface Backoff {
  readonly maxAttempts: number;
  readonly maxDelayMs: number;
  /** @param attempt from 1 */
  delayMs(attempt: number): number;
}

/** @throws HbiError invalid_argument */
export function backoff(options: ReconnectOptions, random: () => number = Math.random): Backoff {
  const { initialDelayMs = 100, maxDelayMs = 10_000, jitter = 0.5, maxAttempts = Number.POSITIVE_INFINITY } = options;
  for (const [name, value] of Object.entries({ initialDelayMs, maxDelayMs })) {
    if (!(value > 0) || !Number.isFinite(value))
      throw failure("bad_option", `reconnect.${name} must be a positive time`);
  }
  if (!(jitter >= 0 && jitter <= 1)) throw failure("bad_option", "reconnect.jitter is from 0 to 1");
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
