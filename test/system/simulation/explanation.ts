/**
 * Why a call may have failed: by what its plan or its world did to it. A failure without such a reason is one of the library.
 */
import type { HbiError } from "hbi";
import type { CallRecord } from "./ledger.ts";
import type { Facts } from "./site.ts";
import { isSound } from "./source.ts";
import { isOpenEnded, receivesBody, sendsBody } from "./trial.ts";

type Explanation = (record: CallRecord, error: HbiError, facts: Facts) => boolean;

const sends = ({ plan: { method } }: CallRecord) => sendsBody(method);
const receives = ({ plan: { method } }: CallRecord) => receivesBody(method);

const EXPLANATIONS: readonly Explanation[] = [
  // its handler failed, as planned
  ({ plan: { handler }, landings }, { code }) =>
    landings.length > 0 &&
    ((handler.ending === "refuse" && code === "not_found") ||
      ((handler.ending === "throw" || handler.ending === "wrong") && code === "internal")),
  (record, { code }) => sends(record) && record.plan.handler.body === "beyond" && code === "out_of_range",
  // it was given up
  ({ abortedAtMs }, { code }) => abortedAtMs !== undefined && code === "cancelled",
  // time was over: for all of it, or for its handler
  ({ invokedAtMs, settledAtMs = 0, timeoutMs }, { code, reason }, { plan: { limits } }) => {
    const leastMs = Math.min(timeoutMs, ...limits.map(({ handlerTimeoutMs }) => handlerTimeoutMs ?? 60_000));
    return (code === "deadline_exceeded" || reason === "body_unread") && settledAtMs - invokedAtMs >= leastMs;
  },
  // more than the host takes at once: it goes on counting handlers whose calls were given up
  ({ landings }, { reason, mayHaveLanded }, { plan: { limits } }) =>
    reason === "overloaded" &&
    mayHaveLanded === false &&
    landings.length === 0 &&
    limits.some(({ maxInFlight = 100, maxInFlightBytes = 1_000_000 }) => maxInFlight < 100 || maxInFlightBytes < 1_000),
  // its raw data was not what was declared, or that of the answer
  (record) => sends(record) && !isSound(record.plan.source, record.plan.size, isOpenEnded(record.plan.method)),
  (record, { code }) =>
    receives(record) &&
    !isSound(record.plan.handler.source, record.plan.size, isOpenEnded(record.plan.method)) &&
    code !== "deadline_exceeded",
  // the connection was lost, or about to be
  ({ from, settledAtMs = 0 }, error, { sites }) => {
    const site = sites.find(({ name }) => name === from.toUpperCase());
    if (site === undefined || site.troubledAtMs > settledAtMs) return false;
    return error.code === "unavailable" || error.reason === "peer_error";
  },
  // the consumer closed what it took for idle, as nothing had arrived; a service cannot dial it again
  ({ from }, { reason, mayHaveLanded }, { plan: { limits } }) =>
    from !== from.toUpperCase() &&
    reason === "draining" &&
    mayHaveLanded === false &&
    limits.some(({ idleTimeoutMs }) => idleTimeoutMs !== undefined),
  ({ plan: { way }, wasConnected }, { code }) => way === "talk" && !wasConnected && code === "unavailable",
  (_, { reason }, { plan: { limits } }) =>
    reason === "too_many_waiting" &&
    limits.some(
      ({ maxPostedWaiting, maxPostedWaitingBytes }) =>
        maxPostedWaiting !== undefined || maxPostedWaitingBytes !== undefined,
    ),
];

/** What is wrong with how it failed. */
export function explains(record: CallRecord, facts: Facts): string | undefined {
  const { error, plan } = record;
  if (error === undefined) {
    const mustFail = plan.way !== "back" && plan.handler.ending !== "value" && record.settlements > 0;
    return mustFail ? "it was to fail, and did not" : undefined;
  }
  if (plan.way === "back" || EXPLANATIONS.some((explanation) => explanation(record, error, facts))) return undefined;
  return `${error.code} ${error.reason ?? ""} ${error.message}`;
}
