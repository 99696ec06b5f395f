/**
 * ProcessLoad: how many conversations are hosted at once by all connections of the process, and whose turn it is when that was
 * too many. docs/errors-and-limits.md, "maxProcessInFlight".
 */
import { Chain, type Chained } from "../chain.ts";

/** A connection whose next script waits for a place. */
export interface Held extends Chained {
  /** places that it has */
  readonly placeCount: number;
  /** There may be one now. */
  placeFree(): void;
}

export class ProcessLoad {
  #count = 0;
  /** places that have become free, and nobody was told of yet */
  #free = 0;
  #isTelling = false;
  /** told, and their turn to look has not come yet */
  readonly #told = new Set<Held>();
  readonly #held = new Chain<Held>();

  /** Takes a place; false: there is none now, and `held` will be told. Who has none always gets one: nobody takes them all. */
  enter(held: Held, most: number): boolean {
    this.#told.delete(held);
    if (this.#count < most || held.placeCount === 0) {
      this.#count += 1;
      this.#held.remove(held);
      return true;
    }
    if (held.chain === undefined) this.#held.add(held);
    return false;
  }

  /** Tells the next one. A loop, not a recursion: what it begins may have ended by the time it returns. */
  leave(): void {
    this.#count -= 1;
    this.#tell();
  }

  #tell(): void {
    this.#free += 1;
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (; this.#free > 0; this.#free -= 1) {
      const held = this.#held.shift();
      if (held === undefined) continue;
      this.#told.add(held);
      held.placeFree();
    }
    this.#isTelling = false;
  }

  /** It waits no more. What it was told of and has not taken is the next one's. */
  forget(held: Held): void {
    this.#held.remove(held);
    if (this.#told.delete(held)) this.#tell();
  }
}

export const processLoad = new ProcessLoad();
