/**
 * The good client, as a process: calls at a steady rate and checks every answer. On request, it visits a malicious
 * server beside its work.
 */
import { setTimeout } from "node:timers/promises";
import { HbiError, type Link, type LogEntry, type ReconnectOptions } from "hbi";
import { connect } from "hbi/node";
import { answer, tell, tellAgain } from "./child.ts";
import { Meter } from "./meter.ts";
import type { Measured, Phase, Visit, Workplace } from "./result.ts";
import { type Depot, depot, TOKEN, vault } from "./service.ts";
import { complaint, forgery } from "./told.ts";

const EVERY_MS = 10;
const WARM_UP = 200;
const TIMEOUT_MS = 5_000;
/** the duration of a visit without an end of its own */
const STAY_MS = 3_000;

const meter = new Meter();
const complaints = new Set<string>();
let latencies: number[] = [];
let failures: string[] = [];
let visits: Promise<unknown> = Promise.resolve();
const underWay = new Set<Promise<void>>();
let calls = 0;

const reactions = {
  confirm: () => true,
  noticed: () => undefined,
  ponder: ({ ms }: { ms: number }) => setTimeout(ms, undefined, { ref: false }),
};

function check(text: string): void {
  // A peer may send any text about itself, and this client knows the addresses that it dials.
  const own = text
    .replace(/(^|: )peer error: [\x20-\x7e]*$/, "$1peer error")
    .replace(/(: could not connect: )[\d.:]+/, "$1peer");
  const wrong = complaint(own);
  if (wrong !== undefined && complaints.size < 10) complaints.add(`logged: ${wrong}`);
}

function log({ error, netIdent, where }: LogEntry): void {
  tell(error.reason ?? error.code);
  check(error.message);
  for (const wrong of [forgery(netIdent), forgery(where)])
    if (wrong !== undefined && complaints.size < 10) complaints.add(`logged: ${wrong}`);
}

async function open({ address, kind, ca, limits = {} }: Workplace, reconnect?: ReconnectOptions): Promise<Link<Depot>> {
  const options = {
    lanes: false, // these servers answer a call without having said what they take
    limits,
    log,
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(reconnect === undefined ? {} : { reconnect }),
  };
  if (kind !== "guarded") return connect(depot, address, reactions, options);
  // With the same methods.
  return (await connect(vault, address, reactions, { ...options, credentials: { token: TOKEN } })) as never;
}

async function call(link: Link<Depot>): Promise<void> {
  calls += 1;
  const [a, b] = [calls, Math.floor(Math.random() * 1_000)];
  const start = performance.now();
  try {
    const sum = await link.call.add({ a, b }, { timeoutMs: TIMEOUT_MS });
    if (sum !== a + b) failures.push(`${a} + ${b} is ${sum}`);
  } catch (error) {
    failures.push(error instanceof HbiError ? error.message : String(error));
  }
  latencies.push(performance.now() - start);
}

async function work(place: Workplace): Promise<void> {
  const link = await open(place);
  for (let i = 0; i < WARM_UP; i++) await call(link);
  latencies = [];
  setInterval(() => {
    const one = call(link);
    underWay.add(one);
    void one.then(() => underWay.delete(one));
  }, EVERY_MS);
}

/** Waits for pending calls: the result since the last phase. */
async function phase(): Promise<Phase> {
  await Promise.all(underWay);
  const sorted = latencies.sort((a, b) => a - b);
  const p99Ms = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
  const ended = { calls: sorted.length, p99Ms, failures };
  latencies = [];
  failures = [];
  return ended;
}

/** Does the server serve another connection now? If not, why. */
async function knock(place: Workplace): Promise<string | undefined> {
  try {
    const link = await open(place);
    const sum = await link.call.add({ a: 1, b: 2 });
    await link.disconnect();
    return sum === 3 ? undefined : `1 + 2 is ${sum}`;
  } catch (error) {
    return String(error);
  }
}

/** Calls methods of an untrusted server, and reports how each call failed. */
async function visit({ place, does }: Visit): Promise<void> {
  const told = (error: unknown): void => {
    if (!(error instanceof HbiError)) return;
    tell(error.reason ?? error.code);
    check(error.message);
  };
  const link = await open(place, does === "stay" ? { initialDelayMs: 10, maxDelayMs: 1_000 } : undefined);
  void link.closed.then(told);
  if (does === "fetch") {
    const fetched = await link.call.fetch({ size: 1_000_000 });
    for await (const _ of fetched.body);
  } else if (does === "post") {
    for (let i = 0; i < 20_000; i++) {
      void link.post.note({ about: "x".repeat(1_000) }).catch(told);
      if (i % 100 === 0) await new Promise(setImmediate); // the server attacks, not this client
    }
  } else if (does === "forget") {
    for (let i = 0; i < 5_000; i++) void link.post.note({ about: "x".repeat(1_000) });
  } else if (does === "describe") {
    await Promise.all(Array.from({ length: 20 }, () => link.describe().catch(told)));
  } else if (does === "stay") {
    const over = AbortSignal.timeout(STAY_MS);
    while (!over.aborted) {
      void link.call.add({ a: 1, b: 2 }).catch(told);
      await setTimeout(EVERY_MS);
    }
  } else await Promise.all(Array.from({ length: 20 }, (_, i) => link.call.add({ a: i, b: i }).catch(told)));
}

answer({
  work,
  phase,
  knock,
  visit(asked: Visit): void {
    visits = Promise.all([visits, visit(asked).catch((error: HbiError) => tell(error.reason ?? error.code))]);
  },
  visited: async () => void (await visits),
  begin() {
    meter.begin();
    tellAgain();
    complaints.clear();
  },
  end: (): Measured => ({ ...meter.end(), calls, mostRunning: 0, complaints: [...complaints] }),
});
