/**
 * PoCo: a conversation that this side starts: it sends, then receives the answer. What is sent is there as a whole, as that of most typed
 * calls, or is built up by an application (PoSender); the answer is objects for its call, or is received with raw data and scripts
 * (PoAnswer). All of them share one course: a number, a place, the send turn, an answer, an end. docs/protocol.md, "the poster".
 */
import type { Chained } from "../../chain.ts";
import { failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { Script } from "../../parser/script.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";
import { type Metadata, metadataField, NO_METADATA } from "../conversation/metadata.ts";
import { noStep } from "../conversation/stages.ts";
import { seqOf } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Lane } from "../lane/lane.ts";
import type { Buffers } from "../lane/raw-intake.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import { markHandled, type Wait, type WaitHints, type WaitOptions, withLanded } from "../waits.ts";
import type { Call } from "./call.ts";
import type { Schema, SchemaOutput } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import { type AnswerOptions, PoAnswer } from "./po-answer.ts";
import { PoSender, type PromiseOptions } from "./po-sender.ts";
import { type PoAt, type PoEvent, type PoStage, SENDING_PO, WHOLE_PO } from "./po-states.ts";

export interface CoOptions extends WaitOptions, PromiseOptions, AnswerOptions {
  /** Travels with the conversation: its handlers have it as `co.metadata`. Dropped for a peer that does not speak the extension. */
  readonly metadata?: Metadata | undefined;
  /** for the library alone: the first form in its script that only a peer of ours reads */
  readonly onlyOurs?: string | undefined;
}

/** Every peer takes a packet of so many characters, unless its limits are very low. */
const SMALL_CHARS = 4 * 1024;

export class PoCo implements BracketReader, Chained {
  readonly seq: number;
  /** Whether it holds a place on the wire: for the posting end. */
  isAdmitted = false;
  /** the first form in its script that only a peer of ours reads, if it is known that there is one */
  onlyOurs: string | undefined;
  /** the field of its token that holds metadata; "": none */
  readonly metadataField: string;
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  /** told when the connection is lost, also to who waits for something else at the time */
  onLost: ((error: HbiError) => void) | undefined;
  readonly connection: Connection;
  readonly lane: Lane;
  readonly #options: CoOptions;
  /** who waits for what it comes to; undefined: an application has it in hand */
  readonly #call: Call | undefined;
  /** the same, where its content is there as a whole and its answer is the objects declared */
  readonly #whole: Call | undefined;
  #at: PoAt;
  /** the first one: whoever asks from then on is told */
  #failure: HbiError | undefined;
  /** what has reached the peer when the wire has handed over as much */
  #reachesAt = 0;
  /** Whether the host promises that no raw data is in the answer. */
  #hasNoRawAnswer = false;
  #sender: PoSender | undefined;
  #answer: PoAnswer | undefined;
  #answerWait: Wait<void> | undefined;
  #completion: Wait<void> | undefined;
  #onAbort: (() => void) | undefined;
  #abort: AbortController | undefined;
  #draining: AbortController | undefined;

  constructor(connection: Connection, lane: Lane, seq: number, options: CoOptions, call: Call | undefined) {
    this.seq = seq;
    this.onlyOurs = options.onlyOurs;
    this.metadataField =
      call === undefined ? fieldOf(options.metadata, connection.limits) : (call.request.metadata ?? "");
    this.connection = connection;
    this.lane = lane;
    this.#options = options;
    this.#call = call;
    this.#whole = call?.request.talk === undefined ? call : undefined;
    this.#at = this.#whole === undefined ? SENDING_PO : WHOLE_PO;
    if (this.#whole === undefined) {
      this.#sender = new PoSender(connection, this, options);
      this.#answer = new PoAnswer(connection, this, options);
    }
  }

  /** The conversation's id, as this side counts: from "101". */
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

  /** Aborts when the conversation is given up or lost: for handlers of scripts in the answer. */
  get signal(): AbortSignal {
    this.#abort ??= this.connection.abortController();
    if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    return this.#abort.signal;
  }

  /** Whether `signal` has aborted, or would have. */
  get isGivenUp(): boolean {
    return this.#failure !== undefined;
  }

  /** Aborts when this side begins to drain: for handlers of scripts in the answer. Until these have ended, nothing that the peer says
   *  later is read. */
  get draining(): AbortSignal {
    this.#draining ??= this.connection.heedDraining();
    if (this.#at.isOver) this.connection.forgetDraining(this.#draining);
    return this.#draining.signal;
  }

  /** Of a script in the answer: none travels with it. */
  get metadata(): Metadata {
    return NO_METADATA;
  }

  /** Milliseconds that a handler of a script in the answer may take. */
  get remainingMs(): number {
    return this.limits.handlerTimeoutMs;
  }

  /** The unread raw bytes of the script of the answer that is being landed. */
  get unreadBytes(): number {
    return this.#answer?.intake.unreadBytes ?? 0;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** Sends code, landed by the host for its effects. `send` stage only. Resolves when more may be sent. */
  sendCode(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#built.send("", code, options));
  }

  /** Sends an object, for a `recvObj` of the method called before: code that yields a value, `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#built.send("co_recv", code, options));
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable, whose length the called method must know. A buffer may
   *  be changed when the promise resolved, or when the next one of the iterable is asked for. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#built.data(buffers, options));
  }

  /** Says that everything is sent. Resolves when it is handed to the wire. Not needed: receiving and closing do it. */
  finishSend(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#finishSend(options));
  }

  async #finishSend(options: WaitOptions): Promise<void> {
    this.toRecv();
    await this.#whenSent(options);
  }

  /** Resolves when what was sent is handed to the wire. */
  async #whenSent(options: WaitOptions): Promise<void> {
    const sender = this.#built;
    if (this.#whole === undefined) await sender.orWhyLost(sender.bracket.sent(this.bounded(options)));
    else await this.lane.wire.whenWritable();
  }

  /** Content that is not there as a whole. Made for a call that is by a handler of its answer alone, who is told that all is sent. */
  get #built(): PoSender {
    this.#sender ??= new PoSender(this.connection, this, this.#options);
    return this.#sender;
  }

  /** The conversation's own deadline, where a single wait has none. */
  bounded(options: WaitOptions): WaitOptions {
    const { timeoutMs } = this.#options;
    return timeoutMs === undefined ? options : { ...options, timeoutMs: options.timeoutMs ?? timeoutMs };
  }

  /** Takes its place before what is sent later. */
  takePlace(): void {
    this.#built.bracket.ask();
  }

  /** The same, though what it sends is there only when `ready` has settled. */
  standBy(ready: Promise<unknown>): void {
    this.#built.bracket.standBy(ready);
  }

  /** Resolves when it has the send turn. */
  opened(options: WaitOptions): Promise<void> {
    const sender = this.#built;
    return markHandled(sender.orWhyLost(sender.bracket.open(options) ?? Promise.resolve()));
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Says that everything is sent, and waits until the answer begins. Not needed before `recvObj` and the others. */
  startRecv(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#startRecv(options));
  }

  async #startRecv(options: WaitOptions): Promise<void> {
    this.toRecv();
    if (this.#at.isAnswering) return;
    this.#answerWait ??= this.connection.waits.start(this.bounded(options), this.hints);
    await this.#answerWait.promise;
  }

  /** Receives an object of the answer; scripts before it are landed first. Without a schema it is `unknown`.
   *  @throws HbiError the peer's own; failed_precondition when the answer ends without one; invalid_argument when it is
   *  refused; unavailable */
  recvObj<S extends Schema | undefined = undefined>(schema?: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#read.object(schema as S, options));
  }

  /** `recvObj` with the value constructors of `env`. */
  recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#read.object(schema, options, env));
  }

  /** Fills one buffer, or each of an iterable in turn, with raw data of the answer. The length is agreed by other means:
   *  the wire does not carry it (docs/protocol.md, "raw data"). */
  recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#read.data(into, options));
  }

  /** The next `byteLength` raw bytes of the answer as they arrive, without a copy. */
  recvChunks(byteLength = this.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return this.#read.chunks(byteLength, options);
  }

  /** Skips what is unread of the present raw data, so that what stands behind it can be read. */
  discardData(): void {
    this.#answer?.discardData();
  }

  /** Asks for the value of `code`: HBI's `co_send`, then `recvObj`. */
  getObj<S extends Schema | undefined = undefined>(
    code: string | Script,
    schema?: S,
    options: WaitOptions = {},
  ): Promise<SchemaOutput<S>> {
    return markHandled(this.#askedObject(code, schema as S, options));
  }

  async #askedObject<S extends Schema | undefined>(
    code: string | Script,
    schema: S,
    options: WaitOptions,
  ): Promise<SchemaOutput<S>> {
    const answer = this.#read;
    const sent = this.#built.send("co_send", code, options);
    answer.requests += 1; // before the wait: it may be answered while the rest is not read
    try {
      await sent;
    } catch (thrown) {
      answer.requests -= 1;
      throw thrown;
    }
    return answer.object(schema, options);
  }

  /** Receiving says that everything is sent. @throws HbiError why nothing can be received */
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

  /** An answer that has more in it than objects for a call. */
  get #read(): PoAnswer {
    if (this.#answer === undefined) {
      this.#answer = new PoAnswer(this.connection, this, this.#options);
      if (this.#hasNoRawAnswer) this.#answer.promisesNoRawData();
    }
    return this.#answer;
  }

  get hints(): WaitHints {
    return { onTimeout: () => this.lane.explainTimeout(this) };
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Waits until the host has landed everything and has answered: the only proof of it. Ends the sending first; scripts
   *  of the answer are landed. @throws HbiError the peer's, when it refused or failed; unavailable, with `mayHaveLanded` */
  waitCompleted(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#waitCompleted(options));
  }

  async #waitCompleted(options: WaitOptions): Promise<void> {
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

  /** Ends the conversation on this side: what is not sent yet goes out, scripts of the answer are still landed. Resolves
   *  when the request is handed to the wire. */
  close(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#close(options));
  }

  async #close(options: WaitOptions): Promise<void> {
    const { stage } = this.#at;
    if (stage === "send") this.#endSending();
    else if (stage === "recv") this.#go(this.#at.next.close, "close");
    this.#answer?.discardUnread();
    if (stage === "send" && this.#failure === undefined) await this.#whenSent(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
    this.#sender?.bracket.beginRawData(); // which the host waits for: what is said of it now would be taken as such
    this.connection.cut(error);
  }

  /** Gives up: every wait fails with `error`, the answer is read to its end and dropped. */
  abandon(error: HbiError): void {
    this.#call?.giveUp(error);
    this.giveUp(error);
  }

  // --- for its parts, its call and the connection ----------------------------------------------------------------------

  /** Where it is. */
  get at(): PoAt {
    return this.#at;
  }

  get failure(): HbiError | undefined {
    return this.#failure;
  }

  /** Whoever asks from now on is told; the first failure is the one that counts. */
  failed(error: HbiError): void {
    this.#failure ??= error;
  }

  /** @param next what follows on the event in the table, if anything does */
  #go(next: PoAt | undefined, event: PoEvent): void {
    if (next === undefined) throw noStep(this.#at.state, event);
    this.#at = next;
  }

  /** Whether it may ask for an object by `co_send`. */
  get mayAsk(): boolean {
    return this.#whole === undefined;
  }

  /** Whether it may be larger than what any peer takes. */
  get isLarge(): boolean {
    return this.#whole !== undefined && this.#whole.packet.length > SMALL_CHARS;
  }

  /** Whether it goes before what waits, and beside what is in flight. */
  get isUrgent(): boolean {
    return this.#whole?.request.isUrgent === true;
  }

  get isAnswerDeclared(): boolean {
    const { hasNoRawAnswer, answerBytes } = this.#options;
    return hasNoRawAnswer === true || answerBytes !== undefined;
  }

  /** Begins to heed the signal: not before the posting end knows the conversation, as it may abort at once. */
  heedSignal(): void {
    const { signal } = this.#options;
    if (signal === undefined) return;
    this.#onAbort = () => this.abandon(failure("cancelled", undefined, { cause: signal.reason }));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  // --- on its way to the wire ----------------------------------------------------------------------------------------

  /** What asks for the send turn when it has a place on the wire. */
  get taker(): TurnTaker {
    return this.#whole ?? this.#built.bracket;
  }

  /** The first packet goes to the wire. @param reachesAt how much the wire has handed over when a script of it may have reached the peer */
  begun(reachesAt: number): void {
    this.#reachesAt = reachesAt;
    this.#go(this.#at.next.begun, "begun");
  }

  /** Nothing more is written: the last packet is on the wire, or will never be. */
  written(): void {
    const { isSending, isAnswering } = this.#at;
    if (!isSending) return;
    this.#go(this.#at.next.written, "written");
    if (isAnswering) this.lane.pump();
    else if (this.#at.isGivenUp) this.#tellGivenUp();
  }

  rawDataEnded(): void {
    if (this.#at.isGivenUp) this.#endDropped();
  }

  // --- reading: called by the connection -----------------------------------------------------------------------------

  /** @param hasNoRawData the host promises that no raw data is in it */
  answerBegins(hasNoRawData: boolean): void {
    if (this.#at.next.answered === undefined) throw failure("bad_state", "answered twice");
    this.#go(this.#at.next.answered, "answered");
    this.#hasNoRawAnswer = hasNoRawData;
    if (hasNoRawData) this.#answer?.promisesNoRawData();
    this.#answerWait?.settle();
  }

  get wantsRaw(): boolean {
    return this.#answer?.intake.wantsBytes === true;
  }

  get wantsPacket(): boolean {
    if (!this.#at.isWritten) return false; // a host of the seed era answers before it has all of it
    const answer = this.#answer;
    if (answer === undefined) return true;
    if (answer.hidesNextPacket) return false;
    const isWanted = this.#whole !== undefined || answer.isLanding || this.#at.stage === "closed";
    return isWanted || answer.isWaitingForObject || this.#completion?.isSettled === false;
  }

  checkPosition(): void {
    this.#answer?.checkPosition();
  }

  takeRaw(reader: PacketReader): boolean {
    return this.#answer?.intake.take(reader) === true;
  }

  onPacket({ directive, text }: Packet): boolean {
    if (this.#answer?.isLanding === true) return false;
    switch (directive) {
      case "co_recv":
        if (this.#whole === undefined || this.#isForHandler) this.#read.onObject(text);
        else this.#whole.onObject(text, this);
        return true;
      case "":
        this.#read.land(text);
        return true;
      case "co_ack_end":
        if (seqOf(text) !== this.coSeq) throw failure("bad_state", "co_ack_end of another id");
        this.lane.reading.release(this);
        this.#acknowledged();
        return true;
      default:
        throw failure("bad_state", `${directive} inside an answer`);
    }
  }

  /** Whether the handler of a script in the answer waits for an object, and not its call. */
  get #isForHandler(): boolean {
    return this.#answer?.isWaitingForObject === true && this.#whole?.hasAll === true;
  }

  #acknowledged(): void {
    this.#answer?.ended();
    this.#go(this.#at.next.acknowledged, "acknowledged");
    const call = this.#whole;
    const refusal = call?.acknowledged();
    if (refusal !== undefined) this.connection.peerGoesAway(undefined); // it may not have said so
    this.#end();
    if (refusal !== undefined) call?.refused(this.connection, refusal);
  }

  /** Takes an answer to `co_send` outside of any bracket; false when it asked for none. */
  takeLoneObject(text: string): boolean {
    return this.#answer?.takeLoneObject(text) === true;
  }

  // --- giving up, losing ---------------------------------------------------------------------------------------------

  /** Nobody waits for it any more. */
  giveUp(error: HbiError): void {
    if (this.#at.next.giveUp === undefined) return;
    const { isUnsent, isAnswering } = this.#at;
    this.#go(this.#at.next.giveUp, "giveUp");
    this.failed(error);
    this.#abort?.abort(error);
    this.#answer?.fail(error);
    this.#answerWait?.fail(error);
    this.#completion?.fail(error);
    if (isUnsent) {
      this.#withdraw(error);
      this.#end();
      return;
    }
    if (this.#whole !== undefined && this.#at.isSending) this.lane.wire.keepBorrowed(); // the host waits for every byte
    if (this.#at.isWritten && !isAnswering) this.#tellGivenUp();
    this.#endDropped();
  }

  /** What is on the wire goes on to its end there, and the answer is read to its end and dropped. */
  #endDropped(): void {
    const sender = this.#sender;
    if (this.#at.isSending && this.#whole === undefined && sender !== undefined) {
      if (sender.isSendingData) return;
      const error = sender.close();
      if (error !== undefined) this.#cut(error);
    }
    this.#answer?.discardData();
  }

  /** Tells a peer that knows how. Not so of a message of the library that runs nothing: a cancellation would be cancelled, and so on. */
  #tellGivenUp(): void {
    if (this.#whole?.request.wantsResults !== false || !this.isUrgent) this.connection.posting.gaveUp(this);
  }

  /** Nothing of it goes to the wire any more. */
  #withdraw(error: HbiError): void {
    this.#sender?.bracket.withdraw(error);
    if (this.#whole === undefined) return;
    const { posting, account } = this.connection;
    const { turn } = this.lane;
    posting.withdraw(this);
    turn.withdraw(this.#whole);
    account.posts -= this.#whole.packet.length + ENTRY_COST_BYTES;
  }

  /** The peer takes nothing new. */
  turnedAway(error: HbiError): void {
    if (this.#at.isUnsent) this.lose(error);
  }

  /** No answer can come any more: everything that waits here is told, and whether it may have landed. */
  lose(error: HbiError): void {
    if (this.#at.isOver) return;
    const { isUnsent } = this.#at;
    const hasReached = this.#hasReached;
    const told = withLanded(error, hasReached);
    this.#go(this.#at.next.lost, "lost");
    this.failed(told);
    this.#abort?.abort(told);
    this.#answer?.lose(told);
    this.#answerWait?.fail(told);
    if (isUnsent) this.#withdraw(told);
    else this.#sender?.bracket.withdraw(told);
    if (this.#whole !== undefined) this.lane.turn.release(this.#whole); // in the middle of its raw data
    const call = this.#call;
    if (hasReached) call?.lost(this, told);
    this.#end();
    if (!hasReached) call?.left(this, told);
    const tell = this.onLost;
    if (tell !== undefined) this.connection.hear(() => tell(told), `conversation ${this.seq}`); // the others are told all the same
  }

  /** Whether a script of it may have reached the peer's hand. */
  get #hasReached(): boolean {
    if (this.#at.isUnsent || this.#whole?.isRefused === true) return false;
    return this.#at.isAnswering || this.lane.wire.handedBytes >= this.#reachesAt;
  }

  /** All is over. */
  #end(): void {
    if (this.#onAbort !== undefined) this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#answerWait?.settle();
    if (this.#failure === undefined) this.#completion?.settle();
    else this.#completion?.fail(this.#failure);
    this.#answer?.drop();
    if (this.#draining !== undefined) this.connection.forgetDraining(this.#draining);
    this.connection.posting.completed(this); // last: it may end the connection, which tells everybody else less
  }
}

/** @throws HbiError invalid_argument, resource_exhausted */
function fieldOf(metadata: Metadata | undefined, { maxMetadataBytes }: Limits): string {
  return metadata === undefined ? "" : metadataField(metadata, maxMetadataBytes);
}
