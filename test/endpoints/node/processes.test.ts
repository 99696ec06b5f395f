/**
 * A real server process that is drained, killed, stopped and started again in the middle of 200 calls in flight: every call
 * settles, no result reaches the wrong caller, what was acknowledged was done exactly once.
 */
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HbiError, type Link } from "hbi";
import { connect } from "hbi/node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Running, startProgram, stopProgram } from "../../support/programs.ts";
import { LIMITS, ledger } from "../../system/programs/ledger.ts";

const CALLS = 200;

interface Outcome {
  readonly id: string;
  readonly got: string | HbiError;
}

let folder = "";
let file = "";
let running: Running[] = [];
let links: Link<typeof ledger>[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hbi-ledger-"));
  file = join(folder, "ledger.txt");
  await writeFile(file, "");
});
afterEach(async () => {
  for (const link of links) await link.disconnect();
  links = [];
  for (const server of running) await stopProgram(server);
  running = [];
  await rm(folder, { recursive: true });
});

async function start(address = "127.0.0.1:0"): Promise<Running> {
  const server = await startProgram("test/system/programs/ledger-server.ts", [address, file]);
  running.push(server);
  return server;
}

async function open(address: string, retries = 0): Promise<Link<typeof ledger>> {
  const link = await connect(
    ledger,
    address,
    {},
    {
      limits: LIMITS,
      reconnect: { initialDelayMs: 10, maxDelayMs: 100 },
      retries,
      log: () => undefined,
    },
  );
  links.push(link);
  await link.call.record({ id: "hello", delayMs: 0 });
  return link;
}

/** 200 calls at once, whose handlers end one after the other over a second or so. */
function burst(
  link: Link<typeof ledger>,
  name: string,
  options: {
    method?: "record" | "put";
    timeoutMs?: number;
    signalOf?: (i: number) => AbortSignal | undefined;
    delayOf?: (i: number) => number;
  } = {},
): Promise<Outcome>[] {
  const { method = "record", timeoutMs = 20_000, signalOf = () => undefined, delayOf = (i: number) => i * 5 } = options;
  return Array.from({ length: CALLS }, async (_, i) => {
    const id = `${name}-${i}`;
    const signal = signalOf(i);
    const call = link.call[method](
      { id, delayMs: delayOf(i) },
      { timeoutMs, ...(signal === undefined ? {} : { signal }) },
    );
    return { id, got: await call.catch((error: HbiError) => error) };
  });
}

async function written(): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const id of (await readFile(file, "utf8")).split("\n").slice(0, -1)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/** What must hold whatever happens; gives the counts, which are printed. */
async function check(title: string, outcomes: readonly Outcome[]) {
  const times = await written();
  const counts = { answered: 0, lost: 0, notLanded: 0, cancelled: 0, late: 0, landedAndLost: 0 };
  for (const { id, got } of outcomes) {
    const done = times.get(id) ?? 0;
    if (typeof got === "string") {
      counts.answered += 1;
      expect(got, "a result of somebody else").toBe(id);
      expect(done, `${id} was acknowledged`).toBe(1);
      continue;
    }
    expect(got).toBeInstanceOf(HbiError);
    expect(done, `${id} was done more than once`).toBeLessThanOrEqual(1);
    if (got.code === "cancelled") counts.cancelled += 1;
    else if (got.code === "deadline_exceeded") counts.late += 1;
    else if (got.mayHaveLanded === false) {
      counts.notLanded += 1;
      expect(done, `${id} cannot have landed`).toBe(0);
    } else {
      counts.lost += 1;
      counts.landedAndLost += done;
      expect(["unavailable", "aborted"]).toContain(got.code);
      expect(got.mayHaveLanded).toBe(true);
    }
  }
  expect(outcomes.length).toBe(CALLS);
  console.log(`${title}: ${CALLS} calls, ${JSON.stringify(counts)}`);
  return counts;
}

/** Resolves when this many calls have been answered. */
async function answered(calls: readonly Promise<Outcome>[], count: number): Promise<void> {
  let seen = 0;
  await new Promise<void>((resolve) => {
    for (const call of calls) {
      void call.then(() => {
        seen += 1;
        if (seen === count) resolve();
      });
    }
  });
}

it("drained and started again: nothing is lost, and the link goes on with the next one", async () => {
  const server = await start();
  const link = await open(server.address);
  const calls = burst(link, "drained");
  await answered(calls, 20);
  server.child.kill("SIGTERM");
  const counts = await check("drained", await Promise.all(calls));
  expect(counts.answered).toBe(CALLS);
  if (server.child.exitCode === null) await once(server.child, "exit");
  expect(server.child.exitCode).toBe(0);
  const waiting = burst(link, "after");
  await start(server.address);
  expect((await check("after the restart", await Promise.all(waiting))).answered).toBe(CALLS);
});

it("killed and restarted: calls in flight fail, later calls succeed", async () => {
  const server = await start();
  const link = await open(server.address);
  const calls = burst(link, "killed");
  await answered(calls, 50);
  server.child.kill("SIGKILL");
  const counts = await check("killed", await Promise.all(calls));
  expect(counts.answered).toBeGreaterThanOrEqual(50);
  expect(counts.lost).toBeGreaterThan(0);
  const waiting = burst(link, "after");
  await start(server.address);
  expect((await check("after the restart", await Promise.all(waiting))).answered).toBe(CALLS);
});

it("killed and started again, with retries: idempotent calls are all answered", async () => {
  const server = await start();
  const link = await open(server.address, 3);
  const calls = burst(link, "retried", { method: "put" });
  await answered(calls, 50);
  server.child.kill("SIGKILL");
  await once(server.child, "exit");
  await start(server.address);
  const outcomes = await Promise.all(calls);
  const times = await written();
  const twice = [...times.values()].filter((count) => count > 1).length;
  for (const { id, got } of outcomes) {
    expect(got).toBe(id);
    expect(times.get(id)).toBeGreaterThanOrEqual(1);
    expect(times.get(id)).toBeLessThanOrEqual(2);
  }
  console.log(`killed, with retries: ${CALLS} calls, all answered, ${twice} of them done twice`);
});

it("stopped and continued: deadlines pass on this side, late answers are dropped", async () => {
  const server = await start();
  const link = await open(server.address);
  const calls = burst(link, "stopped", { timeoutMs: 1_500 });
  await answered(calls, 50);
  server.child.kill("SIGSTOP");
  const outcomes = await Promise.all(calls);
  server.child.kill("SIGCONT");
  const after = await Promise.all(burst(link, "continued"));
  const counts = await check("stopped", outcomes);
  expect(counts.late).toBeGreaterThan(0);
  expect(counts.late + counts.answered).toBe(CALLS);
  expect((await check("continued", after)).answered).toBe(CALLS);
});

it("cancelled in part: the others are answered, and the cancelled ones stop at the service", async () => {
  const server = await start();
  const link = await open(server.address);
  const aborts = Array.from({ length: CALLS }, () => new AbortController());
  const isCancelled = (i: number) => i >= 100 && i % 2 === 0;
  const calls = burst(link, "cancelled", {
    timeoutMs: 60_000,
    signalOf: (i) => aborts[i]?.signal,
    delayOf: (i) => (isCancelled(i) ? 60_000 : i), // none of them is done before it is cancelled
  });
  await answered(calls, 120);
  for (const [i, abort] of aborts.entries()) if (isCancelled(i)) abort.abort();
  const outcomes = await Promise.all(calls);
  const counts = await check("cancelled", outcomes);
  expect(counts.cancelled).toBe(50);
  expect(counts.answered).toBe(150);
  await link.close(); // everything that the service does is over
  const times = await written();
  const stopped = outcomes.filter(({ id, got }) => typeof got !== "string" && !times.has(id)).length;
  expect(stopped).toBe(50);
});
