/**
 * Line: the connection behind a link: dialed, dialed again when it is lost and when the service closes, waited for by calls, ended
 * for good. A conversation never survives a disconnect. docs/services.md.
 */
import { type Clock, systemClock } from "../clock.ts";
import { asHbiError, failure, type HbiError } from "../errors.ts";
import { type Limits, resolveLimits } from "../limits.ts";
import type { Transport } from "../wire/transport.ts";
import { type Backoff, backoff, type ReconnectOptions } from "./backoff.ts";
import { Connection } from "./connection.ts";
import { type ConnectionOptions, logUnexpected, tell } from "./connection-options.ts";
import type { HostingEnv } from "./hosting-env.ts";
import { type Wait, type WaitOptions, Waits } from "./waits.ts";

/** Connects the bytes; gives up when the signal aborts. */
export type Dial = (options: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<Transport>;

export type LinkState = "connecting" | "open" | "closed";
export type StateListener = (state: LinkState, reason: HbiError | undefined) => void;

export interface LineOptions extends Omit<ConnectionOptions, "describe" | "onGoAway" | "onLost"> {
  /** Dials again after a loss; without it a link is one connection. */
  readonly reconnect?: ReconnectOptions;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
}

/** Whose connection it is. */
export interface LineOwner {
  /** for the log */
  readonly name: string;
  makeEnv(): HostingEnv;
  /** Shows credentials on a connection that nobody calls on yet. */
  authenticate(connection: Connection, options: WaitOptions): Promise<void>;
}

export class Line {
  readonly limits: Limits;
  readonly clock: Clock;
  /** Resolves, and never rejects, when it is over for good; with the reason if it did not end in peace. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #owner: LineOwner;
  readonly #dial: Dial;
  readonly #options: LineOptions;
  readonly #backoff: Backoff | undefined;
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

  constructor(owner: LineOwner, dial: Dial, options: LineOptions) {
    this.#owner = owner;
    this.#dial = dial;
    this.#options = options;
    this.limits = resolveLimits(options.limits);
    this.clock = options.clock ?? systemClock;
    this.#backoff = options.reconnect === undefined ? undefined : backoff(options.reconnect);
    this.#waits = new Waits(this.clock, this.limits.callTimeoutMs);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get state(): LinkState {
    return this.#state;
  }

  onState(listener: StateListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @throws HbiError unavailable, when there is none at present */
  get present(): Connection {
    if (this.#connection === undefined)
      throw failure("disconnected", `the link is ${this.#state}`, { mayHaveLanded: false });
    return this.#connection;
  }

  /** The connection for a call: the present one, or the next. @throws HbiError at once when there will be none */
  connectionFor(options: WaitOptions): Connection | Promise<Connection> {
    if (this.#connection !== undefined && !this.#isClosing) return this.#connection;
    if (this.#isClosing || this.#state === "closed") {
      throw failure("disconnected", "the link is closed", { mayHaveLanded: false });
    }
    if (this.#waiting.size >= this.limits.maxPostedWaiting) throw failure("too_many_waiting");
    const wait = this.#waits.start<Connection>(options);
    this.#waiting.add(wait);
    wait.promise.catch(() => this.#waiting.delete(wait));
    return wait.promise;
  }

  // --- connecting ----------------------------------------------------------------------------------------------------

  /** The first connection: when it fails, all is over. */
  async open(): Promise<void> {
    try {
      await this.#connect();
    } catch (thrown) {
      const error = asHbiError(thrown);
      this.#over(error);
      throw error;
    }
  }

  async #connect(): Promise<void> {
    const { signal } = this.#options;
    const signals = signal === undefined ? [this.#abort.signal] : [this.#abort.signal, signal];
    const giveUp = AbortSignal.any(signals);
    const transport = await this.#dial({ signal: giveUp, timeoutMs: this.limits.connectTimeoutMs });
    const { clock, limits, extension, log } = this.#options;
    const connection: Connection = new Connection(transport, () => this.#owner.makeEnv(), {
      ...(clock === undefined ? {} : { clock }),
      ...(limits === undefined ? {} : { limits }),
      ...(extension === undefined ? {} : { extension }),
      ...(log === undefined ? {} : { log }),
      onGoAway: () => this.#goingAway(connection),
      onLost: (reason) => this.#lost(connection, reason),
    });
    try {
      await connection.start();
      await this.#owner.authenticate(connection, { signal: giveUp });
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
    this.#openedAt = this.clock.now();
    this.#enter("open");
    for (const wait of this.#waiting) wait.settle(connection);
    this.#waiting.clear();
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
    const hasLived = this.clock.now() - this.#openedAt >= backoff.maxDelayMs;
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
    const timer = this.clock.after(ms, () => wait.settle(), true);
    await wait.promise.catch(() => undefined); // closing: the caller looks
    timer.cancel();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  async close(reason?: string): Promise<void> {
    await this.#endBy((connection) => connection.drain(reason));
  }

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
      tell(log, { error: asHbiError(thrown), netIdent: this.#owner.name, where: `onState ${state}` });
    }
  }
}
