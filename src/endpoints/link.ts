/**
 * Link: a consumer's end of a service: typed calls, the reactions, and the connection behind them, which may be dialed again
 * when it is lost. A conversation never survives a disconnect. docs/services.md.
 */
import { type Clock, systemClock } from "../clock.ts";
import { asHbiError, failure, type HbiError } from "../errors.ts";
import { type Limits, resolveLimits } from "../limits.ts";
import type { Dialect } from "../parser/repr.ts";
import { argumentsText } from "../registry/call-text.ts";
import { readDescription, type ServiceDescription } from "../registry/description.ts";
import { checkHandlers, type EntryTable } from "../registry/hosting-env.ts";
import type { ArgumentsOf, Params } from "../registry/method.ts";
import type { Service } from "../registry/service.ts";
import type { Transport } from "../wire/transport.ts";
import { type Backoff, backoff, type ReconnectOptions } from "./backoff.ts";
import { AUTHENTICATE, DESCRIBE, PING } from "./builtin-names.ts";
import { type CallOptions, type Calls, callsOf, type Posts, postsOf } from "./caller.ts";
import { Connection } from "./connection.ts";
import { type ConnectionOptions, logUnexpected } from "./connection-options.ts";
import { Desk, type OutgoingInterceptor } from "./desk.ts";
import type { HostingEnd } from "./hosting-end.ts";
import { HostingEnv } from "./hosting-env.ts";
import type { PostingEnd } from "./posting-end.ts";
import type { ScriptMethods, ScriptPlan, ScriptResults } from "./script-builder.ts";
import type { Interceptor, ServiceCall } from "./service-call.ts";
import { type Bound, type ServiceHandlers, serviceTable } from "./service-env.ts";
import { type Wait, type WaitOptions, Waits } from "./waits.ts";

/** Connects the bytes; gives up when the signal aborts. */
export type Dial = (options: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<Transport>;

export type LinkState = "connecting" | "open" | "closed";
export type StateListener = (state: LinkState, reason: HbiError | undefined) => void;

export type ReactionsOf<S extends Service> = ServiceHandlers<S["reactions"], ServiceCall<Link<S>, undefined>>;

/** What is shown to the service before anything is called: as its definition declares. */
export type Shown<S extends Service> = S["credentials"] extends Params ? ArgumentsOf<S["credentials"]> : undefined;

interface CommonLinkOptions<S extends Service> extends Omit<ConnectionOptions, "describe" | "onGoAway" | "onLost"> {
  /** Dials again after a loss; without it a link is one connection. */
  readonly reconnect?: ReconnectOptions;
  /** How often a call of a method that is marked `idempotent` is sent again after its connection was lost. Default 0 */
  readonly retries?: number;
  /** Around every call of this side, the first one outermost. */
  readonly interceptors?: readonly OutgoingInterceptor[];
  /** Around every call of a reaction. */
  readonly incoming?: readonly Interceptor<Link<S>, undefined>[];
  /** `python` for a host of the reference that does not know `null`, `true`, `false` */
  readonly dialect?: Dialect;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
}

export type LinkOptions<S extends Service> = CommonLinkOptions<S> &
  (S["credentials"] extends Params
    ? {
        /** Shown on every connection; a function is asked anew each time. */
        readonly credentials: Shown<S> | (() => Shown<S> | Promise<Shown<S>>);
      }
    : { readonly credentials?: undefined });

export class Link<S extends Service = Service> {
  /** Each method of the service: waits for its result. */
  readonly call: Calls<S["methods"]>;
  /** The same without waiting: resolves when the request is handed to the wire. */
  readonly post: Posts<S["methods"]>;
  /** Resolves, and never rejects, when the link is over for good; with the reason if it did not end in peace. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #service: S;
  readonly #dial: Dial;
  readonly #options: LinkOptions<S>;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #backoff: Backoff | undefined;
  readonly #table: EntryTable;
  readonly #bound: Bound;
  readonly #desk: Desk;
  /** for calls that wait for a connection */
  readonly #waits: Waits;
  readonly #waiting = new Set<Wait<Connection>>();
  readonly #listeners = new Set<StateListener>();
  readonly #abort = new AbortController();
  #state: LinkState = "connecting";
  #isClosing = false;
  /** dials, one after the other, that came to nothing */
  #attempts = 0;
  #openedAt = 0;
  #connection: Connection | undefined;
  /** told to go away and not over: their answers still come */
  readonly #retiring = new Set<Connection>();
  #resolveClosed: (reason: HbiError | undefined) => void = () => undefined;

  constructor(service: S, dial: Dial, reactions: ReactionsOf<S>, options: LinkOptions<S>) {
    checkHandlers(service.reactions, reactions);
    this.#service = service;
    this.#dial = dial;
    this.#options = options;
    this.#limits = resolveLimits(options.limits);
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.reconnect === undefined ? undefined : backoff(options.reconnect);
    this.#table = serviceTable(service.reactions, service.values);
    const { incoming = [], dialect, interceptors, retries } = options;
    this.#bound = {
      side: this,
      context: undefined,
      handlers: reactions as Bound["handlers"], // checked above, typed by whoever made the link
      interceptors: incoming as never,
    };
    this.#waits = new Waits(this.#clock, this.#limits.callTimeoutMs);
    const { writer } = this.#table;
    const deskOptions = { clock: this.#clock, limits: this.#limits, writer, dialect, interceptors, retries };
    this.#desk = new Desk((wait) => this.#connectionFor(wait), deskOptions);
    this.call = callsOf<S["methods"]>(service.methods, this.#desk);
    this.post = postsOf<S["methods"]>(service.methods, this.#desk);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Calls `listener` at every change of the state, with the reason of a loss. Gives what ends that. */
  onState(listener: StateListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Several calls, also nested in each other, in one round trip. */
  script<const T extends ScriptPlan>(
    build: (script: ScriptMethods<S["methods"]>) => T,
    options: CallOptions = {},
  ): Promise<ScriptResults<T>> {
    return this.#desk.script<S["methods"], T>(this.#service.methods, build, options);
  }

  /** Shows the credentials again on the present connection, such as a new token: what is called from then on is called by whom they
   *  belong to. Refused, all stays as it was. @throws HbiError unauthenticated, or what `authenticate` of the service throws */
  async authenticate(options: WaitOptions = {}): Promise<void> {
    await this.#authenticate(await this.#connectionFor(options), options);
  }

  /** Milliseconds of a round trip to the service. */
  async ping(options: WaitOptions = {}): Promise<number> {
    const { posting, clock } = await this.#connectionFor(options);
    const start = clock.now();
    if (!posting.knowsExtension) await posting.learnExtension(options);
    else await posting.callBuiltin(PING, options);
    return clock.now() - start;
  }

  /** What the service tells of itself. @throws HbiError unimplemented when it does not */
  async describe(options: WaitOptions = {}): Promise<ServiceDescription> {
    const { posting } = await this.#connectionFor(options);
    if (!(await posting.learnExtension(options))) throw failure("unknown_name", DESCRIBE);
    const text = await posting.callBuiltin(DESCRIBE, options);
    return readDescription(parseJson(text));
  }

  /** The present connection's address. @throws HbiError unavailable */
  get remoteAddress(): string {
    return this.#present.remoteAddress;
  }

  get localAddress(): string {
    return this.#present.localAddress;
  }

  /** The posting end of the present connection: HBI's own way to start conversations. @throws HbiError unavailable */
  get po(): PostingEnd {
    return this.#present.posting;
  }

  get ho(): HostingEnd {
    return this.#present.hosting;
  }

  get #present(): Connection {
    if (this.#connection === undefined)
      throw failure("disconnected", `the link is ${this.#state}`, { mayHaveLanded: false });
    return this.#connection;
  }

  // --- connecting ----------------------------------------------------------------------------------------------------

  /** The first connection. @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled */
  async open(): Promise<this> {
    try {
      await this.#connect();
    } catch (thrown) {
      const error = asHbiError(thrown);
      this.#over(error);
      throw error;
    }
    return this;
  }

  async #connect(): Promise<void> {
    const { signal } = this.#options;
    const signals = signal === undefined ? [this.#abort.signal] : [this.#abort.signal, signal];
    const giveUp = AbortSignal.any(signals);
    const transport = await this.#dial({ signal: giveUp, timeoutMs: this.#limits.connectTimeoutMs });
    const { clock, limits, extension, log } = this.#options;
    const connection: Connection = new Connection(transport, () => new HostingEnv(this.#table, this.#bound), {
      ...(clock === undefined ? {} : { clock }),
      ...(limits === undefined ? {} : { limits }),
      ...(extension === undefined ? {} : { extension }),
      ...(log === undefined ? {} : { log }),
      onGoAway: () => this.#goingAway(connection),
      onLost: (reason) => this.#lost(connection, reason),
    });
    try {
      await connection.start();
      await this.#authenticate(connection, { signal: giveUp });
    } catch (thrown) {
      void connection.disconnect();
      throw thrown;
    }
    if (this.#isClosing) {
      void connection.disconnect();
      throw failure("cancelled", "connect");
    }
    connection.checkAccepting(); // lost in the same moment
    this.#connection = connection;
    this.#openedAt = this.#clock.now();
    this.#enter("open");
    for (const wait of this.#waiting) wait.settle(connection);
    this.#waiting.clear();
  }

  async #authenticate({ posting, limits }: Connection, options: WaitOptions): Promise<void> {
    const { credentials: declared } = this.#service;
    if (declared === undefined) return;
    const { credentials } = this.#options;
    const shown: unknown = typeof credentials === "function" ? await credentials() : credentials;
    if (typeof shown !== "object" || shown === null) throw failure("bad_option", "no credentials");
    const writing = { dialect: "json", maxDepth: limits.maxDepth, writer: undefined } as const;
    await posting.callBuiltin(AUTHENTICATE, options, argumentsText(Object.keys(declared), shown, writing));
  }

  /** The service is closing: what it has is answered there, what is new goes to the next connection. */
  #goingAway(connection: Connection): void {
    if (this.#backoff === undefined || this.#connection !== connection || this.#isClosing) return;
    this.#retiring.add(connection);
    this.#connection = undefined;
    this.#moveOn(connection, this.#backoff, failure("draining", "the service is closing"), 0);
  }

  #lost(connection: Connection, reason: HbiError | undefined): void {
    this.#retiring.delete(connection);
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#isClosing) return;
    if (this.#backoff === undefined) {
      this.#over(reason);
      return;
    }
    this.#moveOn(connection, this.#backoff, reason, 1);
  }

  /** @param first the attempt to begin with after a connection that has lived: 0 dials at once */
  #moveOn(connection: Connection, backoff: Backoff, reason: HbiError | undefined, first: number): void {
    this.#enter("connecting", reason);
    const hasLived = this.#clock.now() - this.#openedAt >= backoff.maxDelayMs;
    // One that a service accepts and drops at once, or sends away, again and again, is no success.
    if (hasLived) this.#attempts = first;
    else this.#attempts = connection.posting.hasBeenAnswered ? 1 : this.#attempts + 1;
    if (this.#attempts > backoff.maxAttempts) this.#over(reason);
    else void this.#reconnect(backoff);
  }

  /** One dial at a time, until it succeeds or is in vain. */
  async #reconnect({ delayMs, maxAttempts }: Backoff): Promise<void> {
    for (; ; this.#attempts++) {
      if (this.#attempts > 0) await this.#delay(delayMs(this.#attempts));
      if (this.#isClosing) return;
      try {
        await this.#connect();
        return;
      } catch (thrown) {
        const error = asHbiError(thrown);
        if (this.#isClosing) return;
        const isRefused = error.code === "unauthenticated" || error.code === "permission_denied";
        if (isRefused || this.#options.signal?.aborted === true || this.#attempts >= maxAttempts) {
          this.#over(error);
          return;
        }
      }
    }
  }

  async #delay(ms: number): Promise<void> {
    const wait = this.#waits.start<void>({ timeoutMs: Number.POSITIVE_INFINITY, signal: this.#abort.signal });
    const timer = this.#clock.after(ms, () => wait.settle(), true);
    await wait.promise.catch(() => undefined); // closing: the caller looks
    timer.cancel();
  }

  #connectionFor(options: CallOptions): Connection | Promise<Connection> {
    if (this.#connection !== undefined && !this.#isClosing) return this.#connection;
    if (this.#isClosing || this.#state === "closed") {
      throw failure("disconnected", "the link is closed", { mayHaveLanded: false });
    }
    const { maxPostedWaiting } = this.#limits;
    if (this.#waiting.size >= maxPostedWaiting) throw failure("too_many_waiting");
    const wait = this.#waits.start<Connection>(options);
    this.#waiting.add(wait);
    wait.promise.catch(() => this.#waiting.delete(wait));
    return wait.promise;
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Begins nothing more, lets what is in flight finish on both sides, closes. */
  async close(reason?: string): Promise<void> {
    await this.#endBy((connection) => connection.drain(reason));
  }

  /** Closes at once; calls in flight reject. A reason is told to the service. */
  async disconnect(reason?: string): Promise<void> {
    await this.#endBy((connection) => connection.disconnect(reason));
  }

  async #endBy(end: (connection: Connection) => Promise<void>): Promise<void> {
    this.#isClosing = true;
    this.#abort.abort();
    const connections = [...this.#retiring, ...(this.#connection === undefined ? [] : [this.#connection])];
    await Promise.all(connections.map(end));
    this.#over(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #over(reason: HbiError | undefined): void {
    if (this.#state === "closed") return;
    this.#connection = undefined;
    this.#enter("closed", reason);
    this.#waits.loseAll(failure("disconnected", "the link is closed", { cause: reason, mayHaveLanded: false }));
    this.#resolveClosed(reason);
  }

  #enter(state: LinkState, reason?: HbiError): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of this.#listeners) this.#tell(listener, state, reason);
  }

  /** A listener that throws must not leave the link in between. */
  #tell(listener: StateListener, state: LinkState, reason: HbiError | undefined): void {
    try {
      listener(state, reason);
    } catch (thrown) {
      const { log = logUnexpected } = this.#options;
      log({ error: asHbiError(thrown), netIdent: this.#service.name, where: `onState ${state}` });
    }
  }
}

function parseJson(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch (cause) {
    throw failure("bad_answer", DESCRIBE, { cause });
  }
}
