/**
 * ServiceHost: one definition offered to many peers: the shared table of methods, the handlers of each connection, and
 * authentication. docs/services.md.
 */
import { z } from "zod";
import { afterHearing, type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, HbiError, ownError } from "../../errors.ts";
import { type Limits, resolveLimits } from "../../limits.ts";
import type { Dialect } from "../../parser/repr.ts";
import { briefDescription } from "../../registry/description/brief-description.ts";
import { describeService } from "../../registry/description/describe.ts";
import { checkHandlers, type EntryTable, type ExposedMethod } from "../../registry/hosting-env.ts";
import { isPromise } from "../../registry/invoke.ts";
import { type Method, method, type Params, type ParamsOf } from "../../registry/method.ts";
import type { Service } from "../../registry/service.ts";
import type { Transport } from "../../wire/transport.ts";
import { MethodGate } from "../guard/method-gate.ts";
import { type AcceptOptions, Acceptor, type ContextFactory } from "../session/acceptor.ts";
import { AUTHENTICATE } from "../session/builtin-names.ts";
import type { Connection } from "../session/connection.ts";
import type { ConnectionOptions } from "../session/connection-options.ts";
import { HoCo } from "../session/ho-co.ts";
import { HostingEnv } from "../session/hosting-env.ts";
import { markHandled } from "../waits.ts";
import type { OutgoingInterceptor } from "./caller.ts";
import type { Carrier } from "./outgoing.ts";
import { carrierOfNone, carrierOn, Peer, type PeerRecord } from "./peer.ts";
import type { Interceptor, ServiceCall } from "./service-call.ts";
import { type Bound, type ServiceHandlers, serviceTable } from "./service-env.ts";

type Awaitable<T> = T | PromiseLike<T>;

/** What a consumer of the service shows: the declared `credentials`, or nothing. */
export type CredentialsOf<S extends Service> = S["credentials"] extends Params ? ParamsOf<S["credentials"]> : undefined;

/** What handlers and interceptors of a service are told about a call. */
export type CallOn<S extends Service, Context> = ServiceCall<Peer<S, Context>, Context>;
export type HandlersOf<S extends Service, Context> = ServiceHandlers<S["methods"], CallOn<S, Context>>;

export interface HostOptions<S extends Service, Context>
  extends Omit<ConnectionOptions, "describe" | "onGoAway" | "onLost"> {
  /** Runs before any method may be called: with what the peer shows, where the definition declares `credentials`, else as soon
   *  as it has connected. What it gives is the context of the peer's calls; nothing (undefined, null, false) refuses it.
   *  @throws HbiError, which the peer is told */
  readonly authenticate?: (
    credentials: CredentialsOf<S>,
    peer: Peer<S, unknown>,
  ) => Awaitable<Context | undefined | null | false>;
  /** Whether this peer may make this call: looked at before anything else of it, and before its raw data. Only `true` permits; else
   *  the caller gets `permission_denied`. @throws HbiError, which the caller is told instead */
  readonly authorize?: (call: CallOn<S, Context>) => Awaitable<boolean>;
  /** How many handlers of a method run at once, on all connections together; more wait in order. */
  readonly concurrency?: { readonly [K in keyof S["methods"]]?: number };
  /** How long a handler of a method may take, in milliseconds, instead of `handlerTimeoutMs` of the limits; `Infinity` as long as its
   *  caller waits. Of a script of several calls the longest counts. */
  readonly handlerTimeoutsMs?: { readonly [K in keyof S["methods"]]?: number };
  /** Around every call of a peer, the first one outermost: logging, metrics, rates. */
  readonly interceptors?: readonly Interceptor<Peer<S, Context>, Context>[];
  /** Around every call of this side to a peer. */
  readonly outgoing?: readonly OutgoingInterceptor[];
  /** `python` for consumers of the reference that do not know `null`, `true`, `false`: of calls of this side to them */
  readonly dialect?: Dialect;
  /** What `$hbi.describe` tells a peer: names and schemas of what it may call (the default), all of the definition, nothing. */
  readonly describe?: boolean | "full";
}

type AnyFactory = (peer: never) => object;

export class ServiceHost<S extends Service, Context = undefined> {
  readonly service: S;
  /** Connected and, where that is asked for, authenticated. */
  readonly peers = new Set<Peer<S, Context>>();
  /** What it has accepted. For `serve`, which accepts sockets for it. */
  readonly acceptor: Acceptor;
  readonly #connectionOptions: ConnectionOptions & { readonly limits: Limits };
  readonly #factory: AnyFactory;
  readonly #options: HostOptions<S, Context>;
  readonly #table: EntryTable;
  readonly #preAuthTable: EntryTable | undefined;
  /** what stands before every handler: authorization, the gates, and what the service's owner has given */
  readonly #interceptors: readonly Interceptor[];
  readonly #records = new WeakMap<object, PeerRecord>();

  constructor(
    service: S,
    factory: (peer: Peer<S, Context>) => HandlersOf<S, Context>,
    options: HostOptions<S, Context>,
  ) {
    const {
      authenticate,
      authorize,
      concurrency,
      handlerTimeoutsMs,
      interceptors,
      outgoing,
      describe,
      dialect,
      ...connectionOptions
    } = options;
    this.service = service;
    this.#factory = factory;
    this.#options = options;
    const extra = service.credentials === undefined ? [] : [this.#authenticateEntry(service.credentials)];
    this.#table = serviceTable(service.methods, service.values, handlerTimeoutsMs, extra);
    this.#preAuthTable = authenticate === undefined ? undefined : { entries: new Map(extra), writer: undefined };
    this.#interceptors = [...authorizing(authorize), ...gating(service, concurrency), ...(interceptors ?? [])] as never;
    if (service.credentials !== undefined && authenticate === undefined) {
      throw failure("bad_option", `${service.name} declares credentials, and nothing authenticates`);
    }
    this.#connectionOptions = {
      ...connectionOptions,
      limits: resolveLimits(options.limits),
      describe: describe === false ? undefined : this.#description(describe),
    };
    const context: ContextFactory = (_po, _ho, connection) => this.#envOf(this.#peerOf(connection), connection);
    this.acceptor = new Acceptor(context, { ...this.#connectionOptions, name: service.name });
    this.#checkFactory(options.clock ?? systemClock);
  }

  /** Connections that are open, authenticated or not. */
  get connectionCount(): number {
    return this.acceptor.connections.size;
  }

  /** Resolves when it has been told to drain or to close, and every connection is over. */
  get closed(): Promise<void> {
    return this.acceptor.closed;
  }

  /** Serves one connection, over any transport. Resolves when its init is done: the peer may have yet to authenticate. A transport
   *  that is refused is destroyed.
   *  @throws HbiError resource_exhausted beyond `maxConnections`, `maxConnectionsPerAddress` and `acceptsPerSecond`; unavailable while
   *  it drains, and when it is closed; what `authenticate` or the handlers' factory throws */
  accept(transport: Transport, options: AcceptOptions = {}): Promise<Peer<S, Context>> {
    return markHandled(this.#accept(transport, options));
  }

  async #accept(transport: Transport, options: AcceptOptions): Promise<Peer<S, Context>> {
    const { env } = await this.acceptor.accept(transport, options);
    return (env.bound as Required<Bound>).side as Peer<S, Context>; // see #envOf and #admitted
  }

  /** Accepts no one any more and tells every peer so; answers what they had begun by then, and closes. Takes at most
   *  `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return this.acceptor.drain(reason);
  }

  /** Closes at once; calls in flight are lost. A reason is told to the peers. */
  close(reason?: string): Promise<void> {
    return this.acceptor.close(reason);
  }

  /** `drain`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  #peerOf(connection: Connection): Peer<S, Context> {
    const record: PeerRecord = { context: undefined };
    const peer = this.#peerOver(connection, carrierOn(connection), record);
    this.#records.set(peer, record);
    return peer;
  }

  #peerOver(connection: Connection | undefined, carrier: Carrier, record: PeerRecord): Peer<S, Context> {
    const { outgoing: interceptors, dialect } = this.#options;
    return new Peer(this.service, connection, carrier, { writer: this.#table.writer, interceptors, dialect }, record);
  }

  #envOf(peer: Peer<S, Context>, connection: Connection): HostingEnv {
    if (this.#preAuthTable === undefined) return this.#authenticatedEnv(peer, connection, undefined as Context); // Context is undefined then
    const env = new HostingEnv(this.#preAuthTable, { side: peer, connection }).asPreAuth();
    if (this.service.credentials === undefined) {
      env.onInit(() => this.#enterUnasked(peer, connection));
    } else {
      const { connectTimeoutMs } = connection.limits;
      const timer = afterHearing(connection.clock, connectTimeoutMs, () => {
        if (connection.env === env) connection.cut(failure("unauthenticated"));
      });
      void connection.closed.then(() => timer.cancel());
    }
    return env;
  }

  // --- who a peer is -------------------------------------------------------------------------------------------------

  /** The one place where a peer becomes somebody. All of it succeeds while it is still wanted, or nothing changes: conversations that
   *  begin from now on are those of the new context.
   *  @throws HbiError when the peer is refused, or when nobody waits for it any more */
  async #enter(peer: Peer<S, Context>, connection: Connection, credentials: unknown, co?: HoCo): Promise<null> {
    const { authenticate } = this.#options;
    const before = connection.env;
    const context = await authenticate?.(credentials as CredentialsOf<S>, peer); // validated by the declared schemas
    if (co?.signal.aborted === true) throw asHbiError(co.signal.reason); // given up: its caller has been told
    connection.checkOpen(); // it may have gone meanwhile
    if (context === undefined || context === null || context === false) throw failure("unauthenticated", "refused");
    if (connection.env !== before) throw failure("wrong_stage", "authenticated meanwhile");
    connection.enter(this.#authenticatedEnv(peer, connection, context));
    return null;
  }

  /** Where nothing is declared to be shown: a refusal ends the connection, as there is no call to answer. */
  async #enterUnasked(peer: Peer<S, Context>, connection: Connection): Promise<void> {
    try {
      await this.#enter(peer, connection, undefined);
    } catch (thrown) {
      const own = ownError(thrown);
      if (own !== undefined) connection.cut(own); // else the connection says that its init has failed, and no more
      throw thrown;
    }
  }

  /** Handlers for this context. When the factory throws, the peer is who it was. */
  #authenticatedEnv(peer: Peer<S, Context>, connection: Connection, context: Context): HostingEnv {
    const handlers = this.#handlersFor(peer, connection, context);
    const interceptors = this.#interceptors;
    const bound: Bound = { side: peer, context, handlers, interceptors, connection };
    if (!this.peers.has(peer)) {
      this.peers.add(peer);
      void peer.closed.then(() => this.peers.delete(peer));
    }
    return new HostingEnv(this.#table, bound);
  }

  #handlersFor(peer: Peer<S, Context>, connection: Connection, context: Context): Bound["handlers"] {
    const record = this.#records.get(peer) as PeerRecord; // made with the peer
    const before = record.context;
    record.context = context; // the factory goes by it, and nobody else runs meanwhile
    try {
      const handlers = this.#made(peer);
      connection.checkOpen(); // the factory may have closed it
      checkFactoryGives(this.service, handlers);
      return handlers as Bound["handlers"];
    } catch (thrown) {
      record.context = before;
      throw thrown;
    }
  }

  /** @throws whatever the factory throws */
  #made(peer: Peer<S, Context>): object {
    const handlers: unknown = this.#factory(peer as never); // typed by whoever made the host
    if (handlers instanceof Promise) markHandled(handlers); // it is refused, and may reject later
    return handlers as object; // checked by the callers
  }

  /** The library's own method by which a peer shows its credentials: before it may call anything, and when it changes its identity. */
  #authenticateEntry(credentials: Params): [string, ExposedMethod] {
    const declared: Method = method({ params: credentials, result: z.null() }) as never; // a method of any parameters
    const handler = (shown: unknown, co: unknown, env: HostingEnv): unknown => {
      // In an answer, nothing says whether it is still wanted.
      if (!(co instanceof HoCo)) throw failure("wrong_stage", `${AUTHENTICATE} inside an answer`);
      const { side, connection } = env.bound as Required<Bound>; // see #envOf and #authenticatedEnv
      return this.#enter(side as Peer<S, Context>, connection, shown, co);
    };
    return [AUTHENTICATE, { kind: "method", name: AUTHENTICATE, method: declared, handler: handler as never }];
  }

  #description(extent: true | "full" | undefined): () => string {
    let text: string | undefined;
    return () => {
      if (text === undefined) {
        const description = describeService(this.service);
        text = JSON.stringify(extent === "full" ? description : briefDescription(description));
      }
      return text;
    };
  }

  /** Calls the factory once, for a peer that is not connected, so that a server with missing or surplus handlers does not start. A factory
   *  that needs more of its peer, an end or the context that it authenticates with, is checked for the first one that connects. */
  #checkFactory(clock: Clock): void {
    const { limits } = this.#connectionOptions;
    const record: PeerRecord = { context: undefined };
    const peer = this.#peerOver(undefined, carrierOfNone(clock, limits), record);
    let handlers: object;
    try {
      handlers = this.#made(peer);
    } catch (thrown) {
      if (this.#preAuthTable !== undefined || ownError(thrown)?.reason === "disconnected") return;
      throw asHbiError(thrown);
    }
    checkHandlers(this.service.methods, handlers);
  }
}

/** @throws HbiError internal: what the factory lacks is not the peer's fault, and none of its business */
function checkFactoryGives(service: Service, handlers: unknown): void {
  try {
    checkHandlers(service.methods, handlers);
  } catch (cause) {
    throw asHbiError(new Error("the handlers' factory", { cause }));
  }
}

type Authorize = (call: never) => Awaitable<boolean>;

function authorizing(authorize: Authorize | undefined): readonly Interceptor[] {
  if (authorize === undefined) return [];
  const admit = (permitted: boolean, next: () => unknown): unknown => {
    if (permitted !== true) throw new HbiError("permission_denied", "not allowed");
    return next();
  };
  return [
    (call, next) => {
      const permitted = authorize(call as never); // typed by whoever made the host
      return isPromise(permitted)
        ? Promise.resolve(permitted).then((settled) => admit(settled as boolean, next)) // a thenable may settle twice
        : admit(permitted as boolean, next);
    },
  ];
}

function gating(
  service: Service,
  concurrency: Readonly<Record<string, number | undefined>> = {},
): readonly Interceptor[] {
  const gates = new Map<string, MethodGate>();
  for (const [name, most] of Object.entries(concurrency)) {
    if (!Object.hasOwn(service.methods, name)) throw failure("bad_option", `concurrency: ${name} is not declared`);
    if (most !== undefined) gates.set(name, new MethodGate(name, most));
  }
  if (gates.size === 0) return [];
  return [
    (call, next) => {
      const gate = gates.get(call.name);
      return gate === undefined ? next() : gate.run(call, next);
    },
  ];
}
