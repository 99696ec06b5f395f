/**
 * HoAnswer: what the host of a conversation writes. Small answers are kept as text and go out in one write when they
 * are complete. Raw data, much text, and data that a handler sends step by step use a bracket. Answers to seed-era
 * posters are brackets from the start, in the order of the requests. docs/protocol.md, sections 4 and 8.
 */
import type { Chained } from "../../chain.ts";
import { failure, type HbiError, ownError } from "../../errors.ts";
import { MAX_DEPTH } from "../../limits.ts";
import { repr } from "../../parser/repr.ts";
import { errorText } from "../../registry/error-text.ts";
import type { Method } from "../../registry/method.ts";
import { encodePacket } from "../../wire/packet.ts";
import { answerId, isSeedStyle, openAnswerId, type Token } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { Bracket, type BracketOwner } from "../lane/bracket.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import type { WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";
import type { HostedCo } from "./hosted-co.ts";
import type { PeerLimits } from "./peer-limits.ts";

/** The most that is kept as text while the poster waits for the answer; more goes out in parts. */
const MAX_TEXT_BYTES = 64 * 1024;

export class HoAnswer implements TurnTaker, BracketOwner {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly isSeedStyle: boolean;
  /** whether it contains code, and raw data */
  hasScripts = false;
  hasRawData = false;
  /** whether it ends with its lane, because the length of its raw data is unknown */
  isOpenEnded = false;
  /** whether the lane ends when what is written is */
  #isLast = false;
  readonly #connection: Connection;
  readonly #co: HostedCo;
  readonly #token: Token;
  #text = "";
  #textBytes = 0;
  #packets = 0;
  #bracket: Bracket | undefined;
  /** the position on the wire where it begins */
  #beginsAt: number | undefined;

  constructor(connection: Connection, co: HostedCo, token: Token) {
    this.#connection = connection;
    this.#co = co;
    this.#token = token;
    this.isSeedStyle = isSeedStyle(token);
    if (this.isSeedStyle) connection.hosting.queueSeedAnswer(this.bracket);
  }

  /** For data that does not wait until the answer is complete. */
  get bracket(): Bracket {
    if (this.#bracket === undefined) {
      this.#bracket = new Bracket(this.#co.lane, this);
      const text = this.#text;
      this.#dropText();
      if (text !== "") this.#bracket.build(text);
    }
    return this.#bracket;
  }

  /** Whether raw data of it is on the wire, or would be expected: it must be completed, or the connection must end. */
  get isMidway(): boolean {
    return (this.hasRawData || this.isOpenEnded) && this.#bracket?.isStarted === true;
  }

  /** What the poster accepts. */
  get accepted(): PeerLimits {
    return this.#connection.posting.accepted;
  }

  /** Grows while the answer makes progress: what was given to the wire, and what the wire has passed on. */
  get sentBytes(): number {
    return (this.#bracket?.rawBytes ?? 0) + this.#co.lane.wire.handedBytes;
  }

  /** What was written of it so far, while nothing else is written. */
  get writtenBytes(): number {
    return this.#beginsAt === undefined ? 0 : this.#co.lane.wire.writtenBytes - this.#beginsAt;
  }

  /** Answers with a result. @param name of the method, for the message
   *  @param wantsValue its script came as co_send
   *  @throws HbiError result_too_big, bad_result */
  reply(value: unknown, name: string, method: Method | undefined, wantsValue: boolean): void {
    const packet = this.#packetOf(value, name, method);
    if (wantsValue && !this.#co.isExtended) this.#co.lane.sendLone(packet);
    else void this.append(packet, {});
  }

  #packetOf(value: unknown, name: string, method: Method | undefined): string {
    const { env, isExtended } = this.#co;
    try {
      const text = repr(value, isExtended ? "json" : "python", MAX_DEPTH, env.writer, this.accepted.readsRich);
      this.accepted.checkResult(text, name, method);
      this.#checkRoom(text.length, name);
      return encodePacket("co_recv", text);
    } catch (cause) {
      throw ownError(cause)?.reason === "result_too_big" ? cause : failure("bad_result", undefined, { cause });
    }
  }

  /** A large result that does not fit beside what waits to be sent is refused alone. Of many small ones, the peer is to
   *  blame: it does not read. @throws HbiError resource_exhausted */
  #checkRoom(bytes: number, name: string): void {
    const { maxSendBufferBytes } = this.#co.limits;
    if (bytes * 8 < maxSendBufferBytes) return;
    const { answers, unsent } = this.#connection.account;
    if (answers + unsent + bytes + ENTRY_COST_BYTES <= maxSendBufferBytes) return;
    const where = `${bytes} bytes beside ${answers + unsent} that wait to be sent; maxSendBufferBytes is ${maxSendBufferBytes}`;
    throw failure("result_too_big", `${where}. Ask for less at a time`, { of: name });
  }

  /** Keeps a packet until co_end has arrived, within bounds; later, and for seed-era posters, passes it on.
   *  Returns undefined if the caller may continue at once. */
  append(packet: string, options: WaitOptions): Promise<void> | undefined {
    const isEarly = !this.isSeedStyle && this.#co.stage === "recv";
    if (isEarly) {
      this.#packets += 1;
      const { maxQueuedAnswers, maxQueuedAnswerBytes } = this.#connection.limits;
      if (this.#packets > maxQueuedAnswers || this.#textBytes > maxQueuedAnswerBytes) {
        this.#connection.cut(failure("too_many_answers"));
        return undefined;
      }
    } else if (this.#bracket !== undefined) {
      const sent = this.#bracket.text(packet, options);
      if (this.isSeedStyle) this.#bracket.ask();
      return sent;
    }
    this.#keep(packet);
    return isEarly || this.#textBytes <= MAX_TEXT_BYTES ? undefined : this.bracket.open(options);
  }

  #keep(packet: string): void {
    const bytes = packet.length + ENTRY_COST_BYTES;
    this.#text += packet;
    this.#textBytes += bytes;
    this.#co.lane.built(true, bytes);
  }

  #dropText(): void {
    this.#text = "";
    if (this.#textBytes > 0) this.#co.lane.built(true, -this.#textBytes);
    this.#textBytes = 0;
  }

  /** The error replaces what is not on the wire yet. */
  replace(error: HbiError): void {
    const lost = (why: HbiError): void => this.#connection.report(why, `conversation ${this.#token.seq}`);
    const packet = encodePacket("co_recv", errorText(error, lost, this.#token.hearsErrors));
    this.isOpenEnded = false;
    this.#bracket?.dropBuilt();
    this.#dropText();
    if (this.#bracket === undefined) this.#keep(packet);
    else this.#bracket.build(packet);
  }

  /** Nothing more is added. */
  complete(): void {
    if (this.#bracket !== undefined) {
      this.#bracket.close();
      return;
    }
    const { turn } = this.#co.lane;
    if (!this.#entersLane(this)) turn.request(this);
    const isWaiting = this.chain !== undefined || this.#textBytes > 0;
    if (isWaiting && !turn.isClosed) this.#co.lane.answerHeld();
  }

  /** On a lane of its own, it follows what was sent before on lane 0, such as what its handler has posted. False on lane 0. */
  #entersLane(taker: TurnTaker): boolean {
    const { lane, lanes } = this.#connection;
    if (lanes === undefined || this.#co.lane === lane) return false;
    lanes.enterAnswer(taker, this.#co.lane);
    return true;
  }

  /** The connection is lost. */
  withdraw(error: HbiError): void {
    if (this.#bracket !== undefined) {
      this.#bracket.withdraw(error);
      return;
    }
    this.#connection.lanes?.withdrawAnswer(this);
    this.#co.lane.turn.withdraw(this);
    this.#dropText();
    this.#co.answerWritten();
  }

  // --- called by the send turn and the bracket -----------------------------------------------------------------------

  get isAnswer(): boolean {
    return true;
  }

  get label(): string {
    return `answer ${this.#token.seq}`;
  }

  granted(): void {
    const { turn, wire } = this.#co.lane;
    wire.text(this.opening() + this.#text + this.ending());
    this.#dropText();
    this.#endLane();
    this.#co.answerWritten();
    turn.release(this);
  }

  opening(): string {
    const { isExtended, text } = this.#token;
    this.#beginsAt = this.#co.lane.wire.writtenBytes;
    if (!isExtended) return encodePacket("co_ack_begin", text);
    if (this.isOpenEnded) return encodePacket("co_ack_begin", openAnswerId(this.#token));
    const bracket = this.#bracket;
    const id = answerId(
      this.#token,
      this.hasScripts,
      bracket !== undefined && (!bracket.isWhole || bracket.rawBytes > 0),
    );
    return `[${id.length}#co_ack_begin]${id}`; // a token is ASCII
  }

  /** Empty if the end of the lane is its end. */
  ending(): string {
    const { isExtended, seq, text } = this.#token;
    this.#isLast = this.isOpenEnded;
    if (this.isOpenEnded) return "";
    return isExtended ? `[${seq.length}#co_ack_end]${seq}` : encodePacket("co_ack_end", text);
  }

  #endLane(): void {
    if (this.#isLast) this.#co.lane.wire.finish();
  }

  enterTurn(bracket: Bracket): void {
    const { hosting } = this.#connection;
    const { turn } = this.#co.lane;
    if (this.isSeedStyle) {
      hosting.enterSeedAnswer(bracket);
      return;
    }
    if (!this.#entersLane(bracket)) turn.request(bracket);
    if (!bracket.isStarted && !turn.isClosed) this.#co.lane.answerHeld();
  }

  leaveTurn(bracket: Bracket): void {
    this.#connection.lanes?.withdrawAnswer(bracket);
    this.#co.lane.turn.withdraw(bracket);
  }

  bracketClosed(bracket: Bracket): void {
    if (this.isSeedStyle) this.#connection.hosting.seedAnswerClosed(bracket);
    this.#endLane();
    this.#co.answerWritten();
  }
}
