/**
 * World: what is explored, as data: the calls of both sides, their handlers, the limits, and which other events may happen.
 * docs/evidence.md, "Small worlds".
 */
import type { LimitOptions } from "hbi";
import type { Property } from "./property.ts";

export type Side = "client" | "server";

export function otherSide(side: Side): Side {
  return side === "client" ? "server" : "client";
}

/** What a handler does before it returns, in order.
 *  - `wait`: waits until the scheduler lets it go on, or its signal aborts
 *  - `stay`: the same, but ignores its signal
 *  - `back`: calls the caller's side, and waits for the result
 *  - `read`: reads the raw data of the call */
export type Step = "wait" | "stay" | "back" | "read";

export interface CallPlan {
  readonly from: Side;
  /** `work` and `again` have a result, and `again` is idempotent; `note` has no result; `put` sends raw data, `give` receives some. Default
   *  `work` */
  readonly method?: "work" | "again" | "note" | "put" | "give";
  /** `talk`: a conversation of the HBI layer. Default `call` */
  readonly way?: "call" | "post" | "talk";
  /** Default: returns at once */
  readonly handler?: readonly Step[];
  /** the handler of the call that `back` makes */
  readonly backHandler?: readonly Step[];
  /** length of the raw data in bytes. Default 0 */
  readonly size?: number;
  /** The caller may give it up at any time. */
  readonly mayAbort?: boolean;
}

/** What may happen once, at any time. A connection that breaks is lost at one side first, with all bytes that were on their way to
 *  that side; the other side finds out later. */
export type Act =
  | "server drains"
  | "client closes"
  | "server disconnects"
  | "client disconnects"
  | "connection breaks"
  | "dial fails";

export type Size = "small" | "medium" | "large";
export const SIZES: readonly Size[] = ["small", "medium", "large"];

export interface World {
  readonly name: string;
  /** the smallest size at which it is explored */
  readonly size: Size;
  /** Each side makes its calls in this order, at any time. */
  readonly calls: readonly CallPlan[];
  /** Nothing has been said when the exploration begins. Else the client has had an answer, so that both sides know whether the other one
   *  speaks the extension. */
  readonly areStrangers?: boolean;
  /** Each side makes all of its calls in one go. */
  readonly atOnce?: boolean;
  readonly acts?: readonly Act[];
  readonly clientLimits?: LimitOptions;
  readonly serverLimits?: LimitOptions;
  /** how often the link sends a call of `again` once more after its connection was lost */
  readonly retries?: number;
  /** how many handlers of `work` run at once on the server */
  readonly concurrency?: number;
  /** What one delivery consists of: one write; one packet; one write, or all writes that are on their way. Default `writes` */
  readonly pieces?: "writes" | "packets" | "joined";
  /** the sides with `extension: false` */
  readonly plain?: readonly Side[];
  /** whether the link dials again */
  readonly reconnects?: boolean;
  /** Written bytes stay in the buffer of the transport until the scheduler takes them. */
  readonly isSlow?: boolean;
  /** As in a browser, `Clock.endOfTurn` can only run in a later turn. */
  readonly lacksEndOfTurn?: boolean;
  /** how many times an `idleTimeoutMs` timer may fire. Default 0 */
  readonly idles?: number;
  /** how many deadlines may pass, each at any time. Default 0 */
  readonly deadlines?: number;
  /** A side may refuse calls with `resource_exhausted`: more wait at it than it takes. */
  readonly mayRefuse?: boolean;
  /** properties that are known not to hold yet */
  readonly known?: readonly Property[];
}
