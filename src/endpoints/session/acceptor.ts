/**
 * Acceptor: accepts connections for a server or a service host over any transport: limits them, lists the open ones,
 * and ends them all. docs/transports.md; docs/errors-and-limits.md, "When a slot is taken and when it is returned".
 */
import { type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, type HbiError, withoutStack } from "../../errors.ts";
import { type Limits, resolveLimits } from "../../limits.ts";
import { aString, checkOptions, type OptionsOf } from "../../options.ts";
import { destroyQuietly } from "../../wire/transport/guarded.ts";
import type { Transport } from "../../wire/transport.ts";
import { AcceptGuard, hostOf, Place, type Refusal } from "../guard/accept-guard.ts";
import type { Neighbours } from "../guard/unsent-load.ts";
import { handled, ignore, markHandled } from "../waits.ts";
import { Connection } from "./connection.ts";
import { CONNECTION_OPTIONS, type ConnectionOptions, logUnexpected, tell } from "./connection-options.ts";
import type { HostingEnd } from "./hosting-end.ts";
import { HostingEnv } from "./hosting-env.ts";
import type { PostingEnd } from "./posting-end.ts";

/** Creates the environment of a new connection: what its peer may use. The ends are connected when init hooks run. */
export type ContextFactory = (po: PostingEnd, ho: HostingEnd, connection: Connection) => HostingEnv;

export interface AcceptorOptions extends ConnectionOptions {
  /** Where it accepts, for the log. */
  readonly name?: string | undefined;
}

const ACCEPTOR_OPTIONS: OptionsOf<AcceptorOptions> = { ...CONNECTION_OPTIONS, name: aString };

export interface AcceptOptions {
  /** The peer's IP address, whose share the connection counts for. Default: that of the transport, if it has one, as
   *  "203.0.113.7:51034" or "[2001:db8::7]:51034". A connection without an address counts only for `maxConnections` and
   *  `acceptsPerSecond`. */
  readonly address?: string | undefined;
}

const ACCEPT_OPTIONS: OptionsOf<AcceptOptions> = { address: aString };

/** A transport that may be served. */
export interface Accepted {
  readonly transport: Transport;
  /** the connections of the same address */
  readonly neighbours: Neighbours | undefined;
  /** returned when the connection has ended; undefined if something else does that */
  readonly place?: Place;
  /** Sent to the peer; nothing of the peer is read. */
  readonly refusal?: HbiError | undefined;
  /** When the connection drains, because what admitted its peer expires. */
  readonly expires?: { readonly at: Date; readonly reason: string } | undefined;
}

/** Why a connection got no slot; "gone": its peer had reset it before it was accepted; "noWorker": no worker process
 *  was ready in time. */
type Unaccepted = Refusal | "gone" | "noWorker";

const REPORT_MS = 1_000;

export class Acceptor {
  /** Where it accepts, for the log. A listener fills in its address. */
  name: string;
  /** Resolves when it was told to end and every connection has ended. */
  readonly closed: Promise<void>;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly #context: ContextFactory;
  readonly #options: ConnectionOptions;
  readonly #guard: AcceptGuard;
  readonly #open = new Set<Connection>();
  #resolveClosed: () => void = ignore;
  #isEnding = false;
  /** connections whose context is being created: it may end this acceptor */
  #creating = 0;
  /** connections refused since the last log entry, by reason */
  #refused = 0;
  readonly #why = new Set<Unaccepted>();

  /** @param context creates the environment of each connection @throws HbiError invalid_argument */
  constructor(context: ContextFactory, given: AcceptorOptions = {}) {
    checkOptions(given, "Acceptor", ACCEPTOR_OPTIONS);
    const { name = "", ...options } = given;
    this.name = name;
    this.limits = resolveLimits(options.limits);
    this.#context = context;
    this.#options = { ...options, limits: this.limits };
    this.clock = options.clock ?? systemClock;
    this.#guard = new AcceptGuard(this.limits, this.clock);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** The open connections. */
  get connections(): ReadonlySet<Connection> {
    return this.#open;
  }

  /** Whether it has stopped accepting. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Serves one connection over any transport. Resolves when its init hooks have run. A refused transport is destroyed.
   *  @throws HbiError resource_exhausted beyond `maxConnections`, `maxConnectionsPerAddress` and `acceptsPerSecond`;
   *  unavailable while it drains and after it was closed; what the context or an init hook throws */
  accept(transport: Transport, options: AcceptOptions = {}): Promise<Connection> {
    return handled(async () => {
      checkOptions(options, "accept", ACCEPT_OPTIONS);
      const place = this.#placeFor(transport, options);
      if (place instanceof Place) return this.serve({ transport, neighbours: place.neighbours, place });
      destroyQuietly(transport);
      throw place;
    });
  }

  /** A slot, or why there is none. */
  #placeFor(transport: Transport, { address }: AcceptOptions): unknown {
    try {
      return this.enter(address ?? hostOf(transport.remoteAddress));
    } catch (thrown) {
      return thrown; // by the transport
    }
  }

  // --- for listeners, which take a slot before they know what they will serve
  // ------------------------------------------

  /** A slot for a connection of this address, or the reason why there is none. Logged once a second. */
  enter(address: string | undefined): Place | HbiError {
    const ending = this.#whyEnding();
    if (ending !== undefined) return ending;
    const entered = this.#guard.enter(address);
    if (entered instanceof Place) return entered;
    this.refused(entered);
    return withoutStack(() => failure("too_many_connections", entered));
  }

  neighboursOf(address: string | undefined): Neighbours | undefined {
    return this.#guard.neighboursOf(address);
  }

  /** Counts a connection that was refused before anything was allocated for it. */
  refused(why: Unaccepted): void {
    this.#refused += 1;
    this.#why.add(why);
    if (this.#refused > 1) return;
    this.clock.after(REPORT_MS, () => {
      const error = failure(
        "too_many_connections",
        `${this.#refused} refused in a second, ${[...this.#why].join(", ")}`,
      );
      this.#refused = 0;
      this.#why.clear();
      this.report(error);
    });
  }

  /** Serves a transport until it ends. Resolves when the init hooks have run.
   *  @throws HbiError what the context or an init hook throws, or the refusal; the peer is told, and the connection
   *  ends */
  async serve({ transport, neighbours, place, refusal, expires }: Accepted): Promise<Connection> {
    let failed = refusal ?? this.#whyEnding();
    // What the factory posted before it threw is on the wire, so the connection ends as usual.
    const contextOrNone: ContextFactory = (po, ho, made) => {
      try {
        if (failed === undefined) return this.#context(po, ho, made);
      } catch (thrown) {
        failed = asHbiError(thrown);
      }
      return new HostingEnv();
    };
    let connection: Connection;
    this.#creating += 1;
    try {
      connection = new Connection(transport, contextOrNone, this.#options, { neighbours });
      this.#open.add(connection);
    } catch (thrown) {
      place?.leave();
      destroyQuietly(transport);
      this.report(thrown);
      throw thrown;
    } finally {
      this.#creating -= 1;
      this.#resolveIfEnded();
    }
    failed ??= this.#whyEnding(); // the factory may have ended this acceptor
    void connection.closed.then(() => this.#left(connection, place));
    const started = connection.start();
    if (failed !== undefined) {
      connection.cut(failed); // before anything is read
      await started.catch(ignore);
      throw failed;
    }
    await started;
    if (expires !== undefined) this.#drainAt(connection, expires);
    return connection;
  }

  #whyEnding(): HbiError | undefined {
    return this.#isEnding ? withoutStack(() => failure("draining")) : undefined;
  }

  #drainAt(connection: Connection, { at, reason }: NonNullable<Accepted["expires"]>): void {
    const leftMs = Math.max(at.getTime() - Date.now(), 0);
    const timer = this.clock.after(leftMs, () => void connection.drain(reason));
    void connection.closed.then(() => timer.cancel());
  }

  #left(connection: Connection, place: Place | undefined): void {
    this.#open.delete(connection);
    place?.leave();
    this.#resolveIfEnded();
  }

  #resolveIfEnded(): void {
    if (this.#isEnding && this.#open.size === 0 && this.#creating === 0) this.#resolveClosed();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Stops accepting, lets what is in flight finish, and closes. */
  drain(reason?: string): Promise<void> {
    return markHandled(this.#end((connection) => connection.drain(reason)));
  }

  /** Stops accepting and closes at once. */
  close(reason?: string): Promise<void> {
    return markHandled(this.#end((connection) => connection.disconnect(reason)));
  }

  /** Drains. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  async #end(end: (connection: Connection) => Promise<void>): Promise<void> {
    this.#isEnding = true;
    const ended = [...this.#open].map(end);
    this.#resolveIfEnded();
    await Promise.all(ended); // except the connection whose handler calls this, which would wait for itself
  }

  /** Failures that concern no open connection. */
  report(thrown: unknown): void {
    const { log = logUnexpected } = this.#options;
    tell(log, { error: asHbiError(thrown), netIdent: this.name, where: "accept" });
  }
}
