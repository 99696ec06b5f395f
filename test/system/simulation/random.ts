/**
 * Random: all chance of a simulation, from one seed (sfc32). Each purpose has a stream of its own, so that what one of them
 * draws more or less does not move the others.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  /** @param path which stream of the seed: the number of a world, of a purpose in it */
  constructor(seed: number, ...path: readonly number[]) {
    this.#a = seed | 0;
    this.#b = 0x9e3779b9;
    this.#c = 0x243f6a88;
    for (const part of path) {
      for (let i = 0; i < 8; i++) this.#next();
      this.#a ^= part | 0;
      this.#b ^= Math.imul(part + 1, 0x85ebca6b);
    }
    for (let i = 0; i < 16; i++) this.#next();
  }

  /** From 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.#next() / 2 ** 32) * bound);
  }

  /** From `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True so often in a hundred. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<const T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }

  /** One of them, each as often as its weight says. */
  weighted<const K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][]; // its own keys
    let left = this.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [key, weight] of entries) {
      if (left < weight) return key;
      left -= weight;
    }
    throw new Error("nothing to choose from");
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}
