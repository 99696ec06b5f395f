/**
 * PoSender: what the poster of a conversation writes: code, objects and raw data, as much of the latter as was promised. What
 * is built goes out with the tick, whole or not. docs/protocol.md, "the poster".
 */
import { failure, type HbiError } from "../../errors.ts";
import { Script } from "../../parser/script.ts";
import { encodePacket } from "../../wire/packet.ts";
import { packetOf, sendBuffers, settled } from "../conversation/co-sender.ts";
import type { PoStage } from "../conversation/stages.ts";
import { formatToken } from "../conversation/token.ts";
import { Bracket, type BracketOwner } from "../lane/bracket.ts";
import type { PostedConversation } from "../lane/conversation.ts";
import type { Buffers } from "../lane/raw-intake.ts";
import type { WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";

export interface PromiseOptions {
  /** Promises that no raw data is sent in this conversation: then a refusal ends it and nothing else. */
  readonly hasNoRawData?: boolean;
  /** Promises one script and then exactly so many raw bytes, with the same effect. */
  readonly rawBytes?: number;
}

/** The conversation that sends. */
export interface Asking {
  readonly co: PostedConversation;
  readonly stage: PoStage;
  readonly failure: HbiError | undefined;
  /** The conversation's own deadline, where a single wait has none. */
  bounded(options: WaitOptions): WaitOptions;
  /** Buffers are on the wire, or will never be. */
  rawDataEnded(): void;
  failed(error: HbiError): void;
  abandon(error: HbiError): void;
}

export class PoSender implements BracketOwner {
  readonly #connection: Connection;
  readonly #course: Asking;
  readonly #promised: number | undefined;
  readonly #deadlineMs: number | undefined;
  readonly #madeMs: number;
  readonly #asksForPromise: boolean;
  readonly #bracket: Bracket;
  /** as it was written, and where */
  #id = "";
  #startsAt = 0;
  #isFlushing = false;
  /** one script, and nothing but raw data behind it */
  #isScriptThenData = true;
  #packets = 0;
  /** buffers on their way to the wire: given up meanwhile, they still go there, as the host waits for every byte */
  #sendingData = 0;

  /** @param asksForPromise nobody has said whether the answer has raw data */
  constructor(connection: Connection, course: Asking, options: PromiseOptions & WaitOptions, asksForPromise: boolean) {
    const { hasNoRawData, rawBytes, timeoutMs } = options;
    this.#connection = connection;
    this.#course = course;
    this.#promised = hasNoRawData === true ? 0 : rawBytes;
    this.#deadlineMs = timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
    this.#madeMs = connection.clock.now();
    this.#asksForPromise = asksForPromise;
    this.#bracket = new Bracket(connection, this);
    if (this.#promised !== undefined) this.#bracket.mostRawBytes = this.#promised;
  }

  /** Whether something of it is on the wire. */
  get isStarted(): boolean {
    return this.#bracket.isStarted;
  }

  get isClosed(): boolean {
    return this.#bracket.isClosed;
  }

  /** Whether a script of it may have reached the peer's hand. */
  get hasReached(): boolean {
    return this.#bracket.isStarted && this.#connection.wire.handedBytes > this.#startsAt;
  }

  /** Whether buffers are on their way to the wire. */
  get isSendingData(): boolean {
    return this.#sendingData > 0;
  }

  async send(directive: "" | "co_recv" | "co_send", code: string | Script, options: WaitOptions): Promise<void> {
    const packet = packetOf(directive, code, this.#connection.limits);
    this.#connection.posting.checkPacket(packet);
    this.#checkSending();
    if (code instanceof Script && code.onlyOurs !== undefined) this.#mustBeOurs(code.onlyOurs);
    this.#packets += 1;
    if (directive === "co_recv" || this.#packets > 1) this.#isScriptThenData = false;
    this.#flushSoon();
    const text = this.#bracket.text(packet, this.#course.bounded(options));
    const sent = settled(text, this.#connection, options);
    if (sent !== undefined) await this.#orWhyLost(sent);
  }

  /** It waits for its place until that is known. With the turn in hand it can't wait: the peer's answer would need the turn. */
  #mustBeOurs(onlyOurs: string): void {
    const { posting } = this.#connection;
    const { co } = this.#course;
    if (posting.knowsExtension) return;
    posting.sayHello();
    if (co.isAdmitted) throw failure("not_representable", onlyOurs);
    co.onlyOurs ??= onlyOurs;
  }

  async data(buffers: Buffers, options: WaitOptions): Promise<void> {
    this.#checkSending();
    if (this.#packets !== 1) this.#isScriptThenData = false;
    this.#flushSoon();
    this.#sendingData += 1;
    try {
      const bounded = this.#course.bounded(options);
      await this.#orWhyLost(sendBuffers(this.#bracket, this.#connection, buffers, bounded));
    } finally {
      this.#sendingData -= 1;
      this.#course.rawDataEnded();
    }
  }

  /** Resolves when what was sent is handed to the wire. */
  sent(options: WaitOptions): Promise<void> {
    return this.#orWhyLost(this.#bracket.sent(this.#course.bounded(options)));
  }

  /** A wait for the wire; what it knows less of than the conversation is told by the latter. */
  async #orWhyLost(wait: Promise<void>): Promise<void> {
    try {
      await wait;
    } catch (thrown) {
      throw this.#course.failure ?? thrown; // of a lost connection it says whether anything may have landed
    }
  }

  #checkSending(): void {
    const { failure: failed, stage } = this.#course;
    if (failed !== undefined) throw failed;
    this.#connection.checkOpen();
    if (stage !== "send") throw failure("wrong_stage", `sending in stage ${stage}`);
  }

  /** What is built goes out with this tick, whole or not, so that the host can begin. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#connection.clock.soon(() => this.#bracket.ask());
  }

  /** The last packet, if it would be read as one. */
  close(): void {
    const { isInRawData, hasUnwritten, rawBytes: given } = this.#bracket;
    const promised = this.#promised;
    // As much as was promised is on the wire, though its source had more to give: the host is satisfied.
    const isWhole = promised === undefined ? !isInRawData : promised === given && !hasUnwritten;
    if (!isWhole) {
      // A packet now would be read as raw data by the host, or raw data as packets.
      const error = failure("cancelled", "raw data was not sent to its end, or not as much as promised");
      this.#course.failed(error);
      if (this.#bracket.isStarted) {
        this.#bracket.beginRawData(); // which the host waits for: what is said of it now would be taken as such
        this.#connection.cut(error);
      } else this.#course.abandon(error);
      return;
    }
    this.#bracket.close();
  }

  takePlace(): void {
    this.#bracket.ask();
  }

  standBy(ready: Promise<unknown>): void {
    this.#bracket.standBy(ready);
  }

  async opened(options: WaitOptions): Promise<void> {
    const opened = this.#bracket.open(options);
    if (opened !== undefined) await this.#orWhyLost(opened);
  }

  /** All of it was sent by other means. */
  markWritten(): void {
    this.#bracket.markWritten();
  }

  withdraw(error: HbiError): void {
    this.#bracket.withdraw(error);
  }

  /** It has a place on the wire. */
  admitted(): void {
    this.#connection.turn.request(this.#bracket);
  }

  get #coSeq(): string {
    return this.#course.co.coSeq;
  }

  // --- called by the bracket -----------------------------------------------------------------------------------------

  get isAnswer(): boolean {
    return false;
  }

  get label(): string {
    return `conversation ${this.#coSeq}`;
  }

  /** What is there as a whole promises its raw data by itself, so that a refusal ends it and nothing else. */
  opening(): string {
    const { clock, isExtended, wire } = this.#connection;
    this.#startsAt = wire.writtenBytes;
    const { isWhole, rawBytes: built } = this.#bracket;
    const isCounted = built === 0 || (this.#isScriptThenData && this.#packets === 1);
    const rawBytes = this.#promised ?? (isWhole && isCounted ? built : undefined);
    const leftMs = this.#deadlineMs === undefined ? undefined : this.#deadlineMs - (clock.now() - this.#madeMs);
    this.#id = formatToken(this.#course.co.seq, isExtended, {
      ...(rawBytes === undefined ? {} : rawBytes === 0 ? { hasNoRawData: true } : { rawBytes }),
      ...(leftMs === undefined ? {} : { deadlineMs: leftMs }),
      asksForPromise: this.#asksForPromise,
    });
    return encodePacket("co_begin", this.#id);
  }

  ending(): string {
    return encodePacket("co_end", this.#connection.posting.knowsExtension ? this.#coSeq : this.#id);
  }

  enterTurn(): void {
    this.#connection.posting.admit(this.#course.co);
  }

  leaveTurn(bracket: Bracket): void {
    this.#connection.posting.withdraw(this.#course.co);
    this.#connection.turn.withdraw(bracket);
  }

  bracketClosed(): void {}
}
