/**
 * PostedCo: a conversation that this side starts, on its way: a number, a slot, the send turn, an answer, an end. Its
 * content is available as a whole, as for most typed calls, or is built step by step by an application (PoSender). Its
 * answer consists of objects for its call, or is received with raw data and scripts (PoAnswer). All of them pass
 * through the same states. docs/protocol.md, section 4.
 */
import type { Chained } from "../../chain.ts";
import { failure, type HbiError } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import type { OnDemand } from "../../on-demand.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";
import { metadataField } from "../conversation/metadata.ts";
import { isLarge } from "../conversation/packet-of.ts";
import { noStep } from "../conversation/stages.ts";
import { seqOf } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { heed, heedNoMore } from "../heed.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Lane } from "../lane/lane.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import { checkWait, type Wait, type WaitHints, type WaitOptions, withLanded } from "../waits.ts";
import type { Call } from "./call.ts";
import { CallRecord } from "./call-record.ts";
import { CoSignals } from "./co-signals.ts";
import type { Connection } from "./connection.ts";
import { CONVERSING, conversingNow } from "./conversing.ts";
import type { PoAnswer } from "./po-answer.ts";
import type { CoOptions } from "./po-co.ts";
import type { PoSender } from "./po-sender.ts";
import { type PoAt, type PoEvent, type PoStage, SENDING_PO, WHOLE_PO } from "./po-states.ts";

/** A larger body does not go to lane 0, where small calls would wait for it. */
const LANE_BYTES = 1024 * 1024;

export class PostedCo implements BracketReader, Chained {
  readonly seq: number;
  /** Whether it holds a slot on the wire; used by the posting end. */
  isAdmitted = false;
  /** the first form in its script that only peers of this library can read, if known */
  onlyOurs: string | undefined;
  /** the token field with its metadata; "" if there is none */
  readonly metadataField: string;
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  /** called when the connection is lost, also if the caller waits for something else */
  onLost: ((error: HbiError) => void) | undefined;
  readonly connection: Connection;
  /** lane 0, or the one that it gets when it has a slot */
  lane: Lane;
  readonly #options: CoOptions;
  /** the call that waits for the result; undefined if an application uses the conversation itself */
  readonly call: Call | undefined;
  /** the same, if its content is available as a whole and its answer consists of the declared objects */
  readonly #whole: Call | undefined;
  #at: PoAt;
  /** the first failure, which all later operations report */
  #failure: HbiError | undefined;
  /** the position on the wire after which it has reached the peer */
  #reachesAt = 0;
  /** What the host promises of the raw data of the answer. */
  #promisedAnswer: number | undefined;
  #sender: PoSender | undefined;
  #answer: PoAnswer | undefined;
  #answerWait: Wait<void> | undefined;
  #completion: Wait<void> | undefined;
  #onAbort: (() => void) | undefined;
  #signals: CoSignals | undefined;
  /** if there is a log of calls */
  readonly #record: CallRecord | undefined;

  constructor(connection: Connection, lane: Lane, seq: number, options: CoOptions, call: Call | undefined) {
    this.seq = seq;
    this.onlyOurs = options.onlyOurs;
    this.metadataField =
      call === undefined
        ? metadataField(options.metadata, connection.limits.maxMetadataBytes)
        : (call.request.metadata ?? "");
    this.connection = connection;
    this.lane = lane;
    this.#options = options;
    this.call = call;
    this.#whole = call?.request.talk === undefined ? call : undefined;
    this.#at = this.#whole === undefined ? SENDING_PO : WHOLE_PO;
    this.#record = connection.logsCalls ? new CallRecord(connection, lane, "out", this.coSeq) : undefined;
    if (this.#whole === undefined) {
      const { PoAnswer, PoSender } = conversingNow();
      this.#sender = new PoSender(connection, this, options);
      this.#answer = new PoAnswer(connection, this, options);
    }
  }

  /** The conversation's id as this side counts: from "101". */
  get coSeq(): string {
    return String(this.seq);
  }

  get stage(): PoStage {
    return this.#at.stage;
  }

  get limits(): Limits {
    return this.connection.limits;
  }

  /** The environment that lands the answer. */
  get env(): HostingEnv {
    return this.#options.env ?? this.connection.env;
  }

  // --- for PoCo ------------------------------------------------------------------------------------------------------

  /** Content that is not available as a whole. Created for a complete call only if a handler of its answer, which
   *  reports that all is sent, needs it. */
  get sender(): PoSender {
    if (this.#sender === undefined) {
      const { PoSender } = conversingNow();
      this.#sender = new PoSender(this.connection, this, this.#options);
    }
    return this.#sender;
  }

  /** Reads an answer that contains more than objects for a call. */
  protected get answer(): PoAnswer {
    if (this.#answer === undefined) {
      const { PoAnswer } = conversingNow();
      this.#answer = new PoAnswer(this.connection, this, this.#options);
      if (this.#promisedAnswer === 0) this.#answer.promisesNoRawData();
    }
    return this.#answer;
  }

  protected get signals(): CoSignals {
    this.#signals ??= new CoSignals(this.connection);
    return this.#signals;
  }

  /** The number of unread raw bytes of the script that is being landed. */
  get unreadBytes(): number {
    return this.#answer?.intake.unreadBytes ?? 0;
  }

  /** Skips the unread raw data, so that what follows it can be read. */
  discardData(): void {
    if (this.#answer?.isCut() !== true) this.#answer?.discardData();
  }

  /** Resolves when what was sent is handed to the wire. */
  protected async whenSent(options: WaitOptions): Promise<void> {
    const { sender } = this;
    if (this.#whole === undefined) await sender.orWhyLost(sender.bracket.sent(this.bounded(options)));
    else await this.lane.wire.whenWritable();
  }

  protected async untilAnswered(options: WaitOptions): Promise<void> {
    checkWait(options);
    this.toRecv();
    if (this.#at.isAnswering) return;
    this.#answerWait ??= this.connection.waits.start(this.bounded(options), this.hints);
    await this.#answerWait.promise;
  }

  protected async untilCompleted(options: WaitOptions): Promise<void> {
    checkWait(options);
    this.#checkWhole();
    if (this.#at.isOver) return;
    if (this.#at.stage === "send") this.#endSending();
    this.#checkWhole();
    if (this.#completion === undefined || this.#completion.isSettled) {
      this.#completion = this.connection.waits.start(this.bounded(options), this.hints);
    }
    this.lane.pump();
    await this.#completion.promise;
  }

  protected async untilClosed(options: WaitOptions): Promise<void> {
    checkWait(options);
    const { stage } = this.#at;
    if (stage === "send") this.#endSending();
    else if (stage === "recv") this.#go(this.#at.next.close, "close");
    this.#answer?.discardUnread();
    if (stage === "send" && this.#failure === undefined) await this.whenSent(options);
  }

  // --- for its parts, its call and the connection --------------------------------------------------------------------

  /** The conversation's own deadline, for waits without one. */
  bounded(options: WaitOptions): WaitOptions {
    const { timeoutMs } = this.#options;
    return timeoutMs === undefined ? options : { ...options, timeoutMs: options.timeoutMs ?? timeoutMs };
  }

  get hints(): WaitHints {
    return { onTimeout: () => this.lane.explainTimeout(this) };
  }

  /** Receiving declares that everything is sent. @throws HbiError if nothing can be received */
  toRecv(): void {
    this.#checkWhole();
    const { stage } = this.#at;
    if (stage === "closed") throw failure("wrong_stage", "receiving in stage closed");
    if (stage === "recv") return;
    this.#go(this.#at.next.sent, "sent");
    this.#closeSending();
    this.#checkWhole();
  }

  #checkWhole(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #endSending(): void {
    this.#go(this.#at.next.close, "close");
    this.#closeSending();
  }

  #closeSending(): void {
    const error = this.#sender?.close();
    if (error === undefined) return;
    this.failed(error);
    if (this.#at.isUnsent) this.abandon(error);
    else this.#cut(error);
  }

  #cut(error: HbiError): void {
    this.#sender?.bracket.beginRawData(); // the host waits for raw data, and would take anything else as such
    this.lane.session.cut(error);
  }

  /** Cancels: every wait fails with `error`, and the answer is read to its end and dropped. */
  abandon(error: HbiError): void {
    this.call?.giveUp(error);
    this.giveUp(error);
  }

  /** Its current state. */
  get at(): PoAt {
    return this.#at;
  }

  get failure(): HbiError | undefined {
    return this.#failure;
  }

  /** Later operations fail with it; the first failure counts. */
  failed(error: HbiError): void {
    this.#failure ??= error;
  }

  /** @param next the state that the table has for the event, if any */
  #go(next: PoAt | undefined, event: PoEvent): void {
    if (next === undefined) throw noStep(this.#at.state, event);
    this.#at = next;
  }

  /** Whether it may request an object with `co_send`. */
  get mayAsk(): boolean {
    return this.#whole === undefined;
  }

  /** Whether it may be larger than what every peer accepts. */
  get isLarge(): boolean {
    return this.call === undefined ? this.#sender?.hasLarge === true : isLarge(this.call.request.code);
  }

  /** Whether it goes before waiting conversations and beyond the limit on those in flight. */
  get isUrgent(): boolean {
    return this.#whole?.request.isUrgent === true;
  }

  /** Starts listening to the signal, after the posting end knows the conversation, because the signal may abort at once. */
  heedSignal(): void {
    const { signal } = this.#options;
    if (signal === undefined) return;
    this.#onAbort = () => this.abandon(failure("cancelled", undefined, { cause: signal.reason }));
    if (signal.aborted) this.#onAbort();
    else heed(signal, this.#onAbort);
  }

  // --- on its way to the wire ----------------------------------------------------------------------------------------

  /** Whether it has a lane for itself, if the peer takes lanes: it sends or receives much, or nobody knows how much. */
  get wantsLane(): boolean {
    const request = this.call?.request;
    return this.needsLane || request?.talk !== undefined || (request?.body?.length ?? 0) > LANE_BYTES;
  }

  /** Whether it cannot be sent on lane 0. */
  get needsLane(): boolean {
    return this.#options.needsLane === true;
  }

  enterLane(lane: Lane): void {
    this.lane = lane;
    if (this.#sender !== undefined) this.#sender.bracket.lane = lane;
  }

  /** Requests the send turn when it has a slot on the wire. */
  get taker(): TurnTaker {
    return this.#whole ?? this.sender.bracket;
  }

  /** The first packet goes to the wire. @param reachesAt the position on the wire after which a script of it may have reached the peer */
  begun(reachesAt: number): void {
    this.#reachesAt = reachesAt;
    this.#go(this.#at.next.begun, "begun");
  }

  /** Nothing more is written: the last packet is on the wire, or never will be. */
  written(): void {
    const { isSending, isAnswering } = this.#at;
    if (!isSending) return;
    this.#go(this.#at.next.written, "written");
    if (this.#at.isOver) this.#end();
    else if (isAnswering) this.lane.pump();
    else if (this.#at.isGivenUp) this.#tellGivenUp();
  }

  rawDataEnded(): void {
    if (this.#at.isGivenUp) this.#endDropped();
  }

  // --- reading: called by the connection -----------------------------------------------------------------------------

  /** @param rawBytes what the host promises of raw data: none, or everything up to the end of the lane */
  answerBegins(rawBytes: number | undefined): void {
    if (this.#at.next.answered === undefined) throw failure("bad_state", "answered twice");
    if (rawBytes === TO_THE_END && this.lane === this.connection.lane) throw failure("bad_state", "u on lane 0");
    this.#go(this.#at.next.answered, "answered");
    this.#record?.answerBegins();
    this.#promisedAnswer = rawBytes;
    if (rawBytes === 0) this.#answer?.promisesNoRawData();
    if (rawBytes === TO_THE_END) this.answer.isOpenEnded = true;
    this.#answerWait?.settle();
  }

  get isPatient(): boolean {
    return this.#options.isPatient === true;
  }

  get wantsRaw(): boolean {
    return this.#answer?.intake.wantsBytes === true;
  }

  get wantsPacket(): boolean {
    // A seed-era host answers before it has received everything; a host of this library, only to refuse.
    if (!this.#at.isWritten) return this.#at.isAnswering && this.connection.posting.knowsExtension;
    const answer = this.#answer;
    if (answer === undefined) return true;
    if (answer.hidesNextPacket) return false;
    if (answer.intake.isAtEnd) return true; // there is none
    const isWanted = this.#whole !== undefined || answer.isLanding || this.#at.stage === "closed";
    return isWanted || answer.isWaitingForObject || this.#completion?.isSettled === false;
  }

  checkPosition(): void {
    this.#answer?.checkPosition();
  }

  takeRaw(reader: PacketReader): boolean {
    const isTaken = this.#answer?.intake.take(reader) === true;
    this.#answer?.checkSize();
    return isTaken;
  }

  get endsWithLane(): boolean {
    return this.#answer?.intake.isOpenEnded === true;
  }

  /** Whether everything has arrived, although its reader has not seen the end. */
  get mayStop(): boolean {
    return this.#answer?.intake.isAtEnd === true;
  }

  /** The end of the answer, when its raw data was read. */
  laneEnded(): void {
    const { intake } = this.answer;
    if (this.#at.isOver) return; // lost with its connection
    intake.end();
    const isRead = this.#at.stage === "closed" || this.#completion?.isSettled === false;
    if (intake.unreadBytes > 0 || !isRead) return; // whoever reads it has not seen its end
    this.#record?.readToEnd();
    this.lane.reading.release(this);
    this.#acknowledged();
  }

  missingFor({ directive }: Packet): OnDemand<unknown> | undefined {
    return directive === "" && CONVERSING.part === undefined ? CONVERSING : undefined;
  }

  onPacket({ directive, text }: Packet): boolean {
    if (this.#answer?.isLanding === true) return false;
    if (directive === "" && !this.#at.isWritten) throw failure("bad_state", "code before everything was sent");
    switch (directive) {
      case "co_recv":
        if (this.#whole === undefined || this.#isForHandler) this.answer.onObject(text);
        else this.#whole.onObject(text, this);
        return true;
      case "":
        this.answer.land(text);
        return true;
      case "co_ack_end":
        if (seqOf(text) !== this.coSeq) throw failure("bad_state", "co_ack_end of another id");
        this.#record?.readToEnd();
        this.lane.reading.release(this);
        this.#acknowledged();
        return true;
      default:
        throw failure("bad_state", `${directive} inside an answer`);
    }
  }

  /** Whether the handler of a script in the answer waits for an object, instead of its call. */
  get #isForHandler(): boolean {
    return this.#answer?.isWaitingForObject === true && this.#whole?.hasAll === true;
  }

  #acknowledged(): void {
    this.#answer?.ended();
    this.#go(this.#at.next.acknowledged, "acknowledged");
    const call = this.#whole;
    const refusal = call?.acknowledged();
    if (refusal !== undefined) {
      this.failed(refusal);
      this.connection.peerGoesAway(undefined); // it may not have said so
    }
    if (this.#at.isOver) this.#end();
    else this.#refused(this.#failure ?? call?.error ?? failure("no_answer"));
    if (refusal !== undefined) call?.left(this, refusal);
  }

  /** The host has answered before everything was sent: it drops the rest. A small rest is sent all the same, so that the
   *  connection lives. Otherwise, as raw data cannot be cut short, nothing more is sent on it. */
  #refused(error: HbiError): void {
    const { wire } = this.lane;
    this.#failWaits(error);
    const isCompleted = this.#sender?.refused(error) ?? wire.queuedBytes <= this.limits.maxDrainBytes;
    if (isCompleted) {
      wire.keepBorrowed(); // the caller may change its buffer now
      return;
    }
    if (this.lane.session.abandon(error)) return;
    wire.dropQueue(error);
    this.connection.strand();
  }

  #failWaits(error: HbiError): void {
    this.failed(error);
    this.#signals?.cancel(error);
    this.#answer?.fail(error);
    this.#answerWait?.fail(error);
    this.#completion?.fail(error);
  }

  /** Takes an answer to `co_send` outside of any bracket; false if it requested none. */
  takeLoneObject(text: string): boolean {
    return this.#answer?.takeLoneObject(text) === true;
  }

  // --- cancelling, losing --------------------------------------------------------------------------------------------

  /** The call is cancelled. */
  giveUp(error: HbiError): void {
    if (this.#at.next.giveUp === undefined) return;
    const { isUnsent, isAnswering } = this.#at;
    this.#go(this.#at.next.giveUp, "giveUp");
    this.#failWaits(error);
    if (isUnsent) {
      this.#withdraw(error);
      this.#end();
      return;
    }
    if (this.lane.session.abandon(error)) return; // it is lost, and nobody waits for the rest
    if (this.#whole !== undefined && this.#at.isSending) this.lane.wire.keepBorrowed(); // the host waits for every byte
    if (this.#at.isWritten && !isAnswering) this.#tellGivenUp();
    this.#endDropped();
  }

  /** What is on the wire is completed, and the answer is read to its end and dropped. */
  #endDropped(): void {
    const sender = this.#sender;
    if (this.#at.isSending && this.#whole === undefined && sender !== undefined) {
      if (sender.isSendingData) return;
      const error = sender.close();
      if (error !== undefined) this.#cut(error);
    }
    this.#answer?.discardData();
  }

  /** Tells a peer that supports it. Not for messages of the library that run nothing: a cancellation would be
   *  cancelled, endlessly. */
  #tellGivenUp(): void {
    if (this.#whole?.request.wantsResults !== false || !this.isUrgent) this.connection.posting.gaveUp(this);
  }

  /** Nothing more of it goes to the wire. */
  #withdraw(error: HbiError): void {
    this.#sender?.bracket.withdraw(error);
    if (this.#whole === undefined) return;
    const { posting, account } = this.connection;
    const { turn } = this.lane;
    posting.withdraw(this);
    turn.withdraw(this.#whole);
    account.posts -= this.#whole.packet.length + ENTRY_COST_BYTES;
  }

  /** No answer can arrive: everything that waits here fails, and says whether it may have landed. */
  lose(error: HbiError): void {
    if (this.#at.isOver) return;
    const { isUnsent } = this.#at;
    const hasReached = this.#hasReached;
    const told = withLanded(error, hasReached);
    this.#go(this.#at.next.lost, "lost");
    this.failed(told);
    this.#signals?.cancel(told);
    this.#answer?.lose(told);
    this.#answerWait?.fail(told);
    if (isUnsent) this.#withdraw(told);
    else this.#sender?.bracket.withdraw(told);
    if (this.#whole !== undefined) this.lane.turn.release(this.#whole); // in the middle of its raw data
    const call = this.call;
    if (hasReached) call?.lost(this, told);
    this.#end();
    if (!hasReached) call?.left(this, told);
    const tell = this.onLost;
    if (tell !== undefined) this.connection.hear(() => tell(told), `conversation ${this.seq}`); // the others are informed in any case
  }

  /** Whether the peer may have landed a script of it. */
  get #hasReached(): boolean {
    if (this.#at.isUnsent || this.#whole?.isRefused === true) return false;
    return this.#at.isAnswering || this.lane.wire.handedBytes >= this.#reachesAt;
  }

  /** Everything has ended. */
  #end(): void {
    const { signal } = this.#options;
    if (signal !== undefined && this.#onAbort !== undefined) heedNoMore(signal, this.#onAbort);
    this.#answerWait?.settle();
    if (this.#failure === undefined) this.#completion?.settle();
    else this.#completion?.fail(this.#failure);
    this.#answer?.drop();
    this.#signals?.end();
    if (this.#record !== undefined) this.#logCall(this.#record);
    this.connection.posting.completed(this); // last: it may end the connection, which gives all others a less specific error
  }

  /** Only for calls, and not for messages of the library. */
  #logCall(record: CallRecord): void {
    const request = this.call?.request;
    if (request === undefined || request.isUrgent === true) return;
    const { name, code, body } = request;
    record.method = name;
    record.error = this.call?.error ?? this.#failure;
    record.end(code.length + (body?.length ?? this.#sender?.bracket.rawBytes ?? 0), this.connection.env);
  }
}
