/**
 * UnsentLoad: what waits for peers that do not read, on all connections of one address to a server, and on all
 * connections of the process. Above half of a bound, each connection waits sooner. Beyond it, the largest is cut: for
 * an address its largest connection, for the process the largest connection of the address with the most unsent bytes.
 * Nobody is cut for what others do. docs/errors-and-limits.md, "maxAddressUnsentBytes" and "maxProcessUnsentBytes".
 */
import { failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";

/** A connection. */
export interface Holder {
  /** Ends it at once: an `err` would wait behind data that is not read. */
  drop(error: HbiError): void;
}

/** The connections of one address that have unsent bytes; a consumer's connection forms a group of its own. */
class Group {
  readonly shares = new Set<UnsentShare>();
  bytes = 0;

  get largest(): UnsentShare | undefined {
    let largest: UnsentShare | undefined;
    for (const share of this.shares) if (largest === undefined || share.bytes > largest.bytes) largest = share;
    return largest;
  }
}

/** The addresses of one server's peers. */
export class Neighbourhood {
  readonly #groups = new Map<string, Group>();

  groupOf(network: string): Group {
    const group = this.#groups.get(network) ?? new Group();
    this.#groups.set(network, group);
    return group;
  }

  forget(network: string): void {
    this.#groups.delete(network);
  }
}

/** The connections that were accepted from the same address. */
export interface Neighbours {
  readonly neighbourhood: Neighbourhood;
  readonly network: string;
}

/** All connections of a process. */
export class UnsentLoad {
  readonly groups = new Set<Group>();
  bytes = 0;

  /** The largest group whose own limit is exceeded. A server with a higher limit is not bounded by one with a lower
   *  limit. */
  get heaviest(): Group | undefined {
    let heaviest: Group | undefined;
    for (const group of this.groups) {
      const [any] = group.shares;
      const isBounded = any !== undefined && any.limits.maxProcessUnsentBytes < this.bytes;
      if (isBounded && (heaviest === undefined || group.bytes > heaviest.bytes)) heaviest = group;
    }
    return heaviest;
  }
}

/** The share of one connection. */
export class UnsentShare {
  readonly limits: Limits;
  readonly #holder: Holder;
  readonly #load: UnsentLoad;
  readonly #neighbours: Neighbours | undefined;
  /** only while it has unsent bytes */
  #group: Group | undefined;
  #bytes = 0;
  #hasLeft = false;

  /** @param neighbours set if the connection was accepted */
  constructor(holder: Holder, limits: Limits, load: UnsentLoad, neighbours: Neighbours | undefined) {
    this.#holder = holder;
    this.limits = limits;
    this.#load = load;
    this.#neighbours = neighbours;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Sets the amount that waits. Cuts this or other connections if a bound is exceeded. */
  moveTo(bytes: number): void {
    if (this.#hasLeft || bytes === this.#bytes) return;
    const more = bytes - this.#bytes;
    this.#group ??= this.#join();
    this.#bytes = bytes;
    this.#group.bytes += more;
    this.#load.bytes += more;
    if (bytes === 0) this.#part(this.#group);
    else if (more > 0) this.#bound(this.#group);
  }

  #join(): Group {
    const group = this.#neighbours?.neighbourhood.groupOf(this.#neighbours.network) ?? new Group();
    group.shares.add(this);
    this.#load.groups.add(group);
    return group;
  }

  #part(group: Group): void {
    this.#group = undefined;
    group.shares.delete(this);
    if (group.shares.size > 0) return;
    this.#load.groups.delete(group);
    this.#neighbours?.neighbourhood.forget(this.#neighbours.network);
  }

  #bound(group: Group): void {
    const { maxAddressUnsentBytes, maxProcessUnsentBytes } = this.limits;
    if (this.#neighbours !== undefined) {
      while (group.bytes > maxAddressUnsentBytes) group.largest?.drop("on many connections");
    }
    while (this.#load.bytes > maxProcessUnsentBytes) {
      const { heaviest } = this.#load;
      if (heaviest === undefined) return; // the remaining connections may have a higher limit
      heaviest.largest?.drop("as many do");
    }
  }

  /** Whether so much waits already that this connection should not add to it. */
  get isTight(): boolean {
    const { maxProcessUnsentBytes, maxAddressUnsentBytes } = this.limits;
    if (this.#load.bytes * 2 > maxProcessUnsentBytes) return true;
    return this.#neighbours !== undefined && (this.#group?.bytes ?? 0) * 2 > maxAddressUnsentBytes;
  }

  drop(where: string): void {
    this.leave();
    this.#holder.drop(failure("slow_reader", where));
  }

  leave(): void {
    this.moveTo(0);
    this.#hasLeft = true;
  }
}
