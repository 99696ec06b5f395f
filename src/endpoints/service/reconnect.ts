/**
 * ReconnectingConnection: the connection behind a link. It is dialed again when it is lost, or when the service closes.
 * Calls wait for it in the order in which they were made. A conversation never survives its connection, but calls that
 * have not reached the service are sent on the next one. docs/services.md.
 */
import { Chain } from "../../chain.ts";
import { type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, HbiError } from "../../errors.ts";
import { type Limits, resolveLimits } from "../../limits.ts";
import { aSignal, nested, type OptionsOf } from "../../options.ts";
import type { Transport } from "../../wire/transport.ts";
import type { Call, Home } from "../session/call.ts";
import { Connection, type Setting } from "../session/connection.ts";
import {
  type ConnectionOptions,
  heard,
  logUnexpected,
  SHARED_OPTIONS,
  type SharedOptions,
  tell,
} from "../session/connection-options.ts";
import type { HostingEnv } from "../session/hosting-env.ts";
import { handled, ignore, markHandled, type Wait, type WaitOptions, Waits } from "../waits.ts";
import { type Backoff, backoff, RECONNECT_OPTIONS, type ReconnectOptions } from "./backoff.ts";
import type { Carrier } from "./outgoing.ts";
import { onWaking } from "./waking.ts";

/** Connects a transport; stops when the signal aborts. */
export type Dial = (options: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<Transport>;

export type LinkState = "connecting" | "open" | "closed";
export type StateListener = (state: LinkState, reason: HbiError | undefined) => void;

export interface ReconnectingOptions extends SharedOptions {
  /** Reconnects after a loss; without it, a link is a single connection. */
  readonly reconnect?: ReconnectOptions | undefined;
  /** Cancels connecting. */
  readonly signal?: AbortSignal | undefined;
}

export const RECONNECTING_OPTIONS: OptionsOf<ReconnectingOptions> = {
  ...SHARED_OPTIONS,
  reconnect: nested<ReconnectOptions>(RECONNECT_OPTIONS),
  signal: aSignal,
};

/** The link for which a connection is dialed. */
export interface ConnectionOwner {
  /** for the log */
  readonly name: string;
  makeEnv(): HostingEnv;
  /** Presents credentials on a new connection, before any call is sent on it. */
  authenticate(connection: Connection, options: WaitOptions): Promise<void>;
}

/** A connection that ends within this time counts as a failure. */
const SHORT_MS = 1_000;

export class ReconnectingConnection implements Carrier, Home {
  readonly limits: Limits;
  readonly clock: Clock;
  /** Resolves when it has closed for good, with the reason unless the close was orderly; never rejects. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #owner: ConnectionOwner;
  readonly #dial: Dial;
  readonly #options: ReconnectingOptions;
  readonly #backoff: Backoff | undefined;
  readonly #waits: Waits;
  /** calls that wait for a connection, the oldest first */
  readonly #parked = new Chain<Call>();
  #order = 0;
  /** operations other than calls that wait for a connection */
  readonly #waiting = new Set<Wait<Connection>>();
  readonly #listeners = new Set<StateListener>();
  /** stops dialing: on closing, or by the caller's signal */
  readonly #abort = new AbortController();
  readonly #giveUp: AbortSignal;
  #state: LinkState = "connecting";
  #isClosing = false;
  /** consecutive failed attempts */
  #attempts = 0;
  #openedAt = 0;
  #lastFailure: HbiError | undefined;
  #connection: Connection | undefined;
  /** connections that were told to go away and have not ended: their answers still arrive */
  readonly #retiring = new Set<Connection>();
  /** a connection that was dialed and is not the current one yet; closing waits for it as well */
  #dialed: Connection | undefined;
  /** between two attempts */
  #pause: Wait<void> | undefined;
  #forgetWaking: () => void = ignore;
  #resolveClosed: (reason: HbiError | undefined) => void = ignore;

  constructor(owner: ConnectionOwner, dial: Dial, options: ReconnectingOptions) {
    this.#owner = owner;
    this.#dial = dial;
    this.#options = options;
    this.limits = resolveLimits(options.limits, "client");
    this.clock = options.clock ?? systemClock;
    this.#backoff = options.reconnect === undefined ? undefined : backoff(options.reconnect);
    this.#waits = new Waits(this.clock, this.limits.callTimeoutMs);
    const { signal } = options;
    this.#giveUp = signal === undefined ? this.#abort.signal : AbortSignal.any([this.#abort.signal, signal]);
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

  /** @throws HbiError unavailable if there is none at present */
  get present(): Connection {
    if (this.#connection === undefined)
      throw failure("disconnected", `the link is ${this.#state}`, { mayHaveLanded: false });
    return this.#connection;
  }

  // --- calls ---------------------------------------------------------------------------------------------------------

  readonly home = this;

  get lastFailure(): HbiError | undefined {
    return this.#lastFailure;
  }

  get isLasting(): boolean {
    return this.#backoff !== undefined;
  }

  nextOrder(): number {
    this.#order += 1;
    return this.#order;
  }

  /** The connection that accepts calls; none while an idle connection drains. */
  get #taking(): Connection | undefined {
    const connection = this.#connection;
    if (connection?.isDraining === true) this.#goingAway(connection);
    return this.#connection;
  }

  place(call: Call): void {
    const connection = this.#taking;
    if (connection !== undefined && !this.#isClosing) {
      call.begin(connection);
      return;
    }
    if (this.#isOver) call.lose(this.#overError());
    else if (this.#parked.size + this.#waiting.size >= this.limits.maxPostedWaiting)
      call.lose(failure("too_many_waiting"));
    else this.#park(call);
  }

  /** A call that has not reached the service returns from a connection that accepts nothing new. */
  park(call: Call, from: Connection): boolean {
    if (this.#isOver || this.#backoff === undefined) return false;
    if (this.#connection === undefined || this.#connection === from) this.#park(call);
    else call.begin(this.#connection);
    return true;
  }

  unpark(call: Call): void {
    this.#parked.remove(call);
  }

  /** Inserted after the calls that were made before it. A returning call is older than most. */
  #park(call: Call): void {
    call.waits();
    let behind = this.#parked.first;
    while (behind !== undefined && behind.order < call.order) behind = behind.behind as Call | undefined; // only calls are parked
    this.#parked.insert(call, behind);
  }

  get #isOver(): boolean {
    return this.#isClosing || this.#state === "closed";
  }

  #overError(reason?: HbiError): HbiError {
    return failure("disconnected", "the link is closed", { mayHaveLanded: false, cause: reason });
  }

  /** The connection for operations other than calls: the current one, or the next. */
  connectionFor(options: WaitOptions): Promise<Connection> {
    return handled(async () => {
      if (this.#isOver) throw this.#overError();
      const connection = this.#taking;
      if (connection !== undefined) return connection;
      if (this.#parked.size + this.#waiting.size >= this.limits.maxPostedWaiting) throw failure("too_many_waiting");
      const wait = this.#waits.start<Connection>(options);
      this.#waiting.add(wait);
      wait.promise.catch(() => this.#waiting.delete(wait));
      return wait.promise;
    });
  }

  // --- connecting ----------------------------------------------------------------------------------------------------

  /** The first connection; if it fails, the link closes. With `waitForFirst`, does not wait for it. */
  async open(): Promise<void> {
    if (this.#isOver) throw this.#overError();
    this.#forgetWaking();
    this.#forgetWaking = onWaking(this.clock, () => this.#wake());
    if (this.#backoff !== undefined && this.#options.reconnect?.waitForFirst === true) {
      this.#attempts = 1;
      void this.#reconnect(this.#backoff, true);
      return;
    }
    try {
      await this.#connect(false);
    } catch (thrown) {
      const error = asHbiError(thrown);
      this.#over(error);
      throw error;
    }
  }

  async #connect(isAgain: boolean): Promise<void> {
    const transport = await this.#dial({ signal: this.#giveUp, timeoutMs: this.limits.connectTimeoutMs });
    const { clock, limits, load, extension, lanes, log, onCall } = this.#options;
    let isOpen = false;
    const options: ConnectionOptions = {
      ...(clock === undefined ? {} : { clock }),
      ...(limits === undefined ? {} : { limits }),
      ...(load === undefined ? {} : { load }),
      ...(extension === undefined ? {} : { extension }),
      ...(lanes === undefined ? {} : { lanes }),
      ...(log === undefined ? {} : { log }),
      ...(onCall === undefined ? {} : { onCall }),
      onGoAway: () => {
        if (isOpen || !isAgain) this.#goingAway(connection);
        else void connection.disconnect(); // no call is on it, and no hello must be received
      },
      onLost: (reason) => this.#lost(connection, reason),
    };
    const setting: Setting = { isDialing: true, awaitsPeer: this.#backoff !== undefined };
    const connection: Connection = new Connection(transport, () => this.#owner.makeEnv(), options, setting);
    this.#dialed = connection;
    try {
      await connection.start();
      await this.#owner.authenticate(connection, { signal: this.#giveUp });
      if (isAgain) await this.#heard(connection);
      if (this.#isClosing) throw failure("cancelled", "connect");
      connection.checkAccepting(); // it may have been lost in the same moment
    } catch (thrown) {
      void connection.disconnect();
      throw thrown;
    }
    this.#connection = connection;
    this.#dialed = undefined;
    isOpen = true;
    this.#lastFailure = undefined;
    this.#openedAt = this.clock.now();
    this.#beginParked(connection);
    for (const wait of this.#waiting) wait.settle(connection);
    this.#waiting.clear();
    if (this.#connection === connection) this.#enter("open");
  }

  /** A link is open again only when the service has sent something, because a proxy, or the queue of a closing
   *  listener, accepts connections too. */
  async #heard({ posting }: Connection): Promise<void> {
    const { connectTimeoutMs } = this.limits;
    try {
      await posting.introduction({ timeoutMs: connectTimeoutMs, signal: this.#giveUp });
    } catch (cause) {
      const why = cause instanceof HbiError ? `: ${cause.message}` : "";
      throw failure("connect_failed", `the service has not answered${why}`, { cause });
    }
  }

  /** Runs before listeners learn of the connection, so that calls are sent in the order in which they were made. */
  #beginParked(connection: Connection): void {
    for (let call = this.#parked.shift(); call !== undefined; call = this.#parked.shift()) {
      call.begin(connection);
      if (this.#connection !== connection) return; // it is already lost: the rest waits for the next one
    }
  }

  /** It is about to close: what is in flight is answered there; new and waiting calls go to the next connection. */
  #goingAway(connection: Connection): void {
    if (this.#backoff === undefined || this.#connection !== connection || this.#isClosing) return;
    const reason = failure("draining", "the service is closing", { mayHaveLanded: false });
    this.#retiring.add(connection);
    connection.posting.turnAway(reason);
    this.#connection = undefined;
    void connection.drain(); // if the service does not close it, it closes when nothing is in flight
    this.#moveOn(this.#backoff, reason, true);
  }

  #lost(connection: Connection, reason: HbiError | undefined): void {
    this.#retiring.delete(connection);
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#isClosing) return;
    if (this.#backoff === undefined) this.#over(reason);
    else this.#moveOn(this.#backoff, reason, false);
  }

  /** A connection that has lived for `maxDelayMs` was a success, and after a goaway the service is dialed again at
   *  once. If a service repeatedly accepts connections and soon drops them or sends them away, each counts as a failed
   *  attempt. */
  #moveOn(backoff: Backoff, reason: HbiError | undefined, isGoodbye: boolean): void {
    const livedMs = this.clock.now() - this.#openedAt;
    if (livedMs >= backoff.maxDelayMs) this.#attempts = isGoodbye ? 0 : 1;
    else if (livedMs < SHORT_MS || this.#attempts === 0) this.#attempts += 1;
    this.#enter("connecting", reason);
    if (this.#attempts > backoff.maxAttempts) this.#over(reason);
    else void this.#reconnect(backoff);
  }

  /** One attempt at a time, until it succeeds or the link gives up. */
  async #reconnect({ delayMs, maxAttempts }: Backoff, isAtOnce = this.#attempts === 0): Promise<void> {
    for (let waits = !isAtOnce; ; this.#attempts++, waits = true) {
      if (waits) await this.#delay(delayMs(this.#attempts));
      if (this.#isClosing) return;
      try {
        if (this.#giveUp.aborted) throw failure("cancelled", "connect", { cause: this.#giveUp.reason });
        await this.#connect(true);
        return;
      } catch (thrown) {
        const error = asHbiError(thrown);
        this.#lastFailure = error;
        if (this.#isClosing) return;
        const isRefused = error.code === "unauthenticated" || error.code === "permission_denied";
        if (isRefused || this.#giveUp.aborted || this.#attempts >= maxAttempts) {
          this.#over(error);
          return;
        }
      }
    }
  }

  async #delay(ms: number): Promise<void> {
    const wait = this.#waits.start<void>({ timeoutMs: Number.POSITIVE_INFINITY, signal: this.#giveUp });
    const timer = this.clock.after(ms, () => wait.settle(), true);
    this.#pause = wait;
    await wait.promise.catch(ignore); // closing, or cancelled: the caller checks
    this.#pause = undefined;
    timer.cancel();
  }

  /** The machine has slept, or the network is back: a connection must show that it lives, and a pause is over. */
  #wake(): void {
    this.#connection?.probe();
    if (this.#pause === undefined) return;
    this.#attempts = 0;
    this.#pause.settle();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  close(reason?: string): Promise<void> {
    return markHandled(this.#endBy((connection) => connection.drain(reason)));
  }

  disconnect(reason?: string): Promise<void> {
    return markHandled(this.#endBy((connection) => connection.disconnect(reason)));
  }

  async #endBy(end: (connection: Connection) => Promise<void>): Promise<void> {
    this.#isClosing = true;
    this.#abort.abort();
    this.#loseParked(undefined); // there will be no connection for them
    const connections = [...this.#retiring, ...(this.#connection === undefined ? [] : [this.#connection])];
    await Promise.all([...connections.map(end), this.#dialed?.disconnect()]);
    this.#over(undefined);
  }

  #loseParked(reason: HbiError | undefined): void {
    const error = this.#overError(reason);
    for (let call = this.#parked.shift(); call !== undefined; call = this.#parked.shift()) call.lose(error);
  }

  #over(reason: HbiError | undefined): void {
    if (this.#state === "closed") return;
    this.#forgetWaking();
    this.#connection = undefined;
    this.#enter("closed", reason);
    this.#loseParked(reason);
    this.#waits.loseAll(this.#overError(reason));
    this.#resolveClosed(reason);
  }

  #enter(state: LinkState, reason?: HbiError): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) this.#tell(listener, state, reason);
  }

  /** A throwing listener must not leave the link in an inconsistent state. */
  #tell(listener: StateListener, state: LinkState, reason: HbiError | undefined): void {
    heard(
      () => listener(state, reason),
      (thrown) => {
        const { log = logUnexpected } = this.#options;
        tell(log, { error: asHbiError(thrown), netIdent: this.#owner.name, where: `onState ${state}` });
      },
    );
  }
}
