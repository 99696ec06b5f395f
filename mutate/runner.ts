/**
 * Runs in the process of the tests, in place of vitest's runner of the same name: each test again and again, each time with another mutant.
 *
 * After a test has failed with a mutant it must pass without: what one leaves behind must not fail the next. A test that waits for
 * something that does not come is recognised by the event loop that has nothing to do, not by the time: the machine may be busy.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import type { RunnerTestCase, RunnerTestFile } from "vitest";
import { VitestTestRunner } from "vitest/runners";
import type { Cost, Entry, Hits, Job, Planned } from "./job.ts";

/** So long may a test wait beyond what it waits for without a mutant. */
const IDLE_MS = 1_000;
const ACTIVE_MS = 10_000;
/** So much time of the processor may go by without the event loop coming round. */
const STUCK_CPU_MS = 8_000;
const LOOK_MS = 20;

interface Switch {
  activeMutant: string | undefined;
  currentTestId: string | undefined;
  hitCount: number | undefined;
  hitLimit: number | undefined;
  mutantCoverage: { static: Record<string, number>; perTest: Record<string, Record<string, number>> } | undefined;
}

/** The switch in mutated code: Stryker's name. */
const shared = globalThis as { __stryker__?: Switch };
shared.__stryker__ ??= {
  activeMutant: undefined,
  currentTestId: undefined,
  hitCount: undefined,
  hitLimit: undefined,
  mutantCoverage: undefined,
};
const mutants = shared.__stryker__;
const { setInterval: every, clearInterval: stop } = globalThis; // tests put others in their place

const job = JSON.parse(readFileSync(process.env["HBI_MUTATE_JOB"] ?? "", "utf8")) as Job;
const records = openSync(job.records, "a");
const current = openSync(job.current, "w");
const note = (entry: Entry): void => void writeSync(records, `${JSON.stringify(entry)}\n`);

/** Ends this process: what a mutant has left behind may fail other tests. */
function leave(): never {
  closeSync(records);
  process.kill(process.pid, "SIGKILL");
  for (;;); // until it has
}

/** [times that the event loop came round] */
const pulse = new Int32Array(new SharedArrayBuffer(4));
/** Sees from a thread of its own when the event loop is stuck. */
function watch(): void {
  const code = `
    const { workerData: { pulse, file, most } } = require("node:worker_threads");
    const { appendFileSync } = require("node:fs");
    const used = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e3; };
    let last = -1, from = used();
    setInterval(() => {
      const now = Atomics.load(pulse, 0);
      if (now !== last) { last = now; from = used(); return; }
      if (used() - from < most) return;
      appendFileSync(file, JSON.stringify({ kind: "stuck" }) + "\\n");
      process.kill(process.pid, "SIGKILL");
    }, 250);`;
  new Worker(code, { eval: true, workerData: { pulse, file: job.records, most: STUCK_CPU_MS } }).unref();
  every(() => void Atomics.add(pulse, 0, 1), LOOK_MS).unref();
}
watch();
fc.configureGlobal({ seed: 1 }); // a mutant is noticed each time, or never
process.removeAllListeners("warning"); // of one test that runs a thousand times

/** What a module remembers of an object that lives longer than one try, such as a template of the test, would hide what a mutant does with it
 *  the next time. So what is remembered in a try is forgotten with it; what was there before all tests stays. */
let turn = 0;
let isTrying = false;
const now = (): number => (isTrying ? turn : 0);
const isKnown = (madeAt: number | undefined): boolean => madeAt === 0 || madeAt === turn;

const NativeWeakMap = globalThis.WeakMap;
globalThis.WeakMap = class<K extends WeakKey, V> extends NativeWeakMap<K, V> {
  readonly #madeAt = new NativeWeakMap<K, number>();

  constructor(entries?: readonly (readonly [K, V])[] | null) {
    super();
    for (const [key, value] of entries ?? []) this.set(key, value);
  }
  override has(key: K): boolean {
    return isKnown(this.#madeAt.get(key)) && super.has(key);
  }
  override get(key: K): V | undefined {
    return isKnown(this.#madeAt.get(key)) ? super.get(key) : undefined;
  }
  override set(key: K, value: V): this {
    if (this.#madeAt.get(key) !== 0) this.#madeAt.set(key, now());
    return super.set(key, value);
  }
  override delete(key: K): boolean {
    this.#madeAt.delete(key);
    return super.delete(key);
  }
} as WeakMapConstructor;

const NativeWeakSet = globalThis.WeakSet;
globalThis.WeakSet = class<K extends WeakKey> extends NativeWeakSet<K> {
  readonly #madeAt = new NativeWeakMap<K, number>();

  constructor(values?: readonly K[] | null) {
    super();
    for (const value of values ?? []) this.add(value);
  }
  override has(value: K): boolean {
    return isKnown(this.#madeAt.get(value)) && super.has(value);
  }
  override add(value: K): this {
    if (this.#madeAt.get(value) !== 0) this.#madeAt.set(value, now());
    return super.add(value);
  }
  override delete(value: K): boolean {
    this.#madeAt.delete(value);
    return super.delete(value);
  }
} as unknown as WeakSetConstructor;

class Hangs extends Error {}

/** What `run` does, or that it takes much longer than it should. */
async function within(run: () => unknown, { activeMs, idleMs }: Cost): Promise<void> {
  const from = performance.eventLoopUtilization();
  let timer: ReturnType<typeof setInterval> | undefined;
  const hangs = new Promise<never>((_, reject) => {
    timer = every(() => {
      const { active, idle } = performance.eventLoopUtilization(from);
      if (idle > 3 * idleMs + IDLE_MS) reject(new Hangs("waits for ever"));
      else if (active > 20 * activeMs + ACTIVE_MS) reject(new Hangs("takes for ever"));
    }, LOOK_MS);
  });
  try {
    await Promise.race([Promise.resolve().then(run), hangs]);
  } finally {
    stop(timer);
  }
}

type Test = RunnerTestCase;

/** One test of the plan: without a mutant, with each of them, and without again after each that it has noticed. */
class Turns {
  readonly cost: Cost;
  isDone = false;
  readonly #test: string;
  readonly #isSpoiled: boolean;
  readonly #left: (readonly [string, number])[];
  #now: readonly [string, number] | undefined;
  /** what the last one was noticed by, until the test has passed without it */
  #killed: { readonly mutant: string; readonly why: string } | undefined;
  /** since the test has passed without any */
  #survived: string[] = [];
  #survivedSince = 0;

  constructor(test: string, { mutants, cost, isSpoiled }: Planned) {
    this.#test = test;
    this.#left = [...mutants];
    this.#isSpoiled = isSpoiled;
    this.cost = cost;
  }

  begin(): void {
    mutants.hitCount = undefined;
    mutants.activeMutant = this.#now?.[0];
    if (this.#now === undefined) return;
    writeSync(current, `${this.#test} ${this.#now[0]}\n`.padEnd(64), 0);
    mutants.hitCount = 0;
    mutants.hitLimit = this.#now[1];
  }

  /** @param why the test has failed */
  end(why: string | undefined): void {
    mutants.activeMutant = undefined;
    mutants.hitCount = undefined;
    if (this.#now === undefined) this.#withoutMutant(why);
    else this.#withMutant(this.#now[0], why);
  }

  #withMutant(mutant: string, why: string | undefined): void {
    this.#now = undefined;
    if (why === undefined) {
      this.#survived.push(mutant);
      this.#survivedSince += 1;
      this.#next();
    } else this.#killed = { mutant, why };
  }

  #withoutMutant(why: string | undefined): void {
    const test = this.#test;
    const killed = this.#killed;
    this.#killed = undefined;
    this.#tellSurvived();
    if (killed !== undefined) {
      const isSure = why === undefined || this.#survivedSince === 0 || this.#isSpoiled;
      note({ kind: isSure ? "killed" : "unsure", test, ...killed });
      noticed.add(killed.mutant);
    }
    if (why !== undefined) note({ kind: "broken", test, isFirst: isFirst && killed === undefined });
    if (why !== undefined) leave();
    isFirst = false;
    this.#survivedSince = 0;
    this.#next();
  }

  #tellSurvived(): void {
    if (this.#survived.length > 0) note({ kind: "survived", test: this.#test, mutants: this.#survived });
    this.#survived = [];
  }

  #next(): void {
    do this.#now = this.#left.shift();
    while (this.#now !== undefined && noticed.has(this.#now[0]));
    if (this.#now !== undefined) return;
    this.#tellSurvived();
    this.isDone = true;
  }
}

/** mutants that need not be tried any more in this process */
const noticed = new Set<string>();
/** no test has run in this process */
let isFirst = true;

export default class MutantRunner extends VitestTestRunner {
  #turns: Turns | undefined;
  #cost: Cost = { activeMs: 0, idleMs: 0, cpuMs: 0 };

  onCollected(files: RunnerTestFile[]): void {
    if (job.mode === "cover") return;
    for (const file of files) skipOthers(file);
  }

  override async onBeforeRunTask(test: Test): Promise<void> {
    await super.onBeforeRunTask(test);
    const planned = job.plan[test.id];
    if (job.mode === "mutants" && planned !== undefined) {
      this.#turns = new Turns(test.id, planned);
      test.repeats = 2 * planned.mutants.length + 2;
    }
  }

  override onBeforeTryTask(test: Test): void {
    super.onBeforeTryTask(test);
    turn += 1;
    isTrying = true;
    if (job.mode === "cover") mutants.currentTestId = test.id;
    else this.#turns?.begin();
  }

  async runTask(test: Test): Promise<void> {
    const run = VitestTestRunner.getTestFn(test as never);
    if (job.mode === "mutants" && this.#turns !== undefined) return within(run, this.#turns.cost);
    if (job.mode === "load") return within(run, { activeMs: 0, idleMs: job.idleMs, cpuMs: 0 });
    const from = performance.eventLoopUtilization();
    const used = process.cpuUsage();
    await run();
    const { active, idle } = performance.eventLoopUtilization(from);
    const { user, system } = process.cpuUsage(used);
    this.#cost = { activeMs: active, idleMs: idle, cpuMs: (user + system) / 1_000 };
  }

  onAfterRetryTask(test: Test): void {
    isTrying = false;
    const { result } = test;
    const error = result?.errors?.[0];
    const why = result?.state === "fail" ? String(error?.message ?? "fails").slice(0, 200) : undefined;
    if (job.mode === "cover") {
      const hits = mutants.mutantCoverage?.perTest[test.id] ?? {};
      mutants.currentTestId = undefined;
      note({ kind: "test", test: test.id, name: nameOf(test), passed: why === undefined, cost: this.#cost, hits });
      if (mutants.mutantCoverage !== undefined) mutants.mutantCoverage.perTest = {};
    } else if (job.mode === "load" && why !== undefined) {
      note({ kind: "killed", test: test.id, mutant: job.active ?? "", why });
      leave();
    }
    const turns = this.#turns;
    if (turns === undefined || result === undefined) return;
    turns.end(why);
    delete result.errors;
    result.state = "run";
    if (!turns.isDone) return;
    Object.assign(result, { pending: true }); // vitest repeats it no more
    this.#turns = undefined;
  }

  override onAfterRunFiles(): void {
    super.onAfterRunFiles();
    if (job.mode === "cover") note({ kind: "load", hits: loaded() });
    note({ kind: "end" });
  }
}

function loaded(): Hits {
  return mutants.mutantCoverage?.static ?? {};
}

function skipOthers(suite: RunnerTestFile | Extract<RunnerTestFile["tasks"][number], { type: "suite" }>): void {
  for (const task of suite.tasks) {
    if (task.type === "suite") skipOthers(task);
    else if (job.plan[task.id] === undefined && task.mode !== "todo") task.mode = "skip";
  }
  if (suite.tasks.every(({ mode }) => mode === "skip")) suite.mode = "skip";
}

function nameOf(test: Test): string {
  const names = [test.name];
  for (let suite = test.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name);
  return names.join(" > ");
}

if (job.mode === "load") {
  mutants.activeMutant = job.active;
}
