/**
 * Link: a consumer's end of a service: typed calls and reactions, over a connection that may be dialed again when it is lost.
 * docs/services.md.
 */
import { failure, HbiError } from "../../errors.ts";
import type { Dialect } from "../../parser/repr.ts";
import { argumentsText } from "../../registry/call-text.ts";
import { readDescription, type ServiceDescription } from "../../registry/description/description.ts";
import { checkHandlers } from "../../registry/hosting-env.ts";
import type { ArgumentsOf, Params } from "../../registry/method.ts";
import type { Service } from "../../registry/service.ts";
import { AUTHENTICATE, DESCRIBE } from "../session/builtin-names.ts";
import type { Connection } from "../session/connection.ts";
import type { HostingEnd } from "../session/hosting-end.ts";
import { HostingEnv } from "../session/hosting-env.ts";
import type { PostingEnd } from "../session/posting-end.ts";
import { checkTimeout, markHandled, type WaitOptions } from "../waits.ts";
import { Caller, type OutgoingInterceptor } from "./caller.ts";
import { type CallOptions, type Calls, callsOf, type Posts, postsOf } from "./calls.ts";
import { connectionSender } from "./outgoing.ts";
import {
  type ConnectionOwner,
  type Dial,
  type LinkState,
  ReconnectingConnection,
  type ReconnectingOptions,
  type StateListener,
} from "./reconnect.ts";
import type { ScriptMethods, ScriptPlan, ScriptResults } from "./script-builder.ts";
import type { Interceptor, ServiceCall } from "./service-call.ts";
import { type Bound, type ServiceHandlers, serviceTable } from "./service-env.ts";

export type ReactionsOf<S extends Service> = ServiceHandlers<S["reactions"], ServiceCall<Link<S>, undefined>>;

/** What is shown to the service before anything is called: as its definition declares. */
export type Shown<S extends Service> = S["credentials"] extends Params ? ArgumentsOf<S["credentials"]> : undefined;

interface CommonLinkOptions<S extends Service> extends ReconnectingOptions {
  /** How often a call of a method that is marked `idempotent` is sent again after its connection was lost. Default 0 */
  readonly retries?: number;
  /** Around every call of this side, the first one outermost. */
  readonly interceptors?: readonly OutgoingInterceptor[];
  /** How long a reaction may take, in milliseconds, instead of `handlerTimeoutMs` of the limits. */
  readonly handlerTimeoutsMs?: { readonly [K in keyof S["reactions"]]?: number };
  /** Around every call of a reaction. */
  readonly incoming?: readonly Interceptor<Link<S>, undefined>[];
  /** `python` for a host of the reference that does not know `null`, `true`, `false` */
  readonly dialect?: Dialect;
}

export type LinkOptions<S extends Service> = CommonLinkOptions<S> &
  (S["credentials"] extends Params
    ? {
        /** Shown on every connection; a function is asked anew each time. */
        readonly credentials: Shown<S> | (() => Shown<S> | Promise<Shown<S>>);
      }
    : S["credentials"] extends undefined
      ? { readonly credentials?: undefined }
      : {
          /** For a service whose type does not say whether it asks for any. */
          readonly credentials?: object | (() => object | Promise<object>);
        });

export class Link<S extends Service = Service> {
  /** Each method of the service: waits for its result. */
  readonly call: Calls<S["methods"]>;
  /** The same without waiting: resolves when the request is handed to the wire. */
  readonly post: Posts<S["methods"]>;
  /** Resolves, and never rejects, when the link is over for good; with the reason if it did not end in peace. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #service: S;
  readonly #options: LinkOptions<S>;
  readonly #connection: ReconnectingConnection;
  readonly #caller: Caller;

  constructor(service: S, dial: Dial, reactions: ReactionsOf<S>, options: LinkOptions<S>) {
    checkHandlers(service.reactions, reactions);
    this.#service = service;
    this.#options = options;
    const { handlerTimeoutsMs, incoming = [], dialect, interceptors, retries } = options;
    const table = serviceTable(service.reactions, service.values, handlerTimeoutsMs);
    const bound: Bound = {
      side: this,
      context: undefined,
      handlers: reactions as Bound["handlers"], // checked above, typed by whoever made the link
      interceptors: incoming as never,
    };
    const owner: ConnectionOwner = {
      name: service.name,
      makeEnv: () => new HostingEnv(table, bound),
      authenticate: (connection, waiting) => this.#authenticate(connection, waiting),
    };
    this.#connection = new ReconnectingConnection(owner, dial, options);
    this.closed = this.#connection.closed;
    this.#caller = new Caller(connectionSender(this.#connection), {
      writer: table.writer,
      dialect,
      interceptors,
      retries,
    });
    this.call = callsOf<S["methods"]>(service.methods, this.#caller);
    this.post = postsOf<S["methods"]>(service.methods, this.#caller);
  }

  get state(): LinkState {
    return this.#connection.state;
  }

  /** Calls `listener` at every change of the state, with the reason of a loss. Gives what ends that. */
  onState(listener: StateListener): () => void {
    return this.#connection.onState(listener);
  }

  /** Several calls, also nested in each other, in one round trip. */
  script<const T extends ScriptPlan>(
    build: (script: ScriptMethods<S["methods"]>) => T,
    options: CallOptions = {},
  ): Promise<ScriptResults<T>> {
    return this.#caller.script<S["methods"], T>(this.#service.methods, build, options);
  }

  /** Shows the credentials again on the present connection, such as a new token: what is called from then on is called by whom they
   *  belong to. Refused, all stays as it was. @throws HbiError unauthenticated, or what `authenticate` of the service throws */
  authenticate(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#authenticateNow(options));
  }

  #authenticateNow(options: WaitOptions): Promise<void> {
    return this.#onConnection(options, (connection, left) => this.#authenticate(connection, left));
  }

  /** Milliseconds of a round trip to the service. */
  ping(options: WaitOptions = {}): Promise<number> {
    return markHandled(this.#ping(options));
  }

  #ping(options: WaitOptions): Promise<number> {
    return this.#onConnection(options, async ({ posting, clock }, left) => {
      const start = clock.now();
      await posting.ping(left);
      return clock.now() - start;
    });
  }

  /** On the present connection, or on the one after it when the service goes away and has not looked at it. */
  async #onConnection<T>(
    options: WaitOptions,
    run: (connection: Connection, left: WaitOptions) => Promise<T>,
  ): Promise<T> {
    const { clock, limits } = this.#connection;
    const untilMs = clock.now() + (checkTimeout(options.timeoutMs) ?? limits.callTimeoutMs);
    for (let left = options; ; left = { ...options, timeoutMs: Math.max(untilMs - clock.now(), 1) }) {
      const connection = await this.#connection.connectionFor(left);
      try {
        return await run(connection, left);
      } catch (thrown) {
        const isUnseen = thrown instanceof HbiError && thrown.reason === "draining" && thrown.mayHaveLanded === false;
        if (!isUnseen || this.#connection.state === "closed") throw thrown;
        connection.peerGoesAway(undefined); // it may not have said so
      }
    }
  }

  /** What the service tells of itself. @throws HbiError unimplemented when it does not */
  describe(options: WaitOptions = {}): Promise<ServiceDescription> {
    return markHandled(this.#describe(options));
  }

  #describe(options: WaitOptions): Promise<ServiceDescription> {
    return this.#onConnection(options, async ({ posting }, left) => {
      if (!(await posting.learnExtension(left))) throw failure("unknown_name", DESCRIBE);
      return readAnswer(await posting.callBuiltin(DESCRIBE, left));
    });
  }

  /** The present connection's address. @throws HbiError unavailable */
  get remoteAddress(): string {
    return this.#connection.present.remoteAddress;
  }

  get localAddress(): string {
    return this.#connection.present.localAddress;
  }

  /** The posting end of the present connection: HBI's own way to start conversations. @throws HbiError unavailable */
  get po(): PostingEnd {
    return this.#connection.present.posting;
  }

  get ho(): HostingEnd {
    return this.#connection.present.hosting;
  }

  /** The first connection. @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled */
  open(): Promise<this> {
    return markHandled(this.#connection.open().then(() => this));
  }

  /** Begins nothing more, lets what is in flight finish on both sides, closes. */
  close(reason?: string): Promise<void> {
    return this.#connection.close(reason);
  }

  /** Closes at once; calls in flight reject. A reason is told to the service. */
  disconnect(reason?: string): Promise<void> {
    return this.#connection.disconnect(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #authenticate({ posting, limits }: Connection, options: WaitOptions): Promise<void> {
    const { credentials: declared } = this.#service;
    if (declared === undefined) return;
    const { credentials } = this.#options;
    const shown: unknown = typeof credentials === "function" ? await credentials() : credentials;
    if (typeof shown !== "object" || shown === null) throw failure("bad_option", "no credentials");
    const writing = { dialect: "json", maxDepth: limits.maxDepth, writer: undefined } as const;
    await posting.callBuiltin(AUTHENTICATE, options, argumentsText(Object.keys(declared), shown, writing, undefined));
  }
}

function readAnswer(text: unknown): ServiceDescription {
  try {
    return readDescription(JSON.parse(String(text)));
  } catch (cause) {
    throw failure("bad_answer", cause instanceof HbiError ? `${DESCRIBE}: ${cause.message}` : DESCRIBE, { cause });
  }
}
