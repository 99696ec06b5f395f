/**
 * HostedCo: a conversation that the peer started and this side hosts, on its way. What arrives is landed, the work has a
 * deadline, and a failure ends the conversation alone or with the connection. docs/protocol.md, section 4.
 */
import type { Chained } from "../../chain.ts";
import { asHbiError, failure, HbiError, moreThan } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { ExposedMethod, HostingEnv } from "../../registry/hosting-env.ts";
import type { Method } from "../../registry/method.ts";
import { callCount, type Plan } from "../../registry/plan.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";
import { Landing, type LandingHost } from "../conversation/landing.ts";
import { tooMuch } from "../conversation/metadata.ts";
import { bytesBehind, planAgainstPromise, readScript } from "../conversation/script-plan.ts";
import { step } from "../conversation/stages.ts";
import { promisedBytes, type Token } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Lane } from "../lane/lane.ts";
import { RawIntake } from "../lane/raw-intake.ts";
import { checkWait, type Wait, type WaitOptions } from "../waits.ts";
import { isUrgent } from "./builtin-names.ts";
import { firstMethod, methodsOf } from "./call-log.ts";
import { CallRecord } from "./call-record.ts";
import { CoReceiver, type Receiving } from "./co-receiver.ts";
import { CoSignals } from "./co-signals.ts";
import type { Connection } from "./connection.ts";
import { HoAnswer } from "./ho-answer.ts";
import type { HoCo } from "./ho-co.ts";
import { HoDeadline } from "./ho-deadline.ts";
import { HoRest } from "./ho-rest.ts";
import { HO_START, type HoEvent, type HoStage, type HoState } from "./ho-states.ts";
import type { ArrivedScript } from "./hosting-end.ts";
import { isUnseen } from "./land-object.ts";

export abstract class HostedCo implements BracketReader, LandingHost, Receiving, Chained {
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
  protected readonly token: Token;
  protected readonly answer: HoAnswer;
  readonly #beganAt: number;
  #at = HO_START;
  /** the number of scripts so far */
  #scripts = 0;
  /** the script that is running, or the last one that ran */
  #landing: Landing | undefined;
  #failure: HbiError | undefined;
  readonly #record: CallRecord;
  #receiver: CoReceiver | undefined;
  #endWait: Wait<void> | undefined;
  #signals: CoSignals | undefined;
  #deadline: HoDeadline | undefined;
  /** created when something is left unread */
  #rest: HoRest | undefined;

  constructor(connection: Connection, lane: Lane, env: HostingEnv, token: Token) {
    this.coSeq = token.seq;
    this.isExtended = token.isExtended;
    this.limits = connection.limits;
    this.env = env;
    this.lane = lane;
    this.#connection = connection;
    this.token = token;
    this.intake = new RawIntake(this, connection.account);
    this.#beganAt = lane.reading.arrivedMs;
    this.#record = new CallRecord(connection, lane, "in", token.seq, this.#beganAt);
    this.answer = new HoAnswer(connection, this, token);
  }

  get stage(): HoStage {
    return this.#at.stage;
  }

  protected get state(): HoState {
    return this.#at.state;
  }

  protected get time(): HoDeadline {
    const { clock } = this.#connection;
    this.#deadline ??= new HoDeadline(clock, this, this.answer, this.#beganAt, this.token.deadlineMs);
    return this.#deadline;
  }

  /** The time for the handlers of its script. */
  get handlerTimeoutMs(): number {
    return this.#landing?.timeoutMs ?? this.limits.handlerTimeoutMs;
  }

  /** why it has failed, if it has */
  get failure(): HbiError | undefined {
    return this.#failure;
  }

  get owesAnswer(): boolean {
    return this.state !== "closed.writtenRunning";
  }

  // --- for HoCo ------------------------------------------------------------------------------------------------------

  protected get signals(): CoSignals {
    this.#signals ??= new CoSignals(this.#connection);
    return this.#signals;
  }

  protected async untilReceived(options: WaitOptions): Promise<void> {
    checkWait(options);
    if (this.stage !== "recv") return;
    if (this.#endWait === undefined) this.#endWait = this.#connection.waits.start(options);
    const { promise } = this.#endWait; // the pump may settle and forget it at once
    this.lane.pump();
    await promise;
  }

  /** Created on first use: most handlers receive nothing. */
  protected get received(): CoReceiver {
    if (this.#receiver === undefined) {
      this.#receiver = new CoReceiver(this.#connection, this, this, this.intake);
      if (this.#failure !== undefined) this.#receiver.fail(this.#failure);
    }
    return this.#receiver;
  }

  /** Whether only the handler knows how much raw data follows. Not after it has ended; and after the whole conversation
   *  was read, only within a promise, because the next bytes belong to another conversation. */
  protected get isManual(): boolean {
    if (this.#landing?.isRunning !== true || !this.#landing.isManual) return false;
    return this.stage === "recv" || this.intake.unannouncedBytes !== undefined;
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
    this.#rest?.skipped();
    if (this.intake.isTooBig && this.#failure === undefined) this.#refuseTooBig();
    return isTaken;
  }

  /** Raw data of unknown length has grown beyond what is accepted. */
  #refuseTooBig(): void {
    const error = moreThan(this.intake.most, this.#landing?.name);
    this.#fail(error, 0, this.#landing?.answersObject ?? false);
  }

  get endsWithLane(): boolean {
    return this.intake.isOpenEnded;
  }

  laneEnded(): void {
    if (this.intake.isAtEnd) return;
    this.intake.end();
    this.#end();
  }

  get mayStop(): boolean {
    return this.state === "closed.toldWritten" || this.state === "closed.toldWrittenRunning";
  }

  /** The poster has stopped, because it was refused. */
  stopped(): void {
    this.#end();
  }

  get wantsPacket(): boolean {
    if (this.intake.pendingBytes > 0) return false;
    if (this.state !== "recv.running") return true;
    if (this.#receiver?.isWaitingForObject === true || this.#endWait !== undefined) return true;
    const isCertain = this.intake.unannouncedBytes !== undefined || this.#landing?.hidesNextPacket !== true;
    return isCertain && this.#receiver?.hasRoom !== false;
  }

  /** False if not now; to be called again when the running script has ended. */
  onPacket({ directive, text }: Packet): boolean {
    switch (directive) {
      case "":
      case "co_send":
        if (this.state === "recv.running") return this.#holdScript();
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
        if (this.state !== "recv.running") throw failure("bad_state", "an object that no script expects");
        this.received.onObject(text);
        return true;
      case "co_end":
        if (text !== this.token.text && text !== this.token.seq) throw failure("bad_state", "co_end of another id");
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
    this.go("received");
    this.#record.readToEnd();
    this.lane.reading.release(this);
    this.#receiver?.failObjects("no_answer");
    this.#endWait?.settle();
    this.#endWait = undefined;
    if (this.state === "over") this.#release();
    else if (this.stage === "work" && (this.state === "work.ended" || this.#failure !== undefined)) this.complete();
  }

  // --- scripts: docs/protocol.md, section 7 --------------------------------------------------------------------------

  /** Whether a script may run now. If not, it was handled, or must be passed again later. */
  #admission(script: ArrivedScript): "now" | "later" | "done" {
    const { hosting } = this.#connection;
    if (this.state === "recv.queued" || (this.#scripts > 0 && !this.#connection.beginGate.mayCall())) return "later";
    const admission = hosting.admission(this.co, this.token, script, this.#scripts === 0);
    if (admission === "now" || admission === "later") return admission;
    this.#record.method = firstMethod(script.text);
    if (!this.#isBelieved(script.text)) return "done";
    if (admission === "wait") {
      this.go("queue");
      hosting.wait(this.co, this.token, script);
    } else {
      this.#scripts += 1;
      this.#refuse(admission, undefined, false);
    }
    return "done";
  }

  /** Whether the promise determines the position: the script does not declare more raw data. If it does, the connection
   *  has ended. */
  #isBelieved(text: string): boolean {
    this.intake.promise(promisedBytes(this.token));
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
    this.intake.promise(promisedBytes(this.token));
    this.#scripts += 1;
    this.#record.method ??= "";
    let plan: Plan;
    try {
      plan = this.#planned(text);
    } catch (thrown) {
      this.#refuse(asHbiError(thrown), undefined, false);
      return;
    }
    const { maxMetadataBytes } = this.limits;
    const { metadataBytes } = this.token;
    const refusal =
      plan.refusal ??
      (metadataBytes > maxMetadataBytes ? tooMuch(metadataBytes, maxMetadataBytes) : undefined) ??
      (plan.needsLane && this.lane === this.#connection.lane ? failure("no_lanes", "of the caller") : undefined);
    if (refusal !== undefined) {
      this.#refuse(refusal, plan.rawBytes, plan.answersObject);
      return;
    }
    this.go("run");
    this.answer.isOpenEnded = plan.hasOpenResult;
    this.#landing = new Landing(this, this.env, plan, wantsValue);
    this.#landing.start();
    if (this.state === "recv.running" || this.state === "work.running") this.time.start();
  }

  #planned(text: string): Plan {
    const { budgets, clock, limits } = this.#connection;
    const tree = readScript(text, this.env, limits);
    this.#record.method = methodsOf(tree);
    if (limits.callsPerSecond !== Number.POSITIVE_INFINITY) {
      const calls = callCount(tree);
      budgets.called(this.#scripts === 1 ? Math.max(calls - 1, 0) : calls); // the conversation itself was counted as one
    }
    const { deadlineMs } = this.token;
    const isLate = deadlineMs !== undefined && clock.now() >= this.#beganAt + deadlineMs && !isUrgent(text);
    return planAgainstPromise(tree, this, isLate ? deadlineMs : undefined);
  }

  /** A script after a failed one is not landed, but the length of its raw data must be found. */
  #skipScript(text: string): void {
    if (text !== "") {
      const rawBytes = this.intake.restAfter(bytesBehind(text, this));
      if (rawBytes === undefined) throw failure("position_lost");
      this.intake.discard(rawBytes);
    }
    this.checkRest();
  }

  // --- called by Landing ---------------------------------------------------------------------------------------------

  abstract readonly co: HoCo;

  paced(run: () => void): void {
    this.#connection.paced(run);
  }

  enter(): unknown {
    return this.#connection.hosting.enter(this.co);
  }

  leave(outer: unknown): void {
    this.#connection.hosting.leave(outer as HoCo | undefined); // as returned by `enter`
  }

  stepLanded(result: unknown, answering: ExposedMethod | undefined): void {
    this.checkRest();
    if (answering !== undefined && this.#landing?.wantsValue === false)
      this.#reply(result, answering.name, answering.method);
  }

  landed(value: unknown): void {
    this.landingEnded();
    if (this.#failure !== undefined || this.#isClosed()) return;
    this.#deadline?.end();
    this.intake.settle();
    if (!this.checkRest()) return;
    if (this.#landing?.wantsValue === true) this.#reply(value, "the script");
    if (this.stage === "recv") this.lane.pump();
    else if (!this.#isClosed()) this.complete();
  }

  landingFailed(error: HbiError, rawBytes: number | undefined): void {
    this.landingEnded();
    // The error of a service behind this one: the poster would take it for one of this connection, and for a call that
    // was not processed.
    const told = isUnseen(error) ? new HbiError(error.code, error.message, error.details) : error;
    this.#fail(error, rawBytes, this.#landing?.answersObject ?? false, told);
  }

  landingEnded(): void {
    if (this.go("end") === "over") this.#release();
  }

  /** @param name of the method, for the message */
  #reply(value: unknown, name: string, method?: Method): void {
    if (this.stage === "closed") return; // by the handler
    try {
      this.answer.reply(value, name, method, this.#landing?.wantsValue === true);
    } catch (thrown) {
      this.#fail(asHbiError(thrown), this.#landing?.remainingRawBytes, true);
    }
  }

  // --- failing -------------------------------------------------------------------------------------------------------

  /** The poster has cancelled: the handler's signal aborts, and the conversation ends with `cancelled`. */
  cancel(): void {
    if (this.isExtended && this.stage !== "closed" && !this.answer.isMidway) this.stop("cancelled");
  }

  stop(reason: "handler_timeout" | "cancelled", where?: string): void {
    this.#fail(failure(reason, where), this.#landing?.remainingRawBytes, this.#landing?.answersObject ?? false);
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
    this.#record.failed(error, this.answer.writtenBytes, this.env);
    const excess = this.env.isPreAuth ? this.#connection.budgets.preAuthFailed() : undefined;
    if (excess !== undefined) {
      this.#connection.cut(excess);
      return;
    }
    if (this.#isClosed()) return; // by the handler: it can only be logged
    const rest = this.intake.restAfter(this.stage === "recv" ? planned : 0);
    const isTold = this.isExtended || answersObject;
    if (rest === undefined || !isTold || this.answer.isMidway) {
      if (this.stage === "recv" && this.tellsEarly) {
        this.#failAs(error);
        this.answer.replace(told);
        this.#tellEarly();
      }
      if (!this.lane.session.abandon(error)) this.lane.session.cut(error);
      return;
    }
    this.#failAs(error);
    this.intake.discard(rest);
    if (!this.checkRest() || this.#isClosed()) return;
    this.answer.replace(told);
    if (this.stage !== "recv") {
      this.complete();
      return;
    }
    this.lane.pump();
    // Later, because the rest is usually there already, and the answer then follows it.
    if (this.intake.skippedBytes > 0 && this.tellsEarly) this.#connection.clock.soon(() => this.#tellEarly());
  }

  #failAs(error: HbiError): void {
    this.go("fail");
    this.#failure = error;
    this.#giveUp(error);
  }

  /** Whether its poster can be told before it has sent everything, so that it stops. */
  get tellsEarly(): boolean {
    return this.isExtended && !this.answer.isSeedStyle && !this.env.isPreAuth;
  }

  #tellEarly(): void {
    if (this.state === "recv.failed" || this.state === "recv.failedRunning") this.complete();
  }

  /** Fails what waits in this conversation; the rest of the handler's work is ignored. */
  #giveUp(error: HbiError): void {
    this.#landing?.abandon();
    this.#connection.hosting.waitsNoMore(this.co);
    this.#deadline?.end();
    this.#receiver?.fail(error);
    this.#endWait?.fail(error);
    this.#endWait = undefined;
    this.#signals?.cancel(error);
    this.#rest?.end();
  }

  /** Whether the rest may be skipped. If not, the connection has ended. */
  protected checkRest(): boolean {
    return this.intake.skippedBytes === 0 || this.#unread.check();
  }

  get #unread(): HoRest {
    this.#rest ??= new HoRest(this.#connection, this);
    return this.#rest;
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Its answer tells of a failure within the raw data: reported and logged as every other. */
  failedWithin(error: HbiError): void {
    this.#record.failed(error, this.answer.writtenBytes, this.env);
  }

  protected complete(): void {
    this.go("close");
    this.#deadline?.end();
    this.answer.complete();
  }

  /** The last packet is on the wire, or never will be. */
  answerWritten(): void {
    if (this.state === "over" || this.state === "closed.writtenRunning") return; // the connection was lost while it was written
    if (this.#connection.logsCalls) this.#record.end(this.answer.writtenBytes, this.env);
    if (this.go("written") === "over") this.#release();
    else if (this.mayStop) this.#unread.watch();
  }

  /** The connection is lost: fails everything that waits here. */
  lose(error: HbiError): void {
    if (this.state === "over") return;
    const isOver = this.go("lost") === "over";
    this.#failure ??= error;
    this.#record.error ??= error;
    this.#giveUp(error);
    this.intake.drop();
    if (isOver) this.#release();
    else this.answer.withdraw(error);
  }

  #release(): void {
    this.#deadline?.end();
    this.intake.drop();
    this.#receiver?.drop();
    this.#signals?.end();
    this.#rest?.end();
    this.#connection.hosting.ended(this.co);
  }

  /** A function, because any of several steps may have closed it. */
  #isClosed(): boolean {
    return this.stage === "closed";
  }

  protected go(event: HoEvent): HoState {
    this.#at = step(this.#at, event);
    return this.#at.state;
  }
}
