/**
 * What the program asks of the process that runs the tests of one file, by a file of JSON, and what that process writes, a line each.
 */

/** `cover`: which test reaches which mutant. `mutants`: each test with each of its mutants. `load`: the file with one that is active as its
 *  modules load. */
export interface Job {
  readonly mode: "cover" | "mutants" | "load";
  /** where the records go */
  readonly records: string;
  /** where the test and the mutant that are tried stand, for when the process ends without a word */
  readonly current: string;
  /** for `mutants`: by the id of the test */
  readonly plan: Readonly<Record<string, Planned>>;
  /** for `load` */
  readonly active: string | undefined;
  /** for `load`: what the file takes without a mutant */
  readonly idleMs: number;
}

export interface Planned {
  /** Where it fails with a mutant it is known to fail without it afterwards. */
  readonly isSpoiled: boolean;
  /** with the number of times that each may be reached before it counts as an endless loop */
  readonly mutants: readonly (readonly [id: string, mostHits: number])[];
  readonly cost: Cost;
}

/** Of a test without a mutant: how long the event loop was at work, and how long it waited. The time of the processor does not depend on
 *  what else the machine does. */
export interface Cost {
  readonly cpuMs: number;
  readonly activeMs: number;
  readonly idleMs: number;
}

export type Hits = Readonly<Record<string, number>>;

export type Entry =
  | {
      readonly kind: "test";
      readonly test: string;
      readonly name: string;
      readonly passed: boolean;
      readonly cost: Cost;
      readonly hits: Hits;
    }
  /** what was reached outside of tests: as modules load, and in what is done before all tests */
  | { readonly kind: "load"; readonly hits: Hits }
  | { readonly kind: "survived"; readonly test: string; readonly mutants: readonly string[] }
  | { readonly kind: "killed"; readonly test: string; readonly mutant: string; readonly why: string }
  /** an endless loop; the process ends */
  | { readonly kind: "stuck" }
  /** the test fails, but may do so because of a mutant before this one: it is tried again in a new process */
  | { readonly kind: "unsure"; readonly test: string; readonly mutant: string }
  /** the test fails without a mutant, which it did not before */
  | { readonly kind: "broken"; readonly test: string; readonly isFirst: boolean }
  | { readonly kind: "end" };
