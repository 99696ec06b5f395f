/**
 * Ends: the link and the service host of a run, and the connections between them. A dial succeeds or fails when the scheduler says so.
 */
import {
  HbiError,
  type LimitOptions,
  type Limits,
  Link,
  type Peer,
  resolveLimits,
  ServiceHost,
  type Transport,
} from "hbi";
import type { Application, CallingEnd } from "./application.ts";
import type { Choice } from "./choice.ts";
import { Pipe, type PipeWatch } from "./pipe.ts";
import { Process } from "./process.ts";
import { type Explored, service } from "./service.ts";
import type { Side, World } from "./world.ts";

export type ExploredPeer = Peer<Explored, undefined>;

export interface EndsOptions {
  readonly application: Application;
  readonly watch: PipeWatch;
  /** what waits for the end of the present turn */
  readonly endOfTurn: (() => void)[];
  /** called with what must never happen */
  readonly fault: (what: string) => void;
}

/** A dial that waits for the scheduler. */
interface Dialing {
  readonly connected: (transport: Transport) => void;
  readonly failed: (error: HbiError) => void;
}

const RECONNECT = { initialDelayMs: 10, maxDelayMs: 10, jitter: 0 };

export class Ends {
  readonly processes: Readonly<Record<Side, Process>>;
  readonly pipes: Pipe[] = [];
  readonly host: ServiceHost<Explored>;
  readonly link: Link<Explored>;
  readonly #world: World;
  readonly #options: EndsOptions;
  /** by the number of their connection */
  readonly #peers = new Map<number, ExploredPeer>();
  /** that of the connection which is being accepted */
  #accepting = 0;
  #peer: ExploredPeer | undefined;
  #dialing: Dialing | undefined;

  constructor(world: World, options: EndsOptions) {
    this.#world = world;
    this.#options = options;
    const { application, endOfTurn } = options;
    const { plain = [], clientLimits, serverLimits, reconnects, retries, concurrency, lacksEndOfTurn } = world;
    const queue = lacksEndOfTurn === true ? undefined : endOfTurn;
    this.processes = { client: new Process("client", queue), server: new Process("server", queue) };
    const handlersAt = (pipe: number) => application.handlers(pipe, () => this.#peers.get(pipe));
    this.host = new ServiceHost<Explored>(service, () => handlersAt(this.#accepting), {
      clock: this.processes.server,
      limits: limitsOf(serverLimits),
      extension: !plain.includes("server"),
      lanes: false, // the bytes of a pipe are read as one stream of packets
      log: () => undefined,
      ...(concurrency === undefined ? {} : { concurrency: { work: concurrency } }),
    });
    const reactions = application.handlers(undefined, () => this.link);
    this.link = new Link<Explored>(service, ({ signal }) => this.#dial(signal), reactions, {
      clock: this.processes.client,
      limits: limitsOf(clientLimits),
      extension: !plain.includes("client"),
      lanes: false,
      log: () => undefined,
      ...(reconnects === true ? { reconnect: RECONNECT } : {}),
      ...(retries === undefined ? {} : { retries }),
    });
  }

  /** The first connection. */
  open(): void {
    this.link.open().catch((thrown) => this.#options.fault(`open: ${thrown}`));
    this.#connect();
  }

  /** What a side calls on: its link, or the server's latest peer. */
  end(side: Side): CallingEnd | undefined {
    return side === "client" ? this.link : this.#peer;
  }

  /** The peers of the host, each with its connection. */
  get peers(): { readonly peer: ExploredPeer; readonly pipe: Pipe }[] {
    return this.pipes.flatMap((pipe) => {
      const peer = this.#peers.get(pipe.number);
      return peer !== undefined && this.host.peers.has(peer) ? [{ peer, pipe }] : [];
    });
  }

  /** What is under way: bytes, ends of connections, turns of the event loop, dials. */
  choices(): Choice[] {
    const { client, server } = this.processes;
    const choices = this.pipes.flatMap(({ ends }) => ends.flatMap((end) => end.choices()));
    choices.push(...client.turns(), ...server.turns());
    if (this.#dialing !== undefined) {
      choices.push({ label: "client: the dial succeeds", sides: ["client", "server"], run: () => this.#connect() });
    }
    return choices;
  }

  get isDialing(): boolean {
    return this.#dialing !== undefined;
  }

  #dial(signal: AbortSignal): Promise<Transport> {
    return new Promise((connected, failed) => {
      this.#dialing = { connected, failed };
      signal.addEventListener("abort", () => this.failDial(), { once: true });
    });
  }

  #connect(): void {
    const dialing = this.#dialing;
    this.#dialing = undefined;
    const { watch, endOfTurn, fault } = this.#options;
    const pipe = new Pipe(this.pipes.length + 1, this.#world, watch, endOfTurn);
    this.pipes.push(pipe);
    this.#accepting = pipe.number;
    this.host.accept(pipe.server).then(
      (peer) => {
        this.#peers.set(pipe.number, peer);
        this.#peer = peer;
      },
      (thrown) => fault(`accept: ${thrown}`),
    );
    dialing?.connected(pipe.client);
  }

  failDial(): void {
    this.#dialing?.failed(new HbiError("unavailable", "could not connect", undefined, { reason: "connect_failed" }));
    this.#dialing = undefined;
  }

  /** All that a side has read and written. */
  knowledge(side: Side): string {
    return this.pipes.map((pipe) => `${pipe[side].read}\t${pipe[side].writtenBytes}`).join("\n");
  }

  get fingerprint(): string {
    const { client, server } = this.processes;
    const ends = this.pipes.flatMap((pipe) => pipe.ends.map((end) => end.fingerprint));
    return [...ends, client.fingerprint, server.fingerprint, this.link.state, this.isDialing].join("\n");
  }
}

const DEFAULT: LimitOptions = {};
const RESOLVED = new Map<LimitOptions, Limits>();

/** What the worlds change of the defaults: the limit of the process is off, since all runs share it, and a peer that is silent is not asked
 *  whether it is there, since time passes only where a world lets it. */
const SHARED: LimitOptions = {
  maxProcessInFlight: Number.MAX_SAFE_INTEGER,
  maxProcessInFlightBytes: Number.MAX_SAFE_INTEGER,
  keepaliveMs: Number.POSITIVE_INFINITY,
};

/** Resolved once for all runs of a world. */
function limitsOf(options: LimitOptions = DEFAULT): Limits {
  let limits = RESOLVED.get(options);
  if (limits === undefined) {
    limits = resolveLimits({ ...SHARED, ...options });
    RESOLVED.set(options, limits);
  }
  return limits;
}
