/**
 * Two connected peers in memory, and a peer of bare bytes.
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
import { quiet } from "./manual-clock.ts";

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
}

export async function pair(serverEnv: HostingEnv, options: PairOptions = {}): Promise<Pair> {
  const { cut, breakAfterBytes } = options;
  const [left, right] = memoryTransportPair({
    ...(cut === undefined ? {} : { cut }),
    ...(breakAfterBytes === undefined ? {} : { breakAfterBytes }),
  });
  const log: LogEntry[] = [];
  const collect = (entry: LogEntry) => void log.push(entry);
  const client = new Connection(left, () => options.clientEnv ?? new HostingEnv(), { log: collect, ...options.client });
  const server = new Connection(right, () => serverEnv, { log: collect, ...options.server });
  await Promise.all([client.start(), server.start()]);
  return { client, server, po: client.posting, log };
}

/** A peer that says exactly the bytes that a test writes, and shows what it is told. */
export class BarePeer {
  readonly connection: Connection;
  readonly #transport: Transport;
  #heard = "";
  hasEnded = false;
  isClosed = false;

  constructor(env: HostingEnv, options: ConnectionOptions = {}) {
    const [own, theirs] = memoryTransportPair();
    this.#transport = own;
    this.connection = new Connection(theirs, () => env, { log: () => undefined, ...options });
    own.start({
      onData: (chunk) => {
        this.#heard += Buffer.from(chunk).toString("latin1");
      },
      onDrain: () => undefined,
      onEnd: () => {
        this.hasEnded = true;
      },
      onClose: () => {
        this.isClosed = true;
      },
    });
  }

  /** Everything said up to now is heard and answered, unless the answer takes time. */
  async say(...pieces: readonly (string | Uint8Array)[]): Promise<string> {
    for (const piece of pieces) this.#transport.write(piece);
    await quiet();
    return this.heard();
  }

  /** What came since the last call. */
  heard(): string {
    const heard = this.#heard;
    this.#heard = "";
    return heard;
  }

  end(): void {
    this.#transport.end();
  }

  destroy(): void {
    this.#transport.destroy();
  }
}

export async function barePeer(env: HostingEnv, options: ConnectionOptions = {}): Promise<BarePeer> {
  const peer = new BarePeer(env, options);
  await peer.connection.start();
  return peer;
}

/** A packet as a peer of another implementation would write it. */
export function packet(directive: string, payload: string): string {
  return `[${Buffer.byteLength(payload)}#${directive}]${payload}`;
}

export function conversation(id: string, ...codes: readonly string[]): string {
  const body = codes.map((code) => packet("", code)).join("");
  return packet("co_begin", id) + body + packet("co_end", id);
}

export function answer(id: string, ...packets: readonly string[]): string {
  return packet("co_ack_begin", id) + packets.join("") + packet("co_ack_end", id);
}
