/**
 * ChaosProxy: a TCP proxy that is a bad network: late, in slices, slow, stalled, half closed, reset, gone. All chance comes from a seed;
 * slices end at places of the stream that do not depend on how the system delivers it.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Lane, type Weather } from "./chaos-lane.ts";

export type Way = "up" | "down";

/** The same weather both ways, or one for each. */
export type Weathers = Weather | Readonly<Record<Way, Weather>>;

/** A place in a stream: so many bytes behind the first occurrence of a text. */
interface Trap {
  readonly way: Way;
  readonly mark: string;
  readonly bytesBehind: number;
  readonly spring: (connection: ProxiedConnection) => void;
}

/** One connection of a client, and the one that the proxy made for it: `up` leads to the server, `down` to the client. */
export class ProxiedConnection {
  readonly up: Lane;
  readonly down: Lane;
  readonly closed: Promise<unknown>;
  readonly #sockets: readonly [Socket, Socket];
  /** nothing is passed on any more */
  isGone = false;

  constructor(client: Socket, server: Socket, weathers: Weathers, seed: number, index: number) {
    const { up, down } = "up" in weathers ? weathers : { up: weathers, down: weathers };
    this.#sockets = [client, server];
    this.up = new Lane(client, server, up, seed, index, 0);
    this.down = new Lane(server, client, down, seed, index, 1);
    for (const [lane, { goneAtByte }] of [[this.up, up] as const, [this.down, down] as const]) {
      if (goneAtByte !== undefined) lane.watchAt(goneAtByte, () => this.#vanish());
    }
    for (const socket of this.#sockets) {
      // One was reset: so is the other, unless nothing is left that would tell it.
      socket.on("error", () => (this.isGone ? socket.destroy() : this.reset()));
    }
    this.closed = Promise.all(this.#sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  }

  lane(way: Way): Lane {
    return way === "up" ? this.up : this.down;
  }

  /** RST to both sides; what is on its way is lost. */
  reset(): void {
    this.up.drop();
    this.down.drop();
    for (const socket of this.#sockets) {
      if (socket.destroyed) continue;
      // While FIN is on its way Node does not reset it, nor close it, and the process is kept busy by what is left.
      if (socket.writableEnded && !socket.writableFinished) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  /** The network goes: nothing is passed on any more, neither data nor FIN nor reset, until the proxy closes. */
  vanish(): void {
    this.isGone = true;
    this.up.fallSilent();
    this.down.fallSilent();
  }

  #vanish(): boolean {
    this.vanish();
    return false;
  }

  /** FIN in one direction, the other goes on; what is on its way there is lost. */
  halfClose(way: Way): void {
    this.lane(way).cut();
  }

  stall(): void {
    this.up.hold();
    this.down.hold();
  }

  release(): void {
    this.up.release();
    this.down.release();
  }
}

export class ChaosProxy {
  readonly connections = new Set<ProxiedConnection>();
  /** where the next connections lead */
  target: string;
  /** of the next connections */
  weather: Weathers;
  /** connections that were made */
  count = 0;
  readonly #seed: number;
  readonly #server: Server;
  readonly #traps = new Set<Trap>();
  readonly #dialing = new Set<Socket>();
  #connecting: ((connection: ProxiedConnection) => void)[] = [];

  private constructor(target: string, seed: number, weather: Weathers) {
    this.target = target;
    this.#seed = seed;
    this.weather = weather;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) =>
      this.#accept(client),
    );
  }

  static async listen(target: string, seed: number, weather: Weathers = {}): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(target, seed, weather);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`; // it listens on TCP
  }

  /** Resolves with the first connection that carries `mark` this way, when exactly `bytesBehind` bytes behind it were passed on; that
   *  lane is held then. `cancel` lets it be forgotten. */
  trap(way: Way, mark: string, bytesBehind: number): { readonly sprung: Promise<ProxiedConnection>; cancel(): void } {
    let spring: Trap["spring"] = () => undefined;
    const sprung = new Promise<ProxiedConnection>((resolve) => {
      spring = resolve;
    });
    const trap: Trap = { way, mark, bytesBehind, spring: (connection) => spring(connection) };
    this.#traps.add(trap);
    for (const connection of this.connections) this.#lay(trap, connection);
    return { sprung, cancel: () => void this.#traps.delete(trap) };
  }

  #lay(trap: Trap, connection: ProxiedConnection): void {
    const { way, mark, bytesBehind } = trap;
    connection.lane(way).watchFor(mark, bytesBehind, () => {
      if (!this.#traps.delete(trap)) return false;
      trap.spring(connection);
      return true;
    });
  }

  #accept(client: Socket): void {
    const [host = "", port = ""] = this.target.split(":");
    const server = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    const refuse = (): void => {
      client.resetAndDestroy();
      server.destroy();
    };
    client.on("error", refuse);
    server.on("error", refuse);
    client.once("close", () => server.destroy()); // gone while this side dials
    this.#dialing.add(server);
    server.once("close", () => this.#dialing.delete(server));
    server.once("connect", () => {
      this.#dialing.delete(server);
      client.off("error", refuse).removeAllListeners("close");
      server.off("error", refuse);
      const connection = new ProxiedConnection(client, server, this.weather, this.#seed, this.count);
      this.count += 1;
      this.connections.add(connection);
      void connection.closed.then(() => this.connections.delete(connection));
      for (const trap of this.#traps) this.#lay(trap, connection);
      for (const tell of this.#connecting.splice(0)) tell(connection);
    });
  }

  /** The first connection that there is, or the next. Whoever has connected may know of it before the proxy does. */
  async whenConnected(): Promise<ProxiedConnection> {
    const [connection] = this.connections;
    return connection ?? new Promise((resolve) => this.#connecting.push(resolve));
  }

  /** Resolves when every connection is over by itself. */
  async whenEmpty(): Promise<void> {
    while (this.connections.size > 0) await Promise.all([...this.connections].map(({ closed }) => closed));
  }

  /** Resets every connection; new ones are made as before. */
  cut(): void {
    for (const connection of this.connections) connection.reset();
  }

  async close(): Promise<void> {
    this.cut();
    for (const socket of this.#dialing) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
