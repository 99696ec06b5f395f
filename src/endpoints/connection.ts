/**
 * Connection: the keeper of one wire. Hands each packet to the one conversation that may read, stops reading when nobody
 * asks, holds the deadlines of the bytes, and ends everything when the wire ends. docs/protocol.md, sections 3 to 6.
 */
import { type Clock, systemClock, type Timer } from "../clock.ts";
import { asHbiError, failure, HbiError, oneLine } from "../errors.ts";
import { type Limits, resolveLimits } from "../limits.ts";
import type { Builtins, HostingEnv } from "../registry/hosting-env.ts";
import { encodePacket, type Packet } from "../wire/packet.ts";
import { PacketReader } from "../wire/packet-reader.ts";
import type { PeerIdentity } from "../wire/peer-identity.ts";
import type { Transport, TransportSink } from "../wire/transport.ts";
import { Wire, type WireHost } from "../wire/wire.ts";
import { Budgets } from "./budgets.ts";
import { builtinsOf } from "./builtins.ts";
import { type ConnectionOptions, type LogEntry, logUnexpected } from "./connection-options.ts";
import { HostingEnd } from "./hosting-end.ts";
import type { BracketReader, Keeper } from "./keeper.ts";
import { Pace } from "./pace.ts";
import { PostingEnd } from "./posting-end.ts";
import { type ReadHost, ReadTurn } from "./read-turn.ts";
import { ReadWatch, type WatchHost } from "./read-watch.ts";
import { SendTurn, type TurnTaker } from "./send-turn.ts";
import { type Holder, UnsentShare } from "./unsent-load.ts";
import { ignore, Waits } from "./waits.ts";

const LINGER_BYTES = 256 * 1024;
const LINGER_MS = 1_000;
/** What goes on when a handler ends counts as so many bytes, for each conversation that the connection has: who has many waits longer. */
const LIKE_BYTES = 1_024;
const NOT_LANDED = { mayHaveLanded: false };
const PEER_CLOSED = "the peer closed without a reason";

export class Connection implements TransportSink, Keeper, ReadHost, WatchHost, WireHost, Holder {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly isExtended: boolean;
  readonly budgets: Budgets;
  readonly pace: Pace;
  readonly waits: Waits;
  readonly turn: SendTurn;
  readonly wire: Wire;
  readonly posting: PostingEnd;
  readonly hosting: HostingEnd;
  /** Resolves, and never rejects, when all is over; undefined when both sides parted in peace. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #transport: Transport;
  readonly #unsent: UnsentShare;
  readonly #reading: ReadTurn;
  readonly #log: (entry: LogEntry) => void;
  readonly #builtins: Builtins | undefined;
  readonly #onGoAway: ConnectionOptions["onGoAway"];
  #onLost: ConnectionOptions["onLost"];
  #env: HostingEnv;
  #resolveClosed: (reason: HbiError | undefined) => void = ignore;
  #state: "starting" | "open" | "closing" | "closed" = "starting";
  #hasPeerEnded = false;
  /** this side begins nothing more, but for its handlers that are still at work */
  #isDraining = false;
  /** the peer has said that it takes no more */
  #isPeerGoing = false;
  /** nothing of the peer begins any more; told when what is in flight is over */
  #drained: (() => void)[] | undefined;
  #reason: HbiError | undefined;
  #discardedBytes = 0;
  #closeTimer: Timer | undefined;
  #idleTimer: Timer | undefined;
  #paceTimer: Timer | undefined;
  #lastActiveMs = 0;

  /** @param context makes the hosting environment for the two ends */
  constructor(
    transport: Transport,
    context: (po: PostingEnd, ho: HostingEnd, connection: Connection) => HostingEnv,
    options: ConnectionOptions = {},
  ) {
    this.#transport = transport;
    this.limits = resolveLimits(options.limits);
    this.clock = options.clock ?? systemClock;
    this.isExtended = options.extension !== false;
    this.#log = options.log ?? logUnexpected;
    this.budgets = new Budgets(this.clock, this.limits);
    this.pace = Pace.of(this.clock);
    this.#unsent = new UnsentShare(this, this.limits, options.network);
    this.waits = new Waits(this.clock, this.limits.callTimeoutMs);
    this.wire = new Wire(transport, this.limits, this.clock, this);
    this.turn = new SendTurn(this.wire);
    const reader = new PacketReader(this.limits);
    const watch = new ReadWatch(this.clock, this.limits, this);
    this.#reading = new ReadTurn(transport, reader, watch, this.clock, this.limits, this, this.pace);
    this.posting = new PostingEnd(this);
    this.hosting = new HostingEnd(this);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#builtins = this.isExtended ? builtinsOf(options) : undefined;
    this.#onGoAway = options.onGoAway;
    this.#onLost = options.onLost;
    this.#env = context(this.posting, this.hosting, this);
    this.#attach(this.#env);
  }

  /** What lands the conversations that begin from now on. */
  get env(): HostingEnv {
    return this.#env;
  }

  /** Lands what begins from now on in another environment: who has shown credentials meets more than who has not. */
  enter(env: HostingEnv): void {
    this.#attach(env);
    this.#env.detach();
    this.#env = env;
  }

  #attach(env: HostingEnv): void {
    env.attach(this.posting, this.hosting, this.#builtins);
    this.#reading.maxPacketBytes = env.isLobby ? this.limits.strangerPacketBytes : this.limits.maxPacketBytes;
  }

  get localAddress(): string {
    return this.#transport.localAddress;
  }

  get remoteAddress(): string {
    return this.#transport.remoteAddress;
  }

  /** Who the peer is by its certificate, over mutual TLS. */
  get identity(): PeerIdentity | undefined {
    return this.#transport.identity;
  }

  /** "local<->remote", as the reference writes it */
  get netIdent(): string {
    return `${this.#transport.localAddress}<->${this.#transport.remoteAddress}`;
  }

  get isOpen(): boolean {
    return this.#state === "starting" || this.#state === "open";
  }

  /** Runs the init hooks, then lands what the peer sends. @throws HbiError when init fails */
  async start(): Promise<void> {
    this.#transport.start(this);
    if (this.env.hasInit) await this.#init();
    if (this.#state !== "starting") throw this.#reason ?? failure("disconnected");
    this.#state = "open";
    this.#watchIdle();
    this.pump();
  }

  async #init(): Promise<void> {
    const wait = this.waits.start<void>({ timeoutMs: this.limits.connectTimeoutMs });
    this.env.runInit().then(
      () => wait.settle(),
      (thrown) => wait.fail(failure("init_failed", undefined, { cause: thrown })),
    );
    try {
      await wait.promise;
    } catch (thrown) {
      const error = thrown instanceof HbiError ? thrown : failure("init_failed", undefined, { cause: thrown });
      this.report(error, "init");
      this.cut(error);
      throw error;
    }
  }

  // --- reading -------------------------------------------------------------------------------------------------------

  onData(chunk: Uint8Array): void {
    if (this.#state === "closing") {
      this.#discardedBytes += chunk.length;
      if (this.#discardedBytes > LINGER_BYTES) this.#transport.destroy();
      return;
    }
    if (this.limits.idleTimeoutMs !== Number.POSITIVE_INFINITY) this.#lastActiveMs = this.clock.now();
    this.#reading.received(chunk);
    const waitMs = this.budgets.receivedWaitMs(chunk.length);
    if (waitMs > 0) this.#reading.throttle(waitMs);
    this.pump();
  }

  pump(): void {
    if (this.#state === "starting") this.#reading.holdBack();
    if (this.#state !== "open") return;
    this.#reading.pump();
    if (this.#hasPeerEnded && this.#reading.isExhausted) this.#finishAfterEnd();
  }

  get readMs(): number {
    return this.#reading.nowMs;
  }

  readFailed(thrown: unknown): void {
    this.cut(asHbiError(thrown));
  }

  readLate(reason: "read_timeout" | "data_too_slow"): void {
    this.cut(failure(reason));
  }

  /** Between conversations. */
  route({ directive, text }: Packet): boolean {
    switch (directive) {
      case "co_begin":
        if (this.#env.isLobby && this.wire.writtenBytes > this.limits.strangerSentBytes) {
          throw failure("rate_exceeded", "authenticate first");
        }
        if (!this.#mayBegin) return false;
        this.#reading.give(this.hosting.begin(text));
        return true;
      case "co_ack_begin":
        this.#reading.give(this.posting.answerBegins(text));
        return true;
      case "co_recv":
        this.posting.takeLoneObject(text);
        return true;
      default:
        throw failure("bad_state", `${directive === "" ? "code" : directive} outside of a conversation`);
    }
  }

  /** New conversations wait while handlers are too many, while the peer does not read its answers, and while this side closes;
   *  but the latter two not while we wait for an answer, which may lie behind them. */
  get #mayBegin(): boolean {
    if (this.hosting.isOverfull) return false;
    const isHeldUp = this.#drained !== undefined || this.wire.isAboveHighWater;
    return (!isHeldUp || this.posting.liveCount > 0) && this.#isWithinRate;
  }

  get #isWithinRate(): boolean {
    const waitMs = this.budgets.beginWaitMs();
    if (waitMs > 0) {
      this.#paceTimer ??= this.clock.after(waitMs, () => {
        this.#paceTimer = undefined;
        this.pump();
      });
    }
    return waitMs === 0;
  }

  paced(run: () => void): void {
    if (this.pace.isOver) {
      const work = LIKE_BYTES * (this.hosting.liveCount + this.posting.liveCount);
      this.pace.later({ chain: undefined, before: undefined, behind: undefined, run }, work);
      return;
    }
    const fromMs = this.clock.now();
    run();
    this.pace.workedSince(fromMs);
  }

  conversationBegun(): void {
    if (this.#reading.isHeldUp) this.pump(); // its answer may lie behind what was not wanted until now
  }

  peerError(text: string): void {
    this.#end(failure("peer_error", oneLine(text)));
  }

  handOverReader(owner: BracketReader, successor: BracketReader): void {
    this.#reading.handOver(owner, successor);
  }

  releaseReader(owner: BracketReader): void {
    this.#reading.release(owner);
  }

  // --- writing -------------------------------------------------------------------------------------------------------

  wireStuck(error: HbiError): void {
    this.cut(error);
  }

  get isTight(): boolean {
    return this.#unsent.isTight;
  }

  wireMoved(): void {
    this.#unsent.bytes = this.wire.bufferedBytes + this.turn.heldBytes;
  }

  answerHeld(): void {
    this.wireMoved();
    if (this.#unsent.bytes > this.limits.maxSendBufferBytes) this.cut(failure("slow_reader"));
  }

  drop(error: HbiError): void {
    this.cut(error);
    this.#transport.destroy();
  }

  onDrain(): void {
    this.wire.onDrain();
    this.turn.grant();
    this.pump();
  }

  /** A packet outside of any bracket, in its turn. */
  sendLone(packet: string): void {
    const { turn, wire } = this;
    const taker: TurnTaker = {
      chain: undefined,
      before: undefined,
      behind: undefined,
      heldBytes: packet.length,
      label: "co_send answer",
      granted() {
        wire.text(packet);
        turn.release(taker);
      },
    };
    turn.request(taker);
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** @throws HbiError unavailable */
  checkOpen(): void {
    if (!this.isOpen) throw failure("disconnected", this.#reason?.message, { ...NOT_LANDED, cause: this.#reason });
  }

  /** @throws HbiError unavailable, also while draining: what is not begun has not landed */
  checkAccepting(): void {
    this.checkOpen();
    if (this.#isPeerGoing) throw failure("draining", "the peer is closing", NOT_LANDED);
    if (this.#isDraining && this.hosting.liveCount === 0) throw failure("draining", undefined, NOT_LANDED);
    if (this.#hasPeerEnded) throw failure("disconnected", PEER_CLOSED, NOT_LANDED);
  }

  onEnd(): void {
    if (this.#hasPeerEnded) return;
    this.#hasPeerEnded = true;
    this.pump();
  }

  /** The peer sends no more: finish what it began, say what it can no longer answer. */
  #finishAfterEnd(): void {
    if (!this.isOpen) return;
    if (this.#reading.phase !== "idle" || this.#reading.owner !== undefined) {
      this.cut(failure("truncated"));
      return;
    }
    const error = failure("disconnected", PEER_CLOSED);
    if (this.posting.isSending) {
      this.#end(error); // half a conversation is on the wire: an answer behind it would not be read as one
      return;
    }
    this.#tellLost(undefined);
    this.posting.loseAll(error);
    if (this.hosting.liveCount === 0 && this.turn.isIdle) this.#end(undefined);
  }

  /** A conversation of either side is over. */
  conversationEnded(): void {
    if (this.#drained !== undefined && this.hosting.liveCount === 0 && this.posting.liveCount === 0) {
      for (const done of this.#drained.splice(0)) done();
    }
    if (this.hosting.liveCount === this.hosting.most || this.#hasPeerEnded) this.pump();
  }

  /** The peer is about to close: it answers what it has, and takes no more. */
  peerGoesAway(reason: string | undefined): void {
    this.#isPeerGoing = true;
    this.#onGoAway?.(reason);
  }

  /** No new conversations of either side, but those that a handler at work begins; closes when those in flight are over, or
   *  after `handlerTimeoutMs` at the most. A peer that speaks the extension is told first, and what it had begun until then is
   *  still landed: nothing is lost on the way. */
  async drain(reason?: string): Promise<void> {
    this.#isDraining = true;
    if (this.#state === "open") await this.posting.sayGoAway(reason);
    this.#drained ??= [];
    if (this.isOpen && (this.hosting.liveCount > 0 || this.posting.liveCount > 0)) {
      const { promise, resolve } = withResolvers();
      this.#drained.push(resolve);
      const timer = this.clock.after(this.limits.handlerTimeoutMs, resolve);
      await promise;
      timer.cancel();
    }
    await this.disconnect();
  }

  /** Ends the connection: `err` with the reason if there is one, FIN. Resolves when it is closed. */
  async disconnect(reason?: string): Promise<void> {
    if (this.isOpen) {
      if (reason !== undefined) this.#sayWhy(oneLine(reason));
      this.#end(undefined, failure("disconnected", reason === undefined ? "by this side" : oneLine(reason)));
    }
    await this.closed;
  }

  /** Ends the connection because of `error`, and tells the peer in one line. */
  cut(error: HbiError): void {
    if (!this.isOpen) return;
    this.report(error, "connection");
    const why = oneLine(error.message);
    this.#sayWhy(why);
    this.#end(error, failure("disconnected", why, { cause: error }));
  }

  #sayWhy(line: string): void {
    // Inside somebody's raw data it would be taken as data.
    const holder = this.turn.holder;
    const isInRawData = holder !== undefined && "isInRawData" in holder && holder.isInRawData === true;
    if (!isInRawData && line !== "") this.wire.text(encodePacket("err", line));
  }

  #end(reason: HbiError | undefined, told = reason ?? failure("disconnected")): void {
    if (!this.isOpen) return;
    this.#state = "closing";
    this.#reason = reason;
    this.#reading.stop();
    this.#idleTimer?.cancel();
    this.#paceTimer?.cancel();
    this.wire.end();
    this.#loseAll(told);
    const lingerMs = reason === undefined ? this.limits.closeTimeoutMs : LINGER_MS;
    this.#closeTimer = this.clock.after(lingerMs, () => this.#transport.destroy());
  }

  /** Once, and before the waits are told: who sends again at once must not come here. */
  #tellLost(reason: HbiError | undefined): void {
    const onLost = this.#onLost;
    this.#onLost = undefined;
    onLost?.(reason);
  }

  #loseAll(error: HbiError): void {
    this.#tellLost(this.#reason);
    this.turn.close();
    this.posting.loseAll(error);
    this.waits.loseAll(error);
    this.hosting.loseAll(error);
    for (const done of this.#drained?.splice(0) ?? []) done();
  }

  onClose(error?: Error): void {
    if (this.#state === "closed") return;
    const wasOpen = this.isOpen;
    if (wasOpen) {
      const cause = error === undefined ? {} : { cause: error };
      this.#reason = failure("disconnected", "the connection was lost", cause);
    }
    this.#state = "closed";
    this.#reading.stop();
    this.#closeTimer?.cancel();
    this.#idleTimer?.cancel();
    this.#paceTimer?.cancel();
    if (wasOpen) this.#loseAll(this.#reason ?? failure("disconnected"));
    this.wire.destroy();
    this.#unsent.leave();
    void this.#cleanup();
  }

  async #cleanup(): Promise<void> {
    try {
      await this.#env.runCleanup(this.#reason);
    } catch (thrown) {
      this.report(asHbiError(thrown), "cleanup");
    }
    this.#env.detach();
    this.#resolveClosed(this.#reason);
  }

  #watchIdle(): void {
    const { idleTimeoutMs } = this.limits;
    if (idleTimeoutMs === Number.POSITIVE_INFINITY) return;
    this.#lastActiveMs = this.clock.now();
    const look = () => {
      const leftMs = this.#lastActiveMs + idleTimeoutMs - this.clock.now();
      if (leftMs <= 0 && this.hosting.liveCount + this.posting.liveCount === 0) void this.disconnect("idle");
      else this.#idleTimer = this.clock.after(Math.max(leftMs, 1_000), look);
    };
    this.#idleTimer = this.clock.after(idleTimeoutMs, look);
  }

  // --- telling -------------------------------------------------------------------------------------------------------

  report(error: HbiError, where: string): void {
    this.#log({ error, netIdent: this.netIdent, where });
  }

  /** Why a wait was in vain, when more is known than that time is over. */
  explainTimeout(waiting: BracketReader): HbiError {
    const { owner } = this.#reading;
    if (owner === undefined || owner === waiting || owner.wantsRaw || owner.wantsPacket) return failure("timeout");
    return failure("body_unread");
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
