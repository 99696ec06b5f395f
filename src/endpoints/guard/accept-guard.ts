/**
 * AcceptGuard: limits the number of connections, in total and per address, and the rate of new ones. Asked before
 * anything is allocated for a connection. docs/errors-and-limits.md, "When a slot is taken and when it is returned".
 */
import type { Clock } from "../../clock.ts";
import type { Limits } from "../../limits.ts";
import { TokenBucket } from "./token-bucket.ts";
import { Neighbourhood, type Neighbours } from "./unsent-load.ts";

export type Refusal = "maxConnections" | "maxConnectionsPerAddress" | "acceptsPerSecond";

/** One address: its connections, and its rate of new ones. */
interface Visitor extends Neighbours {
  count: number;
  readonly accepts: TokenBucket | undefined;
}

/** A single address gets at most these parts of `acceptsPerSecond`, so that it cannot exclude the others. */
const SHARE_AT_ONCE = 1 / 2;
const SHARE_PER_SECOND = 1 / 4;

/** The slot of one connection. */
export class Place {
  /** the connections of the same address; undefined without an address */
  readonly neighbours: Neighbours | undefined;
  #leave: ((place: Place) => void) | undefined;

  constructor(neighbours: Neighbours | undefined, leave: (place: Place) => void) {
    this.neighbours = neighbours;
    this.#leave = leave;
  }

  /** Returns the slot. A second call has no effect, because both sides may end a connection. */
  leave(): void {
    const leave = this.#leave;
    this.#leave = undefined;
    leave?.(this);
  }
}

export class AcceptGuard {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #accepts: TokenBucket | undefined;
  readonly #neighbourhood = new Neighbourhood();
  /** addresses that have connections, or had some recently */
  readonly #visitors = new Map<string, Visitor>();
  #count = 0;

  constructor(limits: Limits, clock: Clock) {
    const { acceptsPerSecond } = limits;
    this.#limits = limits;
    this.#clock = clock;
    this.#accepts =
      acceptsPerSecond === Number.POSITIVE_INFINITY
        ? undefined
        : new TokenBucket(clock, acceptsPerSecond, acceptsPerSecond);
  }

  /** A slot for a connection of this address (undefined if it has none), or the limit that refuses it. */
  enter(address: string | undefined): Place | Refusal {
    this.#forget();
    const network = networkOf(address);
    const visitor = network === undefined ? undefined : (this.#visitors.get(network) ?? this.#newcomer(network));
    if (this.#count >= this.#limits.maxConnections) return "maxConnections";
    if (visitor !== undefined && visitor.count >= this.#limits.maxConnectionsPerAddress)
      return "maxConnectionsPerAddress";
    if (visitor?.accepts?.take() === false) return "acceptsPerSecond";
    if (this.#accepts?.take() === false) {
      visitor?.accepts?.charge(-1); // the limit was exhausted by others
      return "acceptsPerSecond";
    }
    this.#count += 1;
    if (visitor !== undefined) {
      visitor.count += 1;
      this.#visitors.set(visitor.network, visitor);
    }
    return new Place(visitor, this.#leave);
  }

  /** The other connections of an address that has a slot. */
  neighboursOf(address: string | undefined): Neighbours | undefined {
    return this.#visitors.get(networkOf(address) ?? "");
  }

  /** One function for all slots. */
  readonly #leave = ({ neighbours }: Place): void => {
    this.#count -= 1;
    const visitor = neighbours as Visitor | undefined; // created by `enter`
    if (visitor !== undefined) visitor.count -= 1;
  };

  /** Without a limit per address, as behind a proxy, all connections have the same address, so it has no rate of its
   *  own. */
  #newcomer(network: string): Visitor {
    const { acceptsPerSecond, maxConnectionsPerAddress } = this.#limits;
    const isBounded = Number.isFinite(acceptsPerSecond) && Number.isFinite(maxConnectionsPerAddress);
    const accepts = isBounded ? this.#bucketOfOne(acceptsPerSecond) : undefined;
    return { network, neighbourhood: this.#neighbourhood, count: 0, accepts };
  }

  #bucketOfOne(acceptsPerSecond: number): TokenBucket {
    return new TokenBucket(
      this.#clock,
      Math.max(acceptsPerSecond * SHARE_AT_ONCE, 1),
      Math.max(acceptsPerSecond * SHARE_PER_SECOND, 1),
    );
  }

  /** Checks two addresses for each that may be added, so that only recent ones are kept. */
  #forget(): void {
    for (let i = 0; i < 2; i++) {
      const oldest = this.#visitors.entries().next();
      if (oldest.done === true) return;
      const [network, visitor] = oldest.value;
      this.#visitors.delete(network);
      const isRemembered = visitor.count > 0 || visitor.accepts?.isFull === false;
      if (isRemembered) this.#visitors.set(network, visitor);
    }
  }
}

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** What counts as one address: an IPv4 address, also in its IPv6 form; the /64 network of an IPv6 address, which
 *  belongs to one consumer. Other text stands for itself. A zone or port makes no difference, because a peer can choose
 *  its port. */
export function networkOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const host = hostOf(address) ?? address;
  if (!host.includes(":")) return host;
  const [plain = ""] = host.split("%"); // a zone belongs to this host
  const groups = ipv6Groups(plain);
  if (groups === undefined) return host;
  const [a, b, c, d, e, f, g = 0, h = 0] = groups;
  if (f === 0xffff && [a, b, c, d, e].every((group) => group === 0)) return ipv4Of(g, h);
  return `${[a, b, c, d].map((group) => (group ?? 0).toString(16)).join(":")}::/64`;
}

/** The host of "127.0.0.1:51034" or "[::1]:51034"; undefined without a port. */
export function hostOf(endpoint: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:[\]]*)):\d+$/.exec(endpoint) ?? [];
  return bracketed ?? plain;
}

/** All eight groups; undefined if it is not an IPv6 address. */
function ipv6Groups(text: string): number[] | undefined {
  const [before = "", behind, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const head = groupsOf(before);
  const tail = groupsOf(behind ?? "");
  const missing = 8 - head.length - tail.length;
  if (behind === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return groups.some(Number.isNaN) ? undefined : groups;
}

/** `NaN` for each invalid group. */
function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (IPV4.test(group)) {
      const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
      return [a * 256 + b, c * 256 + d];
    }
    return [/^[0-9a-f]{1,4}$/i.test(group) ? Number.parseInt(group, 16) : Number.NaN];
  });
}

function ipv4Of(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}
