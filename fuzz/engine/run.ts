/**
 * A run of one target without coverage: input after input until the time is over. Each follows from the seed and its number.
 */
import fc from "fast-check";
import { Random } from "../../test/simulation/random.ts";
import { keep, kept } from "./corpus.ts";
import { checkGrowth, guarded } from "./guards.ts";
import { Memory } from "./memory.ts";
import { mutated, smaller } from "./mutation.ts";
import { type Target, Violation } from "./target.ts";

export interface Found {
  /** which input of the seed; undefined where the fuzzer has made it */
  readonly number: number | undefined;
  readonly why: string;
  /** the smallest found that fails */
  readonly input: Uint8Array;
  readonly file: string;
}

export interface RunReport {
  readonly runs: number;
  readonly seconds: number;
  readonly isGuided: boolean;
  readonly found: Found | undefined;
}

const GROWTH_EVERY = 250;
const MEMORY_EVERY = 4_000;

/** @param only this one of the inputs, whatever the time */
export async function run(target: Target, seconds: number, seed: number, only?: number): Promise<RunReport> {
  const startMs = performance.now();
  const start = [...kept("findings", target.name), ...kept("corpus", target.name)].map(({ input }) => input);
  const memory = new Memory();
  let runs = 0;
  const report = (found?: Found): RunReport => {
    return { runs, seconds: (performance.now() - startMs) / 1_000, isGuided: false, found };
  };
  for (let number = only ?? 0; only === undefined || number === only; number++) {
    if (only === undefined && report().seconds >= seconds) break;
    const input = inputOf(target, start, seed, number);
    runs += 1;
    const why = await wrongWith(target, input, number % GROWTH_EVERY === 0);
    if (why !== undefined) return report(await smallest(target, input, number, why));
    const grown = runs % MEMORY_EVERY === 0 ? memory.look() : undefined;
    if (grown !== undefined) return report({ number, why: grown, input, file: "" });
  }
  return report();
}

/** First what is kept, then half of them generated, half of them changed. */
function inputOf(target: Target, start: readonly Uint8Array[], seed: number, number: number): Uint8Array {
  const known = start[number];
  if (known !== undefined) return known;
  const random = new Random(seed, number, 1);
  const made = generated(target, seed, number);
  if (random.chance(start.length === 0 ? 70 : 40)) return made;
  const any = start[random.below(start.length)] ?? made;
  const other = start[random.below(start.length)] ?? made;
  return mutated(random, random.chance(50) ? any : made, other, target.words);
}

/** The generated input of that number. */
export function generated(target: Target, seed: number, number: number): Uint8Array {
  const random = new Random(seed, number, 2);
  const source = { clone: () => source, next: () => random.below(2 ** 32) | 0, getState: () => [] };
  return target.inputs.generate(new fc.Random(source as never), 3 + (number % 20)).value; // as pure-rand's generators
}

/** Why the input is a finding. */
export async function wrongWith(target: Target, input: Uint8Array, looksAtGrowth = false): Promise<string | undefined> {
  try {
    await guarded(target, input);
    if (looksAtGrowth) await checkGrowth(target, input);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Violation) return thrown.message;
    return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
}

/** Makes it smaller, and keeps it. */
export async function smallest(
  target: Target,
  input: Uint8Array,
  number: number | undefined,
  why: string,
): Promise<Found> {
  const fails = async (fewer: Uint8Array) => (await wrongWith(target, fewer)) !== undefined;
  const least = (await fails(input)) ? await smaller(input, fails) : input;
  const file = keep("findings", target.name, least);
  return { number, why: (await wrongWith(target, least)) ?? why, input: least, file };
}
