/**
 * HoSender: what the host of a conversation writes: kept within bounds until co_end has come, then sent in its turn; to posters
 * of the seed era as it comes, in the order of their questions. docs/protocol.md, "the host" and "seed-era ids".
 */
import { failure, type HbiError } from "../../errors.ts";
import { Script } from "../../parser/script.ts";
import { errorText } from "../../registry/error-value.ts";
import { encodePacket } from "../../wire/packet.ts";
import { keepFromFailingUnheard } from "../conversation/body.ts";
import { packetOf, sendBuffers, settled } from "../conversation/co-sender.ts";
import type { HoStage } from "../conversation/stages.ts";
import { answerId, isSeedStyle, type Token } from "../conversation/token.ts";
import { Bracket, type BracketOwner } from "../lane/bracket.ts";
import type { Buffers } from "../lane/raw-intake.ts";
import type { WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";

/** The conversation that answers. */
export interface Answering {
  readonly stage: HoStage;
  readonly failure: HbiError | undefined;
  finishRecv(options: WaitOptions): Promise<void>;
  /** The last packet is on the wire, or will never be. */
  answerClosed(): void;
}

export class HoSender implements BracketOwner {
  readonly #connection: Connection;
  readonly #course: Answering;
  readonly #token: Token;
  readonly #bracket: Bracket;
  readonly #isSeedStyle: boolean;
  #answers = 0;
  #sentScripts = false;
  #sentRawData = false;

  constructor(connection: Connection, course: Answering, token: Token) {
    this.#connection = connection;
    this.#course = course;
    this.#token = token;
    this.#isSeedStyle = isSeedStyle(token);
    this.#bracket = new Bracket(connection, this);
    if (this.#isSeedStyle) connection.hosting.queueSeedAnswer(this.#bracket);
  }

  get isClosed(): boolean {
    return this.#bracket.isClosed;
  }

  /** Whether raw data of the answer is on the wire: it must go on to its end, or the connection end with it. */
  get isMidAnswer(): boolean {
    return this.#bracket.isStarted && this.#sentRawData;
  }

  /** Grows as long as it goes on: what was given to the wire, and what the wire has handed on. */
  get sentBytes(): number {
    return this.#bracket.rawBytes + this.#connection.wire.handedBytes;
  }

  async send(directive: "" | "co_recv", code: string | Script, options: WaitOptions): Promise<void> {
    if (code instanceof Script && code.onlyOurs !== undefined && !this.#token.isExtended) {
      throw failure("not_representable", code.onlyOurs);
    }
    const packet = packetOf(directive, code, this.#connection.limits);
    this.checkOpen();
    if (directive === "") this.#sentScripts = true;
    const sent = this.append(packet, options);
    if (this.#course.failure !== undefined) throw this.#course.failure;
    await settled(sent, this.#connection, options);
  }

  async data(buffers: Buffers, options: WaitOptions): Promise<void> {
    this.checkOpen();
    this.#sentRawData = true;
    keepFromFailingUnheard(buffers);
    await this.untilAnswerable(options);
    await sendBuffers(this.#bracket, this.#connection, buffers, options);
  }

  /** Takes the send turn now. */
  open(options: WaitOptions): Promise<void> | undefined {
    this.checkOpen();
    return this.#bracket.open(options);
  }

  /** Keeps a packet of the answer until co_end has come, within bounds; after it, and towards seed-era posters, hands it on.
   *  Undefined: one may go on at once. */
  append(packet: string, options: WaitOptions): Promise<void> | undefined {
    if (this.#course.stage !== "recv" || this.#isSeedStyle) {
      const sent = this.#bracket.text(packet, options);
      if (this.#isSeedStyle) this.#bracket.ask();
      return sent;
    }
    this.#answers += 1;
    const { maxQueuedAnswers, maxQueuedAnswerBytes } = this.#connection.limits;
    if (this.#answers > maxQueuedAnswers || this.#bracket.builtBytes > maxQueuedAnswerBytes) {
      this.#connection.cut(failure("too_many_answers"));
    } else this.#bracket.build(packet);
    return undefined;
  }

  /** The poster waits for the answer from co_end on; one of the seed era from the start. */
  async untilAnswerable(options: WaitOptions): Promise<void> {
    if (this.#isSeedStyle) this.#bracket.ask();
    else if (this.#course.stage === "recv") await this.#course.finishRecv(options);
  }

  /** @throws HbiError failed_precondition, or why the conversation has failed */
  checkOpen(): void {
    const { failure: failed, stage } = this.#course;
    if (failed !== undefined) throw failed;
    if (stage === "closed" || this.#bracket.isClosed) throw failure("wrong_stage", "the answer is closed");
  }

  /** What is not on the wire yet gives way to the error. */
  answerWith(error: HbiError): void {
    this.#bracket.dropBuilt();
    this.#bracket.build(encodePacket("co_recv", errorText(error)));
  }

  close(): void {
    this.#bracket.close();
  }

  withdraw(error: HbiError): void {
    this.#bracket.withdraw(error);
  }

  // --- called by the bracket -----------------------------------------------------------------------------------------

  get isAnswer(): boolean {
    return true;
  }

  get label(): string {
    return `answer ${this.#token.seq}`;
  }

  opening(): string {
    const { isWhole, rawBytes } = this.#bracket;
    const token = this.#token;
    if (!token.isExtended) return encodePacket("co_ack_begin", token.text);
    const id = answerId(token, this.#sentScripts, !isWhole || rawBytes > 0);
    return `[${id.length}#co_ack_begin]${id}`; // a token is ASCII
  }

  ending(): string {
    const { isExtended, seq, text } = this.#token;
    return isExtended ? `[${seq.length}#co_ack_end]${seq}` : encodePacket("co_ack_end", text);
  }

  enterTurn(bracket: Bracket): void {
    const { hosting, turn } = this.#connection;
    if (this.#isSeedStyle) {
      hosting.enterSeedAnswer(bracket);
      return;
    }
    turn.request(bracket);
    if (!bracket.isStarted && !turn.isClosed) this.#connection.answerHeld();
  }

  leaveTurn(bracket: Bracket): void {
    this.#connection.turn.withdraw(bracket);
  }

  bracketClosed(bracket: Bracket): void {
    if (this.#isSeedStyle) this.#connection.hosting.seedAnswerClosed(bracket);
    this.#course.answerClosed();
  }
}
