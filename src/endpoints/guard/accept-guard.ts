/**
 * AcceptGuard: how many connections there are, in all and of one address, and how often new ones are taken. Asked before anything is
 * allocated for a connection. docs/errors-and-limits.md, "where a place is taken, and where it is given back".
 */
import type { Clock } from "../../clock.ts";
import type { Limits } from "../../limits.ts";
import { TokenBucket } from "./token-bucket.ts";
import { Neighbourhood, type Neighbours } from "./unsent-load.ts";

export type Refusal = "maxConnections" | "maxConnectionsPerAddress" | "acceptsPerSecond";

/** One address: its connections, and how often it may open another. */
interface Visitor extends Neighbours {
  count: number;
  readonly accepts: TokenBucket | undefined;
}

/** One address alone gets no more than these parts of `acceptsPerSecond`, so that it can't keep the others out. */
const SHARE_AT_ONCE = 1 / 2;
const SHARE_PER_SECOND = 1 / 4;

/** The place of one connection among all. */
export class Place {
  /** the connections of the same address; undefined where there is no address */
  readonly neighbours: Neighbours | undefined;
  #leave: ((place: Place) => void) | undefined;

  constructor(neighbours: Neighbours | undefined, leave: (place: Place) => void) {
    this.neighbours = neighbours;
    this.#leave = leave;
  }

  /** Gives the place back. A second time does nothing: what ends a connection may come from two sides. */
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
  /** addresses that have connections, and those that had some a moment ago */
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

  /** A place for a connection of this address (undefined: it has none), or the limit that refuses it. */
  enter(address: string | undefined): Place | Refusal {
    this.#forget();
    const network = networkOf(address);
    const visitor = network === undefined ? undefined : (this.#visitors.get(network) ?? this.#newcomer(network));
    if (this.#count >= this.#limits.maxConnections) return "maxConnections";
    if (visitor !== undefined && visitor.count >= this.#limits.maxConnectionsPerAddress)
      return "maxConnectionsPerAddress";
    if (visitor?.accepts?.take() === false) return "acceptsPerSecond";
    if (this.#accepts?.take() === false) {
      visitor?.accepts?.charge(-1); // it is others who have been too many
      return "acceptsPerSecond";
    }
    this.#count += 1;
    if (visitor !== undefined) {
      visitor.count += 1;
      this.#visitors.set(visitor.network, visitor);
    }
    return new Place(visitor, this.#leave);
  }

  /** The other connections of an address that has a place. */
  neighboursOf(address: string | undefined): Neighbours | undefined {
    return this.#visitors.get(networkOf(address) ?? "");
  }

  /** One function for all places. */
  readonly #leave = ({ neighbours }: Place): void => {
    this.#count -= 1;
    const visitor = neighbours as Visitor | undefined; // made by `enter`
    if (visitor !== undefined) visitor.count -= 1;
  };

  /** Behind a proxy, where one address may have connections without bound, every connection comes from that address. */
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

  /** Looks at two for each that may be added, so that no more are kept than have come of late. */
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

/** What counts as one address: of IPv4 the address, also in its IPv6 form; of IPv6 the /64 network, which one consumer has to itself.
 *  What is no IP address stands for itself. A zone or a port behind it makes no difference: a peer can choose its port. */
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

/** The host of "127.0.0.1:51034" or "[::1]:51034"; undefined for what has no port. */
export function hostOf(endpoint: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:[\]]*)):\d+$/.exec(endpoint) ?? [];
  return bracketed ?? plain;
}

/** All eight of them; undefined for what is no IPv6 address. */
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

/** `NaN` for each one that is none. */
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
