/**
 * perform: runs one attack on a server and its good client, and collects the evidence.
 */
import { FAILURES, type Reason } from "hbi";
import type { Attack } from "./attack.ts";
import { type Effort, Field } from "./field.ts";
import { Grounds, type Program } from "./grounds.ts";
import type { Evidence, Measured, Phase, Result } from "./result.ts";

export interface LabOptions extends Effort {
  /** how long the good client is observed before the attack */
  readonly beforeMs: number;
}

/** The permitted duration of one turn of the target's event loop. */
export const MOST_HELD_MS = 50;
export const MOST_MIB = 64;
const MOST_RUN_MS = 40_000;
const LONG_RUN_MS = 150_000;
const MOST_SETTLE_MS = 10_000;

/** On fresh grounds. The end of a process is a result as well, and the worst one. */
export async function performAlone(attack: Attack, program: Program, options: LabOptions): Promise<Result> {
  const grounds = await Grounds.prepare(attack, program);
  try {
    return await perform(attack, grounds, options);
  } catch (thrown) {
    return { ...NOTHING, problems: [thrown instanceof Error ? thrown.message : String(thrown)] };
  } finally {
    await grounds.stop();
  }
}

export async function perform(attack: Attack, grounds: Grounds, options: LabOptions): Promise<Result> {
  const { server, client, place } = grounds;
  const { target = "server", limits } = attack;
  await passed(options.beforeMs);
  const before = await client.ask<Phase>("phase");
  const victim = target === "server" ? server : client;
  const field = new Field(place, client, victim, options, limits);
  await victim.begin();
  const start = performance.now();
  await Promise.race([attack.run(field), passed(attack.isLong === true ? LONG_RUN_MS : MOST_RUN_MS)]);
  const logs = typeof attack.caught === "string" ? attack.caught : attack.caught.logs;
  if (logs !== undefined) await victim.hasLogged([logs], AbortSignal.timeout(MOST_SETTLE_MS));
  const seconds = (performance.now() - start) / 1_000;
  const cost = await victim.ask<Measured>("end");
  const exchange = await field.leave(typeof attack.caught === "string" && endsConnection(attack.caught));
  const during = await client.ask<Phase>("phase");

  const evidence: Evidence = { exchange, cost, logged: new Map(victim.logged), seconds };
  const complaints = [...exchange.complaints, ...cost.complaints];
  const said = [server, client].map(({ errors }) => errors).filter((errors) => errors !== "");
  const problems = [
    ...uncaught(attack, evidence),
    ...(during.failures.length > 0
      ? [`${during.failures.length} calls of the good client failed: ${during.failures[0]}`]
      : []),
    ...complaints,
    ...field.failures,
    ...[server, client].flatMap((child) => child.takeUnheard()).map((unheard) => `uncaught: ${unheard.slice(0, 400)}`),
    ...said.map((errors) => `standard error: ${errors.slice(0, 200)}`),
  ];
  return { ...evidence, before, during, remarks: field.remarks, problems };
}

const NO_CALLS: Phase = { calls: 0, p99Ms: 0, failures: [] };
const NOTHING: Result = {
  exchange: {
    connections: 0,
    sentBytes: 0,
    sentPackets: 0,
    heardBytes: 0,
    lastWords: "",
    fates: { open: 0, closed: 0, reset: 0, refused: 0 },
    complaints: [],
  },
  cost: { cpuMs: 0, growthMib: 0, heldMs: 0, calls: 0, mostRunning: 0, complaints: [] },
  logged: new Map(),
  seconds: 0,
  before: NO_CALLS,
  during: NO_CALLS,
  remarks: [],
  problems: [],
};

/** Objections to its cost, for a machine without other load. */
export function tooDear({ mostMib = MOST_MIB, mostHeldMs = MOST_HELD_MS }: Attack, { cost }: Evidence): string[] {
  const problems: string[] = [];
  if (cost.heldMs > mostHeldMs) problems.push(`the event loop was held for ${cost.heldMs.toFixed(0)} ms`);
  if (cost.growthMib > mostMib) problems.push(`${cost.growthMib.toFixed(0)} MiB where ${mostMib} are allowed`);
  return problems;
}

function uncaught({ caught }: Attack, evidence: Evidence): string[] {
  const logged = [...evidence.logged.keys()].join(", ");
  if (typeof caught !== "string") {
    const isLogged = caught.logs === undefined || evidence.logged.has(caught.logs);
    const isShown = caught.shows === undefined || caught.shows(evidence);
    return isLogged && isShown ? [] : [`not held by "${caught.by}"${isLogged ? "" : `: logged is ${logged}`}`];
  }
  if (!evidence.logged.has(caught)) return [`${caught} is not in the log: ${logged === "" ? "nothing is" : logged}`];
  return endsConnection(caught) && evidence.exchange.fates.open > 0 ? ["a connection was not ended"] : [];
}

function endsConnection(reason: Reason): boolean {
  return FAILURES[reason].ends === "connection";
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
