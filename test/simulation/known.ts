/**
 * Known: what a world may still show though it should not. Each is a line to take away when the library has learned better; until
 * then it must not hide what is new.
 */
import type { HbiError } from "hbi";
import type { CallRecord } from "./ledger.ts";
import type { LinkSite } from "./site.ts";
import { isSound } from "./source.ts";

/** A conversation that waits for the wire when its connection is lost does not say whether it may have landed. */
export function losesSilently({ plan: { way, method } }: CallRecord): boolean {
  return way === "talk" || method === "take" || method === "keep" || method === "give" || method === "swap";
}

/** A call that was sent again says what became of the last attempt alone. */
export function forgetsItsAttempts({ plan: { way, method } }: CallRecord, retries: number): boolean {
  return way === "call" && method === "again" && retries > 0;
}

/** On a connection that is over, a new call fails with whatever ended it, `cancelled` and `data_loss` too, not `unavailable`. */
export function failsAsConnectionDid({ reason, mayHaveLanded }: HbiError, { ends }: LinkSite): boolean {
  return mayHaveLanded === false && ends.some((end) => end.reason !== undefined && end.reason.reason === reason);
}

/** A call that begins reads on what was held up before it asks for its own place, so that calls of the handlers which run then
 *  overtake it. */
export function mayOvertake(call: CallRecord, before: CallRecord): boolean {
  return call.invokedAtMs === before.invokedAtMs;
}

/** HBI's own `sendData` takes less or more than was promised. Then `err` is written where raw data is expected, and a handler is
 *  given the bytes of it as the end of its data. */
export function breaksThePromise({ plan }: CallRecord): boolean {
  return plan.way === "talk" && plan.method === "take" && !isSound(plan.source, plan.size);
}

/** The body of an answer that nobody reads keeps its timer when the connection is lost. */
export function keepsTimers(calls: readonly CallRecord[]): number {
  return calls.filter(({ plan }) => plan.reading === "never" && (plan.method === "give" || plan.method === "swap"))
    .length;
}
