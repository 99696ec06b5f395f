/**
 * PoCo: a conversation that this side starts: sends, then receives the answer. docs/protocol.md, "the poster".
 */
import type { Chained } from "../chain.ts";
import { asHbiError, failure, HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { parseScript } from "../parser/parse.ts";
import type { Script } from "../parser/script.ts";
import type { HostingEnv } from "../registry/hosting-env.ts";
import { planScript } from "../registry/plan.ts";
import { encodePacket, type Packet } from "../wire/packet.ts";
import type { PacketReader } from "../wire/packet-reader.ts";
import { Bracket, type BracketOwner } from "./bracket.ts";
import { CoReceiver, landObject, type Schema, type SchemaOutput } from "./co-receiver.ts";
import { packetOf, sendBuffers, settled } from "./co-sender.ts";
import type { Keeper, PostedConversation } from "./keeper.ts";
import { Landing, type LandingHost } from "./landing.ts";
import type { Buffers, RawIntake } from "./raw-intake.ts";
import { nextStage, PO_STAGES, type PoEvent, type PoStage } from "./stages.ts";
import { formatToken, seqOf, type TokenOptions } from "./token.ts";
import { unguarded, type Wait, type WaitHints, type WaitOptions, withLanded } from "./waits.ts";

export interface CoOptions extends WaitOptions {
  /** Lands the answer in another environment than the connection's. */
  readonly env?: HostingEnv;
  /** Promises that no raw data is sent in this conversation: then a refusal ends it and nothing else. */
  readonly hasNoRawData?: boolean;
  /** Promises one script and then exactly so many raw bytes, with the same effect. */
  readonly rawBytes?: number;
  /** Says that the answer has no raw data, so that a conversation given up can be read to its end. */
  readonly hasNoRawAnswer?: boolean;
  /** How many raw bytes follow an object of the answer, with the same effect; undefined when the object can't tell. */
  readonly answerBytes?: (object: unknown) => number | undefined;
  /** Objects of the answer are dropped, rather than an error, when nobody receives them. */
  readonly dropsObjects?: boolean;
}

export class PoCo implements PostedConversation, LandingHost, BracketOwner {
  isAdmitted = false;
  readonly mayAsk = true;
  /** told when the connection is lost, also to who waits for something else at the time */
  onLost: ((error: HbiError) => void) | undefined;
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #connection: Keeper;
  readonly #seq: number;
  readonly #id: string;
  readonly #options: CoOptions;
  readonly #receiver: CoReceiver;
  readonly #bracket: Bracket;
  readonly #hints: WaitHints;
  #stage: PoStage = "send";
  #landing: Landing | undefined;
  #isAnswering = false;
  #isCompleted = false;
  #isAbandoned = false;
  #isFlushing = false;
  /** buffers on their way to the wire: given up meanwhile, they still go there, as the host waits for every byte */
  #sendingData = 0;
  #requests = 0;
  #failure: HbiError | undefined;
  #answerWait: Wait<void> | undefined;
  #completion: Wait<void> | undefined;
  #onAbort: (() => void) | undefined;
  #abort: AbortController | undefined;

  constructor(connection: Keeper, seq: number, options: CoOptions) {
    this.#connection = connection;
    this.#seq = seq;
    this.#options = options;
    this.#receiver = new CoReceiver(connection, this);
    const tokenOptions: TokenOptions = {
      ...(options.hasNoRawData === true ? { hasNoRawData: true } : {}),
      ...(options.rawBytes === undefined ? {} : { rawBytes: options.rawBytes }),
      ...(options.timeoutMs === undefined || options.timeoutMs === Number.POSITIVE_INFINITY
        ? {}
        : { deadlineMs: options.timeoutMs }),
    };
    this.#id = formatToken(seq, connection.isExtended, tokenOptions);
    this.#bracket = new Bracket(connection, this, encodePacket("co_begin", this.#id));
    const { hasNoRawData, rawBytes } = options;
    if (hasNoRawData === true || rawBytes !== undefined) this.#bracket.mostRawBytes = rawBytes ?? 0;
    this.#hints = { onTimeout: () => connection.explainTimeout(this) };
  }

  /** One that was sent by other means, and whose answer has begun. */
  static inAnswer(connection: Keeper, seq: number): PoCo {
    const co = new PoCo(connection, seq, { hasNoRawAnswer: true });
    co.#bracket.markWritten();
    co.#go("sent");
    co.#isAnswering = true;
    return co;
  }

  /** Begins to heed the signal: not before the posting end knows the conversation, as it may abort at once. */
  heedSignal(): void {
    const { signal } = this.#options;
    if (signal === undefined) return;
    this.#onAbort = () => this.abandon(failure("cancelled", undefined, { cause: signal.reason }));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** The conversation's id, as this side counts: from "101". */
  get coSeq(): string {
    return String(this.#seq);
  }

  get seq(): number {
    return this.#seq;
  }

  /** Whether a part of it is on the wire and the end is not. */
  get isSending(): boolean {
    return this.#bracket.isStarted && !this.#bracket.isClosed;
  }

  get stage(): PoStage {
    return this.#stage;
  }

  get limits(): Limits {
    return this.#connection.limits;
  }

  get intake(): RawIntake {
    return this.#receiver.intake;
  }

  /** The environment that lands the answer. */
  get env(): HostingEnv {
    return this.#options.env ?? this.#connection.env;
  }

  /** Aborts when the conversation is given up or lost: for handlers of scripts in the answer. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    return this.#abort.signal;
  }

  /** Milliseconds that a handler of a script in the answer may take. */
  get remainingMs(): number {
    return this.limits.handlerTimeoutMs;
  }

  /** The unread raw bytes of the script of the answer that is being landed. */
  get unreadBytes(): number {
    return this.intake.unreadBytes;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** Sends code, landed by the host for its effects. `send` stage only. Resolves when more may be sent. */
  sendCode(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#send("", code, options));
  }

  /** Sends an object, for a `recvObj` of the method called before: code that yields a value, `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#send("co_recv", code, options));
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable, whose length the called method must know. A buffer may
   *  be changed when the promise resolved, or when the next one of the iterable is asked for. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#sendData(buffers, options));
  }

  async #sendData(buffers: Buffers, options: WaitOptions): Promise<void> {
    this.#checkSending();
    this.#flushSoon();
    this.#sendingData += 1;
    try {
      await this.#orWhyLost(sendBuffers(this.#bracket, this.#connection.waits, buffers, this.#with(options)));
    } finally {
      this.#sendingData -= 1;
      if (this.#isAbandoned && !this.#isCompleted) this.#endAbandoned();
    }
  }

  async #send(directive: "" | "co_recv" | "co_send", code: string | Script, options: WaitOptions): Promise<void> {
    const packet = packetOf(directive, code, this.limits);
    this.#checkSending();
    this.#flushSoon();
    const sent = settled(this.#bracket.text(packet, this.#with(options)), this.#connection.waits, options);
    if (sent !== undefined) await this.#orWhyLost(sent);
  }

  /** A wait for the wire; what it knows less of than the conversation is told by the latter. */
  async #orWhyLost(wait: Promise<void>): Promise<void> {
    try {
      await wait;
    } catch (thrown) {
      throw this.#failure ?? thrown; // of a lost connection it says whether anything may have landed
    }
  }

  #checkSending(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#connection.checkOpen();
    if (this.#stage !== "send") throw failure("wrong_stage", `sending in stage ${this.#stage}`);
  }

  /** What is built goes out with this tick, whole or not, so that the host can begin. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#connection.clock.soon(() => this.#bracket.ask());
  }

  /** Says that everything is sent. Resolves when it is handed to the wire. Not needed: receiving and closing do it. */
  finishSend(options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#finishSend(options));
  }

  async #finishSend(options: WaitOptions): Promise<void> {
    this.#toRecv();
    await this.#orWhyLost(this.#bracket.sent(this.#with(options)));
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Says that everything is sent, and waits until the answer begins. Not needed before `recvObj` and the others. */
  async startRecv(options: WaitOptions = {}): Promise<void> {
    this.#toRecv();
    if (this.#isAnswering || this.#isCompleted) return;
    this.#answerWait ??= this.#connection.waits.start(this.#with(options), this.#hints);
    await this.#answerWait.promise;
  }

  /** Receives an object of the answer; scripts before it are landed first. Without a schema it is `unknown`.
   *  @throws HbiError the peer's own; failed_precondition when the answer ends without one; invalid_argument when it is
   *  refused; unavailable */
  async recvObj<S extends Schema | undefined = undefined>(
    schema?: S,
    options: WaitOptions = {},
  ): Promise<SchemaOutput<S>> {
    this.#toRecv();
    if (this.#isCompleted) throw failure("no_answer");
    return this.#receiver.object(schema as S, this.#with(options), this.#hints);
  }

  /** `recvObj` with the value constructors of `env`. */
  async recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    this.#toRecv();
    if (this.#isCompleted) throw failure("no_answer");
    return this.#receiver.object(schema, this.#with(options), this.#hints, env);
  }

  /** Fills one buffer, or each of an iterable in turn, with raw data of the answer. The length is agreed by other means:
   *  the wire does not carry it (docs/protocol.md, "raw data"). */
  async recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    this.#toRecv();
    await this.#receiver.data(into, this.#isManual, this.#rawOptions(options));
  }

  /** The next `byteLength` raw bytes of the answer as they arrive, without a copy. */
  recvChunks(byteLength = this.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    this.#toRecv();
    return this.#receiver.chunks(byteLength, this.#isManual, this.#rawOptions(options));
  }

  /** Skips what is unread of the present raw data, so that what stands behind it can be read. */
  discardData(): void {
    this.intake.discard();
    if (this.#checkDrain()) this.#connection.pump();
  }

  /** Asks for the value of `code`: HBI's `co_send`, then `recvObj`. */
  async getObj<S extends Schema | undefined = undefined>(
    code: string | Script,
    schema?: S,
    options: WaitOptions = {},
  ): Promise<SchemaOutput<S>> {
    await this.#send("co_send", code, options);
    this.#requests += 1;
    return this.recvObj(schema, options);
  }

  /** Waits until the host has landed everything and has answered: the only proof of it. Ends the sending first; scripts
   *  of the answer are landed. @throws HbiError the peer's, when it refused or failed; unavailable, with `mayHaveLanded` */
  async waitCompleted(options: WaitOptions = {}): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isCompleted) return;
    this.#endSending();
    this.#checkWhole();
    if (this.#completion === undefined || this.#completion.isSettled) {
      this.#completion = this.#connection.waits.start(this.#with(options), this.#hints);
    }
    this.#connection.pump();
    await this.#completion.promise;
  }

  /** Ends the conversation on this side: what is not sent yet goes out, scripts of the answer are still landed. Resolves
   *  when the request is handed to the wire. */
  close(options: WaitOptions = {}): Promise<void> {
    return unguarded(this.#close(options));
  }

  async #close(options: WaitOptions): Promise<void> {
    const wasSending = this.#stage === "send";
    this.#endSending();
    if (this.#stage === "recv") this.#go("close");
    if (this.#landing?.isRunning !== true) this.intake.discard(); // raw data that was asked for and not read
    if (this.#checkDrain()) this.#connection.pump();
    if (wasSending && this.#failure === undefined) await this.#orWhyLost(this.#bracket.sent(this.#with(options)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Gives up: every wait fails with `error`, the answer is read to its end and dropped. */
  abandon(error: HbiError): void {
    if (this.#isCompleted || this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.#failure ??= error;
    this.#abort?.abort(error);
    this.#receiver.fail(error);
    this.#answerWait?.fail(error);
    this.#completion?.fail(error);
    if (!this.#bracket.isStarted) {
      this.#bracket.withdraw(error);
      this.#complete();
      return;
    }
    this.#endAbandoned();
  }

  #endAbandoned(): void {
    if (this.#sendingData > 0) return;
    const wasSending = this.#stage === "send";
    this.#endSending();
    if (this.#stage === "recv") this.#go("close");
    if (!this.#isAnswering && (!wasSending || this.#bracket.isClosed)) {
      this.#connection.posting.cancelAtPeer(this.#seq);
    }
    this.intake.discard();
    if (this.#checkDrain()) this.#connection.pump();
  }

  #toRecv(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#stage === "closed") throw failure("wrong_stage", "receiving in stage closed");
    if (this.#stage === "recv") return;
    this.#go("sent");
    this.#closeBracket();
    this.#checkWhole();
  }

  #checkWhole(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #endSending(): void {
    if (this.#stage !== "send") return;
    this.#go("close");
    this.#closeBracket();
  }

  #closeBracket(): void {
    const { hasNoRawData, rawBytes } = this.#options;
    const promised = hasNoRawData === true ? 0 : rawBytes;
    const { isInRawData, hasUnwritten, rawBytes: given } = this.#bracket;
    // As much as was promised is on the wire, though its source had more to give: the host is satisfied.
    const isWhole = promised === undefined ? !isInRawData : promised === given && !hasUnwritten;
    if (!isWhole) {
      // A packet now would be read as raw data by the host, or raw data as packets.
      const error = failure("cancelled", "raw data was not sent to its end, or not as much as promised");
      this.#failure ??= error;
      if (this.#bracket.isStarted) {
        this.#bracket.beginRawData(); // which the host waits for: what is said of it now would be taken as such
        this.#connection.cut(error);
      } else this.abandon(error);
      return;
    }
    this.#bracket.close(encodePacket("co_end", this.#connection.posting.knowsExtension ? this.coSeq : this.#id));
  }

  // --- reading: called by the connection -----------------------------------------------------------------------------

  get wantsRaw(): boolean {
    return this.intake.wantsBytes;
  }

  takeRaw(reader: PacketReader): boolean {
    return this.intake.take(reader);
  }

  get wantsPacket(): boolean {
    if (this.intake.pendingBytes > 0 || this.#stage === "send") return false;
    if (this.#landing?.isRunning === true) return !this.#landing.hidesNextPacket;
    return this.#stage === "closed" || this.#receiver.isWaitingForObject || this.#completion?.isSettled === false;
  }

  /** The answer begins. */
  answerBegins(): void {
    if (this.#isAnswering) throw failure("bad_state", "answered twice");
    this.#isAnswering = true;
    this.#answerWait?.settle();
  }

  /** An answer to `co_send` outside of any bracket, as the reference sends it. */
  takeLoneObject(text: string): boolean {
    if (this.#requests === 0) return false;
    this.#requests -= 1;
    this.#receiver.onObject(text);
    return true;
  }

  onPacket({ directive, text }: Packet): boolean {
    if (this.#landing?.isRunning === true) return false;
    switch (directive) {
      case "":
        this.#land(text);
        return true;
      case "co_recv":
        this.#onObject(text);
        return true;
      case "co_ack_end":
        if (seqOf(text) !== this.coSeq) throw failure("bad_state", "co_ack_end of another id");
        this.#connection.releaseReader(this);
        this.#receiver.failObjects("no_answer");
        this.#complete();
        return true;
      default:
        throw failure("bad_state", `${directive} inside an answer`);
    }
  }

  #onObject(text: string): void {
    if (this.#receiver.isWaitingForObject) {
      if (this.#options.answerBytes !== undefined) this.#announceBehind(text);
      this.#receiver.onObject(text);
      return;
    }
    const value = this.#landUnwanted(text);
    if (value instanceof HbiError) this.#failure ??= value;
    else if (!this.#isAbandoned && this.#options.dropsObjects !== true) {
      throw failure("bad_state", "an object that nobody receives");
    }
    this.intake.discard(this.#bytesBehind(value));
  }

  /** What can't be landed harms nobody where it is certain that no raw data stands behind it. */
  #landUnwanted(text: string): unknown {
    try {
      return landObject(text, this.env, this.#connection);
    } catch (thrown) {
      if (this.#options.hasNoRawAnswer !== true) throw thrown;
      return asHbiError(thrown);
    }
  }

  /** Before the object is given to anybody: who gets it can rely on its raw data. */
  #announceBehind(text: string): void {
    try {
      this.intake.announce(this.#bytesBehind(landObject(text, this.env, this.#connection)));
    } catch (thrown) {
      this.#receiver.fail(asHbiError(thrown));
      throw thrown;
    }
  }

  /** Raw bytes behind an object of the answer. @throws HbiError when that is not certain: nobody can read on then */
  #bytesBehind(value: unknown): number {
    const { hasNoRawAnswer, answerBytes } = this.#options;
    if (hasNoRawAnswer === true || value instanceof HbiError) return 0;
    const bytes = answerBytes?.(value);
    if (bytes === undefined) throw failure("bad_state", "an object that nobody receives");
    if (bytes > this.limits.maxBodyBytes) throw failure("body_too_big", "of an answer");
    return bytes;
  }

  // --- landing: scripts of the answer --------------------------------------------------------------------------------

  #land(text: string): void {
    if (text === "") return;
    try {
      const plan = planScript(parseScript(text, this.limits), this.env, this.limits);
      if (plan.refusal !== undefined) {
        this.landingFailed(plan.refusal, plan.rawBytes);
        return;
      }
      this.#landing = new Landing(this, this.env, plan);
    } catch (thrown) {
      this.landingFailed(asHbiError(thrown), undefined);
      return;
    }
    this.#landing.start();
  }

  enter(): undefined {}

  leave(): void {}

  stepLanded(): void {
    this.#checkDrain();
  }

  landingEnded(): void {}

  landed(): void {
    this.#connection.pump();
  }

  /** A script of the answer that fails here concerns this conversation alone, when the bytes behind it are certain. */
  landingFailed(error: HbiError, rawBytes: number | undefined): void {
    this.#connection.report(error, `answer ${this.coSeq}`);
    const excess = this.#connection.budgets.failed(error, false);
    if (excess !== undefined) {
      this.#connection.cut(excess);
      return;
    }
    const rest = this.env.takesRawData ? rawBytes : 0;
    if (rest === undefined) {
      this.#connection.cut(error);
      return;
    }
    this.#failure ??= error;
    this.#receiver.fail(error);
    this.intake.discard(rest);
    if (this.#checkDrain()) this.abandon(error);
  }

  #checkDrain(): boolean {
    const { maxDrainBytes, maxBodyBytes } = this.limits;
    const isDeclared = this.#options.answerBytes !== undefined;
    if (this.intake.pendingBytes <= (isDeclared ? maxBodyBytes : maxDrainBytes)) return true;
    this.#connection.cut(failure("drain_too_big"));
    return false;
  }

  // --- writing: called by the bracket --------------------------------------------------------------------------------

  get label(): string {
    return `conversation ${this.#seq}`;
  }

  enterTurn(): void {
    this.#connection.posting.admit(this);
  }

  admitted(): void {
    this.#connection.turn.request(this.#bracket);
  }

  leaveTurn(bracket: Bracket): void {
    this.#connection.posting.withdraw(this);
    this.#connection.turn.withdraw(bracket);
  }

  get isAnswer(): boolean {
    return false;
  }

  bracketClosed(): void {}

  // --- ending --------------------------------------------------------------------------------------------------------

  #complete(): void {
    if (this.#isCompleted) return;
    this.#isCompleted = true;
    if (this.#stage !== "closed") this.#go("close");
    if (this.#onAbort !== undefined) this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#answerWait?.settle();
    if (this.#failure === undefined) this.#completion?.settle();
    else this.#completion?.fail(this.#failure);
    this.#connection.posting.completed(this); // last: it may end the connection, which tells everybody else less
  }

  /** No answer can come any more: everything that waits here is told, and whether it may have landed. */
  lose(error: HbiError): void {
    if (this.#stage !== "closed") this.#go("lost");
    const told = withLanded(error, this.#bracket.isStarted);
    this.#failure ??= told;
    this.#abort?.abort(told);
    this.#landing?.abandon();
    this.#receiver.fail(told);
    this.#answerWait?.fail(told);
    this.#bracket.withdraw(told);
    this.#complete();
    this.onLost?.(told);
  }

  get #isManual(): boolean {
    return this.#landing?.isRunning === true ? this.#landing.isManual : true;
  }

  /** The conversation's own deadline, where a single wait has none. */
  #with(options: WaitOptions): WaitOptions {
    const { timeoutMs } = this.#options;
    return timeoutMs === undefined ? options : { timeoutMs, ...options };
  }

  #rawOptions(options: WaitOptions): WaitOptions {
    return { timeoutMs: Number.POSITIVE_INFINITY, ...this.#with(options) };
  }

  #go(event: PoEvent): void {
    this.#stage = nextStage(PO_STAGES, this.#stage, event);
  }
}
