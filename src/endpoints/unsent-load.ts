/**
 * UnsentLoad: what waits for peers that do not read, on all connections of the process and on those of one address. Where it comes to
 * more than half of the bound, each connection waits sooner; beyond the bound, whoever keeps most waiting is cut.
 * docs/errors-and-limits.md, "maxProcessUnsentBytes" and "maxAddressUnsentBytes".
 */
import { failure, type HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";

/** A connection. */
export interface Holder {
  /** Ends it at once: its last words would wait behind what is not read. */
  drop(error: HbiError): void;
}

/** The part of one connection. */
export class UnsentShare {
  readonly #holder: Holder;
  readonly #limits: Limits;
  readonly #network: string | undefined;
  /** those whose bounds concern it, while it has something */
  #pools: readonly Pool[] = NONE;
  #bytes = 0;
  #hasLeft = false;

  /** @param network where it was accepted from, if it was */
  constructor(holder: Holder, limits: Limits, network: string | undefined) {
    this.#holder = holder;
    this.#limits = limits;
    this.#network = network;
  }

  get bytes(): number {
    return this.#bytes;
  }

  set bytes(bytes: number) {
    if (this.#hasLeft || bytes === this.#bytes) return;
    const more = bytes - this.#bytes;
    if (this.#bytes === 0) this.#join();
    this.#bytes = bytes;
    for (const pool of this.#pools) pool.bytes += more;
    if (bytes === 0) this.#part();
    else if (more > 0) this.#check();
  }

  #join(): void {
    this.#pools = this.#network === undefined ? [everybody] : [everybody, poolOf(this.#network)];
    for (const pool of this.#pools) pool.shares.add(this);
  }

  #part(): void {
    for (const pool of this.#pools) pool.remove(this);
    this.#pools = NONE;
  }

  #check(): void {
    if (this.#network !== undefined) poolOf(this.#network).bound(this.#limits.maxAddressUnsentBytes);
    everybody.bound(this.#limits.maxProcessUnsentBytes);
  }

  /** Whether so much waits already that this connection should not add to it. */
  get isTight(): boolean {
    const { maxProcessUnsentBytes, maxAddressUnsentBytes } = this.#limits;
    const [all, network] = this.#pools;
    return (all?.bytes ?? 0) * 2 > maxProcessUnsentBytes || (network?.bytes ?? 0) * 2 > maxAddressUnsentBytes;
  }

  drop(error: HbiError): void {
    this.leave();
    this.#holder.drop(error);
  }

  leave(): void {
    this.bytes = 0;
    this.#hasLeft = true;
  }
}

/** Connections that have a bound together: those of a network, or all. */
class Pool {
  readonly shares = new Set<UnsentShare>();
  readonly #network: string | undefined;
  bytes = 0;

  constructor(network?: string) {
    this.#network = network;
  }

  bound(mostBytes: number): void {
    while (this.bytes > mostBytes) {
      const largest = [...this.shares].reduce((most, share) => (share.bytes > most.bytes ? share : most));
      largest.drop(failure("slow_reader", this.#network === undefined ? "as many do" : "on many connections"));
    }
  }

  remove(share: UnsentShare): void {
    this.shares.delete(share);
    if (this.#network !== undefined && this.shares.size === 0) networks.delete(this.#network);
  }
}

const NONE: readonly Pool[] = [];
const everybody = new Pool();
const networks = new Map<string, Pool>();

function poolOf(network: string): Pool {
  let pool = networks.get(network);
  if (pool === undefined) {
    pool = new Pool(network);
    networks.set(network, pool);
  }
  return pool;
}
