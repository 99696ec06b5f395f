/**
 * Peer: a consumer as the service sees it: its reactions, its identity, its end. docs/services.md.
 */
import { failure, type HbiError } from "../../errors.ts";
import type { Service } from "../../registry/service.ts";
import type { PeerIdentity } from "../../wire/peer-identity.ts";
import type { TransportRequest } from "../../wire/transport.ts";
import type { Connection } from "../session/connection.ts";
import type { HostingEnd } from "../session/hosting-end.ts";
import type { PostingEnd } from "../session/posting-end.ts";
import { Caller, type CallerOptions } from "./caller.ts";
import { type CallOptions, type Calls, callsOf, type Posts, postsOf, type Tries, triesOf } from "./calls.ts";
import { type Carrier, connectionSender } from "./outgoing.ts";
import type { ScriptMethods, ScriptPlan, ScriptResults } from "./script-builder.ts";

/** What the host knows about a peer. */
export interface PeerRecord {
  /** set when the peer has authenticated */
  context: unknown;
  /** created once, when it has authenticated for the first time */
  handlers: object | undefined;
  /** the name of its definition, if it has said it */
  definition: string | undefined;
}

/** A consumer of a service. */
export class Peer<S extends Service = Service, Context = unknown> {
  readonly #service: S;
  readonly #connection: Connection;
  readonly #caller: Caller;
  // created on first use: most connections of a server never need them
  #calls: Calls<S["reactions"]> | undefined;
  #posts: Posts<S["reactions"]> | undefined;
  #tries: Tries<S["reactions"]> | undefined;
  readonly #record: PeerRecord;

  constructor(service: S, connection: Connection, options: CallerOptions, record: PeerRecord) {
    this.#service = service;
    this.#connection = connection;
    this.#record = record;
    const isKnown = service.parts.length === 0 ? undefined : (name: string) => this.#isKnown(name);
    this.#caller = new Caller(connectionSender(carrierOn(connection, isKnown)), options);
  }

  /** On a server of several definitions, whether this consumer has the given one; undefined if it has not said so, as
   *  in `onPeer`, and if it is no peer of this library. Reactions of other definitions are not sent to it. */
  declares(service: Service): boolean | undefined {
    const { definition } = this.#record;
    if (definition === undefined) return undefined;
    return definition === this.#service.name || definition === service.name;
  }

  /** Whether a reaction may be known to it. */
  #isKnown(name: string): boolean {
    const owner = this.#service.parts.find(({ reactions }) => Object.hasOwn(reactions, name));
    return owner === undefined || this.declares(owner) !== false;
  }

  /** Calls reactions of this consumer, and waits for their results. */
  get call(): Calls<S["reactions"]> {
    this.#calls ??= callsOf<S["reactions"]>(this.#service.reactions, this.#caller);
    return this.#calls;
  }

  /** Calls them without waiting: server push. */
  get post(): Posts<S["reactions"]> {
    this.#posts ??= postsOf<S["reactions"]>(this.#service.reactions, this.#caller);
    return this.#posts;
  }

  /** Calls them as `call`, except that an error that the reaction declares is returned: `{ ok }` or `{ error }`. */
  get try(): Tries<S["reactions"]> {
    this.#tries ??= triesOf<S["reactions"]>(this.#service.reactions, this.#caller);
    return this.#tries;
  }

  /** Several calls of its reactions in one round trip. */
  script<const T extends ScriptPlan>(
    build: (script: ScriptMethods<S["reactions"]>) => T,
    options: CallOptions = {},
  ): Promise<ScriptResults<T>> {
    return this.#caller.script<S["reactions"], T>(this.#service.reactions, build, options);
  }

  /** The result of `authenticate`; undefined before it has run, and if the server has none. After a new authentication
   *  it is the new one, also for running handlers; use `call.context` there. */
  get context(): Context {
    return this.#record.context as Context; // set before handlers and their factory are called
  }

  /** The identity in its certificate; undefined without mutual TLS. Available before `authenticate`. */
  get identity(): PeerIdentity | undefined {
    return this.#connection.identity;
  }

  /** The request with which its connection began, such as a WebSocket upgrade; unverified. Undefined if the transport
   *  provides none. Available before `authenticate`. */
  get request(): TransportRequest | undefined {
    return this.#connection.request;
  }

  /** "127.0.0.1:51034" */
  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  /** Its address without the port, or the /64 network of an IPv6 address; use it as a key for rates. Undefined on a
   *  Unix socket, and on a custom transport without an address. */
  get network(): string | undefined {
    return this.#connection.network;
  }

  get localAddress(): string {
    return this.#connection.localAddress;
  }

  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  /** Resolves when the connection has ended, with the reason unless the close was orderly; never rejects. */
  get closed(): Promise<HbiError | undefined> {
    return this.#connection.closed;
  }

  /** The posting end: begins conversations on the HBI layer. */
  get po(): PostingEnd {
    return this.#connection.posting;
  }

  get ho(): HostingEnd {
    return this.#connection.hosting;
  }

  /** Tells it to begin nothing new, lets what is in flight finish, and closes. */
  drain(reason?: string): Promise<void> {
    return this.#connection.drain(reason);
  }

  /** Closes at once; a reason is sent to the consumer. */
  disconnect(reason?: string): Promise<void> {
    return this.#connection.disconnect(reason);
  }
}

/** For exactly one connection. */
function carrierOn(connection: Connection, isKnown: ((name: string) => boolean) | undefined): Carrier {
  const { clock, limits } = connection;
  return {
    clock,
    limits,
    home: undefined,
    nextOrder: () => 0,
    place: (call) => {
      const { name } = call.request;
      if (isKnown?.(name) === false) call.lose(failure("unknown_name", `the consumer does not declare ${name}`));
      else call.begin(connection);
    },
  };
}
