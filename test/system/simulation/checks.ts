/**
 * What must hold of every world, found in its ledger when it is over. Each check says what it would be a lie to break.
 */
import { isDeepStrictEqual } from "node:util";
import { expectedOf } from "./caller.ts";
import { explains } from "./explanation.ts";
import type { CallRecord, Landing, Ledger } from "./ledger.ts";
import type { Facts } from "./site.ts";
import { receivesBody } from "./trial.ts";

export type Violation = readonly [check: string, what: string];

/** The check of one call: what is wrong with it. */
type Check = (record: CallRecord, facts: Facts) => string | undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  "settled exactly once": ({ settlements }) => (settlements === 1 ? undefined : `${settlements} times`),

  "settled by its deadline"(record, { maxLateMs, plan: { retries } }) {
    const { plan, invokedAtMs, timeoutMs, answeredAtMs, settledAtMs } = record;
    if (plan.way === "talk" || plan.way === "back") return undefined; // a deadline for each wait
    const hasBody = receivesBody(plan.method); // reading it takes its own time
    const endMs = (hasBody && plan.way === "call" ? answeredAtMs : undefined) ?? settledAtMs;
    const timers = plan.method === "again" ? 2 + retries : 2; // one for a connection, one for each attempt
    if (endMs === undefined || endMs <= invokedAtMs + timeoutMs + timers * (maxLateMs + 1)) return undefined;
    return `after ${endMs - invokedAtMs} ms, not ${timeoutMs}`;
  },

  "acknowledged implies landed"(record) {
    const { plan, error, settledAtMs, landings } = record;
    if (error !== undefined || settledAtMs === undefined || plan.way === "back") return undefined;
    const missing = Array.from({ length: plan.parts }, (_, part) => part).filter(
      (part) =>
        !landings.some((it) => it.part === part && it.outcome === "value" && (it.endedAtMs ?? 1e9) <= settledAtMs),
    );
    return missing.length === 0 ? undefined : `parts ${missing} have not`;
  },

  "an answer is not lost"({ plan, error, landings, settledAtMs = 0, quietMs }, { plan: { mood, latencyMs } }) {
    if (mood === "rough" || error?.reason !== "timeout" || landings.length < plan.parts) return undefined;
    if (landings.some(({ outcome }) => outcome !== "value")) return undefined;
    const endedMs = Math.max(...landings.map((landing) => landing.endedAtMs ?? settledAtMs));
    const slowestMs = 3_000 + 40 * latencyMs; // of what may stand before it, and of a delivery
    return Math.min(settledAtMs - endedMs, quietMs) > slowestMs ? `its handler had ended at ${endedMs}` : undefined;
  },

  "a handler is given up in time"({ plan, timeoutMs, landings }, { plan: { limits }, maxLateMs }) {
    if (receivesBody(plan.method)) return undefined; // not in the middle of raw data
    const mostMs = Math.max(...limits.map(({ handlerTimeoutMs }) => handlerTimeoutMs ?? 60_000));
    const withinMs = Math.min(mostMs, plan.way === "talk" && plan.timeoutMs === undefined ? mostMs : timeoutMs);
    for (const { at, beganAtMs, endedAtMs, givenUpAtMs, part } of landings) {
      const tookMs = (givenUpAtMs ?? endedAtMs ?? 1e9) - beganAtMs;
      if (at !== "answer" && tookMs > withinMs + maxLateMs + 1)
        return `part ${part} after ${tookMs} ms, not ${withinMs}`;
    }
    return undefined;
  },

  "its own result"(record) {
    const { error, settledAtMs, value } = record;
    if (error !== undefined || settledAtMs === undefined || isDeepStrictEqual(value, expectedOf(record)))
      return undefined;
    return `${JSON.stringify(value)} instead of ${JSON.stringify(expectedOf(record))}`;
  },

  "not landed is not landed"({ error, landings }) {
    if (error?.mayHaveLanded !== false) return undefined;
    return landings.length > 0 ? "it was said not to have landed" : undefined;
  },

  "a lost call says whether it may have landed"({ plan, error }) {
    if (plan.way === "back" || error === undefined) return undefined;
    const isLost = error.reason === "disconnected" || error.reason === "peer_error";
    return isLost && error.mayHaveLanded === undefined ? `${error.code} ${error.message}` : undefined;
  },

  "landed at most once for each attempt"({ plan, landings }, { plan: { retries } }) {
    const attempts = plan.way === "call" && plan.method === "again" ? 1 + retries : 1;
    for (let part = 0; part < plan.parts; part++) {
      const at = landings.filter((landing) => landing.part === part).map((landing) => landing.at);
      if (at.length > attempts) return `part ${part}: ${at.length} times in ${attempts} attempts`;
      if (new Set(at).size < at.length) return `part ${part}: twice on one connection`;
    }
    return undefined;
  },

  "order inside a conversation"({ plan, landings }) {
    if (plan.parts === 1) return undefined;
    for (const [i, landing] of landings.entries()) {
      if (landing.part !== i) return `part ${landing.part} landed as number ${i}`;
      const before = landings[i - 1];
      if (before === undefined) continue;
      if (before.outcome !== "value") return `part ${i} landed behind one that ${before.outcome ?? "had not ended"}`;
      if ((before.endedAtMs ?? 1e9) > landing.beganAtMs) return `part ${i} began before the one before it ended`;
    }
    return undefined;
  },

  "a failure has its reason": (record, facts) => explains(record, facts),
};

export function violationsOf(ledger: Ledger, facts: Facts): Violation[] {
  const violations: Violation[] = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    for (const record of ledger.calls) {
      const wrong = check(record, facts);
      if (wrong !== undefined)
        violations.push([name, `call ${record.id} (${record.plan.way} ${record.plan.method}): ${wrong}`]);
    }
  }
  return [...violations, ...outOfOrder(ledger.calls, facts), ...connectionsOf(facts)];
}

/** Short calls of one side land on a connection in the order in which they were made. */
function outOfOrder(calls: readonly CallRecord[], { plan: { retries } }: Facts): Violation[] {
  const last = new Map<string, { readonly record: CallRecord; readonly landing: Landing }>();
  const violations: Violation[] = [];
  for (const record of calls) {
    const { plan, wasConnected, from, landings } = record;
    const isResent = plan.method === "again" && retries > 0;
    const isShort = plan.method === "act" || plan.method === "again" || plan.method === "note";
    const [landing] = landings;
    if (!wasConnected || isResent || !isShort || landing === undefined) continue;
    if (plan.way === "talk" || plan.way === "back") continue;
    const key = `${from} ${landing.at}`;
    const before = last.get(key);
    const isLater = before === undefined || before.landing.order < landing.order;
    if (!isLater) {
      violations.push([
        "order on a connection",
        `call ${record.id} landed before ${before.record.id} at ${landing.at}`,
      ]);
    }
    if (isLater) last.set(key, { record, landing });
  }
  return violations;
}

/** What honest peers never do to each other, whatever happens to them. */
const NEVER: ReadonlySet<string> = new Set([
  "bad_frame",
  "bad_state",
  "bad_token",
  "bad_utf8",
  "packet_too_big",
  "position_lost",
  "too_many_answers",
]);

function connectionsOf({ plan, sites, endingAtMs }: Facts): Violation[] {
  const violations: Violation[] = [];
  for (const { ends, link, name, troubledAtMs } of sites) {
    if (plan.mood === "calm" && troubledAtMs < endingAtMs) violations.push(["lost in a calm world", `link ${name}`]);
    if (link.state !== "closed") violations.push(["over", `link ${name} is ${link.state}`]);
    for (const { label, connection, reason } of ends) {
      if (reason?.reason !== undefined && NEVER.has(reason.reason))
        violations.push(["protocol", `${label}: ${reason.reason}`]);
      if (connection === undefined) continue;
      const left = { ...connection.held, waits: connection.waits.size };
      for (const [what, count] of Object.entries(left)) {
        if (count > 0) violations.push(["nothing is left", `${label}: ${count} ${what}`]);
      }
    }
  }
  return violations;
}
