/**
 * Link: a consumer's end of a service: typed calls and reactions over a connection that may be dialed again after a
 * loss. docs/services.md.
 */
import { failure, HbiError } from "../../errors.ts";
import { MAX_DEPTH } from "../../limits.ts";
import { loaded } from "../../on-demand.ts";
import { aCount, anything, checkOptions, functions, type OptionsOf, oneOf, reading } from "../../options.ts";
import { type Dialect, dialectOption } from "../../parser/repr.ts";
import { argumentsText } from "../../registry/call-text.ts";
import type { ServiceDescription } from "../../registry/description/description.ts";
import { checkHandlers } from "../../registry/handlers.ts";
import type { ArgumentsOf, Params } from "../../registry/method.ts";
import { checkReadable } from "../../registry/names.ts";
import type { Service } from "../../registry/service.ts";
import { formOf } from "../../registry/wire-form.ts";
import { AUTHENTICATE, DESCRIBE } from "../session/builtin-names.ts";
import type { Connection } from "../session/connection.ts";
import type { HostingEnd } from "../session/hosting-end.ts";
import { HostingEnv } from "../session/hosting-env.ts";
import type { PostingEnd } from "../session/posting-end.ts";
import { checkTimeout, checkWait, markHandled, type WaitOptions } from "../waits.ts";
import { Caller, type OutgoingInterceptor } from "./caller.ts";
import { type CallOptions, type Calls, callsOf, type Posts, postsOf, type Tries, triesOf } from "./calls.ts";
import { DefinitionCheck, type Mismatch, type MismatchHandling } from "./definition-check.ts";
import { connectionSender } from "./outgoing.ts";
import {
  type ConnectionOwner,
  type Dial,
  type LinkState,
  RECONNECTING_OPTIONS,
  ReconnectingConnection,
  type ReconnectingOptions,
  type StateListener,
} from "./reconnect.ts";
import type { ScriptMethods, ScriptPlan, ScriptResults } from "./script-builder.ts";
import type { AnyCall } from "./service-call.ts";
import { type Bound, type ServiceHandlers, serviceTable } from "./service-env.ts";

export type ReactionsOf<S extends Service> = ServiceHandlers<S["reactions"], Link<S>, undefined>;

/** The credentials that the definition declares. */
export type Shown<S extends Service> = S["credentials"] extends Params ? ArgumentsOf<S["credentials"]> : undefined;

export interface CommonLinkOptions<S extends Service> extends ReconnectingOptions {
  /** How often a call of an `idempotent` method is sent again after its connection was lost. Default 0 */
  readonly retries?: number | undefined;
  /** Wrap every call of this side; the first one is the outermost. */
  readonly interceptors?: readonly OutgoingInterceptor<S["methods"]>[] | undefined;
  /** Timeouts of reactions in milliseconds, instead of `handlerTimeoutMs` of the limits. */
  readonly handlerTimeoutsMs?: { readonly [K in keyof S["reactions"]]?: number | undefined } | undefined;
  /** Wrap every call of a reaction. */
  readonly incoming?:
    | readonly ((call: AnyCall<S["reactions"], Link<S>, undefined>, next: () => unknown) => unknown)[]
    | undefined;
  /** What to do if the definition of the service is another one: `warn` (the default), `error`, `ignore`, or a function
   *  that learns the difference. Only differences that may make calls fail are warnings and errors. */
  readonly onMismatch?: MismatchHandling | undefined;
  /** `python` for a host of the reference that does not know `null`, `true`, `false` */
  readonly dialect?: Dialect | undefined;
}

export type LinkOptions<S extends Service> = CommonLinkOptions<S> &
  (S["credentials"] extends Params
    ? {
        /** Presented on every connection; a function is called for each one. */
        readonly credentials: Shown<S> | (() => Shown<S> | Promise<Shown<S>>);
      }
    : S["credentials"] extends undefined
      ? { readonly credentials?: undefined }
      : {
          /** For a service whose type does not show whether it requires credentials. */
          readonly credentials?: (object | (() => object | Promise<object>)) | undefined;
        });

export const LINK_OPTIONS: OptionsOf<LinkOptions<Service>> = {
  ...RECONNECTING_OPTIONS,
  retries: aCount,
  interceptors: functions,
  handlerTimeoutsMs: anything, // names reactions of the definition, and is checked with it
  incoming: functions,
  onMismatch: (value, name) => {
    if (typeof value !== "function") oneOf("warn", "error", "ignore")(value, name, "Link");
  },
  dialect: dialectOption,
  credentials: (value, name) => {
    const isShown = typeof value === "function" || (typeof value === "object" && value !== null);
    if (!isShown) throw failure("bad_option", `${name} must be an object or a function`); // without showing the secret
  },
};

const NO_CREDENTIALS =
  "credentials are declared: pass { credentials } as an option, an object or a function that returns one";

/** Every service reads credentials of this size, unless its limit is very low. */
const SMALL_CREDENTIALS_CHARS = 1_024;

export class Link<S extends Service = Service> {
  /** Resolves when the link has closed for good, with the reason unless the close was orderly; never rejects. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #service: S;
  readonly #options: LinkOptions<S>;
  readonly #connection: ReconnectingConnection;
  readonly #check: DefinitionCheck;
  readonly #caller: Caller;
  // created on first use
  #calls: Calls<S["methods"]> | undefined;
  #posts: Posts<S["methods"]> | undefined;
  #tries: Tries<S["methods"]> | undefined;

  constructor(service: S, dial: Dial, reactions: ReactionsOf<S>, options: LinkOptions<S>) {
    checkOptions(options, "Link", LINK_OPTIONS);
    checkHandlers(service.reactions, reactions, "reactions");
    this.#service = service;
    this.#options = options;
    const { handlerTimeoutsMs, incoming = [], dialect, interceptors, retries } = options;
    const table = serviceTable(service.reactions, service.values, handlerTimeoutsMs, [], service.methods);
    this.#check = new DefinitionCheck(service, options.onMismatch, ({ posting }) => describe(posting, {}));
    const bound: Bound = {
      definition: () => ({ name: service.name }),
      introduced: this.#check.introduced,
      side: this,
      context: undefined,
      handlers: reactions as Bound["handlers"], // checked above, typed by the caller of the constructor
      interceptors: incoming as never,
    };
    const owner: ConnectionOwner = {
      name: service.name,
      makeEnv: () => new HostingEnv(table, bound),
      authenticate: (connection, waiting) => this.#enter(connection, waiting),
    };
    this.#connection = new ReconnectingConnection(owner, dial, options);
    checkReadable(service.reactions, this.#connection.limits);
    this.closed = this.#connection.closed;
    this.#caller = new Caller(connectionSender(this.#connection), {
      writer: table.writer,
      dialect,
      interceptors,
      retries,
    });
  }

  /** The methods of the service; each call waits for its result. */
  get call(): Calls<S["methods"]> {
    this.#calls ??= callsOf<S["methods"]>(this.#service.methods, this.#caller);
    return this.#calls;
  }

  /** The same without waiting: resolves when the request is handed to the wire. */
  get post(): Posts<S["methods"]> {
    this.#posts ??= postsOf<S["methods"]>(this.#service.methods, this.#caller);
    return this.#posts;
  }

  /** The same as `call`, except that an error that the method declares is returned: `{ ok }` or `{ error }`. Any other
   *  error rejects. */
  get try(): Tries<S["methods"]> {
    this.#tries ??= triesOf<S["methods"]>(this.#service.methods, this.#caller);
    return this.#tries;
  }

  get state(): LinkState {
    return this.#connection.state;
  }

  /** Calls `listener` at every change of the state, with the reason of a loss. Returns a function that removes it. */
  onState(listener: StateListener): () => void {
    return this.#connection.onState(listener);
  }

  /** Several calls, possibly nested, in one round trip. */
  script<const T extends ScriptPlan>(
    build: (script: ScriptMethods<S["methods"]>) => T,
    options: CallOptions = {},
  ): Promise<ScriptResults<T>> {
    return this.#caller.script<S["methods"], T>(this.#service.methods, build, options);
  }

  /** Presents the credentials again on the current connection, such as a new token. Later calls belong to the new
   *  identity. If it is refused, nothing changes.
   *  @throws HbiError unauthenticated, or the error that `authenticate` of the service throws */
  authenticate(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#authenticateNow(options));
  }

  #authenticateNow(options: WaitOptions): Promise<void> {
    return this.#onConnection(options, (connection, left) => this.#authenticate(connection, left));
  }

  /** The duration of a round trip to the service in milliseconds. */
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

  /** Runs on the current connection; or on the next one if the service goes away without having processed it. */
  async #onConnection<T>(
    options: WaitOptions,
    run: (connection: Connection, left: WaitOptions) => Promise<T>,
  ): Promise<T> {
    checkWait(options);
    const { clock, limits } = this.#connection;
    const untilMs = clock.now() + (checkTimeout(options.timeoutMs) ?? limits.callTimeoutMs);
    for (let left = options; ; left = { ...options, timeoutMs: Math.max(untilMs - clock.now(), 1) }) {
      const connection = await this.#connection.connectionFor(left);
      try {
        return await run(connection, left);
      } catch (thrown) {
        const isUnseen = thrown instanceof HbiError && thrown.reason === "draining" && thrown.mayHaveLanded === false;
        if (!isUnseen || this.#connection.state === "closed") throw thrown;
        connection.peerGoesAway(undefined); // the peer may not have said so
      }
    }
  }

  /** The service's description of itself. @throws HbiError unimplemented if it provides none */
  describe(options: WaitOptions = {}): Promise<ServiceDescription> {
    return markHandled(this.#describe(options));
  }

  #describe(options: WaitOptions): Promise<ServiceDescription> {
    return this.#onConnection(options, async ({ posting }, left) => {
      if (!(await posting.learnExtension(left))) throw failure("unknown_name", DESCRIBE);
      return describe(posting, left);
    });
  }

  /** How the definition of the service differs from that of the link; undefined if it is the same, or if the service
   *  has not said it. Known soon after the link is open. */
  get mismatch(): Mismatch | undefined {
    return this.#check.mismatch;
  }

  /** The address of the current connection. @throws HbiError unavailable */
  get remoteAddress(): string {
    return this.#connection.present.remoteAddress;
  }

  get localAddress(): string {
    return this.#connection.present.localAddress;
  }

  /** The posting end of the current connection: begins conversations on the HBI layer. @throws HbiError unavailable */
  get po(): PostingEnd {
    return this.#connection.present.posting;
  }

  get ho(): HostingEnd {
    return this.#connection.present.hosting;
  }

  /** Makes the first connection. @throws HbiError unavailable, unauthenticated, deadline_exceeded, cancelled */
  open(): Promise<this> {
    return markHandled(this.#connection.open().then(() => this));
  }

  /** Begins nothing new, lets what is in flight on both sides finish, and closes. */
  close(reason?: string): Promise<void> {
    return this.#connection.close(reason);
  }

  /** Closes at once; calls in flight reject. The reason is sent to the service. */
  disconnect(reason?: string): Promise<void> {
    return this.#connection.disconnect(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** On a new connection, before any call is sent on it. */
  async #enter(connection: Connection, options: WaitOptions): Promise<void> {
    await this.#authenticate(connection, options);
    if (this.#check.isStrict) {
      await connection.posting.learnExtension(options); // until then, the service has not said its definition
      await this.#check.check(connection);
    } else if (this.#service.credentials !== undefined) this.#check.checkLater(connection);
  }

  async #authenticate({ posting }: Connection, options: WaitOptions): Promise<void> {
    const { credentials: declared } = this.#service;
    if (declared === undefined) return;
    const credentials = reading(() => this.#options.credentials, "credentials");
    const shown: unknown = typeof credentials === "function" ? await credentials() : credentials;
    if (typeof shown !== "object" || shown === null) throw failure("bad_option", NO_CREDENTIALS);
    const writing = { dialect: "json", maxDepth: MAX_DEPTH, writer: undefined } as const;
    const forms = Object.entries(declared).map(([name, schema]) => [
      name,
      formOf(
        schema,
        reading(() => Reflect.get(shown, name), `credentials.${name}`),
      ),
    ]); // without what they strip
    const text = argumentsText(Object.keys(declared), Object.fromEntries(forms), writing, undefined);
    if (text.length > SMALL_CREDENTIALS_CHARS) await posting.introduction(options); // which says what the service reads
    posting.accepted.checkCredentials(`${AUTHENTICATE}(${text})`);
    await posting.callBuiltin(AUTHENTICATE, options, text);
  }
}

const READS = "what reads a description";

/** What reads it is loaded then: most clients never ask. */
async function describe(posting: PostingEnd, options: WaitOptions): Promise<ServiceDescription> {
  const text = await posting.callBuiltin(DESCRIBE, options);
  const { readDescription } = await loaded(import("../../registry/description/description.ts"), READS);
  try {
    return readDescription(JSON.parse(String(text)));
  } catch (cause) {
    throw failure("bad_answer", cause instanceof HbiError ? `${DESCRIBE}: ${cause.message}` : DESCRIBE, { cause });
  }
}
