/**
 * HoCo: a conversation that the peer started and this side hosts: receives scripts, objects and raw data, works, answers.
 * docs/protocol.md, "the host".
 */
import type { Chained } from "../chain.ts";
import type { Timer } from "../clock.ts";
import { asHbiError, failure, type HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { parseScript } from "../parser/parse.ts";
import { repr } from "../parser/repr.ts";
import type { Script } from "../parser/script.ts";
import { errorText } from "../registry/error-value.ts";
import type { HostingEnv } from "../registry/hosting-env.ts";
import { type Plan, planScript } from "../registry/plan.ts";
import { encodePacket, type Packet } from "../wire/packet.ts";
import type { PacketReader } from "../wire/packet-reader.ts";
import { Bracket, type BracketOwner } from "./bracket.ts";
import { isUrgent } from "./builtin-names.ts";
import { CoReceiver, type Schema, type SchemaOutput } from "./co-receiver.ts";
import { packetOf, sendBuffers, settled } from "./co-sender.ts";
import type { BracketReader, Keeper } from "./keeper.ts";
import { Landing, type LandingHost } from "./landing.ts";
import type { Buffers, RawIntake } from "./raw-intake.ts";
import { HO_STAGES, type HoEvent, type HoStage, nextStage } from "./stages.ts";
import { isSeedStyle, type Token } from "./token.ts";
import { unguarded, type Wait, type WaitOptions } from "./waits.ts";

export class HoCo implements BracketReader, LandingHost, BracketOwner, Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #connection: Keeper;
  readonly #token: Token;
  readonly #receiver: CoReceiver;
  readonly #bracket: Bracket;
  readonly #beganAt: number;
  #landedAt: number;
  readonly #isSeedStyle: boolean;
  #env: HostingEnv;
  #stage: HoStage = "recv";
  #landing: Landing | undefined;
  /** the value of the running packet goes back as an object: it came as co_send */
  #wantsValue = false;
  #scripts = 0;
  #answers = 0;
  #sentRawData = false;
  #failure: HbiError | undefined;
  #endWait: Wait<void> | undefined;
  #abort: AbortController | undefined;
  #timer: Timer | undefined;
  /** among all conversations of the process */
  #hasPlace = false;
  #isReleased = false;

  constructor(connection: Keeper, env: HostingEnv, token: Token) {
    this.#connection = connection;
    this.#env = env;
    this.#token = token;
    this.#receiver = new CoReceiver(connection, this);
    this.#isSeedStyle = isSeedStyle(token);
    this.#beganAt = connection.readMs;
    this.#landedAt = this.#beganAt;
    const id = token.isExtended ? token.seq : token.text;
    this.#bracket = new Bracket(connection, this, encodePacket("co_ack_begin", id));
    if (this.#isSeedStyle) connection.hosting.queueSeedAnswer(this.#bracket);
  }

  /** The conversation's id as the peer counts. */
  get coSeq(): string {
    return this.#token.seq;
  }

  get stage(): HoStage {
    return this.#stage;
  }

  get limits(): Limits {
    return this.#connection.limits;
  }

  get intake(): RawIntake {
    return this.#receiver.intake;
  }

  /** Whether the poster speaks the extension, so that a failure can be told without ending the connection. */
  get isExtended(): boolean {
    return this.#token.isExtended;
  }

  /** Milliseconds until the poster, or the limit on handlers, gives up. */
  get remainingMs(): number {
    const { deadlineMs = Number.POSITIVE_INFINITY } = this.#token;
    const now = this.#connection.clock.now();
    const ms = Math.min(deadlineMs + this.#beganAt, this.limits.handlerTimeoutMs + this.#landedAt) - now;
    return Math.max(ms, 0);
  }

  /** Aborts when the conversation is given up: its deadline has passed, a later statement failed, or the peer is gone. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    return this.#abort.signal;
  }

  /** The environment that lands the conversation's packets, from the next one on. */
  get env(): HostingEnv {
    return this.#env;
  }

  set env(env: HostingEnv) {
    this.#env = env;
  }

  /** The raw bytes of the present call that nobody has read. */
  get unreadBytes(): number {
    return this.intake.unreadBytes;
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Receives an object that the peer sent by `sendObj`; without a schema it is `unknown`.
   *  @throws HbiError failed_precondition when the peer sends something else, invalid_argument when it is refused */
  async recvObj<S extends Schema | undefined = undefined>(
    schema?: S,
    options: WaitOptions = {},
  ): Promise<SchemaOutput<S>> {
    this.#checkReceiving();
    return this.#receiver.object(schema as S, options);
  }

  /** `recvObj` with the value constructors of `env`. */
  async recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    this.#checkReceiving();
    return this.#receiver.object(schema, options, {}, env);
  }

  #checkReceiving(): void {
    if (this.intake.unreadBytes > 0) throw failure("body_unread");
    if (this.#stage !== "recv" && !this.#receiver.hasObject) throw failure("no_answer");
  }

  /** Fills one buffer, or each of an iterable in turn, with the raw bytes that the peer sent by `sendData`.
   *
   *  Within the length that the method declares; a method with `body: "manual"` says it by what it asks for.
   *  @throws HbiError out_of_range beyond the declared length, unavailable */
  recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    return this.#receiver.data(into, this.#isManual, this.#rawOptions(options));
  }

  /** The next `byteLength` raw bytes as they arrive, in the wire's own chunks and without a copy; by default the rest of
   *  the declared length. */
  recvChunks(byteLength = this.intake.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return this.#receiver.chunks(byteLength, this.#isManual, this.#rawOptions(options));
  }

  /** Skips what is unread of the present raw data, so that what stands behind it can be read. */
  discardData(): void {
    this.intake.discard();
    if (this.#checkDrain()) this.#connection.pump();
  }

  /** Waits until the peer has sent everything of the conversation; from then on the wire serves others. Not needed: it
   *  happens by itself when the script has its data. */
  async finishRecv(options: WaitOptions = {}): Promise<void> {
    if (this.#stage !== "recv") return;
    if (this.#endWait === undefined) this.#endWait = this.#connection.waits.start(options);
    const { promise } = this.#endWait; // the pump may settle and forget it at once
    this.#connection.pump();
    await promise;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** Sends code, landed by the poster for its effects. Small sends are kept together until the handler has returned;
   *  `startSend` first sends them as they come. */
  sendCode(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#send("", code, options));
  }

  /** Sends an object, for the poster's `recvObj`. It is code that yields a value: `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#send("co_recv", code, options));
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable. A buffer may be changed when the promise resolved,
   *  or when the next one of the iterable is asked for. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#sendData(buffers, options));
  }

  async #sendData(buffers: Buffers, options: WaitOptions): Promise<void> {
    this.#checkSending();
    this.#sentRawData = true;
    await this.#untilAnswerable(options);
    await sendBuffers(this.#bracket, this.#connection.waits, buffers, options);
  }

  /** Takes the send turn: what is sent goes out at once, and nobody else sends on this connection until the handler has
   *  returned. A handler that waits for an answer on the same connection meanwhile blocks itself. */
  async startSend(options: WaitOptions = {}): Promise<void> {
    await this.#untilAnswerable(options);
    if (this.#stage === "work") this.#go("startSend");
    this.#checkSending();
    await this.#bracket.open(options);
  }

  /** Ends the answer now, while the handler goes on without the conversation. */
  close(options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#close(options));
  }

  async #close(options: WaitOptions): Promise<void> {
    if (this.#stage === "recv") await this.finishRecv(options);
    this.#finish();
  }

  async #send(directive: "" | "co_recv", code: string | Script, options: WaitOptions): Promise<void> {
    const packet = packetOf(directive, code, this.limits);
    this.#checkSending();
    const sent = this.#append(packet, options);
    if (this.#failure !== undefined) throw this.#failure;
    await settled(sent, this.#connection.waits, options);
  }

  /** Keeps a packet of the answer until co_end has come, within bounds; after it, and towards seed-era posters, hands it on.
   *  Undefined: one may go on at once. */
  #append(packet: string, options: WaitOptions): Promise<void> | undefined {
    if (this.#stage !== "recv" || this.#isSeedStyle) {
      const sent = this.#bracket.text(packet, options);
      if (this.#isSeedStyle) this.#bracket.ask();
      return sent;
    }
    this.#answers += 1;
    const { maxQueuedAnswers, maxQueuedAnswerBytes } = this.limits;
    if (this.#answers > maxQueuedAnswers || this.#bracket.builtBytes > maxQueuedAnswerBytes) {
      this.#connection.cut(failure("too_many_answers"));
    } else this.#bracket.build(packet);
    return undefined;
  }

  /** The poster waits for the answer from co_end on; one of the seed era from the start. */
  async #untilAnswerable(options: WaitOptions): Promise<void> {
    if (this.#isSeedStyle) this.#bracket.ask();
    else if (this.#stage === "recv") await this.finishRecv(options);
  }

  #checkSending(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#stage === "closed" || this.#bracket.isClosed) throw failure("wrong_stage", "the answer is closed");
  }

  // --- reading: called by the connection -----------------------------------------------------------------------------

  get wantsRaw(): boolean {
    return this.intake.wantsBytes;
  }

  takeRaw(reader: PacketReader): boolean {
    return this.intake.take(reader);
  }

  get wantsPacket(): boolean {
    if (this.intake.pendingBytes > 0) return false;
    if (this.#failure !== undefined || this.#landing?.isRunning !== true) return true;
    if (this.#receiver.isWaitingForObject || this.#endWait !== undefined) return true;
    return !this.#landing.hidesNextPacket && this.#receiver.hasRoom;
  }

  /** False: not now, ask again when the running script has ended. */
  onPacket({ directive, text }: Packet): boolean {
    switch (directive) {
      case "":
      case "co_send":
        if (this.#isHeldBack(text)) return false;
        if (this.#failure !== undefined) this.#skipScript(text);
        else if (this.#landing?.isRunning === true) return this.#holdScript();
        else this.#land(text, directive === "co_send");
        return true;
      case "co_recv":
        if (this.#failure !== undefined) return true;
        if (this.#landing?.isRunning !== true) throw failure("bad_state", "an object that no script receives");
        this.#receiver.onObject(text);
        return true;
      case "co_end":
        if (text !== this.#token.text && text !== this.#token.seq) throw failure("bad_state", "co_end of another id");
        this.#received();
        return true;
      default:
        throw failure("bad_state", `${directive} inside a conversation`);
    }
  }

  /** Begun beyond `maxInFlight`, or what the process takes, so that a cancellation gets through: anything else waits for a place. */
  #isHeldBack(code: string): boolean {
    if (this.#scripts > 0) return false;
    const { hosting } = this.#connection;
    this.#hasPlace ||= !hosting.isOverfull && hosting.enterProcess();
    return !this.#hasPlace && !isUrgent(code);
  }

  #land(text: string, wantsValue: boolean): void {
    if (text === "") return;
    this.#scripts += 1;
    this.#wantsValue = wantsValue;
    let plan: Plan;
    try {
      plan = this.#checked(planScript(parseScript(text, this.limits), this.#env, this.limits));
    } catch (thrown) {
      this.#fail(asHbiError(thrown), undefined, false);
      return;
    }
    if (plan.refusal !== undefined) {
      this.#fail(plan.refusal, plan.rawBytes, plan.answersObject);
      return;
    }
    this.#landing = new Landing(this, this.#env, plan);
    this.#landing.start();
    if (this.#landing.isRunning) this.#startTimer();
  }

  /** What the token promises about raw data must agree with what the script plans. */
  #checked(plan: Plan): Plan {
    const { hasNoRawData, rawBytes } = this.#token;
    const promised = hasNoRawData ? 0 : rawBytes;
    if (promised === undefined || plan.rawBytes === undefined || plan.refusal !== undefined) return plan;
    if (plan.rawBytes === promised && (hasNoRawData || this.#scripts === 1)) return plan;
    return { ...plan, refusal: failure("body_mismatch") };
  }

  #holdScript(): boolean {
    // Whoever waits for something else in this conversation would wait for ever: the script runs after the handler.
    const where = "the peer sent a script instead";
    this.#receiver.failObjects("bad_state", where);
    this.#endWait?.fail(failure("bad_state", where));
    this.#endWait = undefined;
    return false;
  }

  #received(): void {
    this.#go("received");
    this.#connection.releaseReader(this);
    this.#receiver.failObjects("no_answer");
    this.#endWait?.settle();
    this.#endWait = undefined;
    if (this.#landing?.isRunning !== true || this.#failure !== undefined) this.#finish();
  }

  // --- landing: called by Landing ------------------------------------------------------------------------------------

  enter(): unknown {
    return this.#connection.hosting.enter(this);
  }

  leave(outer: unknown): void {
    this.#connection.hosting.leave(outer as HoCo | undefined); // as given by `enter`
  }

  stepLanded(result: unknown, isDeclared: boolean): void {
    this.#checkDrain();
    if (isDeclared && !this.#wantsValue) this.#answer(result);
  }

  landingEnded(): void {
    this.#release(); // it may have been given up, or closed early
  }

  landed(value: unknown): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#wantsValue) this.#answer(value);
    if (this.#stage === "recv") this.#connection.pump();
    else this.#finish();
  }

  landingFailed(error: HbiError, rawBytes: number | undefined): void {
    this.#fail(error, rawBytes, this.#landing?.answersObject ?? false);
  }

  #answer(value: unknown): void {
    if (this.#stage === "closed") return; // closed early by the handler
    let packet: string;
    try {
      const { maxDepth, maxPacketBytes } = this.limits;
      packet = encodePacket("co_recv", repr(value ?? null, this.#dialect, maxDepth, this.#env.writer), maxPacketBytes);
    } catch (cause) {
      this.#fail(failure("bad_result", undefined, { cause }), this.#landing?.remainingRawBytes, true);
      return;
    }
    if (this.#wantsValue && !this.#token.isExtended) this.#connection.sendLone(packet);
    else void this.#append(packet, {});
  }

  get #dialect(): "json" | "python" {
    return this.#token.isExtended ? "json" : "python";
  }

  /** The poster waits no more: the handler's signal aborts, and the conversation ends with `cancelled`. */
  cancel(): void {
    if (!this.#token.isExtended || this.#stage === "closed" || this.#isMidAnswer) return;
    this.#fail(failure("cancelled"), this.#landing?.remainingRawBytes, this.#landing?.answersObject ?? false);
  }

  // --- failing -------------------------------------------------------------------------------------------------------

  #startTimer(): void {
    if (this.#timer !== undefined) return;
    this.#landedAt = this.#connection.clock.now();
    this.#timer = this.#connection.clock.after(this.remainingMs, () => {
      if (this.#isMidAnswer) return; // how fast it goes on is the peer's doing, and watched by the wire
      const rawBytes = this.#landing?.remainingRawBytes;
      this.#fail(failure("handler_timeout"), rawBytes, this.#landing?.answersObject ?? false);
    });
  }

  /** Ends the conversation if its position in the bytes is certain and the peer can be told, else the connection.
   *  @param planned the raw bytes behind what is unread of the present call; undefined when no plan tells */
  #fail(error: HbiError, planned: number | undefined, answersObject: boolean): void {
    if (this.#failure !== undefined) return;
    this.#connection.report(error, `conversation ${this.coSeq}`);
    const excess = this.#connection.budgets.failed(error, this.#env.isLobby);
    if (excess !== undefined) {
      this.#connection.cut(excess);
      return;
    }
    if (this.#stage === "closed") return; // by the handler: nobody but the operator can be told
    const rest = this.#restOfRawData(planned);
    const isTold = this.#token.isExtended || answersObject;
    if (rest === undefined || !isTold || this.#isMidAnswer) {
      this.#connection.cut(error);
      return;
    }
    this.#failure = error;
    this.#giveUp(error);
    this.intake.discard(rest);
    if (!this.#checkDrain()) return;
    this.#bracket.dropBuilt();
    this.#bracket.build(encodePacket("co_recv", errorText(error)));
    if (this.#stage === "recv") this.#connection.pump();
    else this.#finish();
  }

  /** Whether raw data of the answer is on the wire: it must go on to its end, or the connection end with it. */
  get #isMidAnswer(): boolean {
    return this.#bracket.isStarted && this.#sentRawData;
  }

  /** Whoever waits in this conversation is told; what the handler still does is ignored. */
  #giveUp(error: HbiError): void {
    this.#landing?.abandon();
    this.#timer?.cancel();
    this.#receiver.fail(error);
    this.#endWait?.fail(error);
    this.#endWait = undefined;
    this.#abort?.abort(error);
  }

  /** The raw bytes to skip, beside what is unread of the present call. */
  #restOfRawData(planned: number | undefined): number | undefined {
    if (this.#stage !== "recv") return 0;
    if (this.#token.hasNoRawData) return 0;
    if (this.#token.rawBytes !== undefined) {
      return Math.max(this.#token.rawBytes - this.intake.takenBytes - this.intake.pendingBytes, 0);
    }
    return this.#env.takesRawData ? planned : 0;
  }

  #checkDrain(): boolean {
    if (this.intake.pendingBytes <= (this.#env.isLobby ? 0 : this.limits.maxDrainBytes)) return true;
    this.#connection.cut(failure("drain_too_big"));
    return false;
  }

  /** A script behind a failed one is not landed, but its raw data has to be found. */
  #skipScript(text: string): void {
    if (this.#token.hasNoRawData || this.#token.rawBytes !== undefined || !this.#env.takesRawData || text === "")
      return;
    let rawBytes: number | undefined;
    try {
      rawBytes = planScript(parseScript(text, this.limits), this.#env, this.limits).rawBytes;
    } catch (thrown) {
      rawBytes = undefined;
      this.#connection.report(asHbiError(thrown), `conversation ${this.coSeq}`);
    }
    if (rawBytes === undefined) throw failure("position_lost");
    this.intake.discard(rawBytes);
    this.#checkDrain();
  }

  // --- writing: called by the bracket --------------------------------------------------------------------------------

  get label(): string {
    return `answer ${this.#token.seq}`;
  }

  enterTurn(bracket: Bracket): void {
    if (this.#isSeedStyle) this.#connection.hosting.enterSeedAnswer(bracket);
    else this.#request(bracket);
  }

  /** Answers that a peer does not read are bounded together with what is written already. */
  #request(bracket: Bracket): void {
    const { turn, wire } = this.#connection;
    turn.request(bracket);
    if (bracket.isStarted || turn.isClosed) return;
    if (turn.heldBytes + wire.bufferedBytes > this.limits.maxSendBufferBytes)
      this.#connection.cut(failure("slow_reader"));
  }

  get isAnswer(): boolean {
    return true;
  }

  leaveTurn(bracket: Bracket): void {
    this.#connection.turn.withdraw(bracket);
  }

  bracketClosed(bracket: Bracket): void {
    if (this.#isSeedStyle) this.#connection.hosting.seedAnswerClosed(bracket);
    this.#release();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  #finish(): void {
    if (this.#stage === "closed" || this.#stage === "recv") return;
    this.#go("close");
    this.#timer?.cancel();
    this.#bracket.close(encodePacket("co_ack_end", this.#token.isExtended ? this.#token.seq : this.#token.text));
    this.#release();
  }

  /** The connection is gone: everything that waits here is told. */
  lose(error: HbiError): void {
    if (this.#stage !== "closed") this.#go("lost");
    this.#failure ??= error;
    this.#giveUp(error);
    this.#bracket.withdraw(error);
    this.#release();
  }

  #release(): void {
    if (this.#isReleased || this.#stage !== "closed" || !this.#bracket.isClosed) return;
    if (this.#landing?.isRunning === true) return;
    this.#isReleased = true;
    this.#connection.hosting.ended(this, this.#hasPlace);
  }

  get #isManual(): boolean {
    return this.#landing?.isManual ?? false;
  }

  /** A body is bounded by the handler's own deadline and the peer's progress, not by the deadline of a call. */
  #rawOptions(options: WaitOptions): WaitOptions {
    return { timeoutMs: Number.POSITIVE_INFINITY, ...options };
  }

  #go(event: HoEvent): void {
    this.#stage = nextStage(HO_STAGES, this.#stage, event);
  }
}
