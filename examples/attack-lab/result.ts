/**
 * What is said between the lab and its programs, and what comes of an attack.
 */
import type { LimitOptions } from "hbi";
import type { Fate } from "./attacker.ts";
import type { Cost } from "./meter.ts";
import type { Kind } from "./service.ts";

export interface Workplace {
  readonly address: string;
  readonly kind: Kind;
  readonly ca?: string | undefined;
  readonly limits?: LimitOptions | undefined;
}

/** A server to be visited, and what is done there: calls, a call with raw data in its answer, posts without waiting, posts that nobody looks
 *  after, asking what it offers, calls without end by a link that reconnects. */
export interface Visit {
  readonly place: Workplace;
  readonly does: "call" | "fetch" | "post" | "forget" | "describe" | "stay";
}

/** Of the process that was attacked. */
export interface Measured extends Cost {
  /** calls that reached a handler, those of the good client among them */
  readonly calls: number;
  /** handlers at work at once, but for those of the good client */
  readonly mostRunning: number;
  /** lines of its log that should not be */
  readonly complaints: readonly string[];
}

/** Of the good client. */
export interface Phase {
  readonly calls: number;
  readonly p99Ms: number;
  readonly failures: readonly string[];
}

/** What was sent, and what came back. */
export interface Exchange {
  readonly connections: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly heardBytes: number;
  readonly lastWords: string;
  readonly fates: Readonly<Record<Fate, number>>;
  /** lines that no peer should be told */
  readonly complaints: readonly string[];
}

export interface Evidence {
  readonly exchange: Exchange;
  readonly cost: Measured;
  /** reasons in the log of what was attacked */
  readonly logged: ReadonlyMap<string, number>;
  readonly seconds: number;
}

export interface Result extends Evidence {
  readonly before: Phase;
  readonly during: Phase;
  /** said by the attack itself, such as how many connections there were */
  readonly remarks: readonly string[];
  /** why it does not count as held; none: it does */
  readonly problems: readonly string[];
}
