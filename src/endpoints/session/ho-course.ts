/**
 * HoCourse: the course of a hosted conversation, behind the HoCo that handlers are given: what arrives is landed, the work has a
 * deadline, a failure ends it alone or with the connection. docs/protocol.md, "the host".
 */
import type { Timer } from "../../clock.ts";
import { failure, HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { repr } from "../../parser/repr.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { encodePacket, type Packet } from "../../wire/packet.ts";
import { HO_STAGES, type HoEvent, type HoStage, nextStage } from "../conversation/stages.ts";
import type { Token } from "../conversation/token.ts";
import { RawIntake } from "../lane/raw-intake.ts";
import type { Wait, WaitOptions } from "../waits.ts";
import { CoReceiver, isUnseen, type Receiving, type Schema, type SchemaOutput } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import type { HoCo } from "./ho-co.ts";
import { HoScripts, type Hosting } from "./ho-scripts.ts";
import { type Answering, HoSender } from "./ho-sender.ts";

export class HoCourse implements Hosting, Answering, Receiving {
  readonly co: HoCo;
  readonly token: Token;
  readonly intake: RawIntake;
  readonly sender: HoSender;
  env: HostingEnv;
  readonly #connection: Connection;
  readonly #scripts: HoScripts;
  readonly #beganAt: number;
  #landedAt: number;
  #receiver: CoReceiver | undefined;
  #stage: HoStage = "recv";
  #failure: HbiError | undefined;
  #endWait: Wait<void> | undefined;
  #abort: AbortController | undefined;
  #draining: AbortController | undefined;
  #timer: Timer | undefined;
  #isReleased = false;

  /** @param co what handlers are given, and the connection reads by */
  constructor(co: HoCo, connection: Connection, env: HostingEnv, token: Token) {
    this.co = co;
    this.token = token;
    this.env = env;
    this.#connection = connection;
    this.intake = new RawIntake(connection.limits.maxBufferedBytes, connection.account);
    this.#beganAt = connection.arrivedMs;
    this.#landedAt = this.#beganAt;
    this.sender = new HoSender(connection, this, token);
    this.#scripts = new HoScripts(connection, this, token);
  }

  get stage(): HoStage {
    return this.#stage;
  }

  get failure(): HbiError | undefined {
    return this.#failure;
  }

  get limits(): Limits {
    return this.#connection.limits;
  }

  /** Made when somebody receives: most handlers don't. */
  get receiver(): CoReceiver {
    if (this.#receiver === undefined) {
      this.#receiver = new CoReceiver(this.#connection, this, this.intake);
      if (this.#failure !== undefined) this.#receiver.fail(this.#failure);
    }
    return this.#receiver;
  }

  get remainingMs(): number {
    const { deadlineMs = Number.POSITIVE_INFINITY } = this.token;
    const now = this.#connection.clock.now();
    const ms = Math.min(deadlineMs + this.#beganAt, this.#handlerTimeoutMs + this.#landedAt) - now;
    return Math.max(ms, 0);
  }

  get #handlerTimeoutMs(): number {
    return this.#scripts.landing?.timeoutMs ?? this.limits.handlerTimeoutMs;
  }

  get signal(): AbortSignal {
    this.#abort ??= this.#connection.abortController();
    if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    return this.#abort.signal;
  }

  get draining(): AbortSignal {
    this.#draining ??= this.#connection.heedDraining();
    if (this.#isReleased) this.#connection.forgetDraining(this.#draining);
    return this.#draining.signal;
  }

  /** Whether only the handler knows how much raw data comes next. Not when it has ended, and nothing beyond a promise when all of the
   *  conversation has been read: what comes then is another's. */
  get isManual(): boolean {
    if (!this.#scripts.isRunning || this.#scripts.landing?.isManual !== true) return false;
    return this.#stage === "recv" || this.intake.unannouncedBytes !== undefined;
  }

  async object<S extends Schema | undefined>(
    schema: S,
    options: WaitOptions,
    env?: HostingEnv,
  ): Promise<SchemaOutput<S>> {
    if (this.intake.unreadBytes > 0) throw failure("body_unread");
    if (this.#stage !== "recv" && !this.receiver.hasObject) throw failure("no_answer");
    return this.receiver.object(schema, options, {}, env);
  }

  discardData(): void {
    this.intake.discard();
    if (this.#checkDrain()) this.#connection.pump();
  }

  async finishRecv(options: WaitOptions): Promise<void> {
    if (this.#stage !== "recv") return;
    if (this.#endWait === undefined) this.#endWait = this.#connection.waits.start(options);
    const { promise } = this.#endWait; // the pump may settle and forget it at once
    this.#connection.pump();
    await promise;
  }

  async startSend(options: WaitOptions): Promise<void> {
    await this.sender.untilAnswerable(options);
    if (this.#stage === "work") this.#go("startSend");
    await this.sender.open(options);
  }

  async close(options: WaitOptions): Promise<void> {
    if (this.#stage === "recv") await this.finishRecv(options);
    this.#finish();
  }

  // --- what arrives --------------------------------------------------------------------------------------------------

  get wantsPacket(): boolean {
    if (this.intake.pendingBytes > 0) return false;
    const { landing } = this.#scripts;
    if (this.#failure !== undefined || landing?.isRunning !== true) return true;
    if (this.#receiver?.isWaitingForObject === true || this.#endWait !== undefined) return true;
    const isCertain = this.intake.unannouncedBytes !== undefined || !landing.hidesNextPacket;
    return isCertain && this.#receiver?.hasRoom !== false;
  }

  /** False: not now, ask again when the running script has ended. */
  onPacket({ directive, text }: Packet): boolean {
    switch (directive) {
      case "":
      case "co_send":
        if (this.#failure !== undefined) {
          this.#scripts.skip(text);
          this.#checkDrain();
          return true;
        }
        if (this.#scripts.isRunning) return this.#holdScript();
        return this.#take(text, directive === "co_send");
      case "co_recv":
        if (this.#failure !== undefined) return true;
        if (!this.#scripts.isRunning) throw failure("bad_state", "an object that no script receives");
        this.receiver.onObject(text);
        return true;
      case "co_end":
        if (text !== this.token.text && text !== this.token.seq) throw failure("bad_state", "co_end of another id");
        this.#received();
        return true;
      default:
        throw failure("bad_state", `${directive} inside a conversation`);
    }
  }

  #take(text: string, wantsValue: boolean): boolean {
    const isTaken = this.#scripts.take(text, wantsValue);
    if (this.#scripts.isRunning) this.#startTimer();
    return isTaken;
  }

  get storedBytes(): number {
    return this.#scripts.storedBytes;
  }

  /** There is a place for the script that has waited. */
  landStored(): void {
    this.#scripts.landStored();
    if (this.#scripts.isRunning) this.#startTimer();
    else this.#finish();
  }

  #holdScript(): boolean {
    // Whoever waits for something else in this conversation would wait for ever: the script runs after the handler.
    const where = "the peer sent a script instead";
    this.#receiver?.failObjects("bad_state", where);
    this.#endWait?.fail(failure("bad_state", where));
    this.#endWait = undefined;
    return false;
  }

  #received(): void {
    this.#go("received");
    this.#connection.releaseReader(this.co);
    this.#receiver?.failObjects("no_answer");
    this.#endWait?.settle();
    this.#endWait = undefined;
    if (this.#failure !== undefined || !(this.#scripts.isRunning || this.#scripts.isWaiting)) this.#finish();
  }

  // --- landing: called by Landing ------------------------------------------------------------------------------------

  paced(run: () => void): void {
    this.#connection.paced(run);
  }

  enter(): unknown {
    return this.#connection.hosting.enter(this.co);
  }

  leave(outer: unknown): void {
    this.#connection.hosting.leave(outer as HoCo | undefined); // as given by `enter`
  }

  stepLanded(result: unknown, isDeclared: boolean): void {
    this.#checkDrain();
    if (isDeclared && !this.#scripts.wantsValue) this.#answer(result);
  }

  landingEnded(): void {
    this.#release(); // it may have been given up, or closed early
  }

  landed(value: unknown): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.intake.settle();
    if (!this.#checkDrain()) return;
    if (this.#scripts.wantsValue) this.#answer(value);
    if (this.#stage === "recv") this.#connection.pump();
    else this.#finish();
  }

  landingFailed(error: HbiError, rawBytes: number | undefined): void {
    // Of a service behind this one: the poster would take it as said of this connection, and of a call that was not looked at.
    const told = isUnseen(error) ? new HbiError(error.code, error.message, error.details) : error;
    this.#fail(error, rawBytes, this.#scripts.landing?.answersObject ?? false, told);
  }

  /** The poster has given up: nothing runs for it any more. */
  get isLate(): boolean {
    const { deadlineMs } = this.token;
    return deadlineMs !== undefined && this.#connection.clock.now() >= this.#beganAt + deadlineMs;
  }

  refused(error: HbiError, rawBytes: number | undefined, answersObject: boolean): void {
    const excess = this.#connection.budgets.refused(error);
    if (excess === undefined) this.#fail(error, rawBytes, answersObject);
    else this.#connection.cut(excess);
  }

  #answer(value: unknown): void {
    if (this.#stage === "closed") return; // closed early by the handler
    let packet: string;
    try {
      const { maxDepth, maxPacketBytes } = this.limits;
      const dialect = this.token.isExtended ? "json" : "python";
      packet = encodePacket("co_recv", repr(value ?? null, dialect, maxDepth, this.env.writer), maxPacketBytes);
    } catch (cause) {
      this.#fail(failure("bad_result", undefined, { cause }), this.#scripts.landing?.remainingRawBytes, true);
      return;
    }
    if (this.#scripts.wantsValue && !this.token.isExtended) this.#connection.sendLone(packet);
    else void this.sender.append(packet, {});
  }

  // --- failing -------------------------------------------------------------------------------------------------------

  #startTimer(): void {
    if (this.#timer !== undefined || this.#failure !== undefined) return; // it may have ended the connection
    this.#landedAt = this.#connection.clock.now();
    this.#timer = this.#connection.clock.after(this.remainingMs, () => {
      if (this.sender.isMidAnswer) this.#watchAnswer();
      else this.#stop("handler_timeout");
    });
  }

  /** Raw data that has begun may take as long as it goes on: how fast the peer reads is watched by the wire. A handler that does not
   *  go on holds the send turn, so that the connection ends with it. */
  #watchAnswer(): void {
    const { sentBytes } = this.sender;
    this.#timer = this.#connection.clock.after(this.#handlerTimeoutMs, () => {
      if (this.sender.sentBytes > sentBytes) this.#watchAnswer();
      else this.#stop("handler_timeout");
    });
  }

  /** The poster waits no more: the handler's signal aborts, and the conversation ends with `cancelled`. */
  cancel(): void {
    if (this.token.isExtended && this.#stage !== "closed" && !this.sender.isMidAnswer) this.#stop("cancelled");
  }

  #stop(reason: "handler_timeout" | "cancelled"): void {
    const { landing } = this.#scripts;
    this.#fail(failure(reason), landing?.remainingRawBytes, landing?.answersObject ?? false);
  }

  /** Ends the conversation if its position in the bytes is certain and the peer can be told, else the connection.
   *  @param planned the raw bytes behind what is unread of the present call; undefined when no plan tells
   *  @param told what the peer is told */
  #fail(error: HbiError, planned: number | undefined, answersObject: boolean, told = error): void {
    if (this.#failure !== undefined) return;
    this.#connection.report(error, `conversation ${this.token.seq}`);
    const excess = this.env.isPreAuth ? this.#connection.budgets.preAuthFailed() : undefined;
    if (excess !== undefined) {
      this.#connection.cut(excess);
      return;
    }
    if (this.#stage === "closed") return; // by the handler: nobody but the operator can be told
    const rest = this.intake.restAfter(this.#stage === "recv" ? planned : 0);
    const isTold = this.token.isExtended || answersObject;
    if (rest === undefined || !isTold || this.sender.isMidAnswer) {
      this.#connection.cut(error);
      return;
    }
    this.#failure = error;
    this.#giveUp(error);
    this.intake.discard(rest);
    if (!this.#checkDrain()) return;
    this.sender.answerWith(told);
    if (this.#stage === "recv") this.#connection.pump();
    else this.#finish();
  }

  /** Whoever waits in this conversation is told; what the handler still does is ignored. */
  #giveUp(error: HbiError): void {
    this.#scripts.landing?.abandon();
    this.#scripts.forgetStored();
    this.#timer?.cancel();
    this.#receiver?.fail(error);
    this.#endWait?.fail(error);
    this.#endWait = undefined;
    this.#abort?.abort(error);
  }

  #checkDrain(): boolean {
    if (this.intake.skippedBytes <= this.#maxDrainBytes) return true;
    this.#connection.cut(failure("drain_too_big"));
    return false;
  }

  get #maxDrainBytes(): number {
    if (this.env.isPreAuth) return 0;
    const { maxBodyBytes, maxDrainBytes } = this.limits;
    const reason = this.#failure?.reason;
    // A peer that did nothing wrong is not cut for the size of what it sends.
    const isOurs = reason === "overloaded" || reason === "draining" || reason === "handler_timeout";
    return isOurs ? Math.max(maxBodyBytes, maxDrainBytes) : maxDrainBytes;
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  #finish(): void {
    if (this.#stage === "closed" || this.#stage === "recv") return;
    this.#go("close");
    this.#timer?.cancel();
    this.sender.close();
    this.#release();
  }

  /** The connection is gone: everything that waits here is told. */
  lose(error: HbiError): void {
    if (this.#stage !== "closed") this.#go("lost");
    this.#failure ??= error;
    this.#giveUp(error);
    this.intake.drop();
    this.sender.withdraw(error);
    this.#release();
  }

  answerClosed(): void {
    this.#release();
  }

  #release(): void {
    if (this.#isReleased || this.#stage !== "closed" || !this.sender.isClosed) return;
    if (this.#scripts.isRunning) return;
    this.#isReleased = true;
    this.intake.drop();
    this.#receiver?.drop();
    if (this.#draining !== undefined) this.#connection.forgetDraining(this.#draining);
    this.#connection.hosting.ended(this.co, this.#scripts.placeBytes);
  }

  #go(event: HoEvent): void {
    this.#stage = nextStage(HO_STAGES, this.#stage, event);
  }
}
