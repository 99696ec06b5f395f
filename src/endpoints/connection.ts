/**
 * Connection: the keeper of one wire. Ties its parts together, each of which has a state of its own: who reads, who writes, who may
 * begin, how it ends; here is what passes from one to the other. docs/protocol.md, sections 3 to 6.
 */
import { type Clock, systemClock } from "../clock.ts";
import { asHbiError, failure, HbiError, oneLine } from "../errors.ts";
import { type Limits, resolveLimits } from "../limits.ts";
import type { Builtins, HostingEnv } from "../registry/hosting-env.ts";
import type { Packet } from "../wire/packet.ts";
import { PacketReader } from "../wire/packet-reader.ts";
import type { PeerIdentity } from "../wire/peer-identity.ts";
import type { Transport, TransportSink } from "../wire/transport.ts";
import { Wire, type WireHost } from "../wire/wire.ts";
import { BeginGate } from "./begin-gate.ts";
import { Budgets } from "./budgets.ts";
import { builtinsOf } from "./builtins.ts";
import { type ConnectionOptions, type LogEntry, logUnexpected, tell } from "./connection-options.ts";
import { Drain } from "./drain.ts";
import { Ending, type WholeKeeper } from "./ending.ts";
import { HostingEnd } from "./hosting-end.ts";
import { IdleWatch } from "./idle-watch.ts";
import type { BracketReader } from "./keeper.ts";
import { Pace, PutOff } from "./pace.ts";
import { PostingEnd } from "./posting-end.ts";
import { type ReadHost, ReadTurn } from "./read-turn.ts";
import { ReadWatch, type WatchHost } from "./read-watch.ts";
import { SendTurn, type TurnTaker } from "./send-turn.ts";
import { type Holder, type Neighbours, UnsentShare } from "./unsent-load.ts";
import { Waits } from "./waits.ts";

/** So much of answers that are being built is nobody's concern: most are given to the wire at once. */
const LITTLE_BYTES = 64 * 1024;

export class Connection implements TransportSink, WholeKeeper, ReadHost, WatchHost, WireHost, Holder {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly isExtended: boolean;
  readonly budgets: Budgets;
  readonly waits: Waits;
  readonly turn: SendTurn;
  readonly wire: Wire;
  readonly posting: PostingEnd;
  readonly hosting: HostingEnd;
  /** Resolves, and never rejects, when all is over; undefined when both sides parted in peace. */
  readonly closed: Promise<HbiError | undefined>;
  readonly #transport: Transport;
  readonly #pace: Pace;
  readonly #unsent: UnsentShare;
  readonly #reading: ReadTurn;
  readonly #beginGate: BeginGate;
  readonly #idle: IdleWatch | undefined;
  readonly #ending: Ending;
  readonly #drain: Drain;
  readonly #log: (entry: LogEntry) => void;
  readonly #builtins: Builtins | undefined;
  #env: HostingEnv;
  /** of answers, and not given to the wire yet */
  #builtBytes = 0;
  #putOff: PutOff | undefined;

  /** @param context makes the hosting environment for the two ends
   *  @param neighbours where it was accepted: they share what `maxAddressUnsentBytes` allows */
  constructor(
    transport: Transport,
    context: (po: PostingEnd, ho: HostingEnd, connection: Connection) => HostingEnv,
    options: ConnectionOptions = {},
    neighbours?: Neighbours,
  ) {
    this.#transport = transport;
    this.limits = resolveLimits(options.limits);
    this.clock = options.clock ?? systemClock;
    this.isExtended = options.extension !== false;
    this.#log = options.log ?? logUnexpected;
    this.budgets = new Budgets(this.clock, this.limits);
    this.#pace = Pace.of(this.clock);
    this.#unsent = new UnsentShare(this, this.limits, neighbours);
    this.waits = new Waits(this.clock, this.limits.callTimeoutMs);
    this.wire = new Wire(transport, this.limits, this.clock, this);
    this.turn = new SendTurn(this.wire);
    const reader = new PacketReader(this.limits);
    const watch = new ReadWatch(this.clock, this.limits, this);
    this.#reading = new ReadTurn(transport, reader, watch, this.clock, this.limits, this);
    this.posting = new PostingEnd(this);
    this.hosting = new HostingEnd(this);
    this.#beginGate = new BeginGate(this);
    this.#idle = this.limits.idleTimeoutMs === Number.POSITIVE_INFINITY ? undefined : new IdleWatch(this);
    this.#ending = new Ending(this, transport, this.#reading, this.#beginGate, this.#idle, options.onLost);
    this.closed = this.#ending.closed;
    this.#drain = new Drain(this, this.#ending, this.#beginGate, options.onGoAway);
    this.#builtins = this.isExtended ? builtinsOf(options) : undefined;
    this.#env = context(this.posting, this.hosting, this);
    this.#attach(this.#env);
  }

  /** What lands the conversations that begin from now on. */
  get env(): HostingEnv {
    return this.#env;
  }

  /** Lands what begins from now on in another environment: who has shown credentials meets more than who has not. What has begun
   *  keeps the one before, with its ends and the library's own methods. */
  enter(env: HostingEnv): void {
    this.#attach(env);
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
    return this.#ending.isOpen;
  }

  /** Runs the init hooks, then lands what the peer sends. @throws HbiError when init fails */
  async start(): Promise<void> {
    this.#transport.start(this);
    if (this.env.hasInit) await this.#init();
    this.#ending.started();
    this.#idle?.start();
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
    if (this.#ending.state === "closing") {
      this.#ending.discard(chunk.length);
      return;
    }
    this.#idle?.touched();
    this.#reading.received(chunk);
    const waitMs = this.budgets.receivedWaitMs(chunk.length);
    if (waitMs > 0) this.#reading.throttle(waitMs);
    this.pump();
  }

  pump(): void {
    if (this.#ending.state === "starting") this.#reading.holdBack();
    if (this.#ending.state !== "open") return;
    this.#reading.pump();
    if (this.#ending.hasPeerEnded && this.#reading.isExhausted) this.#ending.finishAfterEnd();
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
        if (!this.#beginGate.mayBegin()) return false;
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

  paced(run: () => void): void {
    if (this.#pace.isOver || this.#putOff?.isWaiting === true) {
      this.#putOff ??= new PutOff(this.clock);
      this.#putOff.add(run);
      return;
    }
    const isCounted = this.#pace.begin(this.clock.now());
    try {
      run();
    } finally {
      if (isCounted) this.#pace.end();
    }
  }

  conversationBegun(): void {
    if (this.#reading.isHeldUp) this.pump(); // its answer may lie behind what was not wanted until now
  }

  peerError(text: string): void {
    this.#ending.end(failure("peer_error", oneLine(text)));
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
    this.#unsent.moveTo(this.wire.bufferedBytes + this.#builtBytes);
  }

  answerBuilt(bytes: number): void {
    this.#builtBytes += bytes;
    if (bytes > 0 && this.#builtBytes > LITTLE_BYTES) this.answerHeld();
  }

  answerHeld(): void {
    this.wireMoved();
    if (this.#builtBytes + this.wire.bufferedBytes > this.limits.maxSendBufferBytes) this.cut(failure("slow_reader"));
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
      label: "co_send answer",
      granted: () => {
        this.answerBuilt(-packet.length);
        wire.text(packet);
        turn.release(taker);
      },
    };
    this.answerBuilt(packet.length);
    turn.request(taker);
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** @throws HbiError unavailable */
  checkOpen(): void {
    this.#ending.checkOpen();
  }

  /** @throws HbiError unavailable, also while draining: what is not begun has not landed */
  checkAccepting(): void {
    this.#ending.checkOpen();
    this.#drain.check();
    this.#ending.checkPeer();
  }

  /** A conversation of either side is over. */
  conversationEnded(): void {
    this.#drain.conversationEnded();
    this.#idle?.touched();
    if (this.hosting.liveCount === this.hosting.most || this.#ending.hasPeerEnded) this.pump();
  }

  /** The peer is about to close: it answers what it has, and takes no more. */
  peerGoesAway(reason: string | undefined): void {
    this.#drain.peerGoesAway(reason);
  }

  /** No new conversations of either side, but those that a handler at work begins; closes when those in flight are over, or
   *  after `handlerTimeoutMs` at the most. A peer that speaks the extension is told first, and what it had begun until then is
   *  still landed: nothing is lost on the way. */
  drain(reason?: string): Promise<void> {
    return this.#drain.begin(reason);
  }

  /** Ends the connection: `err` with the reason if there is one, FIN. Resolves when it is closed. */
  disconnect(reason?: string): Promise<void> {
    return this.#ending.disconnect(reason);
  }

  /** Ends the connection because of `error`, and tells the peer in one line. */
  cut(error: HbiError): void {
    this.#ending.cut(error);
  }

  onEnd(): void {
    this.#ending.onEnd();
  }

  onClose(error?: Error): void {
    this.#unsent.leave();
    this.#ending.onClose(error);
  }

  // --- telling -------------------------------------------------------------------------------------------------------

  report(error: HbiError, where: string): void {
    tell(this.#log, { error, netIdent: this.netIdent, where });
  }

  /** Why a wait was in vain, when more is known than that time is over. */
  explainTimeout(waiting: BracketReader): HbiError {
    const { owner } = this.#reading;
    if (owner === undefined || owner === waiting || owner.wantsRaw || owner.wantsPacket) return failure("timeout");
    return failure("body_unread");
  }
}
