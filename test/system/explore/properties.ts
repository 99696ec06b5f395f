/**
 * The checks of the properties. docs/evidence.md says in words what each one means.
 */
import { getEventListeners } from "node:events";
import { isDeepStrictEqual } from "node:util";
import { resultOf } from "./application.ts";
import type { Call } from "./ledger.ts";
import { type Property, STATE_PROPERTIES, type StateProperty } from "./property.ts";
import type { Run } from "./run.ts";

const CHECKS: Readonly<Record<StateProperty, (run: Run) => string | undefined>> = {
  "nothing is thrown": ({ ledger }) => ledger.faults[0],

  "closing resolves when it is closed": ({ closedEarly }) => closedEarly,

  "settled once": eachCall(({ settlements }) => (settlements > 1 ? `${settlements} times` : undefined)),

  "its own result": eachCall((call) => {
    if (call.settlements === 0 || call.error !== undefined) return undefined;
    return isDeepStrictEqual(call.value, resultOf(call)) ? undefined : `it is ${JSON.stringify(call.value)}`;
  }),

  "answered only if handled": eachCall(({ settlements, error, landings }) =>
    settlements > 0 && error === undefined && !landings.some(({ isOver }) => isOver)
      ? "its handler has not ended"
      : undefined,
  ),

  "handled once": (run) =>
    eachCall(({ landings, plan: { method } }) => {
      const attempts = method === "again" ? 1 + (run.world.retries ?? 0) : 1;
      const connections = new Set(landings.map(({ pipe }) => pipe));
      const isOften = landings.length > attempts || connections.size < landings.length;
      return isOften ? `${landings.length} times` : undefined;
    })(run),

  "in the order of the calls": (run) => {
    for (const later of run.ledger.calls) {
      const [landing] = later.landings;
      if (landing === undefined || landing.pipe !== later.writtenAt) continue;
      const overtaken = run.ledger.calls.find((call) => isOvertaken(call, later, landing.order));
      if (overtaken !== undefined) return `${later.name} begins before ${overtaken.name}`;
    }
    return undefined;
  },

  "nothing is lost that need not be": (run) => eachCall((call) => whyLost(call, run))(run),

  "mayHaveLanded false is true": eachCall(({ error, landings }) =>
    error?.mayHaveLanded === false && landings.length > 0 ? "its handler has run" : undefined,
  ),

  "a lost call says whether it may have landed": eachCall(({ error }) => {
    const isLost = error?.reason === "disconnected" || error?.reason === "peer_error" || error?.reason === "draining";
    return isLost && error.mayHaveLanded === undefined ? `${error.code}: ${error.message}` : undefined;
  }),

  "what was cancelled before does not begin": eachCall(({ landings }) =>
    landings.some(({ wasCancelled }) => wasCancelled) ? "its handler begins" : undefined,
  ),
};

export type Violation = readonly [property: Property, what: string];

export function violationsOf(run: Run): Violation[] {
  const violations: Violation[] = [];
  for (const property of STATE_PROPERTIES) {
    const what = CHECKS[property](run);
    if (what !== undefined) violations.push([property, what]);
  }
  return violations;
}

/** For states in which nothing is on its way.
 *  @param isStuck no event is left but deadlines */
export function violationsWhereQuiet(run: Run, isStuck: boolean): Violation[] {
  const violations: Violation[] = [];
  for (const call of run.ledger.calls) {
    const { name, order, settlements, landings, isGivenUp } = call;
    const working = landings.filter(({ isOver }) => !isOver);
    if (isStuck && order !== undefined && settlements === 0) {
      violations.push(["every call settles without a deadline", `${name} waits for ever`]);
    }
    if (isGivenUp && settlements > 0 && working.some(({ isTold }) => !isTold) && isWhole(run)) {
      violations.push(["a cancellation reaches the handler", `that of ${name} works on`]);
    }
  }
  return violations;
}

/** Whether both sides speak the extension: without it a cancellation can't be sent. */
function isWhole({ world: { plain = [] } }: Run): boolean {
  return plain.length === 0;
}

/** What an open connection still holds after all calls are over. */
export function heldInVain({ world, ends: { processes, pipes } }: Run): string | undefined {
  for (const { connection, localAddress } of pipes.flatMap(({ ends }) => ends)) {
    if (connection?.isOpen !== true) continue;
    const { posting, hosting } = connection;
    if (posting.liveCount > 0) return `${posting.liveCount} places for calls of ${localAddress}`;
    if (hosting.liveCount > 0) return `${hosting.liveCount} places for handlers at ${localAddress}`;
  }
  if (world.clientLimits?.keepaliveMs !== undefined) return undefined; // its timer is always set
  for (const [side, process] of Object.entries(processes)) {
    const [deadline] = process.timers("deadline");
    if (deadline !== undefined) return `a timer of the ${side}: ${deadline.label}`;
  }
  return undefined;
}

/** What is left after everything was closed. */
export function leftBehind(run: Run): string | undefined {
  const { processes, pipes, host, link } = run.ends;
  for (const [side, { timerCount }] of Object.entries(processes)) {
    if (timerCount > 0) return `${timerCount} timers of the ${side}`;
  }
  for (const end of pipes.flatMap(({ ends }) => ends)) {
    const { connection, localAddress } = end;
    if (!end.isClosed) return `${localAddress} is not closed`;
    if (connection === undefined) continue;
    const { posting, hosting, isOpen } = connection;
    if (isOpen || posting.liveCount + hosting.liveCount > 0) return `conversations of ${localAddress}`;
  }
  if (host.peers.size > 0) return `${host.peers.size} peers of the host`;
  if (link.state !== "closed") return `the link is ${link.state}`;
  for (const { abort, name, settlements, order } of run.ledger.calls) {
    if (order !== undefined && settlements === 0) return `${name} is not settled`;
    if (abort !== undefined && getEventListeners(abort.signal, "abort").length > 0)
      return `a listener to the signal of ${name}`;
  }
  return undefined;
}

function eachCall(check: (call: Call) => string | undefined): (run: Run) => string | undefined {
  return ({ ledger: { calls } }) => {
    for (const call of calls) {
      const what = check(call);
      if (what !== undefined) return `${call.name}: ${what}`;
    }
    return undefined;
  };
}

/** Whether `later` began before `call`, which was made before it on the same connection and is still wanted. */
function isOvertaken(call: Call, later: Call, laterBegan: number): boolean {
  const { from, order, writtenAt, isGivenUp, landings, error } = call;
  if (from !== later.from || order === undefined || later.order === undefined || order >= later.order) return false;
  if (writtenAt !== later.writtenAt || isGivenUp || error !== undefined) return false;
  return !landings.some((landing) => landing.order < laterBegan);
}

/** Why a call should not have failed; undefined when it may have. */
function whyLost(call: Call, run: Run): string | undefined {
  const { error, isGivenUp, landings, from, wasClosed, plan } = call;
  const { plain, reconnects, retries = 0 } = run.world;
  if (error === undefined || (isGivenUp && error.code === "cancelled")) return undefined;
  const told = `${error.code}: ${error.message}`;
  if (run.hasFault) {
    const isSentAgain = plan.method === "again" && retries > 0 && run.hasOnlyBroken && reconnects === true;
    return isSentAgain ? `it could have been sent again: ${told}` : undefined;
  }
  if (landings.length > 0) return `its handler began: ${told}`;
  if (error.code === "resource_exhausted" && run.world.mayRefuse === true) return undefined;
  if (error.code !== "unavailable") return told;
  if (plain !== undefined) return undefined; // without the extension a peer can't be told in time to go elsewhere
  if (error.mayHaveLanded !== false) return `mayHaveLanded ${error.mayHaveLanded}: ${told}`;
  if (!run.isLeaving) return `nobody was leaving: ${told}`;
  if (from === "server" || wasClosed) return undefined;
  if (run.isClosing("client")) return run.isClosing("server") ? undefined : `it was in flight: ${told}`;
  return reconnects === true ? `the next connection could have served it: ${told}` : undefined;
}
