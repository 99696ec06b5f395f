/**
 * PoSender: what an application sends step by step in a posted conversation: code, objects and raw data, the latter
 * within its promise. What is collected goes out at the end of the tick, complete or not. docs/protocol.md, section 4.
 */
import { failure, type HbiError } from "../../errors.ts";
import { PRESETS, TO_THE_END } from "../../limits.ts";
import { Script, scriptText } from "../../parser/script.ts";
import { encodePacket, utf8Length } from "../../wire/packet.ts";
import { sendBuffers, settled } from "../conversation/co-sender.ts";
import { isLarge, packetOf } from "../conversation/packet-of.ts";
import { formatToken } from "../conversation/token.ts";
import { Bracket, type BracketOwner } from "../lane/bracket.ts";
import type { Buffers } from "../lane/buffers.ts";
import { checkWait, type WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";
import type { CoOptions } from "./po-co.ts";
import type { PostedCo } from "./posted-co.ts";

export interface PromiseOptions {
  /** Promises that this conversation has no raw data, so that a refusal ends only the conversation. */
  readonly hasNoRawData?: boolean;
  /** Promises one script followed by exactly this many raw bytes, with the same effect. */
  readonly rawBytes?: number;
  /** for the library only: one script, followed by raw bytes up to the end of its lane */
  readonly isOpenEnded?: boolean;
}

export class PoSender implements BracketOwner {
  readonly isAnswer = false;
  readonly bracket: Bracket;
  readonly #connection: Connection;
  readonly #co: PostedCo;
  readonly #promised: number | undefined;
  readonly #deadlineMs: number | undefined;
  readonly #madeMs: number;
  /** Whether the caller has declared the raw data of the answer. */
  readonly #isAnswerDeclared: boolean;
  /** the id as it was written */
  #id = "";
  /** what was appended; `script`: one script, and nothing but raw data behind it */
  #content: "nothing" | "script" | "other" = "nothing";
  /** buffers on their way to the wire: after a cancellation they are still sent, because the host waits for every
   *  byte */
  #sendingData = 0;
  /** whether the lane ends when what is written is */
  #isLast = false;
  /** large texts, until the peer has said what it accepts */
  #unchecked: { readonly directive: "" | "co_recv" | "co_send"; readonly text: string }[] | undefined;

  constructor(connection: Connection, co: PostedCo, options: CoOptions) {
    const { hasNoRawData, rawBytes, isOpenEnded, timeoutMs, hasNoRawAnswer, answerBytes } = options;
    this.#connection = connection;
    this.#co = co;
    this.#promised = hasNoRawData === true ? 0 : isOpenEnded === true ? TO_THE_END : rawBytes;
    this.#deadlineMs = timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
    this.#madeMs = connection.clock.now();
    this.#isAnswerDeclared = hasNoRawAnswer === true || answerBytes !== undefined;
    this.bracket = new Bracket(co.lane, this);
    if (this.#promised !== undefined) this.bracket.mostRawBytes = this.#promised;
  }

  /** Whether buffers are on their way to the wire. */
  get isSendingData(): boolean {
    return this.#sendingData > 0;
  }

  async send(directive: "" | "co_recv" | "co_send", code: string | Script, options: WaitOptions): Promise<void> {
    checkWait(options);
    const content = scriptText(code);
    const packet = packetOf(directive, content);
    this.#check(directive, content);
    this.#checkSending();
    if (code instanceof Script && code.onlyOurs !== undefined) this.#mustBeOurs(code.onlyOurs);
    this.#content = this.#content === "nothing" && directive !== "co_recv" ? "script" : "other";
    this.bracket.askSoon();
    const text = this.bracket.text(packet, this.#co.bounded(options));
    const sent = settled(text, this.#co.lane, options);
    if (sent !== undefined) await this.orWhyLost(sent);
  }

  /** @throws HbiError resource_exhausted for a text that the peer does not accept */
  #check(directive: "" | "co_recv" | "co_send", text: string): void {
    const { posting } = this.#connection;
    const [kind, name] =
      directive === "co_recv" ? (["object", "the object"] as const) : (["script", "the script"] as const);
    posting.accepted.check(text, kind, name);
    if (!isLarge(text) || posting.isIntroducing === false) return;
    const isUsual =
      text.length * 3 <= PRESETS.public.maxPacketBytes || utf8Length(text) <= PRESETS.public.maxPacketBytes;
    if (isUsual && (posting.isIntroducing === undefined || this.#co.isAdmitted)) return;
    if (this.#co.isAdmitted) throw failure("packet_too_big", "the peer has not said yet what it accepts"); // its answer would wait for the turn
    this.#unchecked ??= [];
    this.#unchecked.push({ directive, text }); // waits for its slot until that is known
  }

  /** Resolves when it has the send turn. */
  async opened(options: WaitOptions): Promise<void> {
    await this.orWhyLost(this.bracket.open(options) ?? Promise.resolve());
  }

  /** Whether a text waits for the peer to say what it accepts. */
  get hasLarge(): boolean {
    return this.#unchecked !== undefined;
  }

  /** @throws HbiError resource_exhausted */
  checkAgain(): void {
    const unchecked = this.#unchecked ?? [];
    this.#unchecked = undefined;
    for (const { directive, text } of unchecked) this.#check(directive, text);
  }

  /** Waits for its slot until that is known. With the send turn it cannot wait, because the peer's answer would need
   *  the turn. */
  #mustBeOurs(onlyOurs: string): void {
    const { posting } = this.#connection;
    if (posting.reads(onlyOurs)) return;
    posting.sayHello();
    if (this.#co.isAdmitted || posting.knowsExtension) throw failure("not_representable", onlyOurs);
    this.#co.onlyOurs ??= onlyOurs;
  }

  async data(buffers: Buffers, options: WaitOptions): Promise<void> {
    checkWait(options);
    this.#checkSending();
    if (this.#content === "nothing") this.#content = "other";
    this.bracket.askSoon();
    this.#sendingData += 1;
    try {
      await this.orWhyLost(sendBuffers(this.bracket, this.#co.lane, buffers, this.#co.bounded(options)));
    } finally {
      this.#sendingData -= 1;
      this.#co.rawDataEnded();
    }
  }

  /** A wait for the wire; if the conversation knows a more specific error, that one is thrown. */
  async orWhyLost(wait: Promise<void>): Promise<void> {
    try {
      await wait;
    } catch (thrown) {
      throw this.#co.failure ?? thrown; // the error of a lost connection says whether anything may have landed
    }
  }

  /** The host has refused it before everything was sent, and nobody reads the rest. Returns false if that is too much
   *  to be sent for nothing, or if its amount is not known here. */
  refused(error: HbiError): boolean {
    const { bracket } = this;
    const { limits } = this.#connection;
    const missing = (this.#promised ?? Number.POSITIVE_INFINITY) - bracket.rawBytes;
    const isFew = missing + this.#co.lane.wire.queuedBytes <= limits.maxDrainBytes;
    bracket.stop(error, isFew ? missing : undefined);
    return isFew;
  }

  #checkSending(): void {
    const { failure: failed, stage } = this.#co;
    if (failed !== undefined) throw failed;
    this.#connection.checkOpen();
    if (stage !== "send") throw failure("wrong_stage", `sending in stage ${stage}`);
  }

  /** The last packet, if it would be read as one; otherwise the reason: the host would read a packet as raw data now,
   *  or raw data as packets. */
  close(): HbiError | undefined {
    const { isInRawData, hasUnwritten, rawBytes: given } = this.bracket;
    const promised = this.#promised;
    // As much as promised is on the wire, although its source had more: the host is satisfied.
    const isUncounted = promised === undefined || promised === TO_THE_END;
    const isWhole = isUncounted ? !isInRawData : promised === given && !hasUnwritten;
    if (!isWhole) return failure("cancelled", "raw data was not sent completely, or less than promised");
    this.bracket.close();
    return undefined;
  }

  // --- called by the bracket -----------------------------------------------------------------------------------------

  get label(): string {
    return `conversation ${this.#co.coSeq}`;
  }

  /** Content that is available as a whole promises its raw data automatically, so that a refusal ends only the
   *  conversation. */
  opening(): string {
    const { clock, isExtended, posting } = this.#connection;
    const { wire } = this.#co.lane;
    this.#co.begun(wire.writtenBytes + 1);
    const { isWhole, rawBytes: built } = this.bracket;
    const isCounted = built === 0 || this.#content === "script";
    const rawBytes = this.#promised ?? (isWhole && isCounted ? built : undefined);
    const leftMs = this.#deadlineMs === undefined ? undefined : this.#deadlineMs - (clock.now() - this.#madeMs);
    const token = formatToken(this.#co.seq, isExtended, {
      ...(rawBytes === undefined ? {} : rawBytes === 0 ? { hasNoRawData: true } : { rawBytes }),
      ...(leftMs === undefined ? {} : { deadlineMs: leftMs }),
      asksForPromise: !this.#isAnswerDeclared,
    });
    this.#id = token + posting.fieldsOf(this.#co);
    return encodePacket("co_begin", this.#id);
  }

  /** Empty if the end of the lane is its end. */
  ending(): string {
    this.#isLast = this.#promised === TO_THE_END;
    if (this.#isLast) return "";
    return encodePacket("co_end", this.#connection.posting.knowsExtension ? this.#co.coSeq : this.#id);
  }

  enterTurn(): void {
    this.#connection.posting.admit(this.#co);
  }

  leaveTurn(bracket: Bracket): void {
    this.#connection.posting.withdraw(this.#co);
    this.#co.lane.turn.withdraw(bracket);
  }

  bracketClosed(): void {
    if (this.#isLast) this.#co.lane.wire.finish();
    this.#co.written();
  }
}
