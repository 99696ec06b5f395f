/**
 * What is steady is never cut: every operation on every line in every direction, at default limits, longer than the deadlines that
 * could end it.
 */
import { hasOpenssl } from "../../support/authority.ts";
import type { Row, Scope } from "../../support/rows.ts";
import { explained } from "../../support/rows.ts";
import { type Direction, LINES, type Line, type LineName, waysOf, weathersOf } from "./lines.ts";
import { carry, carryMixed, type Load, OPERATIONS, type OperationName } from "./operations.ts";
import { World, type WorldOptions } from "./world.ts";

const MIXED = "several beside each other";
type What = OperationName | typeof MIXED;

interface Plan extends WorldOptions {
  readonly what: What;
  readonly on: LineName;
  readonly direction: Direction;
  readonly seconds: number;
  readonly isQuick?: boolean;
}

const ALL: readonly What[] = [...(Object.keys(OPERATIONS) as OperationName[]), MIXED]; // its own keys
const DIRECTIONS: readonly Direction[] = ["up", "down", "both"];

/** Enough to fill the buffers of the sockets several times. */
const LARGE: readonly What[] = [
  "text arguments",
  "text results",
  "bodies as one buffer",
  "result bodies of one buffer",
  "pushes, each acknowledged",
  "pushes that nobody waits for",
];

/** What is carried in one of ten rounds where the line has latency alone: one text. */
const ROUND_BYTES = 200_000;

/** As much text at once as the sockets don't take in 30 s. */
const MUCH_TEXT: readonly What[] = [
  "text arguments",
  "text results",
  "pushes, each acknowledged",
  "scripts with large arguments",
  "scripts with large results",
];

/** Longer than 30 s, in which whatever has made no progress is cut; a handler has 60 s for its upload. One buffer of 22 MB at 500 kB/s
 *  is more than the sockets take of it in the time that is left. */
function secondsOf(what: What, on: LineName): number {
  if (LINES[on].bytesPerSecond === undefined) return 10;
  if (what === "small calls") return on === "20 kB/s" ? 35 : 10;
  if (what.startsWith("result bodies")) return 60;
  return what === "bodies as one buffer" && on === "500 kB/s" ? 44 : 38;
}

function plansFor(on: LineName, whats: readonly What[], directions: readonly Direction[], more: WorldOptions = {}) {
  return whats.flatMap((what) =>
    directions.map((direction): Plan => ({ what, on, direction, seconds: secondsOf(what, on), ...more })),
  );
}

const SLOW_APPLICATIONS: readonly What[] = [
  "bodies that the handler reads slowly",
  "result bodies of one buffer, read slowly",
  "result bodies in chunks, read slowly in pieces",
];

/** TLS hands less to the system at once, so that a busy machine leaves the line idle now and then: its handler has 60 s all the same. */
const shortUploads = (plan: Plan): Plan => (plan.what === "bodies as one buffer" ? { ...plan, seconds: 30 } : plan);

const LONG: readonly Plan[] = [
  ...(["20 kB/s", "200 kB/s", "400 ms"] as const).flatMap((on) => plansFor(on, ALL, DIRECTIONS)),
  ...plansFor("500 kB/s", LARGE, ["up", "down"]),
  ...plansFor("100 kB/s", MUCH_TEXT, ["up", "down"]).map((plan) => ({ ...plan, seconds: 90 })),
  ...plansFor("a fast line", SLOW_APPLICATIONS, ["up", "down"]).map((plan) => ({ ...plan, seconds: 44 })),
  ...plansFor("200 kB/s and 400 ms", ["text results", MIXED], DIRECTIONS),
  ...plansFor("200 kB/s", [...LARGE, MIXED], ["up", "down"], { isTls: true }).map(shortUploads),
  ...plansFor("400 ms", [MIXED], ["both"], { isTls: true }),
];

const QUICK: readonly Plan[] = [
  ...ALL.map((what, i): Plan => {
    const direction = i % 2 === 0 ? "up" : "down";
    const seconds = SLOW_APPLICATIONS.includes(what) ? 4 : 6;
    return { what, on: "200 kB/s", direction, seconds, isQuick: true };
  }),
  { what: MIXED, on: "20 kB/s", direction: "both", seconds: 9, isQuick: true },
  { what: MIXED, on: "400 ms", direction: "both", seconds: 5, isQuick: true },
  { what: MIXED, on: "200 kB/s", direction: "both", seconds: 6, isQuick: true, isTls: true },
];

export const STEADY_ROWS: readonly Row[] = [...QUICK, ...LONG]
  .filter(({ isTls }) => isTls !== true || hasOpenssl)
  .map(rowOf);

function rowOf(plan: Plan): Row {
  const { what, on, direction, seconds, isQuick = false, isTls = false } = plan;
  const name = `${what}, ${on}, ${direction}${isTls ? ", TLS" : ""}${isQuick ? `, ${seconds} s` : ""}`;
  return { name, isQuick, seconds, run: (scope) => runPlan(scope, plan) };
}

async function runPlan(scope: Scope, plan: Plan): Promise<string> {
  const { what, on, direction, seconds } = plan;
  const line: Line = LINES[on];
  const { bytesPerSecond } = line;
  const world = await World.open(scope, weathersOf(line, direction), plan);
  const startMs = performance.now();
  const { rounds, bytes } = sizes(plan);
  const perSecond = on === "a fast line" ? (2 * bytes) / seconds : bytesPerSecond; // the application takes half of it
  const hasLatency = line.weather.latencyMs !== undefined;
  const load = (id: string): Load => ({ id, bytes, bytesPerSecond: perSecond, isInRounds: hasLatency });
  const carryOne = (way: "up" | "down", id: string) =>
    what === MIXED ? carryMixed(world, way, load(id)) : carry(world, OPERATIONS[what], way, load(id));
  const all = async (): Promise<void> => {
    for (let i = 0; i < rounds; i++) await Promise.all(waysOf(direction).map((way) => carryOne(way, `${way}${i}`)));
  };
  try {
    await world.undisturbed(all());
    await world.link.call.twice({ n: 21 });
    world.checkWhole();
  } catch (thrown) {
    const at = ((performance.now() - startMs) / 1_000).toFixed(0);
    throw new Error(`at ${at} s: ${explained(thrown)}; ${scope.told()}`);
  }
  const carried = world.line.up.bytes + world.line.down.bytes;
  return `${(carried / 1e6).toFixed(1)} MB`;
}

function sizes({ what, on, seconds }: Plan): { readonly rounds: number; readonly bytes: number } {
  const { bytesPerSecond } = LINES[on];
  if (on === "a fast line") return { rounds: 1, bytes: 22_000_000 };
  if (bytesPerSecond === undefined) return { rounds: seconds, bytes: ROUND_BYTES };
  const slowness = SLOW_APPLICATIONS.includes(what) ? 2 : 1; // it reads at half of what the line carries
  return { rounds: 1, bytes: (bytesPerSecond * seconds) / slowness };
}
