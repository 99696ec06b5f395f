/**
 * PoCo: a conversation that this side starts, as its caller has it in hand: sends, then receives the answer. What happens in it is
 * PoCourse's, what it writes PoSender's, what it reads PoAnswer's. docs/protocol.md, "the poster".
 */
import type { Chained } from "../../chain.ts";
import type { HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { Script } from "../../parser/script.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import type { Packet } from "../../wire/packet.ts";
import type { PacketReader } from "../../wire/packet-reader.ts";
import type { PoStage } from "../conversation/stages.ts";
import type { PostedConversation } from "../lane/conversation.ts";
import type { Buffers, RawIntake } from "../lane/raw-intake.ts";
import { markHandled, type WaitOptions } from "../waits.ts";
import type { Schema, SchemaOutput } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import type { AnswerOptions } from "./po-answer.ts";
import { PoCourse } from "./po-course.ts";
import type { PromiseOptions } from "./po-sender.ts";

export interface CoOptions extends WaitOptions, PromiseOptions, AnswerOptions {
  /** for the library alone: the first form in its script that only a peer of ours reads */
  readonly onlyOurs?: string | undefined;
}

export class PoCo implements PostedConversation {
  readonly seq: number;
  isAdmitted = false;
  readonly mayAsk = true;
  readonly isLarge = false;
  readonly isUrgent = false;
  onlyOurs: string | undefined;
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly intake: RawIntake;
  readonly #connection: Connection;
  readonly #course: PoCourse;

  constructor(connection: Connection, seq: number, options: CoOptions) {
    this.seq = seq;
    this.onlyOurs = options.onlyOurs;
    this.#connection = connection;
    this.#course = new PoCourse(this, connection, options);
    this.intake = this.#course.answer.intake;
  }

  /** One that was sent by other means, and whose answer has begun. */
  static inAnswer(connection: Connection, seq: number, hasNoRawData: boolean): PoCo {
    const co = new PoCo(connection, seq, { hasNoRawAnswer: true });
    co.#course.takesOver(hasNoRawData);
    return co;
  }

  /** The conversation's id, as this side counts: from "101". */
  get coSeq(): string {
    return String(this.seq);
  }

  /** Whether a part of it is on the wire and the end is not. */
  get isSending(): boolean {
    const { sender } = this.#course;
    return sender.isStarted && !sender.isClosed;
  }

  get stage(): PoStage {
    return this.#course.stage;
  }

  get limits(): Limits {
    return this.#connection.limits;
  }

  /** The environment that lands the answer. */
  get env(): HostingEnv {
    return this.#course.answer.env;
  }

  /** Aborts when the conversation is given up or lost: for handlers of scripts in the answer. */
  get signal(): AbortSignal {
    return this.#course.signal;
  }

  /** Whether `signal` has aborted, or would have. */
  get isGivenUp(): boolean {
    return this.#course.failure !== undefined;
  }

  /** Aborts when this side begins to drain: for handlers of scripts in the answer. Until these have ended, nothing that the peer says
   *  later is read. */
  get draining(): AbortSignal {
    return this.#course.draining;
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
    return markHandled(this.#course.sender.send("", code, options));
  }

  /** Sends an object, for a `recvObj` of the method called before: code that yields a value, `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.sender.send("co_recv", code, options));
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable, whose length the called method must know. A buffer may
   *  be changed when the promise resolved, or when the next one of the iterable is asked for. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.sender.data(buffers, options));
  }

  /** Says that everything is sent. Resolves when it is handed to the wire. Not needed: receiving and closing do it. */
  finishSend(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.finishSend(options));
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Says that everything is sent, and waits until the answer begins. Not needed before `recvObj` and the others. */
  startRecv(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.startRecv(options));
  }

  /** Receives an object of the answer; scripts before it are landed first. Without a schema it is `unknown`.
   *  @throws HbiError the peer's own; failed_precondition when the answer ends without one; invalid_argument when it is
   *  refused; unavailable */
  recvObj<S extends Schema | undefined = undefined>(schema?: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#course.object(schema as S, options));
  }

  /** `recvObj` with the value constructors of `env`. */
  recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#course.object(schema, options, env));
  }

  /** Fills one buffer, or each of an iterable in turn, with raw data of the answer. The length is agreed by other means:
   *  the wire does not carry it (docs/protocol.md, "raw data"). */
  recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.data(into, options));
  }

  /** The next `byteLength` raw bytes of the answer as they arrive, without a copy. */
  recvChunks(byteLength = this.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return this.#course.chunks(byteLength, options);
  }

  /** Skips what is unread of the present raw data, so that what stands behind it can be read. */
  discardData(): void {
    this.#course.answer.discardData();
  }

  /** Asks for the value of `code`: HBI's `co_send`, then `recvObj`. */
  getObj<S extends Schema | undefined = undefined>(
    code: string | Script,
    schema?: S,
    options: WaitOptions = {},
  ): Promise<SchemaOutput<S>> {
    return markHandled(this.#course.askedObject(code, schema as S, options));
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Waits until the host has landed everything and has answered: the only proof of it. Ends the sending first; scripts
   *  of the answer are landed. @throws HbiError the peer's, when it refused or failed; unavailable, with `mayHaveLanded` */
  waitCompleted(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.waitCompleted(options));
  }

  /** Ends the conversation on this side: what is not sent yet goes out, scripts of the answer are still landed. Resolves
   *  when the request is handed to the wire. */
  close(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#course.close(options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Gives up: every wait fails with `error`, the answer is read to its end and dropped. */
  abandon(error: HbiError): void {
    this.#course.abandon(error);
  }

  /** told when the connection is lost, also to who waits for something else at the time */
  get onLost(): ((error: HbiError) => void) | undefined {
    return this.#course.onLost;
  }

  set onLost(onLost: ((error: HbiError) => void) | undefined) {
    this.#course.onLost = onLost;
  }

  /** Takes its place before what is sent later. */
  takePlace(): void {
    this.#course.sender.takePlace();
  }

  /** The same, though what it sends is there only when `ready` has settled. */
  standBy(ready: Promise<unknown>): void {
    this.#course.sender.standBy(ready);
  }

  /** Resolves when it has the send turn. */
  opened(options: WaitOptions): Promise<void> {
    return markHandled(this.#course.sender.opened(options));
  }

  /** told, instead of the failure of all that waits here, when nothing of it is on the wire and the peer takes nothing new */
  set onTurnedAway(onTurnedAway: ((error: HbiError) => void) | undefined) {
    this.#course.onTurnedAway = onTurnedAway;
  }

  // --- called by the connection and its posting end ------------------------------------------------------------------

  /** Begins to heed the signal: not before the posting end knows the conversation, as it may abort at once. */
  heedSignal(): void {
    this.#course.heedSignal();
  }

  admitted(): void {
    this.#course.sender.admitted();
  }

  get wantsRaw(): boolean {
    return this.intake.wantsBytes;
  }

  checkPosition(): void {
    this.#course.answer.checkPosition();
  }

  takeRaw(reader: PacketReader): boolean {
    return this.intake.take(reader);
  }

  get wantsPacket(): boolean {
    return this.#course.answer.wantsPacket;
  }

  onPacket(packet: Packet): boolean {
    return this.#course.answer.onPacket(packet);
  }

  answerBegins(hasNoRawData: boolean): void {
    this.#course.answerBegins(hasNoRawData);
  }

  takeLoneObject(text: string): boolean {
    return this.#course.answer.takeLoneObject(text);
  }

  turnedAway(error: HbiError): void {
    this.#course.turnedAway(error);
  }

  /** No answer can come any more. */
  lose(error: HbiError): void {
    this.#course.lose(error);
  }
}
