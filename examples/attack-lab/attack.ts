/**
 * Attack: what somebody does who wants to hurt, and what must stop it.
 */
import type { LimitOptions, Reason } from "hbi";
import type { Field } from "./field.ts";
import type { Evidence } from "./result.ts";
import type { Kind } from "./service.ts";

export interface Attack {
  readonly name: string;
  /** the rows of the table of limits that it is about */
  readonly limit: string;
  /** what the log must name, or how it is slowed down, and what shows that it was */
  readonly caught: Reason | Slowed;
  /** limits other than the default, so that it does not take long */
  readonly limits?: LimitOptions;
  readonly kind?: Kind;
  /** `client`: a server attacks its client */
  readonly target?: "server" | "client";
  /** memory that it may cost; default 64 */
  readonly mostMib?: number;
  /** how long one turn of the event loop may last, of many connections; default 50 */
  readonly mostHeldMs?: number;
  /** takes a minute: by `npm run attack-report`, and where HBI_ATTACKS=long asks for it */
  readonly isLong?: boolean;
  /** what is known to be wrong still: it does not count as held, and no test fails for it */
  readonly open?: string;
  run(field: Field): Promise<unknown>;
}

/** Deadlines that a test can wait for: the defaults are 5 to 60 s. */
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
  /** what the log must name, though not each connection ends */
  readonly logs?: Reason;
  readonly shows?: (evidence: Evidence) => boolean;
}
