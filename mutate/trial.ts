/**
 * Which mutants the tests notice. Each file of tests runs once without any, to see which test reaches what; then each test runs with each
 * mutant that it reaches and that no test before it has noticed, cheap files first. What is reached while modules load needs a process of
 * its own for each mutant.
 */
import type { Cost, Hits, Planned } from "./job.ts";
import type { Mutant } from "./mutants.ts";
import type { Ran, Sandbox } from "./sandbox.ts";

export interface Verdict {
  readonly mutant: Mutant;
  state: "killed" | "stuck" | "survived" | "not reached";
  /** what has noticed it, or how many tests have not */
  by: string;
}

interface Test {
  readonly id: string;
  readonly name: string;
  readonly cost: Cost;
  readonly hits: Hits;
}

interface TestFile {
  readonly path: string;
  readonly tests: Test[];
  readonly loaded: Hits;
}

/** What is known of one file while it is tried. */
interface Trying {
  readonly path: string;
  readonly tests: readonly Test[];
  /** by the test, those that it has not noticed */
  readonly tried: Map<string, Set<string>>;
  /** tried first in the next process */
  readonly unsure: Set<string>;
  /** tests that fail without a mutant */
  readonly broken: Set<string>;
  /** tests that fail without a mutant when they have failed with one */
  readonly spoiled: Set<string>;
}

/** An endless loop is one that comes by so many times as often. */
const MOST_HITS = 100;
/** processes of one file that have brought nothing, or were there for one spoiled test: what is left then counts as not noticed */
const MOST_RESTARTS = 60;
/** files of tests for a mutant that is reached as modules load */
const MOST_FILES = 4;

const msOf = ({ cpuMs, idleMs }: Cost): number => cpuMs + idleMs;
const meanMs = ({ tests }: TestFile): number => tests.reduce((sum, { cost }) => sum + msOf(cost), 0) / tests.length;

export class Trial {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly #sandbox: Sandbox;
  readonly #slowMs: number;
  readonly #say: (line: string) => void;
  readonly #checkpoint: () => void;
  #files: TestFile[] = [];
  slowTests = 0;
  readonly failedTests: string[] = [];

  /** @param slowMs tests that take longer are left out
   *  @param checkpoint called now and then: some verdicts are there */
  constructor(
    sandbox: Sandbox,
    mutants: readonly Mutant[],
    slowMs: number,
    say: (line: string) => void,
    checkpoint: () => void,
  ) {
    this.#sandbox = sandbox;
    this.#slowMs = slowMs;
    this.#say = say;
    this.#checkpoint = checkpoint;
    this.verdicts = new Map(mutants.map((mutant) => [mutant.id, { mutant, state: "not reached", by: "" }]));
  }

  /** @param known mutants that an earlier run has settled, by what */
  async run(files: readonly string[], known: ReadonlyMap<string, Pick<Verdict, "state" | "by">>): Promise<void> {
    for (const file of files) await this.#cover(file);
    this.#files = this.#files.filter(({ tests }) => tests.length > 0).sort((a, b) => meanMs(a) - meanMs(b));
    for (const [id, { state, by }] of known) {
      const verdict = this.verdicts.get(id);
      if (verdict !== undefined && (state === "killed" || state === "stuck")) Object.assign(verdict, { state, by });
    }
    this.#say(`reached: ${this.#count(({ state }) => state !== "not reached")} of ${this.verdicts.size}`);
    for (const file of this.#files) await this.#try(file);
    await this.#tryLoading();
  }

  #count(isMeant: (verdict: Verdict) => boolean): number {
    return [...this.verdicts.values()].filter(isMeant).length;
  }

  async #cover(path: string): Promise<void> {
    const { entries } = await this.#sandbox.run(path, { mode: "cover", plan: {}, active: undefined, idleMs: 0 });
    const tests: Test[] = [];
    let loaded: Hits = {};
    for (const entry of entries) {
      if (entry.kind === "load") loaded = entry.hits;
      if (entry.kind !== "test") continue;
      const { test: id, name, passed, cost, hits } = entry;
      if (!passed) this.failedTests.push(`${path}: ${name}`);
      else if (msOf(cost) > this.#slowMs) this.slowTests += 1;
      else tests.push({ id, name, cost, hits });
    }
    this.#files.push({ path, tests, loaded });
    for (const hits of [loaded, ...tests.map(({ hits }) => hits)]) {
      for (const id of Object.keys(hits)) {
        const verdict = this.verdicts.get(id);
        if (verdict !== undefined) verdict.state = "survived";
      }
    }
  }

  async #try({ path, tests }: TestFile): Promise<void> {
    const state: Trying = { path, tests, tried: new Map(), unsure: new Set(), broken: new Set(), spoiled: new Set() };
    for (let restarts = 0; restarts < MOST_RESTARTS; ) {
      const usable = tests.filter(({ id }) => !state.broken.has(id));
      let plan = this.#planned(usable, state, false);
      if (Object.keys(plan).length === 0) {
        plan = this.#planned(usable, state, true); // last, as each may need a process of its own
        restarts += 1;
      }
      if (Object.keys(plan).length === 0) break;
      const ran = await this.#sandbox.run(path, { mode: "mutants", plan, active: undefined, idleMs: 0 });
      if (!this.#note(state, ran)) restarts += 1;
    }
    this.#say(`${path}: ${this.#count(({ state }) => state === "survived")} left`);
    this.#checkpoint();
  }

  #planned(tests: readonly Test[], { tried, unsure, spoiled }: Trying, isSpoiled: boolean): Record<string, Planned> {
    const plan: Record<string, Planned> = {};
    for (const { id: test, cost, hits } of tests) {
      if (spoiled.has(test) !== isSpoiled) continue;
      const pending = Object.entries(hits).filter(
        ([id]) => this.verdicts.get(id)?.state === "survived" && tried.get(test)?.has(id) !== true,
      );
      pending.sort(([a], [b]) => Number(unsure.has(b)) - Number(unsure.has(a)));
      if (pending.length === 0) continue;
      plan[test] = { cost, isSpoiled, mutants: pending.map(([id, hits]) => [id, hits * MOST_HITS]) };
    }
    return plan;
  }

  /** False when nothing has been tried. */
  #note({ path, tests, tried, unsure, broken, spoiled }: Trying, { entries, isComplete, last }: Ran): boolean {
    const nameOf = (id: string) => `${path}: ${tests.find((test) => test.id === id)?.name ?? id}`;
    const settled = new Set<string>();
    const end = (mutant: string, state: "killed" | "stuck", by: string) => {
      settled.add(mutant);
      const verdict = this.verdicts.get(mutant);
      if (verdict?.state === "survived") Object.assign(verdict, { state, by });
    };
    for (const entry of entries) {
      switch (entry.kind) {
        case "survived":
          for (const mutant of entry.mutants) {
            settled.add(mutant);
            tried.set(entry.test, (tried.get(entry.test) ?? new Set()).add(mutant));
          }
          break;
        case "killed":
          end(entry.mutant, "killed", `${nameOf(entry.test)}: ${entry.why}`);
          break;
        case "unsure":
          settled.add(entry.mutant);
          unsure.add(entry.mutant);
          break;
        case "broken":
          if (entry.isFirst) broken.add(entry.test);
          else spoiled.add(entry.test);
          break;
        case "test":
        case "load":
        case "stuck":
        case "end":
      }
    }
    const hasLeft = entries.at(-1)?.kind === "broken";
    if (!isComplete && !hasLeft && last !== undefined && !settled.has(last.mutant)) {
      end(last.mutant, "stuck", nameOf(last.test));
    }
    return settled.size > 0;
  }

  /** What is reached as modules load, or before all tests. */
  async #tryLoading(): Promise<void> {
    const files = new Map(this.#files.map((file) => [file.path, file]));
    for (const [id, verdict] of this.verdicts) {
      if (verdict.state !== "survived") continue;
      const meant = [...files.values()].filter(({ loaded }) => loaded[id] !== undefined);
      meant.sort((a, b) => this.#closeness(b, verdict.mutant) - this.#closeness(a, verdict.mutant));
      const isTried = this.#files.some(({ tests }) => tests.some(({ hits }) => hits[id] !== undefined));
      for (const file of meant.slice(0, isTried ? 1 : MOST_FILES)) {
        await this.#load(file, verdict);
        this.#checkpoint();
        if (verdict.state !== "survived") break;
      }
    }
  }

  /** How much a file of tests has to do with the mutant's file, for what it costs. */
  #closeness({ tests, path }: TestFile, { file }: Mutant): number {
    const isMirror = path.replace(/^test/, "src").startsWith(file.slice(0, file.lastIndexOf("/") + 1));
    let reached = 0;
    for (const { hits } of tests) {
      if (Object.keys(hits).some((id) => this.verdicts.get(id)?.mutant.file === file)) reached += 1;
    }
    const ms = tests.reduce((sum, { cost }) => sum + msOf(cost), 0);
    return ((isMirror ? 10 : 1) * reached) / (2_000 + ms);
  }

  async #load({ path, tests }: TestFile, verdict: Verdict): Promise<void> {
    const idleMs = Math.max(...tests.map(({ cost }) => cost.idleMs));
    const plan = Object.fromEntries(tests.map(({ id, cost }) => [id, { cost, isSpoiled: false, mutants: [] }]));
    const active = verdict.mutant.id;
    const { entries, isComplete, isBroken } = await this.#sandbox.run(path, { mode: "load", plan, active, idleMs });
    const killed = entries.find((entry) => entry.kind === "killed");
    if (killed !== undefined) Object.assign(verdict, { state: "killed", by: `${path}: ${killed.why}` });
    else if (isBroken) Object.assign(verdict, { state: "killed", by: `${path}: does not load` });
    else if (!isComplete) Object.assign(verdict, { state: "stuck", by: path });
  }
}
