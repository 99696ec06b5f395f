/**
 * ServiceHost: offers one definition to many peers: the shared table of methods, the handlers of each connection, and
 * authentication. docs/services.md.
 */
import { z } from "zod";
import { afterHearing } from "../../clock.ts";
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
import type { Errors } from "../../registry/declared-errors.ts";
import { briefDescription } from "../../registry/description/brief-description.ts";
import { checkHandlers } from "../../registry/handlers.ts";
import type { Awaitable, EntryTable, ExposedMethod } from "../../registry/hosting-env.ts";
import { type Method, method, type Params, type ParamsOf } from "../../registry/method.ts";
import { checkReadable } from "../../registry/names.ts";
import { isPromise } from "../../registry/promised.ts";
import type { Service } from "../../registry/service.ts";
import { messagePortTransport } from "../../wire/transport/message-port.ts";
import { isMessagePort, type MessagePortLike } from "../../wire/transport/port-events.ts";
import type { Transport } from "../../wire/transport.ts";
import { MethodGate } from "../guard/method-gate.ts";
import { type AcceptOptions, Acceptor, type ContextFactory } from "../session/acceptor.ts";
import { AUTHENTICATE } from "../session/builtin-names.ts";
import { type LogFields, NO_FIELDS, printableFields } from "../session/call-log.ts";
import type { Connection } from "../session/connection.ts";
import { type ConnectionOptions, SHARED_OPTIONS, type SharedOptions } from "../session/connection-options.ts";
import { HoCo } from "../session/ho-co.ts";
import { HostingEnv, type TypedLayer } from "../session/hosting-env.ts";
import { handled, markHandled } from "../waits.ts";
import type { OutgoingInterceptor } from "./caller.ts";
import { describedInTurns, hashesOf, isDescribedSoon, ownDescription } from "./own-description.ts";
import { Peer, type PeerRecord } from "./peer.ts";
import type { AnyCall, Interceptor, ServiceCall } from "./service-call.ts";
import { type Bound, type ServiceHandlers, serviceTable } from "./service-env.ts";
import { yielding } from "./yielding.ts";

/** What a consumer presents: the declared `credentials`, or nothing. */
export type CredentialsOf<S extends Service> = S["credentials"] extends Params ? ParamsOf<S["credentials"]> : undefined;

/** What handlers and interceptors of a service learn about a call. */
export type CallOn<
  S extends Service,
  Context,
  // biome-ignore lint/suspicious/noExplicitAny: as for ServiceCall
  E extends Errors = any,
> = ServiceCall<Peer<S, Context>, Context, E>;
/** Any call of a service: `name` decides which type `params` has. */
export type AnyCallOn<S extends Service, Context> = AnyCall<S["methods"], Peer<S, Context>, Context>;
export type HandlersOf<S extends Service, Context> = ServiceHandlers<S["methods"], Peer<S, Context>, Context>;

/** Only for the compiler's message: without the annotation, handlers that take their peer decide on the context first, and in vain. */
type Unannotated<Context> = [Context] extends [undefined]
  ? "annotate the credentials: authenticate: ({ token }: CredentialsOf<typeof service>) => ..."
  : never;

export interface HostOptions<S extends Service, Context> extends SharedOptions {
  /** Runs before any method may be called: with the presented credentials if the definition declares some, otherwise as
   *  soon as the peer has connected. Its result is the context of the peer's calls; `undefined`, `null` and `false`
   *  refuse the peer.
   *  @throws HbiError, which is sent to the peer */
  readonly authenticate?:
    | ((
        credentials: CredentialsOf<S>,
        peer: Peer<S, unknown>,
      ) => Awaitable<Context | undefined | null | false | Unannotated<Context>>)
    | undefined;
  /** Whether this peer may make this call; runs before everything else, and before its raw data is read. Only `true`
   *  permits; otherwise the caller gets `permission_denied`. @throws HbiError, which is sent to the caller instead */
  readonly authorize?: ((call: AnyCallOn<S, Context>) => Awaitable<boolean>) | undefined;
  /** How many handlers of a method may run at once, on all connections together; further calls wait in order. */
  readonly concurrency?: { readonly [K in keyof S["methods"]]?: number | undefined } | undefined;
  /** Timeouts of handlers in milliseconds, instead of `handlerTimeoutMs` of the limits; `Infinity` means as long as the
   *  caller waits. For a script of several calls, the longest applies. */
  readonly handlerTimeoutsMs?: { readonly [K in keyof S["methods"]]?: number | undefined } | undefined;
  /** Runs when a peer has connected and, if that is required, authenticated, before its first call; once for each
   *  connection. It may push; it is not awaited. A failure goes to the log and has no other effect. */
  readonly onPeer?: ((peer: Peer<S, Context>) => unknown) | undefined;
  /** Runs when the connection of such a peer has ended, with the reason unless the close was orderly. Handlers of the
   *  peer may still be running. A failure goes to the log. */
  readonly onPeerLeft?: ((peer: Peer<S, Context>, reason: HbiError | undefined) => unknown) | undefined;
  /** What `log` and `onCall` tell of a peer besides its address, such as its tenant: texts, numbers and booleans. Runs
   *  once for each authentication. */
  readonly logFields?: ((context: Context, peer: Peer<S, Context>) => LogFields) | undefined;
  /** Wrap every call of a peer; the first one is the outermost: logging, metrics, rates. */
  readonly interceptors?: readonly ((call: AnyCallOn<S, Context>, next: () => unknown) => unknown)[] | undefined;
  /** Wrap every call of this side to a peer. */
  readonly outgoing?: readonly OutgoingInterceptor<S["reactions"]>[] | undefined;
  /** `python` for calls to consumers of the reference that do not know `null`, `true`, `false` */
  readonly dialect?: Dialect | undefined;
  /** What `$hbi.describe` returns: names and schemas of callable methods (the default), the whole definition, or
   *  nothing. */
  readonly describe?: boolean | "full" | undefined;
}

export const HOST_OPTIONS: OptionsOf<HostOptions<Service, unknown>> = {
  ...SHARED_OPTIONS,
  authenticate: aFunction,
  authorize: aFunction,
  onPeer: aFunction,
  onPeerLeft: aFunction,
  logFields: aFunction,
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
  /** the same for all connections; a server that does not describe itself says nothing of its definition */
  readonly #typedLayer: TypedLayer = {
    definition: () => (this.#options.describe === false ? undefined : { hashes: hashesOf(this.service) }),
    introduced: ({ definition }, { env }) => {
      const { side } = env.bound as Bound; // see #envOf and #authenticatedEnv
      const record = this.#records.get(side as object); // the peer
      if (record !== undefined) record.definition ??= definition; // what it says first counts
    },
  };

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
      onPeer,
      onPeerLeft,
      logFields,
      describe,
      dialect,
      ...connectionOptions
    } = options;
    checkFactory(factory);
    this.service = service;
    this.#factory = factory;
    this.#options = options;
    const extra = service.credentials === undefined ? [] : [this.#authenticateEntry(service.credentials)];
    this.#table = serviceTable(service.methods, service.values, handlerTimeoutsMs, extra, service.reactions, yielding);
    this.#preAuthTable =
      authenticate === undefined ? undefined : { ...this.#table, entries: new Map(extra), writer: undefined };
    this.#interceptors = [...authorizing(authorize), ...gating(service, concurrency), ...(interceptors ?? [])] as never;
    if (service.credentials !== undefined && authenticate === undefined) {
      throw failure("bad_option", `${service.name} declares credentials, but authenticate is missing`);
    }
    const limits = resolveLimits(options.limits);
    checkReadable(service.methods, limits);
    this.#connectionOptions = {
      ...connectionOptions,
      limits,
      describe: describe === false ? undefined : this.#description(describe),
    };
    const context: ContextFactory = (_po, _ho, connection) => this.#envOf(this.#peerOf(connection), connection);
    this.acceptor = new Acceptor(context, { ...this.#connectionOptions, name: service.name });
  }

  /** Resolves when it can say what its definition is. `serve` awaits it before it listens; otherwise the first
   *  connections wait for it. */
  async described(): Promise<void> {
    if (this.#options.describe !== false) await describedInTurns(this.service, this.acceptor.clock);
  }

  #isDescribed(): boolean {
    return this.#options.describe === false || isDescribedSoon(this.service, this.acceptor.clock);
  }

  /** The number of open connections, authenticated or not. */
  get connectionCount(): number {
    return this.acceptor.connections.size;
  }

  /** Resolves when it was told to drain or close and every connection has ended. */
  get closed(): Promise<void> {
    return this.acceptor.closed;
  }

  /** Serves one connection over any transport, or over a message port or worker. Resolves when its init is done; the
   *  peer may not have authenticated yet. A refused transport is destroyed.
   *  @throws HbiError resource_exhausted beyond `maxConnections`, `maxConnectionsPerAddress` and `acceptsPerSecond`;
   *  unavailable while it drains and after it was closed; what `authenticate` or the handler factory throws */
  accept(carrier: Transport | MessagePortLike, options: AcceptOptions = {}): Promise<Peer<S, Context>> {
    return handled(async () => {
      // At once, so that it hears everything that its other end says.
      const transport = isMessagePort(carrier) ? messagePortTransport(carrier) : carrier;
      if (!this.#isDescribed()) await this.described(); // a large definition takes many turns of the event loop
      const { env } = await this.acceptor.accept(transport, options);
      return (env.bound as Required<Bound>).side as Peer<S, Context>; // see #envOf and #admitted
    });
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
    const { outgoing, dialect } = this.#options;
    const interceptors = outgoing as readonly OutgoingInterceptor[] | undefined; // of any definition from here on
    const record: PeerRecord = { context: undefined, handlers: undefined, definition: undefined };
    const peer = new Peer<S, Context>(
      this.service,
      connection,
      { writer: this.#table.writer, interceptors, dialect },
      record,
    );
    this.#records.set(peer, record);
    return peer;
  }

  #envOf(peer: Peer<S, Context>, connection: Connection): HostingEnv {
    if (this.#preAuthTable === undefined) {
      const env = this.#authenticatedEnv(peer, connection, undefined as Context); // Context is undefined in this case
      return this.#options.onPeer === undefined ? env : env.onInit(() => this.#welcome(peer, connection));
    }
    const bound = { side: peer, connection, ...this.#typedLayer };
    const env = new HostingEnv(this.#preAuthTable, bound).asPreAuth();
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

  #welcome(peer: Peer<S, Context>, connection: Connection): void {
    connection.hear(() => this.#options.onPeer?.(peer), "onPeer");
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
    const isFirst = !this.peers.has(peer);
    connection.enter(this.#authenticatedEnv(peer, connection, context));
    if (isFirst) this.#welcome(peer, connection);
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

  /** Gives the peer its context and, the first time, its handlers. If the factory throws, nothing changes. */
  #authenticatedEnv(peer: Peer<S, Context>, connection: Connection, context: Context): HostingEnv {
    const record = this.#records.get(peer) as PeerRecord; // created with the peer
    const before = record.context;
    record.context = context; // the factory reads it, and nothing else runs meanwhile
    try {
      record.handlers ??= this.#handlersFor(peer, connection);
    } catch (thrown) {
      record.context = before;
      throw thrown;
    }
    const handlers = record.handlers as Bound["handlers"]; // checked when they were created
    const logFields = this.#logFields(peer, connection, context);
    const interceptors = this.#interceptors;
    const bound: Bound = { side: peer, context, handlers, interceptors, connection, logFields, ...this.#typedLayer };
    if (!this.peers.has(peer)) {
      this.peers.add(peer);
      void peer.closed.then((reason) => {
        this.peers.delete(peer);
        connection.hear(() => this.#options.onPeerLeft?.(peer, reason), "onPeerLeft");
      });
    }
    return new HostingEnv(this.#table, bound);
  }

  /** The fields are for logs only, so a failure costs no peer its connection. */
  #logFields(peer: Peer<S, Context>, connection: Connection, context: Context): LogFields {
    const { logFields } = this.#options;
    let fields = NO_FIELDS;
    if (logFields === undefined) return fields;
    connection.hear(() => {
      const given = logFields(context, peer);
      fields = printableFields(given);
      return given; // a promise of fields may reject
    }, "logFields");
    return fields;
  }

  /** @throws HbiError internal for wrong handlers: a faulty factory is not the peer's fault, and the details are not
   *  for the peer; otherwise whatever the factory throws */
  #handlersFor(peer: Peer<S, Context>, connection: Connection): object {
    const handlers: unknown = this.#factory(peer as never); // typed by the caller of the constructor
    if (handlers instanceof Promise) markHandled(handlers); // it is refused, and may reject later
    connection.checkOpen(); // the factory may have closed it
    try {
      checkHandlers(this.service.methods, handlers);
    } catch (cause) {
      throw asHbiError(new Error(`the handlers of ${this.service.name}: ${asHbiError(cause).message}`, { cause }));
    }
    return handlers as object; // checked above
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
        const description = ownDescription(this.service);
        text = JSON.stringify(extent === "full" ? description : briefDescription(description));
      }
      return text;
    };
  }
}

/** @throws HbiError invalid_argument for what can't create handlers */
export function checkFactory(factory: unknown): void {
  if (typeof factory !== "function") {
    throw failure(
      "bad_option",
      "handlers must be a function that creates them for each peer: () => ({ ... }), not { ... }",
    );
  }
  if (/^class\b/.test(Function.prototype.toString.call(factory))) {
    throw failure("bad_option", "handlers must be a function, not a class: (peer) => new Handlers(peer)");
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
