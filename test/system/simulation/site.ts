/**
 * LinkSite: one link of a world, with the service's side of it and all connections that there were between the two. Facts: what the
 * checks look at beside the calls.
 */
import type { Link, Peer } from "hbi";
import type { Caller } from "./caller.ts";
import type { End } from "./network.ts";
import type { WorldPlan } from "./plan.ts";
import type { Trial } from "./trial.ts";

export interface LinkSite {
  /** "A" */
  readonly name: string;
  readonly link: Link<Trial>;
  readonly caller: Caller;
  /** the service's calls to it: from "a" */
  readonly peerCaller: Caller;
  /** near and far, of each connection */
  readonly ends: End[];
  peer: Peer<Trial, undefined> | undefined;
  /** when its connections first had a reason to be lost */
  troubledAtMs: number;
}

export interface Facts {
  readonly plan: WorldPlan;
  readonly sites: readonly LinkSite[];
  /** when it was all closed */
  readonly endingAtMs: number;
  /** a timer may run so much too late */
  readonly maxLateMs: number;
}
