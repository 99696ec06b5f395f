/**
 * Two connected peers, in memory or over any carrier, and a peer of bare bytes.
 */
import {
  Connection,
  type ConnectionOptions,
  HostingEnv,
  type LogEntry,
  memoryTransportPair,
  type PostingEnd,
  type Transport,
} from "hbi";
import { type HostilePeer, hostileTransport, quiet } from "hbi/testing";
import type { Ends } from "./carriers.ts";
import { withoutHello } from "./hello.ts";

export interface Pair {
  readonly client: Connection;
  readonly server: Connection;
  readonly po: PostingEnd;
  /** what either side told its operator */
  readonly log: LogEntry[];
}

export interface PairOptions {
  readonly client?: ConnectionOptions;
  readonly server?: ConnectionOptions;
  readonly clientEnv?: HostingEnv;
  readonly cut?: (available: number) => number;
  readonly breakAfterBytes?: number;
  /** Default: in memory */
  readonly over?: () => Promise<Ends<Transport, Transport>>;
}

const carried: Connection[] = [];

/** Those that are not in memory. */
export async function closePairs(): Promise<void> {
  await Promise.all(carried.splice(0).map((connection) => connection.disconnect()));
}

export async function pair(serverEnv: HostingEnv, options: PairOptions = {}): Promise<Pair> {
  const { cut, breakAfterBytes, over } = options;
  const [inMemory, atTheOtherEnd] = memoryTransportPair({
    ...(cut === undefined ? {} : { cut }),
    ...(breakAfterBytes === undefined ? {} : { breakAfterBytes }),
  });
  const { dialed: left, accepted: right } = (await over?.()) ?? { dialed: inMemory, accepted: atTheOtherEnd };
  const log: LogEntry[] = [];
  const collect = (entry: LogEntry) => void log.push(entry);
  const client = new Connection(left, () => options.clientEnv ?? new HostingEnv(), { log: collect, ...options.client });
  const server = new Connection(right, () => serverEnv, { log: collect, ...options.server });
  if (over !== undefined) carried.push(client, server);
  await Promise.all([client.start(), server.start()]);
  return { client, server, po: client.posting, log };
}

/** A connection and a peer of bare bytes at its other end. */
export class BarePeer {
  readonly connection: Connection;
  readonly #peer: HostilePeer;

  constructor(env: HostingEnv, options: ConnectionOptions = {}) {
    const { transport, peer } = hostileTransport();
    this.#peer = peer;
    this.connection = new Connection(transport, () => env, { log: () => undefined, ...options });
  }

  /** Everything said up to now is heard and answered, unless the answer takes time. */
  async say(...pieces: readonly (string | Uint8Array)[]): Promise<string> {
    for (const piece of pieces) this.#peer.say(piece);
    await quiet();
    return this.heard();
  }

  /** What came since the last call, without the hello. */
  heard(): string {
    return withoutHello(this.#peer.heard());
  }

  get hasEnded(): boolean {
    return this.#peer.hasEnded;
  }

  get isClosed(): boolean {
    return this.#peer.isClosed;
  }

  end(): void {
    this.#peer.end();
  }

  destroy(): void {
    this.#peer.reset();
  }
}

export async function barePeer(env: HostingEnv, options: ConnectionOptions = {}): Promise<BarePeer> {
  const peer = new BarePeer(env, options);
  await peer.connection.start();
  return peer;
}
