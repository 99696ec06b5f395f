/**
 * ServiceHost: offers one definition to many peers: the shared table of methods, the handlers of each connection, and
 * authentication. docs/services.md.
 */
import { z } from "zod";
import { afterHearing, type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, HbiError, ownError } from "../../errors.ts";
import { type Limits, resolveLimits } from "../../limits.ts";
import {
  aFunction,
  anything,
  aPositiveInteger,
  checkMap,
  checkOptions,
  functions,
  type OptionsOf,
  oneOf,
} from "../../options.ts";
import { type Dialect, dialectOption } from "../../parser/repr.ts";
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
import { type ConnectionOptions, SHARED_OPTIONS, type SharedOptions } from "../session/connection-options.ts";
import { HoCo } from "../session/ho-co.ts";
import { HostingEnv } from "../session/hosting-env.ts";
import { markHandled } from "../waits.ts";
import type { OutgoingInterceptor } from "./caller.ts";
import type { Carrier } from "./outgoing.ts";
import { carrierOfNone, carrierOn, Peer, type PeerRecord } from "./peer.ts";
import type { Interceptor, ServiceCall } from "./service-call.ts";
import { type Bound, type ServiceHandlers, serviceTable } from "./service-env.ts";

type Awaitable<T> = T | PromiseLike<T>;

/** What a consumer presents: the declared `credentials`, or nothing. */
export type CredentialsOf<S extends Service> = S["credentials"] extends Params ? ParamsOf<S["credentials"]> : undefined;

/** What handlers and interceptors of a service learn about a call. */
export type CallOn<S extends Service, Context> = ServiceCall<Peer<S, Context>, Context>;
export type HandlersOf<S extends Service, Context> = ServiceHandlers<S["methods"], CallOn<S, Context>>;

export interface HostOptions<S extends Service, Context> extends SharedOptions {
  /** Runs before any method may be called: with the presented credentials if the definition declares some, otherwise as
   *  soon as the peer has connected. Its result is the context of the peer's calls; `undefined`, `null` and `false`
   *  refuse the peer.
   *  @throws HbiError, which is sent to the peer */
  readonly authenticate?: (
    credentials: CredentialsOf<S>,
    peer: Peer<S, unknown>,
  ) => Awaitable<Context | undefined | null | false>;
  /** Whether this peer may make this call; runs before everything else, and before its raw data is read. Only `true`
   *  permits; otherwise the caller gets `permission_denied`. @throws HbiError, which is sent to the caller instead */
  readonly authorize?: (call: CallOn<S, Context>) => Awaitable<boolean>;
  /** How many handlers of a method may run at once, on all connections together; further calls wait in order. */
  readonly concurrency?: { readonly [K in keyof S["methods"]]?: number };
  /** Timeouts of handlers in milliseconds, instead of `handlerTimeoutMs` of the limits; `Infinity` means as long as the
   *  caller waits. For a script of several calls, the longest applies. */
  readonly handlerTimeoutsMs?: { readonly [K in keyof S["methods"]]?: number };
  /** Wrap every call of a peer; the first one is the outermost: logging, metrics, rates. */
  readonly interceptors?: readonly Interceptor<Peer<S, Context>, Context>[];
  /** Wrap every call of this side to a peer. */
  readonly outgoing?: readonly OutgoingInterceptor[];
  /** `python` for calls to consumers of the reference that do not know `null`, `true`, `false` */
  readonly dialect?: Dialect;
  /** What `$hbi.describe` returns: names and schemas of callable methods (the default), the whole definition, or
   *  nothing. */
  readonly describe?: boolean | "full";
}

export const HOST_OPTIONS: OptionsOf<HostOptions<Service, unknown>> = {
  ...SHARED_OPTIONS,
  authenticate: aFunction,
  authorize: aFunction,
  concurrency: anything, // these two name methods of the definition, and are checked with it
  handlerTimeoutsMs: anything,
  interceptors: functions,
  outgoing: functions,
  dialect: dialectOption,
  describe: oneOf(true, false, "full"),
};

type AnyFactory = (peer: never) => object;

export class ServiceHost<S extends Service, Context = undefined> {
  readonly service: S;
  /** The connected peers; if authentication is required, only those that have authenticated. */
  readonly peers = new Set<Peer<S, Context>>();
  /** Accepts connections. Used by `serve`, which accepts sockets for it. */
  readonly acceptor: Acceptor;
  readonly #connectionOptions: ConnectionOptions & { readonly limits: Limits };
  readonly #factory: AnyFactory;
  readonly #options: HostOptions<S, Context>;
  readonly #table: EntryTable;
  readonly #preAuthTable: EntryTable | undefined;
  /** what runs before every handler: authorization, the gates, and the interceptors of the options */
  readonly #interceptors: readonly Interceptor[];
  readonly #records = new WeakMap<object, PeerRecord>();

  constructor(
    service: S,
    factory: (peer: Peer<S, Context>) => HandlersOf<S, Context>,
    options: HostOptions<S, Context> = {},
  ) {
    checkOptions(options, "ServiceHost", HOST_OPTIONS);
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
      throw failure("bad_option", `${service.name} declares credentials, but authenticate is missing`);
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

  /** The number of open connections, authenticated or not. */
  get connectionCount(): number {
    return this.acceptor.connections.size;
  }

  /** Resolves when it was told to drain or close and every connection has ended. */
  get closed(): Promise<void> {
    return this.acceptor.closed;
  }

  /** Serves one connection over any transport. Resolves when its init is done; the peer may not have authenticated yet.
   *  A refused transport is destroyed.
   *  @throws HbiError resource_exhausted beyond `maxConnections`, `maxConnectionsPerAddress` and `acceptsPerSecond`;
   *  unavailable while it drains and after it was closed; what `authenticate` or the handler factory throws */
  accept(transport: Transport, options: AcceptOptions = {}): Promise<Peer<S, Context>> {
    return markHandled(this.#accept(transport, options));
  }

  async #accept(transport: Transport, options: AcceptOptions): Promise<Peer<S, Context>> {
    const { env } = await this.acceptor.accept(transport, options);
    return (env.bound as Required<Bound>).side as Peer<S, Context>; // see #envOf and #admitted
  }

  /** Stops accepting, tells every peer, answers what they had begun by then, and closes. Takes at most
   *  `handlerTimeoutMs`. */
  drain(reason?: string): Promise<void> {
    return this.acceptor.drain(reason);
  }

  /** Closes at once; calls in flight are lost. The reason is sent to the peers. */
  close(reason?: string): Promise<void> {
    return this.acceptor.close(reason);
  }

  /** Drains. */
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
    if (this.#preAuthTable === undefined) return this.#authenticatedEnv(peer, connection, undefined as Context); // Context is undefined in this case
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

  // --- authentication ------------------------------------------------------------------------------------------------

  /** The only place where a peer gets its identity. Either everything succeeds while it is still wanted, or nothing
   *  changes. Conversations that begin later belong to the new context.
   *  @throws HbiError if the peer is refused, or if the call was cancelled */
  async #enter(peer: Peer<S, Context>, connection: Connection, credentials: unknown, co?: HoCo): Promise<null> {
    const { authenticate } = this.#options;
    const before = connection.env;
    const context = await authenticate?.(credentials as CredentialsOf<S>, peer); // validated by the declared schemas
    if (co?.signal.aborted === true) throw asHbiError(co.signal.reason); // cancelled: the caller knows
    connection.checkOpen(); // it may have ended meanwhile
    if (context === undefined || context === null || context === false) throw failure("unauthenticated", "refused");
    if (connection.env !== before) throw failure("wrong_stage", "authenticated meanwhile");
    connection.enter(this.#authenticatedEnv(peer, connection, context));
    return null;
  }

  /** Without declared credentials there is no call to answer, so a refusal ends the connection. */
  async #enterUnasked(peer: Peer<S, Context>, connection: Connection): Promise<void> {
    try {
      await this.#enter(peer, connection, undefined);
    } catch (thrown) {
      const own = ownError(thrown);
      if (own !== undefined) connection.cut(own); // otherwise the connection only reports that its init has failed
      throw thrown;
    }
  }

  /** The handlers for this context. If the factory throws, the peer keeps its identity. */
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
    const record = this.#records.get(peer) as PeerRecord; // created with the peer
    const before = record.context;
    record.context = context; // the factory reads it, and nothing else runs meanwhile
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
    const handlers: unknown = this.#factory(peer as never); // typed by the caller of the constructor
    if (handlers instanceof Promise) markHandled(handlers); // it is refused, and may reject later
    return handlers as object; // checked by the callers
  }

  /** The library's method with which a peer presents credentials: before it may call anything, and to change its
   *  identity. */
  #authenticateEntry(credentials: Params): [string, ExposedMethod] {
    const declared: Method = method({ params: credentials, result: z.null() }) as never; // a method with any parameters
    const handler = (shown: unknown, co: unknown, env: HostingEnv): unknown => {
      // An answer cannot show whether the call is still wanted.
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

  /** Calls the factory once for a peer that is not connected, so that a server with missing or extra handlers does not
   *  start. A factory that needs an end of its peer, or the context from `authenticate`, is checked when the first peer
   *  connects. */
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

/** @throws HbiError internal: a faulty factory is not the peer's fault, and the details are not for the peer */
function checkFactoryGives(service: Service, handlers: unknown): void {
  try {
    checkHandlers(service.methods, handlers);
  } catch (cause) {
    throw asHbiError(new Error("the handler factory failed", { cause }));
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
      const permitted = authorize(call as never); // typed by the caller of the constructor
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
  checkMap(concurrency, "concurrency", service.methods, aPositiveInteger);
  const gates = new Map<string, MethodGate>();
  for (const [name, most] of Object.entries(concurrency)) {
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
