/**
 * Explorer: visits every reachable state of a world, breadth first, so that every violation is found on a shortest path. Live objects
 * can't be copied: to take a second choice in a state, the explorer reaches that state again by the choices that led to it.
 */
import { createHash } from "node:crypto";
import { Knowledge } from "./knowledge.ts";
import { heldInVain, leftBehind, type Violation, violationsOf, violationsWhereQuiet } from "./properties.ts";
import type { Property } from "./property.ts";
import { firstWithoutEnd } from "./reach.ts";
import { Run, type Story } from "./run.ts";
import type { Side, World } from "./world.ts";

/** A violation, the first of its kind, on a shortest path. */
export interface Finding {
  readonly property: Property;
  readonly what: string;
  readonly story: Story;
}

export interface Exploration {
  readonly world: World;
  readonly states: number;
  readonly transitions: number;
  /** how many of the transitions were run; where the others lead follows from those */
  readonly taken: number;
  readonly depth: number;
  /** states in which every call is settled and nothing is on its way */
  readonly ends: number;
  /** false when it stopped at `mostStates` */
  readonly isWhole: boolean;
  readonly findings: readonly Finding[];
}

export interface ExploreOptions {
  /** Tells states apart by the whole course of each side. That needs no argument for being sound, but yields many more states. */
  readonly isExact?: boolean;
  /** Checks in every state what the loss of all connections leaves, rather than only where a run ends. */
  readonly losesAll?: boolean;
  /** Runs every transition, also where it is known where it leads. */
  readonly takesAll?: boolean;
  readonly mostStates?: number;
  readonly onProgress?: (states: number, transitions: number, waiting: number) => void;
}

export async function explore(world: World, options: ExploreOptions = {}): Promise<Exploration> {
  const explorer = new Explorer(world, options);
  await explorer.run();
  return explorer.outcome();
}

/** Reaches a state again. @throws Error when there is no such choice */
export async function runPath(world: World, path: readonly number[]): Promise<Run> {
  const run = new Run(world);
  await run.start();
  for (const at of path) await run.take(at);
  return run;
}

interface State {
  readonly number: number;
  readonly depth: number;
  /** how it is reached; the first is on a shortest path */
  readonly origins: Origin[];
  /** what can happen next */
  branches: readonly Branch[];
  /** the run that found it, until it goes on */
  run: Run | undefined;
}

/** Runs that are kept alive at once: they are large. */
const MOST_WAITING_RUNS = 500;

interface Origin {
  readonly from: State;
  readonly branch: Branch;
}

interface Branch {
  readonly at: number;
  readonly label: string;
  readonly sides: readonly Side[];
  to: State | undefined;
}

class Explorer {
  readonly #world: World;
  readonly #options: ExploreOptions;
  readonly #states = new Map<string, State>();
  readonly #all: State[] = [];
  readonly #ends: State[] = [];
  /** by property and what is wrong */
  readonly #findings = new Map<string, Finding>();
  readonly #knowledge = new Knowledge();
  /** one string object for all equal labels, to save memory */
  readonly #labels = new Map<string, string>();
  #transitions = 0;
  #taken = 0;
  #isWhole = true;
  #waitingRuns = 0;
  #unhandled: string[] = [];

  constructor(world: World, options: ExploreOptions) {
    this.#world = world;
    this.#options = options;
  }

  async run(): Promise<void> {
    const onUnhandled = (thrown: unknown) => void this.#unhandled.push(String(thrown));
    process.on("unhandledRejection", onUnhandled);
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0; // stacks of thousands of expected errors cost time, and nobody looks at them
    try {
      await this.#reached(await runPath(this.#world, []), undefined);
      await this.#followAll();
      await this.#lookBack();
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
      process.off("unhandledRejection", onUnhandled);
    }
  }

  async #followAll(): Promise<void> {
    const { mostStates = Number.POSITIVE_INFINITY, onProgress } = this.#options;
    for (let at = 0; at < this.#all.length; at++) {
      const from = this.#all[at] as State; // below the length
      for (const branch of from.branches) await this.#follow(from, branch);
      const left = this.#takeRun(from);
      if (left !== undefined) await this.#leave(left);
      onProgress?.(this.#all.length, this.#transitions, this.#all.length - at);
      if (this.#all.length <= mostStates) continue;
      this.#isWhole = false;
      return;
    }
  }

  async #follow(from: State, branch: Branch): Promise<void> {
    this.#transitions += 1;
    branch.to = this.#options.takesAll === true ? undefined : known(from, branch);
    if (branch.to !== undefined) {
      branch.to.origins.push({ from, branch });
      return;
    }
    this.#taken += 1;
    const run = this.#takeRun(from) ?? (await runPath(this.#world, pathTo(from)));
    const label = run.choices()[branch.at]?.label;
    if (label !== branch.label) throw new Error(`not the same again: "${branch.label}", "${label}"`);
    await run.take(branch.at);
    branch.to = await this.#reached(run, { from, branch });
  }

  #takeRun(state: State): Run | undefined {
    const { run } = state;
    if (run !== undefined) this.#waitingRuns -= 1;
    state.run = undefined;
    return run;
  }

  async #reached(run: Run, origin: Origin | undefined): Promise<State> {
    const print = this.#options.isExact === true ? run.exactFingerprint : run.fingerprint;
    const key = createHash("sha1").update(print).digest("base64");
    const before = this.#states.get(key);
    if (before !== undefined) {
      if (origin !== undefined) before.origins.push(origin);
      await this.#leave(run);
      return before;
    }
    const depth = origin === undefined ? 0 : origin.from.depth + 1;
    const origins = origin === undefined ? [] : [origin];
    const state: State = { number: this.#all.length, depth, origins, branches: [], run: undefined };
    this.#states.set(key, state);
    this.#all.push(state);
    await this.#look(run, state);
    return state;
  }

  /** Checks a new state. */
  async #look(run: Run, state: State): Promise<void> {
    const choices = run.choices();
    const isQuiet = run.urgent().length === 0;
    this.#knowledge.learn(run, state.number);
    const violations = violationsOf(run);
    if (isQuiet) violations.push(...violationsWhereQuiet(run, choices.length === 0));
    this.#found(violations, run.story);
    // Nothing is learned from what follows a violation.
    if (violations.length === 0) state.branches = choices.map(({ label, sides }, at) => this.#branch(at, label, sides));
    if (isQuiet && run.isSettled) {
      this.#ends.push(state);
      const { story } = run;
      this.#found(await finished(run), story);
    } else if (this.#options.losesAll === true || this.#waitingRuns === MOST_WAITING_RUNS) {
      await this.#leave(run);
    } else {
      state.run = run;
      this.#waitingRuns += 1;
    }
  }

  /** Ends a run that is not needed any more by losing all its connections. */
  async #leave(run: Run): Promise<void> {
    const { story } = run;
    this.#found(await abandoned(run), story);
  }

  #branch(at: number, label: string, sides: readonly Side[]): Branch {
    const one = this.#labels.get(label) ?? label;
    this.#labels.set(one, one);
    return { at, label: one, sides, to: undefined };
  }

  #found(violations: readonly Violation[], story: Story): void {
    const unhandled = this.#unhandled.splice(0).map((what): Violation => ["nothing is thrown", `unhandled: ${what}`]);
    for (const [property, what] of [...violations, ...unhandled]) {
      const key = `${property}: ${what}`;
      if (!this.#findings.has(key)) this.#findings.set(key, { property, what, story });
    }
  }

  /** Checks what only all states together tell. */
  async #lookBack(): Promise<void> {
    if (!this.#isWhole) return;
    const violations: [Violation, State | undefined][] = [];
    for (const [number, what] of this.#knowledge.falsehoods()) {
      violations.push([["mayHaveLanded is true only where it can be", what], this.#all[number]]);
    }
    // A state without branches is an end, or was reported as a violation.
    const ends = [...this.#ends, ...this.#all.filter(({ branches }) => branches.length === 0)];
    const lost = firstWithoutEnd(this.#all, ends);
    violations.push([["an end can be reached", "it goes round for ever"], lost]);
    for (const [violation, state] of violations) {
      if (state === undefined) continue;
      const run = await runPath(this.#world, pathTo(state));
      this.#found([violation], run.story);
      await run.abandon();
    }
  }

  outcome(): Exploration {
    return {
      world: this.#world,
      states: this.#all.length,
      transitions: this.#transitions,
      taken: this.#taken,
      depth: this.#all.at(-1)?.depth ?? 0,
      ends: this.#ends.length,
      isWhole: this.#isWhole,
      findings: [...this.#findings.values()],
    };
  }
}

/** What is wrong after an orderly close. */
async function finished(run: Run): Promise<Violation[]> {
  const held = heldInVain(run);
  const isClosed = await run.finish();
  const left = held ?? (isClosed ? leftBehind(run) : "closing does not end");
  return [...thrownBy(run), ...(left === undefined ? [] : [["nothing is left behind", left] as const])];
}

/** What is wrong after the loss of all connections. */
async function abandoned(run: Run): Promise<Violation[]> {
  await run.abandon();
  const left = leftBehind(run);
  return [...thrownBy(run), ...(left === undefined ? [] : [["losing all connections ends everything", left] as const])];
}

function thrownBy({ ledger: { faults } }: Run): Violation[] {
  return faults.map((what) => ["nothing is thrown", what]);
}

/** Where a branch leads, if that is known. Events of different sides commute: each reads and changes its own side alone, takes bytes from
 *  the front of a queue and appends bytes at the end of the other. So if the event that led here and this one were taken in the other
 *  order before, they led to the same state. */
function known(from: State, { label, sides: [side, other] }: Branch): State | undefined {
  if (other !== undefined) return undefined;
  for (const { from: before, branch: last } of from.origins) {
    if (last.sides.length > 1 || last.sides[0] === side) continue;
    const instead = before.branches.find((branch) => branch.label === label)?.to;
    const to = instead?.branches.find((branch) => branch.label === last.label)?.to;
    if (to !== undefined) return to;
  }
  return undefined;
}

function pathTo(state: State): number[] {
  const path: number[] = [];
  for (let [origin] = state.origins; origin !== undefined; [origin] = origin.from.origins) path.push(origin.branch.at);
  return path.reverse();
}
