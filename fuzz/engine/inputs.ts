/**
 * Inputs without coverage: stored ones, then generated ones, and mutations of both. Each derives from the seed and its
 * number.
 */
import fc from "fast-check";
import { Random } from "../../test/system/simulation/random.ts";
import { kept } from "./corpus.ts";
import { mutated } from "./mutation.ts";
import type { Target } from "./target.ts";

/** One input in this many is generated, which costs as much as several runs; the others are mutations of it or of a
 *  stored one. */
const FAMILY = 6;

export class Inputs {
  readonly #target: Target;
  readonly #seed: number;
  readonly #kept: readonly Uint8Array[];
  readonly #words: readonly Uint8Array[];
  #made: Uint8Array = new Uint8Array(0);
  #madeOf = -1;

  constructor(target: Target, seed: number) {
    this.#target = target;
    this.#seed = seed;
    this.#kept = kept("corpus", target.name).map(({ input }) => input); // without findings, because a new one would renumber all inputs
    const encoder = new TextEncoder();
    this.#words = target.words.map((word) => encoder.encode(word));
  }

  at(number: number): Uint8Array {
    const known = this.#kept[number];
    if (known !== undefined) return known;
    const first = number - (number % FAMILY);
    if (this.#madeOf !== first) {
      this.#made = generated(this.#target, this.#seed, first);
      this.#madeOf = first;
    }
    if (number === first) return this.#made;
    const random = new Random(this.#seed, number, 1);
    const some = this.#kept[random.below(this.#kept.length)] ?? this.#made;
    const other = this.#kept[random.below(this.#kept.length)] ?? this.#made;
    return mutated(random, random.chance(50) ? this.#made : some, other, this.#words);
  }
}

/** The generated input of that number. */
export function generated(target: Target, seed: number, number: number): Uint8Array {
  const random = new Random(seed, number, 2);
  const source = { clone: () => source, next: () => random.below(2 ** 32) | 0, getState: () => [] };
  return target.inputs.generate(new fc.Random(source as never), 3 + (number % 19)).value; // has the interface of pure-rand's generators
}
