/**
 * AcceptGuard: how many connections a server has, in all and of one address, and how often new ones are taken. Asked before
 * anything is allocated for a connection. docs/errors-and-limits.md.
 */
import type { Clock } from "../clock.ts";
import type { Limits } from "../limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export type Refusal = "maxConnections" | "maxConnectionsPerAddress" | "acceptsPerSecond";

export class AcceptGuard {
  readonly #limits: Limits;
  readonly #accepts: TokenBucket | undefined;
  readonly #counts = new Map<string, number>();
  #count = 0;

  constructor(limits: Limits, clock: Clock) {
    const { acceptsPerSecond } = limits;
    this.#limits = limits;
    this.#accepts =
      acceptsPerSecond === Number.POSITIVE_INFINITY
        ? undefined
        : new TokenBucket(clock, acceptsPerSecond, acceptsPerSecond);
  }

  /** Takes a place for a connection of this address (undefined: it has none), to be given back by `leave`; else says what is full. */
  enter(address: string | undefined): Refusal | undefined {
    const network = networkOf(address);
    const ofNetwork = network === undefined ? 0 : (this.#counts.get(network) ?? 0);
    if (this.#count >= this.#limits.maxConnections) return "maxConnections";
    if (ofNetwork >= this.#limits.maxConnectionsPerAddress) return "maxConnectionsPerAddress";
    if (this.#accepts?.take() === false) return "acceptsPerSecond";
    this.#count += 1;
    if (network !== undefined) this.#counts.set(network, ofNetwork + 1);
    return undefined;
  }

  leave(address: string | undefined): void {
    this.#count -= 1;
    const network = networkOf(address);
    if (network === undefined) return;
    const left = (this.#counts.get(network) ?? 1) - 1;
    if (left > 0) this.#counts.set(network, left);
    else this.#counts.delete(network);
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
