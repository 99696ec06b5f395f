/**
 * HoAnswer: what the host of a conversation writes. Text is kept and goes out as one write when the answer is complete; raw data,
 * much text and what a handler sends as it goes on make a bracket. Answers to posters of the seed era are brackets from the start,
 * in the order of the questions. docs/protocol.md, "the host" and "seed-era ids".
 */
import type { Chained } from "../../chain.ts";
import { failure, type HbiError } from "../../errors.ts";
import { errorText } from "../../registry/error-value.ts";
import { encodePacket } from "../../wire/packet.ts";
import { answerId, isSeedStyle, type Token } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { Bracket, type BracketOwner } from "../lane/bracket.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import type { WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";
import type { HoCo } from "./ho-co.ts";

/** What is kept as text once the poster waits for the answer; more of it goes out in parts. */
const MAX_TEXT_BYTES = 64 * 1024;

export class HoAnswer implements TurnTaker, BracketOwner {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly isSeedStyle: boolean;
  /** whether code is in it, and raw data */
  hasScripts = false;
  hasRawData = false;
  readonly #connection: Connection;
  readonly #co: HoCo;
  readonly #token: Token;
  #text = "";
  #textBytes = 0;
  #packets = 0;
  #bracket: Bracket | undefined;

  constructor(connection: Connection, co: HoCo, token: Token) {
    this.#connection = connection;
    this.#co = co;
    this.#token = token;
    this.isSeedStyle = isSeedStyle(token);
    if (this.isSeedStyle) connection.hosting.queueSeedAnswer(this.bracket);
  }

  /** For what does not wait until the answer is complete. */
  get bracket(): Bracket {
    if (this.#bracket === undefined) {
      this.#bracket = new Bracket(this.#co.lane, this);
      const text = this.#text;
      this.#dropText();
      if (text !== "") this.#bracket.build(text);
    }
    return this.#bracket;
  }

  /** Whether raw data of it is on the wire: it must go on to its end, or the connection end with it. */
  get isMidway(): boolean {
    return this.hasRawData && this.#bracket?.isStarted === true;
  }

  /** Grows as long as it goes on: what was given to the wire, and what the wire has handed on. */
  get sentBytes(): number {
    return (this.#bracket?.rawBytes ?? 0) + this.#co.lane.wire.handedBytes;
  }

  /** Keeps a packet until co_end has come, within bounds; after it, and for posters of the seed era, hands it on.
   *  Undefined: one may go on at once. */
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

  /** What is not on the wire yet gives way to the error. */
  replace(error: HbiError): void {
    const packet = encodePacket("co_recv", errorText(error));
    this.#bracket?.dropBuilt();
    this.#dropText();
    if (this.#bracket === undefined) this.#keep(packet);
    else this.#bracket.build(packet);
  }

  /** Nothing is added any more. */
  complete(): void {
    if (this.#bracket !== undefined) {
      this.#bracket.close();
      return;
    }
    const { turn } = this.#co.lane;
    turn.request(this);
    if (this.chain !== undefined && !turn.isClosed) this.#co.lane.answerHeld();
  }

  /** The connection is gone. */
  withdraw(error: HbiError): void {
    if (this.#bracket !== undefined) {
      this.#bracket.withdraw(error);
      return;
    }
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
    this.#co.answerWritten();
    turn.release(this);
  }

  opening(): string {
    const { isExtended, text } = this.#token;
    if (!isExtended) return encodePacket("co_ack_begin", text);
    const bracket = this.#bracket;
    const id = answerId(
      this.#token,
      this.hasScripts,
      bracket !== undefined && (!bracket.isWhole || bracket.rawBytes > 0),
    );
    return `[${id.length}#co_ack_begin]${id}`; // a token is ASCII
  }

  ending(): string {
    const { isExtended, seq, text } = this.#token;
    return isExtended ? `[${seq.length}#co_ack_end]${seq}` : encodePacket("co_ack_end", text);
  }

  enterTurn(bracket: Bracket): void {
    const { hosting } = this.#connection;
    const { turn } = this.#co.lane;
    if (this.isSeedStyle) {
      hosting.enterSeedAnswer(bracket);
      return;
    }
    turn.request(bracket);
    if (!bracket.isStarted && !turn.isClosed) this.#co.lane.answerHeld();
  }

  leaveTurn(bracket: Bracket): void {
    this.#co.lane.turn.withdraw(bracket);
  }

  bracketClosed(bracket: Bracket): void {
    if (this.isSeedStyle) this.#connection.hosting.seedAnswerClosed(bracket);
    this.#co.answerWritten();
  }
}
