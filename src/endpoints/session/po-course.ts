/**
 * PoCourse: the course of a posted conversation, behind the PoCo that its caller has: its stages, what is waited for, giving up,
 * losing, ending. docs/protocol.md, "the poster".
 */
import { failure, type HbiError } from "../../errors.ts";
import type { Script } from "../../parser/script.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { nextStage, PO_STAGES, type PoEvent, type PoStage } from "../conversation/stages.ts";
import type { PostedConversation } from "../lane/conversation.ts";
import type { Buffers } from "../lane/raw-intake.ts";
import { rawOptions, type Wait, type WaitHints, type WaitOptions, withLanded } from "../waits.ts";
import type { Schema, SchemaOutput } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import { type Answered, type AnswerOptions, PoAnswer } from "./po-answer.ts";
import { type Asking, PoSender, type PromiseOptions } from "./po-sender.ts";

export class PoCourse implements Asking, Answered {
  readonly co: PostedConversation;
  readonly sender: PoSender;
  readonly answer: PoAnswer;
  /** told when the connection is lost, also to who waits for something else at the time */
  onLost: ((error: HbiError) => void) | undefined;
  /** told when nothing of it is on the wire and the peer takes nothing new: the caller may begin it elsewhere */
  onTurnedAway: ((error: HbiError) => void) | undefined;
  readonly #connection: Connection;
  readonly #options: WaitOptions;
  readonly #hints: WaitHints;
  #stage: PoStage = "send";
  #isAnswering = false;
  #isCompleted = false;
  #isAbandoned = false;
  #failure: HbiError | undefined;
  #answerWait: Wait<void> | undefined;
  #completion: Wait<void> | undefined;
  #onAbort: (() => void) | undefined;
  #abort: AbortController | undefined;
  #draining: AbortController | undefined;

  /** @param co what its caller has, and the connection knows it by */
  constructor(co: PostedConversation, connection: Connection, options: WaitOptions & PromiseOptions & AnswerOptions) {
    this.co = co;
    this.#connection = connection;
    this.#options = options;
    this.#hints = { onTimeout: () => connection.explainTimeout(co) };
    this.answer = new PoAnswer(connection, this, options);
    this.sender = new PoSender(connection, this, options, !this.answer.isDeclared);
  }

  get stage(): PoStage {
    return this.#stage;
  }

  get failure(): HbiError | undefined {
    return this.#failure;
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  get isEndAwaited(): boolean {
    return this.#completion?.isSettled === false;
  }

  get signal(): AbortSignal {
    this.#abort ??= this.#connection.abortController();
    if (this.#failure !== undefined) this.#abort.abort(this.#failure);
    return this.#abort.signal;
  }

  get draining(): AbortSignal {
    this.#draining ??= this.#connection.heedDraining();
    if (this.#isCompleted) this.#connection.forgetDraining(this.#draining);
    return this.#draining.signal;
  }

  bounded(options: WaitOptions): WaitOptions {
    const { timeoutMs } = this.#options;
    return timeoutMs === undefined ? options : { ...options, timeoutMs: options.timeoutMs ?? timeoutMs };
  }

  // --- sending, then receiving ---------------------------------------------------------------------------------------

  async finishSend(options: WaitOptions): Promise<void> {
    this.toRecv();
    await this.sender.sent(options);
  }

  /** Receiving says that everything is sent. @throws HbiError why nothing can be received */
  toRecv(): void {
    this.#checkWhole();
    if (this.#stage === "closed") throw failure("wrong_stage", "receiving in stage closed");
    if (this.#stage === "recv") return;
    this.#go("sent");
    this.sender.close();
    this.#checkWhole();
  }

  #checkWhole(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async startRecv(options: WaitOptions): Promise<void> {
    this.toRecv();
    if (this.#isAnswering || this.#isCompleted) return;
    this.#answerWait ??= this.#connection.waits.start(this.bounded(options), this.#hints);
    await this.#answerWait.promise;
  }

  async object<S extends Schema | undefined>(
    schema: S,
    options: WaitOptions,
    env?: HostingEnv,
  ): Promise<SchemaOutput<S>> {
    this.toRecv();
    if (this.#isCompleted) throw failure("no_answer");
    return this.answer.receiver.object(schema, this.bounded(options), this.#hints, env);
  }

  async askedObject<S extends Schema | undefined>(
    code: string | Script,
    schema: S,
    options: WaitOptions,
  ): Promise<SchemaOutput<S>> {
    const sent = this.sender.send("co_send", code, options);
    this.answer.requests += 1; // before the wait: it may be answered while the rest is not read
    try {
      await sent;
    } catch (thrown) {
      this.answer.requests -= 1;
      throw thrown;
    }
    return this.object(schema, options);
  }

  async data(into: Buffers, options: WaitOptions): Promise<void> {
    this.toRecv();
    await this.answer.receiver.data(into, this.answer.isManual, rawOptions(this.bounded(options)));
  }

  chunks(byteLength: number, options: WaitOptions): AsyncGenerator<Uint8Array, void, void> {
    this.toRecv();
    return this.answer.receiver.chunks(byteLength, this.answer.isManual, rawOptions(this.bounded(options)));
  }

  /** The answer begins. */
  answerBegins(hasNoRawData: boolean): void {
    if (this.#isAnswering) throw failure("bad_state", "answered twice");
    this.#begins(hasNoRawData);
    this.#answerWait?.settle();
  }

  /** It was sent by other means, and its answer has begun. */
  takesOver(hasNoRawData: boolean): void {
    this.sender.markWritten();
    this.#go("sent");
    this.#begins(hasNoRawData);
  }

  #begins(hasNoRawData: boolean): void {
    this.#isAnswering = true;
    if (hasNoRawData) this.answer.promisesNoRawData();
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  async waitCompleted(options: WaitOptions): Promise<void> {
    this.#checkWhole();
    if (this.#isCompleted) return;
    this.#endSending();
    this.#checkWhole();
    if (this.#completion === undefined || this.#completion.isSettled) {
      this.#completion = this.#connection.waits.start(this.bounded(options), this.#hints);
    }
    this.#connection.pump();
    await this.#completion.promise;
  }

  async close(options: WaitOptions): Promise<void> {
    const wasSending = this.#stage === "send";
    this.#endSending();
    if (this.#stage === "recv") this.#go("close");
    this.answer.discardUnread();
    if (wasSending && this.#failure === undefined) await this.sender.sent(options);
  }

  #endSending(): void {
    if (this.#stage !== "send") return;
    this.#go("close");
    this.sender.close();
  }

  completed(): void {
    if (this.#isCompleted) return;
    this.#isCompleted = true;
    if (this.#stage !== "closed") this.#go("close");
    if (this.#onAbort !== undefined) this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#answerWait?.settle();
    if (this.#failure === undefined) this.#completion?.settle();
    else this.#completion?.fail(this.#failure);
    this.answer.drop();
    if (this.#draining !== undefined) this.#connection.forgetDraining(this.#draining);
    this.#connection.posting.completed(this.co); // last: it may end the connection, which tells everybody else less
  }

  // --- failing -------------------------------------------------------------------------------------------------------

  /** Begins to heed the signal: not before the posting end knows the conversation, as it may abort at once. */
  heedSignal(): void {
    const { signal } = this.#options;
    if (signal === undefined) return;
    this.#onAbort = () => this.abandon(failure("cancelled", undefined, { cause: signal.reason }));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Whoever asks from now on is told; the first failure is the one that counts. */
  failed(error: HbiError): void {
    this.#failure ??= error;
  }

  abandon(error: HbiError): void {
    if (this.#isCompleted || this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.failed(error);
    this.#abort?.abort(error);
    this.answer.fail(error);
    this.#answerWait?.fail(error);
    this.#completion?.fail(error);
    if (!this.sender.isStarted) {
      this.sender.withdraw(error);
      this.completed();
      return;
    }
    this.#endAbandoned();
  }

  rawDataEnded(): void {
    if (this.#isAbandoned && !this.#isCompleted) this.#endAbandoned();
  }

  /** The peer is told if it can be, the answer read to its end and dropped. */
  #endAbandoned(): void {
    if (this.sender.isSendingData) return;
    const wasSending = this.#stage === "send";
    this.#endSending();
    if (this.#stage === "recv") this.#go("close");
    if (!this.#isAnswering && (!wasSending || this.sender.isClosed)) {
      this.#connection.posting.gaveUp(this.co);
    }
    this.answer.discardData();
  }

  turnedAway(error: HbiError): void {
    if (!this.sender.isStarted) this.lose(error);
  }

  /** No answer can come any more: everything that waits here is told, and whether it may have landed. */
  lose(error: HbiError): void {
    if (this.#stage !== "closed") this.#go("lost");
    const hasReached = this.sender.hasReached;
    const told = withLanded(error, hasReached);
    this.failed(told);
    this.#abort?.abort(told);
    this.answer.lose(told);
    this.#answerWait?.fail(told);
    this.sender.withdraw(told);
    this.completed();
    const tell = hasReached || this.onTurnedAway === undefined ? this.onLost : this.onTurnedAway;
    if (tell !== undefined) this.#connection.hear(() => tell(told), `conversation ${this.co.coSeq}`); // the others are told all the same
  }

  #go(event: PoEvent): void {
    this.#stage = nextStage(PO_STAGES, this.#stage, event);
  }
}
