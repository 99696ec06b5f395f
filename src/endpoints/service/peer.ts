/**
 * Peer: a consumer, as the service sees it: its reactions, who it is, its end. docs/services.md.
 */
import type { HbiError } from "../../errors.ts";
import type { Service } from "../../registry/service.ts";
import type { PeerIdentity } from "../../wire/peer-identity.ts";
import type { TransportRequest } from "../../wire/transport.ts";
import type { Connection } from "../session/connection.ts";
import type { HostingEnd } from "../session/hosting-end.ts";
import type { PostingEnd } from "../session/posting-end.ts";
import { markHandled } from "../waits.ts";
import { type CallOptions, type Calls, callsOf, type Posts, postsOf } from "./caller.ts";
import { Desk, type DeskOptions } from "./desk.ts";
import type { Carrier } from "./outgoing.ts";
import type { ScriptMethods, ScriptPlan, ScriptResults } from "./script-builder.ts";

/** What the host knows of a peer. */
export interface Admission {
  /** filled in when the peer is let in */
  context: unknown;
}

/** A consumer of a service. */
export class Peer<S extends Service = Service, Context = unknown> {
  /** Calls the reactions of this consumer, and waits for their results. */
  readonly call: Calls<S["reactions"]>;
  /** Calls them without waiting: server push. */
  readonly post: Posts<S["reactions"]>;
  readonly #service: S;
  readonly #connection: Connection;
  readonly #desk: Desk;
  readonly #admission: Admission;

  constructor(service: S, connection: Connection, options: DeskOptions, admission: Admission) {
    this.#service = service;
    this.#connection = connection;
    this.#admission = admission;
    this.#desk = new Desk(carrierOn(connection), options);
    this.call = callsOf<S["reactions"]>(service.reactions, this.#desk);
    this.post = postsOf<S["reactions"]>(service.reactions, this.#desk);
  }

  /** Several calls of its reactions in one round trip. */
  script<const T extends ScriptPlan>(
    build: (script: ScriptMethods<S["reactions"]>) => T,
    options: CallOptions = {},
  ): Promise<ScriptResults<T>> {
    return this.#desk.script<S["reactions"], T>(this.#service.reactions, build, options);
  }

  /** What `authenticate` made of it; undefined where a server has none, and before. When the peer authenticates anew, it is the new
   *  one from then on, also for handlers that are at work: theirs is `call.context`. */
  get context(): Context {
    return this.#admission.context as Context; // handlers and their factory are not called before it is set
  }

  /** Who it is by its certificate; undefined without mutual TLS. There before `authenticate`. */
  get identity(): PeerIdentity | undefined {
    return this.#connection.identity;
  }

  /** The request that its connection began as, such as a WebSocket upgrade: the peer's word alone. Undefined where the transport has none.
   *  There before `authenticate`. */
  get request(): TransportRequest | undefined {
    return this.#connection.request;
  }

  /** "127.0.0.1:51034" */
  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  /** Its address without the port, of IPv6 the network of 64 bits: whom a rate is kept for. Undefined on a Unix socket, and where a
   *  transport of your own has no address. */
  get network(): string | undefined {
    return this.#connection.network;
  }

  get localAddress(): string {
    return this.#connection.localAddress;
  }

  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  /** Resolves, and never rejects, when the connection is over; with the reason if it did not end in peace. */
  get closed(): Promise<HbiError | undefined> {
    return this.#connection.closed;
  }

  /** The posting end: HBI's own way to start conversations. */
  get po(): PostingEnd {
    return this.#connection.posting;
  }

  get ho(): HostingEnd {
    return this.#connection.hosting;
  }

  /** Tells it to begin nothing more, lets what is in flight finish, closes. */
  drain(reason?: string): Promise<void> {
    return markHandled(this.#connection.drain(reason));
  }

  /** Closes at once, and tells it why if a reason is given. */
  disconnect(reason?: string): Promise<void> {
    return markHandled(this.#connection.disconnect(reason));
  }
}

/** One connection and no other. */
function carrierOn(connection: Connection): Carrier {
  const { clock, limits, posting } = connection;
  return {
    clock,
    limits,
    home: undefined,
    nextOrder: () => 0,
    place: (call) => posting.place(call),
  };
}
