/**
 * Messages between the lab and its programs, and the result of an attack.
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

/** A server to visit, and what to do there: calls, a call with raw data in its answer, posts without waiting, ignored
 *  posts, describing the service, endless calls by a link that reconnects. */
export interface Visit {
  readonly place: Workplace;
  readonly does: "call" | "fetch" | "post" | "forget" | "describe" | "stay";
}

/** Of the attacked process. */
export interface Measured extends Cost {
  /** calls that reached a handler, including those of the good client */
  readonly calls: number;
  /** concurrent handlers, excluding those of the good client */
  readonly mostRunning: number;
  /** invalid lines in its log */
  readonly complaints: readonly string[];
}

/** Of the good client. */
export interface Phase {
  readonly calls: number;
  readonly p99Ms: number;
  readonly failures: readonly string[];
}

/** What was sent and received. */
export interface Exchange {
  readonly connections: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly heardBytes: number;
  readonly lastWords: string;
  readonly fates: Readonly<Record<Fate, number>>;
  /** lines that no peer should receive */
  readonly complaints: readonly string[];
}

export interface Evidence {
  readonly exchange: Exchange;
  readonly cost: Measured;
  /** reasons in the log of the target */
  readonly logged: ReadonlyMap<string, number>;
  readonly seconds: number;
}

export interface Result extends Evidence {
  readonly before: Phase;
  readonly during: Phase;
  /** remarks of the attack itself, such as the number of connections */
  readonly remarks: readonly string[];
  /** why it does not count as held; empty if it does */
  readonly problems: readonly string[];
}
