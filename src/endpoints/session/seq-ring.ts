/**
 * SeqRing: the conversations in flight, found by their number. Numbers follow each other, so a place is a number's lowest bits.
 */

export interface Numbered {
  readonly seq: number;
}

/** Places at first; twice as many whenever half of them are taken. */
const FIRST_PLACES = 16;
/** Before the first: most connections of a server never start a conversation. */
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

  /** Whether a number can be given to a new one: its place may be held by one that has been in flight for long. */
  isFree(seq: number): boolean {
    return this.#places[seq & (this.#places.length - 1)] === undefined;
  }

  /** Puts it where its number belongs, which is free or its predecessor's. */
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

  /** Those in flight now, in the order of their places. */
  toArray(): T[] {
    return this.#places.filter((member) => member !== undefined);
  }

  /** Members whose numbers were of different places stay so: more bits are looked at. */
  #grow(): void {
    const members = this.toArray();
    this.#places = new Array(this.#places.length * 2).fill(undefined);
    for (const member of members) this.#places[member.seq & (this.#places.length - 1)] = member;
  }
}
