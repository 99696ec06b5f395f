/**
 * Attack: what an attacker does, and what must stop it.
 */
import type { LimitOptions, Reason } from "hbi";
import type { Field } from "./field.ts";
import type { Evidence } from "./result.ts";
import type { Kind } from "./service.ts";

export interface Attack {
  readonly name: string;
  /** the limits that it tests */
  readonly limit: string;
  /** what the log must contain, or how the attack is slowed down, and the proof */
  readonly caught: Reason | Slowed;
  /** limits other than the default, so that it ends sooner */
  readonly limits?: LimitOptions;
  readonly kind?: Kind;
  /** `client`: a server attacks its client */
  readonly target?: "server" | "client";
  /** permitted growth of memory; default 64 */
  readonly mostMib?: number;
  /** permitted duration of one turn of the event loop, for attacks on many connections; default 50 */
  readonly mostHeldMs?: number;
  /** takes a minute: run by `npm run attack-report`, and if HBI_ATTACKS=long */
  readonly isLong?: boolean;
  /** a known defect: the attack does not count as held, but fails no test */
  readonly open?: string;
  run(field: Field): Promise<unknown>;
}

/** Deadlines for which a test can wait; the defaults are 5 to 60 s. */
export const QUICK: LimitOptions = {
  headerTimeoutMs: 800,
  payloadTimeoutMs: 300,
  gapTimeoutMs: 1_000,
  dataRateWindowMs: 1_000,
  sendStallTimeoutMs: 1_500,
  handlerTimeoutMs: 2_000,
  callTimeoutMs: 800,
  connectTimeoutMs: 1_000,
};

export interface Slowed {
  readonly by: string;
  /** what the log must contain, although not every connection ends */
  readonly logs?: Reason;
  readonly shows?: (evidence: Evidence) => boolean;
}
