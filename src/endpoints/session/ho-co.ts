/**
 * HoCo: a conversation that the peer started and this side hosts, as its handlers use it. What arrives is landed, the
 * work has a deadline, and a failure ends the conversation alone or with the connection. docs/protocol.md, section 4.
 */
import type { Chained } from "../../chain.ts";
import { afterHearing, type Timer } from "../../clock.ts";
import { asHbiError, failure, HbiError, oneLine, ownError } from "../../errors.ts";
import { type Limits, MAX_DEPTH } from "../../limits.ts";
import { repr } from "../../parser/repr.ts";
import { Script, scriptText } from "../../parser/script.ts";
import type { ExposedMethod, HostingEnv } from "../../registry/hosting-env.ts";
import type { Method } from "../../registry/method.ts";
import { callCount, type Plan } from "../../registry/plan.ts";
import { encodePacket, type Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";
import { keepFromFailingUnheard } from "../conversation/body-source.ts";
import { packetOf, sendBuffers, settled } from "../conversation/co-sender.ts";
import { Landing, type LandingHost } from "../conversation/landing.ts";
import type { Metadata } from "../conversation/metadata.ts";
import { bytesBehind, planAgainstPromise, readScript } from "../conversation/script-plan.ts";
import { step } from "../conversation/stages.ts";
import { promisedBytes, type Token } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Lane } from "../lane/lane.ts";
import { type Buffers, RawIntake } from "../lane/raw-intake.ts";
import { checkWait, markHandled, rawOptions, type Wait, type WaitOptions } from "../waits.ts";
import { isUrgent } from "./builtin-names.ts";
import { type CallSummary, firstMethod, isOwnMessage, methodsOf } from "./call-log.ts";
import { CoReceiver, isUnseen, type Receiving, type Schema, type SchemaOutput } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import { HoAnswer } from "./ho-answer.ts";
import { HO_START, type HoEvent, type HoStage, type HoState } from "./ho-states.ts";
import type { ArrivedScript } from "./hosting-end.ts";
import type { PeerLimits } from "./peer-limits.ts";

export class HoCo implements BracketReader, LandingHost, Receiving, Chained {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  /** The conversation's id as the peer counts. */
  readonly coSeq: string;
  /** Whether the poster supports the extension, so that a failure can be reported without ending the connection. */
  readonly isExtended: boolean;
  readonly limits: Limits;
  readonly intake: RawIntake;
  /** The environment that lands the conversation's next packets. */
  env: HostingEnv;
  /** the size accounted for its slot among all conversations; undefined if it has none */
  placeBytes: number | undefined;
  readonly lane: Lane;
  readonly #connection: Connection;
  readonly #token: Token;
  readonly #answer: HoAnswer;
  readonly #beganAt: number;
  #landedAt: number;
  #at = HO_START;
  /** the number of scripts so far */
  #scripts = 0;
  /** the script that is running, or the last one that ran */
  #landing: Landing | undefined;
  #failure: HbiError | undefined;
  /** what logs tell of it: the methods of its last script, what was read before it and in it, why it failed */
  #method: string | undefined;
  readonly #readFrom: number;
  #readBytes: number | undefined;
  #outcome: HbiError | undefined;
  #receiver: CoReceiver | undefined;
  #endWait: Wait<void> | undefined;
  #abort: AbortController | undefined;
  #draining: AbortController | undefined;
  #timer: Timer | undefined;
  /** after a refusal that the poster knows: how many raw bytes are skipped in all, from `closeTimeoutMs` on */
  #mostSkipped = Number.POSITIVE_INFINITY;

  constructor(connection: Connection, lane: Lane, env: HostingEnv, token: Token) {
    this.coSeq = token.seq;
    this.isExtended = token.isExtended;
    this.limits = connection.limits;
    this.env = env;
    this.lane = lane;
    this.#connection = connection;
    this.#token = token;
    this.intake = new RawIntake(this.limits.maxBufferedBytes, connection.account);
    this.#beganAt = lane.reading.arrivedMs;
    this.#landedAt = this.#beganAt;
    this.#readFrom = lane.reading.consumedBytes;
    this.#answer = new HoAnswer(connection, this, token);
  }

  get stage(): HoStage {
    return this.#at.stage;
  }

  get #state(): HoState {
    return this.#at.state;
  }

  /** Texts that travel with the conversation; empty if the poster does not support the extension. A claim of the poster, not a proof. */
  get metadata(): Metadata {
    return this.#token.metadata;
  }

  /** Milliseconds until the poster's deadline or the handler timeout, whichever is first. */
  get remainingMs(): number {
    const { deadlineMs = Number.POSITIVE_INFINITY } = this.#token;
    const now = this.#connection.clock.now();
    return Math.max(Math.min(deadlineMs + this.#beganAt, this.#handlerTimeoutMs + this.#landedAt) - now, 0);
  }

  get #handlerTimeoutMs(): number {
    return this.#landing?.timeoutMs ?? this.limits.handlerTimeoutMs;
  }

  /** Aborts when the conversation is cancelled: its deadline has passed, a later statement failed, or the connection is
   *  lost. */
  get signal(): AbortSignal {
    this.#abort ??= this.#connection.abortController();
    if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    return this.#abort.signal;
  }

  /** Whether `signal` has aborted, or would have if it existed. */
  get isGivenUp(): boolean {
    return this.#failure !== undefined;
  }

  get owesAnswer(): boolean {
    return this.#state !== "closed.writtenRunning";
  }

  /** Aborts when either side begins to drain: the connection closes when its handlers have ended. */
  get draining(): AbortSignal {
    this.#draining ??= this.#connection.heedDraining();
    if (this.#state === "over") this.#connection.forgetDraining(this.#draining);
    return this.#draining.signal;
  }

  /** What the poster accepts. */
  get accepted(): PeerLimits {
    return this.#connection.posting.accepted;
  }

  /** The number of unread raw bytes of the current call. */
  get unreadBytes(): number {
    return this.intake.unreadBytes;
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Receives an object that the peer sent with `sendObj`; without a schema it is `unknown`.
   *  @throws HbiError failed_precondition if the peer sends something else, invalid_argument if it is refused */
  recvObj<S extends Schema | undefined = undefined>(schema?: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#object(schema as S, options));
  }

  /** `recvObj` with the value constructors of `env`. */
  recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#object(schema, options, env));
  }

  async #object<S extends Schema | undefined>(
    schema: S,
    options: WaitOptions,
    env?: HostingEnv,
  ): Promise<SchemaOutput<S>> {
    if (this.intake.unreadBytes > 0) throw failure("body_unread");
    if (this.stage !== "recv" && !this.#received.hasObject) throw failure("no_answer");
    return this.#received.object(schema, options, {}, env);
  }

  /** Fills one buffer, or each buffer of an iterable, with raw bytes that the peer sent with `sendData`.
   *
   *  The total is bounded by the length that the method declares; a method with `body: "manual"` determines it by what
   *  it requests.
   *  @throws HbiError out_of_range beyond the declared length, unavailable */
  recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#received.data(into, this.#isManual, rawOptions(options)));
  }

  /** The next `byteLength` raw bytes as they arrive, in the chunks of the wire and without a copy; default: the rest of
   *  the declared length. */
  recvChunks(byteLength = this.intake.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return this.#received.chunks(byteLength, this.#isManual, rawOptions(options));
  }

  /** Skips the unread raw data of the current call, so that what follows it can be read. */
  discardData(): void {
    this.intake.discard();
    if (this.#checkDrain()) this.lane.pump();
  }

  /** Waits until the peer has sent the whole conversation; then the wire serves others. Optional: it happens
   *  automatically when the script has its data. */
  finishRecv(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#untilReceived(options));
  }

  async #untilReceived(options: WaitOptions): Promise<void> {
    checkWait(options);
    if (this.stage !== "recv") return;
    if (this.#endWait === undefined) this.#endWait = this.#connection.waits.start(options);
    const { promise } = this.#endWait; // the pump may settle and forget it at once
    this.lane.pump();
    await promise;
  }

  /** Created on first use: most handlers receive nothing. */
  get #received(): CoReceiver {
    if (this.#receiver === undefined) {
      this.#receiver = new CoReceiver(this.#connection, this, this, this.intake);
      if (this.#failure !== undefined) this.#receiver.fail(this.#failure);
    }
    return this.#receiver;
  }

  /** Whether only the handler knows how much raw data follows. Not after it has ended; and after the whole conversation
   *  was read, only within a promise, because the next bytes belong to another conversation. */
  get #isManual(): boolean {
    if (this.#landing?.isRunning !== true || !this.#landing.isManual) return false;
    return this.stage === "recv" || this.intake.unannouncedBytes !== undefined;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** Sends code, which the poster lands for its effects. Small sends are collected until the handler has returned,
   *  unless `startSend` was called before. */
  sendCode(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#send("", code, options));
  }

  /** Sends an object for the poster's `recvObj`, as code that yields a value: `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#send("co_recv", code, options));
  }

  async #send(directive: "" | "co_recv", code: string | Script, options: WaitOptions): Promise<void> {
    checkWait(options);
    if (code instanceof Script && code.onlyOurs !== undefined && !this.isExtended) {
      throw failure("not_representable", code.onlyOurs);
    }
    const text = scriptText(code);
    const packet = packetOf(directive, text);
    const { accepted } = this;
    if (directive === "") accepted.check(text, "script", "the script");
    else accepted.check(text, "object", "the object");
    this.#checkAnswer();
    if (directive === "") this.#answer.hasScripts = true;
    const sent = this.#answer.append(packet, options);
    if (this.#failure !== undefined) throw this.#failure;
    await settled(sent, this.lane, options);
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable. A buffer may be changed when the promise has
   *  resolved, or when the next buffer of the iterable is requested. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#sendData(buffers, options));
  }

  async #sendData(buffers: Buffers, options: WaitOptions): Promise<void> {
    checkWait(options);
    this.#checkAnswer();
    this.#answer.hasRawData = true;
    keepFromFailingUnheard(buffers);
    await this.#untilAnswerable(options);
    this.#checkAnswer(); // it may have been closed since
    await sendBuffers(this.#answer.bracket, this.lane, buffers, options);
  }

  /** Takes the send turn: data goes out at once, and nothing else is sent on this connection until the handler has
   *  returned. A handler that meanwhile waits for an answer on the same connection blocks itself. */
  startSend(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#startSend(options));
  }

  async #startSend(options: WaitOptions): Promise<void> {
    checkWait(options);
    await this.#untilAnswerable(options);
    this.#checkAnswer(); // likewise
    this.#go("startSend");
    await this.#answer.bracket.open(options);
  }

  /** Ends the answer now, while the handler continues without the conversation. */
  close(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#close(options));
  }

  async #close(options: WaitOptions): Promise<void> {
    checkWait(options);
    await this.#untilReceived(options);
    if (this.stage !== "closed") this.#complete();
  }

  /** Waits until the poster waits for the answer: from co_end on, or from the start for a seed-era poster.
   *  @throws HbiError failed_precondition, or the failure of the conversation */
  async #untilAnswerable(options: WaitOptions): Promise<void> {
    if (!this.#answer.isSeedStyle) await this.#untilReceived(options);
    this.#checkAnswer();
    if (this.#answer.isSeedStyle) this.#answer.bracket.ask();
  }

  /** @throws HbiError failed_precondition, or the failure of the conversation */
  #checkAnswer(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.stage === "closed") throw failure("wrong_stage", "the answer is closed");
  }

  // --- what arrives: called by the read turn -------------------------------------------------------------------------

  get wantsRaw(): boolean {
    return this.intake.wantsBytes;
  }

  checkPosition(): void {
    this.intake.check();
  }

  takeRaw(reader: PacketReader): boolean {
    const isTaken = this.intake.take(reader);
    if (this.intake.droppedBytes > this.#mostSkipped) this.lane.session.cut(failure("drain_too_big"));
    return isTaken;
  }

  get mayStop(): boolean {
    return this.#state === "closed.toldWritten" || this.#state === "closed.toldWrittenRunning";
  }

  /** The poster has stopped, because it was refused. */
  stopped(): void {
    this.#end();
  }

  get wantsPacket(): boolean {
    if (this.intake.pendingBytes > 0) return false;
    if (this.#state !== "recv.running") return true;
    if (this.#receiver?.isWaitingForObject === true || this.#endWait !== undefined) return true;
    const isCertain = this.intake.unannouncedBytes !== undefined || this.#landing?.hidesNextPacket !== true;
    return isCertain && this.#receiver?.hasRoom !== false;
  }

  /** False if not now; to be called again when the running script has ended. */
  onPacket({ directive, text }: Packet): boolean {
    switch (directive) {
      case "":
      case "co_send":
        if (this.#state === "recv.running") return this.#holdScript();
        if (this.#failure !== undefined) this.#skipScript(text);
        else if (text !== "") {
          const script = { text, wantsValue: directive === "co_send", bytes: text.length + ENTRY_COST_BYTES };
          const admission = this.#admission(script);
          if (admission === "now") this.land(script);
          return admission !== "later";
        }
        return true;
      case "co_recv":
        if (this.#failure !== undefined) return true;
        if (this.#state !== "recv.running") throw failure("bad_state", "an object that no script expects");
        this.#received.onObject(text);
        return true;
      case "co_end":
        if (text !== this.#token.text && text !== this.#token.seq) throw failure("bad_state", "co_end of another id");
        this.#end();
        return true;
      default:
        throw failure("bad_state", `${directive} inside a conversation`);
    }
  }

  #holdScript(): boolean {
    // The script runs after the handler, so a handler that waits for an object or for the end would wait forever.
    const where = "the peer sent a script instead";
    this.#receiver?.failObjects("bad_state", where);
    this.#endWait?.fail(failure("bad_state", where));
    this.#endWait = undefined;
    return false;
  }

  #end(): void {
    this.#go("received");
    this.#readBytes = this.lane.reading.consumedBytes - this.#readFrom;
    this.lane.reading.release(this);
    this.#receiver?.failObjects("no_answer");
    this.#endWait?.settle();
    this.#endWait = undefined;
    if (this.#state === "over") this.#release();
    else if (this.stage === "work" && (this.#state === "work.ended" || this.#failure !== undefined)) this.#complete();
  }

  // --- scripts: docs/protocol.md, section 7 --------------------------------------------------------------------------

  /** Whether a script may run now. If not, it was handled, or must be passed again later. */
  #admission(script: ArrivedScript): "now" | "later" | "done" {
    const { hosting } = this.#connection;
    if (this.#state === "recv.queued" || (this.#scripts > 0 && !this.#connection.beginGate.mayCall())) return "later";
    const admission = hosting.admission(this, this.#token, script, this.#scripts === 0);
    if (admission === "now" || admission === "later") return admission;
    this.#method = firstMethod(script.text);
    if (!this.#isBelieved(script.text)) return "done";
    if (admission === "wait") {
      this.#go("queue");
      hosting.wait(this, this.#token, script);
    } else {
      this.#scripts += 1;
      this.#refuse(admission, undefined, false);
    }
    return "done";
  }

  /** Whether the promise determines the position: the script does not declare more raw data. If it does, the connection
   *  has ended. */
  #isBelieved(text: string): boolean {
    this.intake.promise(promisedBytes(this.#token));
    try {
      bytesBehind(text, this);
      return true;
    } catch (thrown) {
      this.#refuse(asHbiError(thrown), undefined, false);
      return false;
    }
  }

  /** Runs a script that has its slot. */
  land({ text, wantsValue }: ArrivedScript): void {
    this.intake.promise(promisedBytes(this.#token));
    this.#scripts += 1;
    this.#method ??= "";
    let plan: Plan;
    try {
      plan = this.#planned(text);
    } catch (thrown) {
      this.#refuse(asHbiError(thrown), undefined, false);
      return;
    }
    const { maxMetadataBytes } = this.limits;
    const isTooMuch = this.#token.metadataBytes > maxMetadataBytes;
    const refusal =
      plan.refusal ?? (isTooMuch ? failure("metadata_too_big", `at most ${maxMetadataBytes} bytes`) : undefined);
    if (refusal !== undefined) {
      this.#refuse(refusal, plan.rawBytes, plan.answersObject);
      return;
    }
    this.#go("run");
    this.#landing = new Landing(this, this.env, plan, wantsValue);
    this.#landing.start();
    if (this.#state === "recv.running" || this.#state === "work.running") this.#startTimer();
  }

  #planned(text: string): Plan {
    const { budgets, clock, limits } = this.#connection;
    const tree = readScript(text, this.env, limits);
    this.#method = methodsOf(tree);
    if (limits.callsPerSecond !== Number.POSITIVE_INFINITY) {
      const calls = callCount(tree);
      budgets.called(this.#scripts === 1 ? Math.max(calls - 1, 0) : calls); // the conversation itself was counted as one
    }
    const { deadlineMs } = this.#token;
    const isLate = deadlineMs !== undefined && clock.now() >= this.#beganAt + deadlineMs && !isUrgent(text);
    return planAgainstPromise(tree, this, isLate);
  }

  /** A script after a failed one is not landed, but the length of its raw data must be found. */
  #skipScript(text: string): void {
    if (text !== "") {
      const rawBytes = this.intake.restAfter(bytesBehind(text, this));
      if (rawBytes === undefined) throw failure("position_lost");
      this.intake.discard(rawBytes);
    }
    this.#checkDrain();
  }

  // --- called by Landing ---------------------------------------------------------------------------------------------

  get co(): this {
    return this;
  }

  paced(run: () => void): void {
    this.#connection.paced(run);
  }

  enter(): unknown {
    return this.#connection.hosting.enter(this);
  }

  leave(outer: unknown): void {
    this.#connection.hosting.leave(outer as HoCo | undefined); // as returned by `enter`
  }

  stepLanded(result: unknown, answering: ExposedMethod | undefined): void {
    this.#checkDrain();
    if (answering !== undefined && this.#landing?.wantsValue === false)
      this.#reply(result, answering.name, answering.method);
  }

  landed(value: unknown): void {
    this.landingEnded();
    if (this.#failure !== undefined || this.#isClosed()) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.intake.settle();
    if (!this.#checkDrain()) return;
    if (this.#landing?.wantsValue === true) this.#reply(value, "the script");
    if (this.stage === "recv") this.lane.pump();
    else if (!this.#isClosed()) this.#complete();
  }

  landingFailed(error: HbiError, rawBytes: number | undefined): void {
    this.landingEnded();
    // The error of a service behind this one: the poster would take it for one of this connection, and for a call that
    // was not processed.
    const told = isUnseen(error) ? new HbiError(error.code, error.message, error.details) : error;
    this.#fail(error, rawBytes, this.#landing?.answersObject ?? false, told);
  }

  landingEnded(): void {
    if (this.#go("end") === "over") this.#release();
  }

  /** @param name of the method, for the message */
  #reply(value: unknown, name: string, method?: Method): void {
    if (this.stage === "closed") return; // by the handler
    let packet: string;
    try {
      const text = repr(value, this.isExtended ? "json" : "python", MAX_DEPTH, this.env.writer);
      this.accepted.checkResult(text, name, method);
      this.#checkRoom(text.length, name);
      packet = encodePacket("co_recv", text);
    } catch (cause) {
      const isTooBig = ownError(cause)?.reason === "result_too_big";
      const error = isTooBig ? asHbiError(cause) : failure("bad_result", undefined, { cause });
      this.#fail(error, this.#landing?.remainingRawBytes, true);
      return;
    }
    if (this.#landing?.wantsValue === true && !this.isExtended) this.lane.sendLone(packet);
    else void this.#answer.append(packet, {});
  }

  /** A large result that does not fit beside what waits to be sent is refused alone. Of many small ones, the peer is to
   *  blame: it does not read. @throws HbiError resource_exhausted */
  #checkRoom(bytes: number, name: string): void {
    const { maxSendBufferBytes } = this.limits;
    if (bytes * 8 < maxSendBufferBytes) return;
    const { answers, unsent } = this.#connection.account;
    if (answers + unsent + bytes + ENTRY_COST_BYTES <= maxSendBufferBytes) return;
    const where = `${bytes} bytes beside ${answers + unsent} that wait to be sent; maxSendBufferBytes is ${maxSendBufferBytes}`;
    throw failure("result_too_big", `${where}. Ask for less at a time`, { of: name });
  }

  // --- failing -------------------------------------------------------------------------------------------------------

  #startTimer(): void {
    this.#landedAt = this.#connection.clock.now();
    this.#timer = this.#connection.clock.after(this.remainingMs, () => {
      if (this.#answer.isMidway) this.#watchAnswer();
      else this.#stop("handler_timeout");
    });
  }

  /** Raw data that has begun may take as long as it makes progress; the wire watches how fast the peer reads. A handler
   *  without progress holds the send turn, so its connection ends. */
  #watchAnswer(): void {
    const { sentBytes } = this.#answer;
    this.#timer = this.#connection.clock.after(this.#handlerTimeoutMs, () => {
      if (this.#answer.sentBytes > sentBytes) this.#watchAnswer();
      else this.#stop("handler_timeout");
    });
  }

  /** The poster has cancelled: the handler's signal aborts, and the conversation ends with `cancelled`. */
  cancel(): void {
    if (this.isExtended && this.stage !== "closed" && !this.#answer.isMidway) this.#stop("cancelled");
  }

  #stop(reason: "handler_timeout" | "cancelled"): void {
    this.#fail(failure(reason), this.#landing?.remainingRawBytes, this.#landing?.answersObject ?? false);
  }

  /** Nothing of a script has run. */
  #refuse(error: HbiError, rawBytes: number | undefined, answersObject: boolean): void {
    const excess = this.#connection.budgets.refused(error);
    if (excess === undefined) this.#fail(error, rawBytes, answersObject);
    else this.#connection.cut(excess);
  }

  /** Ends the conversation if its byte position is certain and the peer can be told, otherwise the connection.
   *  @param planned the raw bytes after the unread part of the current call; undefined without a plan
   *  @param told the error for the peer */
  #fail(error: HbiError, planned: number | undefined, answersObject: boolean, told = error): void {
    if (this.#failure !== undefined) return;
    this.#outcome ??= error;
    this.#connection.report(error, `conversation ${this.coSeq}`, this.#summary(), this.env);
    const excess = this.env.isPreAuth ? this.#connection.budgets.preAuthFailed() : undefined;
    if (excess !== undefined) {
      this.#connection.cut(excess);
      return;
    }
    if (this.#isClosed()) return; // by the handler: it can only be logged
    const rest = this.intake.restAfter(this.stage === "recv" ? planned : 0);
    const isTold = this.isExtended || answersObject;
    if (rest === undefined || !isTold || this.#answer.isMidway) {
      if (this.stage === "recv" && this.#tellsEarly) {
        this.#failAs(error);
        this.#answer.replace(told);
        this.#tellEarly();
      }
      this.lane.session.cut(error);
      return;
    }
    this.#failAs(error);
    this.intake.discard(rest);
    if (!this.#checkDrain() || this.#isClosed()) return;
    this.#answer.replace(told);
    if (this.stage !== "recv") {
      this.#complete();
      return;
    }
    this.lane.pump();
    // Later, because the rest is usually there already, and the answer then follows it.
    if (this.intake.skippedBytes > 0 && this.#tellsEarly) this.#connection.clock.soon(() => this.#tellEarly());
  }

  #failAs(error: HbiError): void {
    this.#go("fail");
    this.#failure = error;
    this.#giveUp(error);
  }

  /** Whether its poster can be told before it has sent everything, so that it stops. */
  get #tellsEarly(): boolean {
    return this.isExtended && !this.#answer.isSeedStyle && !this.env.isPreAuth;
  }

  #tellEarly(): void {
    if (this.#state === "recv.failed" || this.#state === "recv.failedRunning") this.#complete();
  }

  /** The poster has been told. What was on its way is skipped, but it must stop, or send a small rest. */
  #watchRest(): void {
    const { clock, limits } = this.#connection;
    const { closeTimeoutMs, gapTimeoutMs, handlerTimeoutMs, maxDrainBytes } = limits;
    const most = this.intake.droppedBytes + maxDrainBytes;
    this.#timer = afterHearing(clock, closeTimeoutMs, () => {
      this.#mostSkipped = most;
      if (this.intake.droppedBytes > most) this.lane.session.cut(failure("drain_too_big"));
      // It stays as long as it waits for other answers.
      else this.#timer = afterHearing(clock, handlerTimeoutMs + gapTimeoutMs, () => this.#restIsLate());
    });
  }

  #restIsLate(): void {
    this.lane.session.cut(failure("read_timeout"));
  }

  /** Fails what waits in this conversation; the rest of the handler's work is ignored. */
  #giveUp(error: HbiError): void {
    this.#landing?.abandon();
    this.#connection.hosting.waitsNoMore(this);
    this.#timer?.cancel();
    this.#receiver?.fail(error);
    this.#endWait?.fail(error);
    this.#endWait = undefined;
    this.#abort?.abort(error);
  }

  /** Whether the rest may be skipped. What a handler accepted it may also leave unread; a poster that can be told
   *  stops. */
  #checkDrain(): boolean {
    if (this.intake.skippedBytes <= this.#maxDrainBytes) return true;
    this.lane.session.cut(failure("drain_too_big"));
    return false;
  }

  get #maxDrainBytes(): number {
    if (this.env.isPreAuth) return 0;
    if (this.#failure === undefined || this.#tellsEarly) return Number.POSITIVE_INFINITY;
    const { maxBodyBytes, maxDrainBytes } = this.limits;
    const reason = this.#failure?.reason;
    // A peer at no fault is not cut for the size of its data.
    const isOurs = reason === "overloaded" || reason === "draining" || reason === "handler_timeout";
    return isOurs ? Math.max(maxBodyBytes, maxDrainBytes) : maxDrainBytes;
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  #complete(): void {
    this.#go("close");
    this.#timer?.cancel();
    this.#answer.complete();
  }

  /** The last packet is on the wire, or never will be. */
  answerWritten(): void {
    if (this.#state === "over" || this.#state === "closed.writtenRunning") return; // the connection was lost while it was written
    if (this.#connection.logsCalls) this.#logCall();
    if (this.#go("written") === "over") this.#release();
    else if (this.mayStop) this.#watchRest();
  }

  /** Not for a conversation without a script, and for messages of the library. */
  #logCall(): void {
    if (this.#method === undefined || isOwnMessage(this.#method)) return;
    this.#connection.callEnded(this.#summary(), this.#outcome, this.env);
  }

  #summary(): CallSummary {
    const { clock, remoteAddress } = this.#connection;
    return {
      direction: "in",
      method: oneLine(this.#method ?? ""),
      conversation: oneLine(this.coSeq),
      peer: oneLine(remoteAddress),
      durationMs: clock.now() - this.#beganAt,
      bytesIn: this.#readBytes ?? this.lane.reading.consumedBytes - this.#readFrom,
      bytesOut: this.#answer.writtenBytes,
    };
  }

  /** The connection is lost: fails everything that waits here. */
  lose(error: HbiError): void {
    if (this.#state === "over") return;
    const isOver = this.#go("lost") === "over";
    this.#failure ??= error;
    this.#outcome ??= error;
    this.#giveUp(error);
    this.intake.drop();
    if (isOver) this.#release();
    else this.#answer.withdraw(error);
  }

  #release(): void {
    this.#timer?.cancel();
    this.intake.drop();
    this.#receiver?.drop();
    if (this.#draining !== undefined) this.#connection.forgetDraining(this.#draining);
    this.#connection.hosting.ended(this);
  }

  /** A function, because any of several steps may have closed it. */
  #isClosed(): boolean {
    return this.stage === "closed";
  }

  #go(event: HoEvent): HoState {
    this.#at = step(this.#at, event);
    return this.#at.state;
  }
}
