/**
 * A run of one target without coverage: input after input, until the number or the time is reached.
 */
import { keep } from "./corpus.ts";
import { checkGrowth, checkRejections, guarded, timed } from "./guards.ts";
import { Heap } from "./heap.ts";
import { Inputs } from "./inputs.ts";
import { Memory } from "./memory.ts";
import { smaller } from "./mutation.ts";
import { checkPrototypes, restorePrototypes } from "./prototypes.ts";
import { type Target, Violation } from "./target.ts";
import { turn } from "./turn.ts";
import { Worst } from "./worst.ts";

export interface Found {
  /** the number of the input; undefined if the fuzzer generated it */
  readonly number: number | undefined;
  readonly why: string;
  /** the smallest failing input */
  readonly input: Uint8Array;
  readonly file: string;
}

export interface RunReport {
  readonly runs: number;
  readonly seconds: number;
  readonly isGuided: boolean;
  readonly found: Found | undefined;
  /** for text without coverage: the most milliseconds per KiB of one reading */
  readonly worst?: Worst;
  /** the most heap bytes per character */
  readonly heap?: Heap;
}

/** The limits of a run; the first one that is reached ends it. */
export interface Bounds {
  readonly seconds?: number;
  readonly executions?: number;
}

/** Called occasionally with the number of inputs so far. */
export type OnProgress = (runs: number) => void;

interface Wrong {
  readonly number: number;
  readonly why: string;
  readonly input: Uint8Array;
}

/** The share of the time for measuring growth. */
const GROWTH_SHARE = 0.05;
/** For measuring the heap. */
const HEAP_SHARE = 0.4;
/** Prototypes and rejections are checked after this many inputs; after a finding, these are run one by one. */
const LOOK_EVERY = 64;
const MEMORY_EVERY_MS = 5_000;
const FULL_STACK = 20;

export async function run(target: Target, bounds: Bounds, seed: number, onProgress?: OnProgress): Promise<RunReport> {
  const { seconds = Number.POSITIVE_INFINITY, executions = Number.POSITIVE_INFINITY } = bounds;
  const startMs = performance.now();
  const inputs = new Inputs(target, seed);
  const worst = new Worst(target.readOnce);
  const memory = new Memory();
  const heap = new Heap(target);
  let [runs, nowMs, growthMs, heapMs, lookedMs] = [0, startMs, 0, 0, startMs];
  const next = async (): Promise<Wrong | undefined> => {
    const [number, input] = [runs, inputs.at(runs)];
    runs += 1;
    let why = await wrong(() => timed(target, input));
    nowMs = performance.now();
    if (why === undefined && growthMs <= (nowMs - startMs) * GROWTH_SHARE && target.readOnce !== undefined) {
      why = await wrong(() => checkGrowth(target, input, worst));
      growthMs += performance.now() - nowMs;
    }
    worst.offer(input);
    const beforeMs = performance.now();
    if (why === undefined && heapMs <= (beforeMs - startMs) * HEAP_SHARE && target.held !== undefined) {
      const tooMuch = heap.look(input, seed);
      heapMs += performance.now() - beforeMs;
      if (tooMuch !== undefined) return { number, ...tooMuch };
    }
    if (why !== undefined || runs % LOOK_EVERY === 0) {
      const earlier = await lookBack(target, inputs, Math.floor(number / LOOK_EVERY) * LOOK_EVERY, number);
      if (earlier !== undefined) return earlier;
    }
    if (why === undefined && nowMs - lookedMs >= MEMORY_EVERY_MS) {
      lookedMs = nowMs;
      why = memory.look();
      worst.measureAgain();
      onProgress?.(runs);
    }
    return why === undefined ? undefined : { number, why, input };
  };
  let found: Wrong | undefined;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = stackOf(target);
  try {
    while (found === undefined && runs < executions && nowMs - startMs < seconds * 1_000) found = await next();
    found ??= await lookBack(target, inputs, Math.floor(runs / LOOK_EVERY) * LOOK_EVERY, runs - 1);
  } finally {
    Error.stackTraceLimit = limit;
  }
  worst.measureAgain(10);
  const report = { runs, seconds: (performance.now() - startMs) / 1_000, isGuided: false, worst, heap };
  return { ...report, found: found && (await smallest(target, found.input, found.number, found.why)) };
}

/** Runs one input of a run again. */
export async function runOnly(target: Target, seed: number, number: number): Promise<RunReport> {
  const startMs = performance.now();
  const input = new Inputs(target, seed).at(number);
  const why = await wrongWith(target, input, true);
  const report = { runs: 1, seconds: (performance.now() - startMs) / 1_000, isGuided: false };
  return { ...report, found: why === undefined ? undefined : await smallest(target, input, number, why) };
}

/** The lines of an error's stack, which costs more than reading the input. One, so that a stack in text for a peer
 *  would be noticed. */
export function stackOf({ readOnce }: Target): number {
  return readOnce === undefined ? 1 : 0;
}

/** Whether any input since the last check left something behind, and which one. */
async function lookBack(target: Target, inputs: Inputs, from: number, to: number): Promise<Wrong | undefined> {
  const why = await wrong(async () => {
    await turn();
    checkRejections();
    checkPrototypes();
  });
  if (why === undefined) return undefined;
  for (let number = from; number <= to; number++) {
    const input = inputs.at(number);
    const again = await wrongWith(target, input);
    if (again !== undefined) return { number, why: again, input };
  }
  return { number: to, why, input: inputs.at(to) };
}

/** Why the input is a finding. */
export function wrongWith(target: Target, input: Uint8Array, looksAtGrowth = false): Promise<string | undefined> {
  return wrong(async () => {
    await guarded(target, input);
    if (!looksAtGrowth) return;
    await checkGrowth(target, input);
    const tooMuch = new Heap(target).look(input, 0);
    if (tooMuch !== undefined) throw new Violation(tooMuch.why);
  });
}

async function wrong(look: () => Promise<void>): Promise<string | undefined> {
  try {
    await look();
    return undefined;
  } catch (thrown) {
    restorePrototypes(); // so that the next input is not blamed
    if (thrown instanceof Violation) return thrown.message;
    return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
}

/** Minimises it, stores it, and reports it with its full stack. */
export async function smallest(
  target: Target,
  input: Uint8Array,
  number: number | undefined,
  why: string,
): Promise<Found> {
  const fails = async (fewer: Uint8Array) => (await wrongWith(target, fewer)) !== undefined;
  const least = (await fails(input)) ? await smaller(input, fails) : input;
  const file = keep("findings", target.name, least);
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FULL_STACK;
  const told = await wrongWith(target, least);
  Error.stackTraceLimit = limit;
  return { number, why: told ?? why, input: least, file };
}
