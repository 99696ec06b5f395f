/**
 * Chain: a list whose members know their neighbours: first come, first served, and any one is taken out at once.
 *
 * For what comes and goes all the time. A Map or Set under such traffic makes a new table every few hundred operations, and
 * a dead one that has grown old keeps the next ones, and all that they held, from the collector of young objects.
 */

/** A member of at most one chain at a time. */
export interface Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
}

export class Chain<T extends Chained> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get first(): T | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends what is in no chain. */
  add(member: T): void {
    const last = this.#last;
    member.chain = this;
    member.before = last;
    if (last === undefined) this.#first = member;
    else last.behind = member;
    this.#last = member;
    this.#size += 1;
  }

  /** Puts what is in no chain before `behind`; at the end when there is none. */
  insert(member: T, behind: T | undefined): void {
    if (behind === undefined) {
      this.add(member);
      return;
    }
    const before = behind.before as T | undefined; // nothing else is ever added
    member.chain = this;
    member.before = before;
    member.behind = behind;
    behind.before = member;
    if (before === undefined) this.#first = member;
    else before.behind = member;
    this.#size += 1;
  }

  /** False when it was not in this chain. */
  remove(member: T): boolean {
    if (member.chain !== this) return false;
    const before = member.before as T | undefined; // nothing else is ever added
    const behind = member.behind as T | undefined;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    member.chain = undefined;
    member.before = undefined;
    member.behind = undefined;
    this.#size -= 1;
    return true;
  }

  /** Takes out the first. */
  shift(): T | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  clear(): void {
    while (this.shift() !== undefined);
  }

  /** The members as they are now, in order. */
  toArray(): T[] {
    const members: T[] = [];
    for (let member = this.#first; member !== undefined; member = member.behind as T | undefined) members.push(member);
    return members;
  }
}
