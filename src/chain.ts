/**
 * Chain: a linked list whose members store their neighbours. It is a queue from which any member can be removed in
 * constant time.
 *
 * Used for entries that come and go constantly. A Map or Set under such traffic allocates a new table every few hundred
 * operations, and an old dead table keeps its successors, and all that they held, from the collection of young objects.
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

  /** Appends a member that is in no chain. */
  add(member: T): void {
    const last = this.#last;
    member.chain = this;
    member.before = last;
    if (last === undefined) this.#first = member;
    else last.behind = member;
    this.#last = member;
    this.#size += 1;
  }

  /** Inserts a member that is in no chain before `behind`, or at the end if `behind` is undefined. */
  insert(member: T, behind: T | undefined): void {
    if (behind === undefined) {
      this.add(member);
      return;
    }
    const before = behind.before as T | undefined; // only members of type T are added
    member.chain = this;
    member.before = before;
    member.behind = behind;
    behind.before = member;
    if (before === undefined) this.#first = member;
    else before.behind = member;
    this.#size += 1;
  }

  /** Returns false if it was not in this chain. */
  remove(member: T): boolean {
    if (member.chain !== this) return false;
    const before = member.before as T | undefined; // only members of type T are added
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

  /** Removes and returns the first member. */
  shift(): T | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  clear(): void {
    while (this.shift() !== undefined);
  }

  /** A snapshot of the members, in order. */
  toArray(): T[] {
    const members: T[] = [];
    for (let member = this.#first; member !== undefined; member = member.behind as T | undefined) members.push(member);
    return members;
  }
}
