/**
 * Connection: the session with one peer: its environment, its identity, its budgets, which conversations may begin, and
 * its end. The bytes belong to its lane. Each part has a state of its own; this class connects them. docs/protocol.md,
 * sections 3 to 6.
 */
import { type Clock, systemClock } from "../../clock.ts";
import { asHbiError, failure, type HbiError, initFailed, oneLine } from "../../errors.ts";
import { type Limits, resolveLimits } from "../../limits.ts";
import type { OnDemand } from "../../on-demand.ts";
import { checkOptions } from "../../options.ts";
import type { Builtins, HostingEnv } from "../../registry/hosting-env.ts";
import { SwitchingTransport } from "../../wire/lanes/switching-transport.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PeerIdentity } from "../../wire/peer-identity.ts";
import { GuardedTransport } from "../../wire/transport/guarded.ts";
import type { Transport, TransportRequest } from "../../wire/transport.ts";
import type { Wire } from "../../wire/wire.ts";
import type { Introduction } from "../conversation/introduction.ts";
import { hostOf, networkOf } from "../guard/accept-guard.ts";
import { Account, type Held } from "../guard/account.ts";
import { Budgets } from "../guard/budgets.ts";
import { processLoad } from "../guard/process-load.ts";
import { PutOff, type Scheduler } from "../guard/scheduler.ts";
import { type Holder, type Neighbours, UnsentShare } from "../guard/unsent-load.ts";
import { Lane, type LaneSession } from "../lane/lane.ts";
import type { SendTurn } from "../lane/send-turn.ts";
import { markHandled, Waits } from "../waits.ts";
import { abortController } from "./abort.ts";
import { BeginGate } from "./begin-gate.ts";
import { builtinsOf } from "./builtins.ts";
import { type CallEntry, type CallSummary, NO_FIELDS } from "./call-log.ts";
import { Closing } from "./closing.ts";
import {
  CONNECTION_OPTIONS,
  type ConnectionOptions,
  heard,
  type LogEntry,
  logUnexpected,
  printable,
  tell,
} from "./connection-options.ts";
import { Drain } from "./drain.ts";
import { HostingEnd } from "./hosting-end.ts";
import { typedLayerOf } from "./hosting-env.ts";
import { IdleWatch } from "./idle-watch.ts";
import { Keepalive } from "./keepalive.ts";
import { LaneSupply } from "./lane-supply.ts";
import type { Lanes } from "./lanes.ts";
import { PostingEnd } from "./posting-end.ts";

/** How a connection was made. */
export interface Setting {
  /** set if it was accepted: its neighbours share `maxAddressUnsentBytes` */
  readonly neighbours?: Neighbours | undefined;
  /** This side has dialed, so it introduces itself first. */
  readonly isDialing?: boolean;
  /** Calls wait until the peer has acknowledged the hello. Until then they might be in a queue that no process ever
   *  reads, which could not be detected; what was not sent is sent on another connection. */
  readonly awaitsPeer?: boolean;
}

export class Connection implements LaneSession, Holder {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly isExtended: boolean;
  readonly account: Account;
  readonly budgets: Budgets;
  readonly waits: Waits;
  readonly scheduler: Scheduler;
  /** lane 0 */
  readonly lane: Lane;
  readonly posting: PostingEnd;
  readonly hosting: HostingEnd;
  /** Resolves when everything has ended, with undefined after an orderly close; never rejects. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #transport: GuardedTransport;
  /** Whether this side takes lanes beside lane 0. */
  readonly offersLanes: boolean;
  readonly laneSupply: LaneSupply;
  readonly #unsent: UnsentShare;
  readonly beginGate: BeginGate;
  readonly #idle: IdleWatch | undefined;
  readonly #keepalive: Keepalive | undefined;
  /** on all lanes */
  receivedBytes = 0;
  readonly awaitsPeer: boolean;
  /** This side has dialed. */
  readonly isDialing: boolean;
  readonly #network: string | undefined;
  readonly #closing: Closing;
  readonly #drain: Drain;
  readonly #log: (entry: LogEntry) => void;
  readonly #onCall: ((entry: CallEntry) => unknown) | undefined;
  readonly #builtins: Builtins | undefined;
  #env: HostingEnv;
  #putOff: PutOff | undefined;

  /** @param context creates the hosting environment for the two ends */
  constructor(
    transport: Transport,
    context: (po: PostingEnd, ho: HostingEnd, connection: Connection) => HostingEnv,
    options: ConnectionOptions = {},
    { neighbours, isDialing = false, awaitsPeer = false }: Setting = {},
  ) {
    checkOptions(options, "Connection", CONNECTION_OPTIONS);
    this.limits = resolveLimits(options.limits, isDialing ? "client" : "public");
    this.clock = options.clock ?? systemClock;
    const { load = processLoad } = options;
    const guarded = new GuardedTransport(transport, this.clock, (thrown) =>
      this.report(asHbiError(thrown), "transport"),
    );
    this.#transport = guarded;
    this.isExtended = options.extension !== false;
    this.offersLanes = this.isExtended && options.lanes !== false;
    this.#log = options.log ?? logUnexpected;
    this.#onCall = options.onCall;
    this.isDialing = isDialing;
    this.#network = neighbours?.network;
    this.awaitsPeer = awaitsPeer;
    this.account = new Account(this.limits, load, () => this.#placeFree());
    this.budgets = new Budgets(this.clock, this.limits);
    this.scheduler = load.schedulerOf(this.clock);
    this.#unsent = new UnsentShare(this, this.limits, load.unsent, neighbours);
    this.waits = new Waits(this.clock, this.limits.callTimeoutMs);
    const switching = new SwitchingTransport(guarded);
    this.laneSupply = new LaneSupply(this, switching);
    this.lane = new Lane(switching, this);
    this.posting = new PostingEnd(this);
    this.hosting = new HostingEnd(this);
    this.beginGate = new BeginGate(this);
    const { idleTimeoutMs, keepaliveMs } = this.limits;
    this.#idle = idleTimeoutMs === Number.POSITIVE_INFINITY ? undefined : new IdleWatch(this);
    const isAsking = this.isExtended && keepaliveMs !== Number.POSITIVE_INFINITY;
    this.#keepalive = isAsking ? new Keepalive(this, this.lane) : undefined;
    const watches = { idle: this.#idle, keepalive: this.#keepalive };
    this.#closing = new Closing(this, guarded, this.beginGate, watches, options.onLost);
    this.closed = this.#closing.closed;
    this.#drain = new Drain(this, this.#closing, this.beginGate, options.onGoAway);
    this.#builtins = this.isExtended ? builtinsOf(options) : undefined;
    this.#env = context(this.posting, this.hosting, this);
    this.#attach(this.#env);
    this.posting.attached();
  }

  /** Its lanes beside lane 0, if one was needed. */
  get lanes(): Lanes | undefined {
    return this.laneSupply.lanes;
  }

  /** The wire of its lane. */
  get wire(): Wire {
    return this.lane.wire;
  }

  /** The send turn of its lane. */
  get turn(): SendTurn {
    return this.lane.turn;
  }

  /** The environment that lands conversations that begin from now on. */
  get env(): HostingEnv {
    return this.#env;
  }

  /** Lands later conversations in another environment: a peer that has authenticated may use more. Conversations that
   *  have begun keep the previous one, with its ends and the library's own methods. */
  enter(env: HostingEnv): void {
    this.#attach(env);
    this.#env = env;
  }

  #attach(env: HostingEnv): void {
    env.attach(this.posting, this.hosting, this.#builtins);
    const bytes = env.isPreAuth ? this.limits.strangerPacketBytes : this.mostPacketBytes(env);
    this.lane.reading.maxPacketBytes = bytes;
    if (this.lanes !== undefined) this.lanes.maxPacketBytes = bytes;
  }

  /** The largest packet that is read, whichever method it is for. */
  mostPacketBytes(env = this.#env): number {
    return Math.max(this.limits.maxPacketBytes, env.mostPacketBytes);
  }

  get localAddress(): string {
    return this.#transport.localAddress;
  }

  get remoteAddress(): string {
    return this.#transport.remoteAddress;
  }

  /** The identity in the peer's certificate, with mutual TLS. */
  get identity(): PeerIdentity | undefined {
    return this.#transport.identity;
  }

  /** The peer's address without its port, or the /64 network of an IPv6 address, as passed to the acceptor or known to
   *  the transport. */
  get network(): string | undefined {
    return this.#network ?? networkOf(hostOf(this.remoteAddress));
  }

  /** The request with which the connection began, if its transport has one. */
  get request(): TransportRequest | undefined {
    return this.#transport.request;
  }

  /** "local<->remote", as the reference writes it */
  get netIdent(): string {
    return `${this.#transport.localAddress}<->${this.#transport.remoteAddress}`;
  }

  get isOpen(): boolean {
    return this.#closing.isOpen;
  }

  /** What the peer makes this side hold now; all of it is zero when nothing is in progress. */
  get held(): Held {
    return this.account.held;
  }

  /** Whether this side drains. */
  get isDraining(): boolean {
    return this.#drain.isBegun;
  }

  /** Aborts when this side begins to drain. */
  get draining(): AbortSignal {
    return this.#drain.signal;
  }

  /** For a conversation: aborts when either side begins to drain, until `forgetDraining`. */
  heedDraining(): AbortController {
    const controller = this.abortController();
    this.#drain.tells(controller);
    return controller;
  }

  forgetDraining(controller: AbortController): void {
    this.#drain.tellsNoMore(controller);
  }

  /** Runs the init hooks, then lands what the peer sends. @throws HbiError if init fails */
  start(): Promise<void> {
    return markHandled(this.#start());
  }

  async #start(): Promise<void> {
    this.lane.start();
    if (this.isDialing) this.posting.sayHello();
    if (this.env.hasInit) await this.#init();
    this.#closing.started();
    this.#idle?.start();
    this.#keepalive?.start();
    this.pump();
  }

  async #init(): Promise<void> {
    const wait = this.waits.start<void>({ timeoutMs: this.limits.connectTimeoutMs });
    this.env.runInit().then(
      () => wait.settle(),
      (thrown) => wait.fail(initFailed(thrown)),
    );
    try {
      await wait.promise;
    } catch (thrown) {
      const error = asHbiError(thrown); // its deadline has passed, or it was closed
      this.report(error, "init");
      this.cut(error);
      throw error;
    }
  }

  /** Drops it soon if its peer does not answer; without effect where keepalive is off. */
  probe(): void {
    this.#keepalive?.probe();
  }

  // --- called by the lane --------------------------------------------------------------------------------------------

  get isLanding(): boolean {
    return this.#closing.isLanding;
  }

  /** The peer has shown that it is there. */
  heard(nowMs: number): void {
    this.#keepalive?.heard(nowMs);
  }

  /** The time until the peer has received what was written, on all lanes, if it reads as slowly as permitted. */
  get transitMs(): number {
    return Math.max(this.lane.wire.transitMs, this.lanes?.transitMs ?? 0);
  }

  received(bytes: number, nowMs: number): number {
    this.receivedBytes += bytes;
    this.heard(nowMs);
    return this.budgets.receivedWaitMs(bytes);
  }

  discard(bytes: number): void {
    this.#closing.discard(bytes);
  }

  exhausted(): void {
    this.lanes?.beginNext();
    if (this.#closing.hasPeerEnded) this.#closing.finishAfterEnd();
  }

  peerEnds(): void {
    this.#closing.onEnd();
  }

  transportClosed(error: Error | undefined): void {
    try {
      this.#closing.onClose(error);
    } finally {
      this.#unsent.leave();
    }
  }

  pump(): void {
    this.lane.pump();
    this.lanes?.pump();
  }

  #placeFree(): void {
    this.hosting.admit();
    this.pump();
  }

  /** Takes a packet between conversations. */
  route({ directive, text }: Packet, lane: Lane): boolean {
    switch (directive) {
      case "co_begin":
        if (!this.beginGate.mayBegin(lane)) return false;
        lane.reading.give(this.hosting.begin(text, lane));
        return true;
      case "co_ack_begin":
        lane.reading.give(this.posting.answerBegins(text, lane));
        return true;
      case "co_recv":
        this.posting.takeLoneObject(text);
        return true;
      case "lanes":
        if (lane !== this.lane) throw failure("bad_state", "lanes");
        this.laneSupply.needed().switchReceiving(text, lane.reading.takeRest());
        return true;
      default:
        throw failure("bad_state", `${directive === "" ? "code" : directive} outside of a conversation`);
    }
  }

  /** Runs it now or, if all connections together have worked long enough, after others had their turn. */
  paced(run: () => void): void {
    if (this.scheduler.isOver || this.#putOff?.isWaiting === true) {
      this.#putOff ??= new PutOff(this.clock, this.scheduler);
      this.#putOff.add(() => {
        try {
          run();
        } catch (thrown) {
          this.cut(asHbiError(thrown));
        }
      });
      return;
    }
    const isCounted = this.scheduler.begin(this.clock.now());
    try {
      run();
    } catch (thrown) {
      this.cut(asHbiError(thrown));
    }
    if (isCounted) this.scheduler.end();
  }

  conversationBegun(): void {
    this.lanes?.pumpHeldUp();
    if (this.lane.reading.isHeldUp) this.lane.pump(); // its answer may be behind data that was not wanted until now
  }

  peerError(text: string): void {
    this.#closing.end(failure("peer_error", oneLine(text)));
  }

  // --- writing -------------------------------------------------------------------------------------------------------

  get isTight(): boolean {
    return this.#unsent.isTight;
  }

  unsentMoved(): void {
    const { unsent, answers, posts } = this.account;
    this.#unsent.moveTo(unsent + answers + posts);
  }

  drop(error: HbiError): void {
    this.cut(error);
    this.#transport.destroy();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** @throws HbiError unavailable */
  checkOpen(): void {
    this.#closing.checkOpen();
  }

  /** @throws HbiError unavailable, also while draining; what has not begun has not landed */
  checkAccepting(): void {
    this.#closing.checkOpen();
    this.#drain.check();
    this.#closing.checkPeer();
  }

  /** A conversation of either side has ended. */
  conversationEnded(lane: Lane): void {
    if (lane !== this.lane) this.lanes?.left(lane);
    this.#drain.conversationEnded();
    this.#idle?.touched();
    if (this.lane.reading.isHeldUp || this.#closing.hasPeerEnded) this.lane.pump();
    this.lanes?.pumpHeldUp();
  }

  /** The peer takes lanes beside lane 0. */
  peerHasLanes({ limits: { maxLanes, laneWindowBytes } }: Introduction): void {
    if (!this.offersLanes || maxLanes === undefined || laneWindowBytes === undefined) return;
    this.laneSupply.allow({ maxLanes, windowBytes: laneWindowBytes });
  }

  missingFor({ directive, text }: Packet): OnDemand<unknown> | undefined {
    if (directive === "co_begin") return this.hosting.missingFor(text);
    return directive === "lanes" ? this.laneSupply.missing : undefined;
  }

  /** Lane 0 is needed as long as the connection lasts. */
  abandon(): boolean {
    return false;
  }

  /** The peer is about to close: it answers what it has, and accepts nothing new. */
  peerGoesAway(reason: string | undefined): void {
    this.#drain.peerGoesAway(reason);
  }

  /** Nothing more can be sent. It ends when the answers in flight have arrived. */
  strand(): void {
    this.#drain.strand();
  }

  /** Begins no new conversations on either side, except those of running handlers. Closes when those in flight have
   *  ended, or after `handlerTimeoutMs`. A peer that supports the extension is told first, and what it had begun by
   *  then is still landed, so nothing is lost. */
  drain(reason?: string): Promise<void> {
    return markHandled(this.#drain.begin(reason));
  }

  /** Ends the connection with FIN, preceded by an `err` if there is a reason. Resolves when it has closed. */
  disconnect(reason?: string): Promise<void> {
    return markHandled(this.#closing.disconnect(reason));
  }

  /** Ends the connection because of `error`, and tells the peer in one line. */
  cut(error: HbiError): void {
    this.#closing.cut(error);
  }

  // --- reporting -----------------------------------------------------------------------------------------------------

  report(error: HbiError, where: string, call?: CallSummary, env = this.#env): void {
    tell(this.#log, { error, netIdent: this.netIdent, where, call, fields: typedLayerOf(env)?.logFields ?? NO_FIELDS });
  }

  /** Whether there is a log of calls. */
  get logsCalls(): boolean {
    return this.#onCall !== undefined;
  }

  /** One entry in the log of calls. */
  callEnded(call: CallSummary, error: HbiError | undefined, env: HostingEnv): void {
    const fields = typedLayerOf(env)?.logFields ?? NO_FIELDS;
    const told = error && printable(error);
    this.hear(() => this.#onCall?.({ ...call, code: error?.code ?? "ok", error: told, fields }), "onCall");
  }

  /** Runs a callback of the application, and reports its failure. */
  hear(run: () => unknown, where: string): void {
    heard(run, (thrown) => this.report(asHbiError(thrown), where));
  }

  /** For a signal that the application receives. */
  abortController(): AbortController {
    return abortController((thrown) => this.report(asHbiError(thrown), "abort listener"));
  }
}
