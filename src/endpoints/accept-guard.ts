/**
 * AcceptGuard: how many connections a server has, in all and of one address, and how often new ones are taken. Asked before
 * anything is allocated for a connection. docs/errors-and-limits.md.
 */
import type { Clock } from "../clock.ts";
import type { Limits } from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export type Refusal = "maxConnections" | "maxConnectionsPerAddress" | "acceptsPerSecond";

/** Of one address: its connections, and how often it may open another. */
interface Visitor {
  count: number;
  readonly accepts: TokenBucket | undefined;
}

/** One address alone gets no more than these parts of `acceptsPerSecond`, so that it can't keep the others out. */
const SHARE_AT_ONCE = 1 / 2;
const SHARE_PER_SECOND = 1 / 4;

export class AcceptGuard {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #accepts: TokenBucket | undefined;
  /** those who have connections, and those who had some a moment ago */
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

  /** Takes a place for a connection of this address (undefined: it has none), to be given back by `leave`; else says what is full. */
  enter(address: string | undefined): Refusal | undefined {
    this.#forget();
    const network = networkOf(address);
    const visitor = network === undefined ? undefined : (this.#visitors.get(network) ?? this.#newcomer());
    if (this.#count >= this.#limits.maxConnections) return "maxConnections";
    if (visitor !== undefined && visitor.count >= this.#limits.maxConnectionsPerAddress)
      return "maxConnectionsPerAddress";
    if (visitor?.accepts?.take() === false) return "acceptsPerSecond";
    if (this.#accepts?.take() === false) {
      visitor?.accepts?.charge(-1); // it is others who have been too many
      return "acceptsPerSecond";
    }
    this.#count += 1;
    if (network === undefined || visitor === undefined) return undefined;
    visitor.count += 1;
    this.#visitors.set(network, visitor);
    return undefined;
  }

  leave(address: string | undefined): void {
    this.#count -= 1;
    const visitor = this.#visitors.get(networkOf(address) ?? "");
    if (visitor !== undefined) visitor.count -= 1;
  }

  /** Behind a proxy, where one address may have connections without bound, all of them are of one. */
  #newcomer(): Visitor {
    const { acceptsPerSecond, maxConnectionsPerAddress } = this.#limits;
    const isBounded = Number.isFinite(acceptsPerSecond) && Number.isFinite(maxConnectionsPerAddress);
    return { count: 0, accepts: isBounded ? this.#bucketOfOne(acceptsPerSecond) : undefined };
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

/** An IPv4 address, also in its IPv6 form; of IPv6 the /64 network, which one consumer has to itself. */
export function networkOf(address: string | undefined): string | undefined {
  if (address === undefined || !address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1];
  const [plain = ""] = address.split("%"); // a zone belongs to this host
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const behind = tail === "" ? 0 : tail.split(":").length + (tail.includes(".") ? 1 : 0);
    while (groups.length + behind < 8) groups.push("0");
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
