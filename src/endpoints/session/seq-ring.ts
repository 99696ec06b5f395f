/**
 * SeqRing: the conversations in flight by number. Numbers are consecutive, so the lowest bits of a number are its
 * index.
 */

export interface Numbered {
  readonly seq: number;
}

/** The initial size; doubled whenever half of it is in use. */
const FIRST_PLACES = 16;
/** Before the first conversation: most connections of a server never start one. */
const NONE: undefined[] = [undefined];

export class SeqRing<T extends Numbered> {
  #places: (T | undefined)[] = NONE;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(seq: number): T | undefined {
    const found = this.#places[seq & (this.#places.length - 1)];
    return found?.seq === seq ? found : undefined;
  }

  /** Whether a number is available: its index may be occupied by a conversation that has been in flight for long. */
  isFree(seq: number): boolean {
    return this.#places[seq & (this.#places.length - 1)] === undefined;
  }

  /** Stores it at its index, which is free or holds its predecessor. */
  set(member: T): void {
    if (this.#places === NONE) this.#places = new Array(FIRST_PLACES).fill(undefined);
    const place = member.seq & (this.#places.length - 1);
    if (this.#places[place] === undefined) this.#size += 1;
    this.#places[place] = member;
    if (this.#size * 2 > this.#places.length) this.#grow();
  }

  delete(seq: number): void {
    if (this.get(seq) === undefined) return;
    this.#places[seq & (this.#places.length - 1)] = undefined;
    this.#size -= 1;
  }

  /** Those in flight now, in the order of their indexes. */
  toArray(): T[] {
    return this.#places.filter((member) => member !== undefined);
  }

  /** Members with different indexes keep different indexes, because more bits are used. */
  #grow(): void {
    const members = this.toArray();
    this.#places = new Array(this.#places.length * 2).fill(undefined);
    for (const member of members) this.#places[member.seq & (this.#places.length - 1)] = member;
  }
}
