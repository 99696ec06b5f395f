/**
 * A world: one server, one consumer, and the line between them. Whatever either side tells its operator is kept.
 */
import type { LimitOptions, Link, LogEntry, Peer } from "hbi";
import { connect, type Server, serve } from "hbi/node";
import { quiet } from "hbi/testing";
import { Authority } from "../../support/authority.ts";
import { ChaosProxy, type ProxiedConnection, type Way, type Weathers } from "../../support/chaos-proxy.ts";
import type { Scope } from "../../support/rows.ts";
import { type Caller, Station, type Steady, steady } from "./service.ts";

/** Longer than anything takes here, and as long as a deadline may be that travels. */
export const PATIENT = { timeoutMs: 280_000 };

export interface WorldOptions {
  readonly isTls?: boolean;
  readonly reconnect?: boolean;
  readonly limits?: LimitOptions;
}

/** Who calls, and where it lands. */
export interface End {
  readonly caller: Caller;
  readonly far: Station;
}

interface Parts {
  readonly server: Server<Steady, undefined>;
  readonly link: Link<Steady>;
  readonly peer: Peer<Steady, undefined>;
  readonly proxy: ChaosProxy;
  readonly log: Log;
  readonly stations: Readonly<Record<"server" | "client", Station>>;
  readonly dial: (address: string, side: string) => Promise<Link<Steady>>;
}

export class World {
  readonly server: Server<Steady, undefined>;
  readonly link: Link<Steady>;
  /** the consumer of the first connection, as the service sees it */
  readonly peer: Peer<Steady, undefined>;
  readonly proxy: ChaosProxy;
  readonly log: Log;
  /** Connects another consumer in the same way; `side` is its name in the log. */
  readonly dial: Parts["dial"];
  readonly #stations: Parts["stations"];

  private constructor({ server, link, peer, proxy, log, stations, dial }: Parts) {
    this.server = server;
    this.link = link;
    this.peer = peer;
    this.proxy = proxy;
    this.log = log;
    this.dial = dial;
    this.#stations = stations;
  }

  static async open(scope: Scope, weather: Weathers, options: WorldOptions = {}): Promise<World> {
    const { isTls = false, reconnect = false, limits = {} } = options;
    const stations = { server: new Station(), client: new Station() };
    const log = new Log();
    scope.told = () => `told: ${log.text}`;
    const authority = isTls ? authorityOf() : undefined;
    const dial = (address: string, side: string): Promise<Link<Steady>> =>
      connect(steady, address, side === "client" ? stations.client.handlers : new Station().handlers, {
        limits,
        log: log.of(side),
        ...(reconnect ? { reconnect: { initialDelayMs: 20 } } : {}),
        ...(authority === undefined ? {} : { tls: { ca: authority.cert } }),
      });
    let connected: (peer: Peer<Steady, undefined>) => void = () => undefined;
    const peer = new Promise<Peer<Steady, undefined>>((resolve) => {
      connected = resolve;
    });
    const server = await serve<Steady, Station["handlers"]>(
      steady,
      "127.0.0.1:0",
      (each) => {
        if (each.isConnected) connected(each); // the first one is gone already
        return stations.server.handlers;
      },
      { limits, log: log.of("server"), ...(authority === undefined ? {} : { tls: authority.ofServer }) },
    );
    scope.add(() => server.close());
    const proxy = await ChaosProxy.listen(server.address, 1, weather);
    scope.add(() => proxy.close());
    const link = await dial(proxy.address, "client");
    scope.add(() => link.disconnect());
    scope.add(() => proxy.cut());
    const parts = { server, link, peer: await peer, proxy, log, stations, dial };
    await proxy.whenConnected();
    return new World(parts);
  }

  /** Who calls in this direction: the consumer up, the service down. */
  calling(way: Way): End {
    return way === "up"
      ? { caller: this.link, far: this.#stations.server }
      : { caller: this.peer, far: this.#stations.client };
  }

  /** The connection at present. */
  get line(): ProxiedConnection {
    const line = [...this.proxy.connections].at(-1);
    if (line === undefined) throw new Error("the proxy has no connection");
    return line;
  }

  /** Resolves when both ends of the first connection are over, and what follows from that has happened. */
  async over(): Promise<void> {
    await Promise.all([this.link.closed, this.peer.closed]);
    await quiet();
  }

  /** The promise, unless either operator is told anything first. */
  async undisturbed<T>(promise: Promise<T>): Promise<T> {
    const { log } = this;
    const told = async (): Promise<never> => {
      while (log.entries.length === 0) await log.changed();
      throw new Error("an operator was told something");
    };
    return Promise.race([promise, told()]);
  }

  /** @throws Error when anything has not arrived as it was sent, or the link is not open */
  checkWhole(): void {
    const damaged = [...this.#stations.server.damaged, ...this.#stations.client.damaged];
    if (damaged.length > 0) throw new Error(`damaged: ${damaged.join()}`);
    if (this.link.state !== "open") throw new Error(`the link is ${this.link.state}`);
  }

  /** Another consumer of the same server, on a line of its own that nothing is wrong with. */
  async neighbour(scope: Scope): Promise<Link<Steady>> {
    const link = await this.dial(this.server.address, "neighbour");
    scope.add(() => link.disconnect());
    return link;
  }
}

/** Resolves when so many bytes of this direction were passed on. */
export function passed(line: ProxiedConnection, way: Way, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    line.lane(way).watchAt(bytes, () => {
      resolve();
      return false;
    });
  });
}

export interface Told {
  readonly side: string;
  readonly where: string;
  readonly reason: string;
  readonly atMs: number;
}

/** What all operators are told. */
export class Log {
  readonly entries: Told[] = [];
  #waiting: (() => void)[] = [];

  of(side: string): (entry: LogEntry) => void {
    return ({ error, where }) => {
      this.entries.push({ side, where, reason: error.reason ?? error.code, atMs: performance.now() });
      for (const wake of this.#waiting.splice(0)) wake();
    };
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** "server connection: slow_reader" */
  get text(): string {
    return this.entries.map(({ side, where, reason }) => `${side} ${where}: ${reason}`).join("; ");
  }
}

let made: { readonly cert: string; readonly ofServer: ReturnType<Authority["server"]> } | undefined;

function authorityOf() {
  if (made === undefined) {
    const authority = new Authority("steady");
    made = { cert: authority.cert, ofServer: authority.server() };
    authority.remove();
  }
  return made;
}
