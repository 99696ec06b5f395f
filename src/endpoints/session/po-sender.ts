/**
 * PoSender: what an application, bit by bit, sends in a posted conversation: code, objects and raw data, as much of the latter as was
 * promised. What is built goes out with the tick, whole or not. docs/protocol.md, "the poster".
 */
import { failure, type HbiError } from "../../errors.ts";
import { Script } from "../../parser/script.ts";
import { encodePacket } from "../../wire/packet.ts";
import { packetOf, sendBuffers, settled } from "../conversation/co-sender.ts";
import { formatToken } from "../conversation/token.ts";
import { Bracket, type BracketOwner } from "../lane/bracket.ts";
import type { Buffers } from "../lane/raw-intake.ts";
import type { WaitOptions } from "../waits.ts";
import type { Connection } from "./connection.ts";
import type { PoCo } from "./po-co.ts";

export interface PromiseOptions {
  /** Promises that no raw data is sent in this conversation: then a refusal ends it and nothing else. */
  readonly hasNoRawData?: boolean;
  /** Promises one script and then exactly so many raw bytes, with the same effect. */
  readonly rawBytes?: number;
}

export class PoSender implements BracketOwner {
  readonly isAnswer = false;
  readonly bracket: Bracket;
  readonly #connection: Connection;
  readonly #co: PoCo;
  readonly #promised: number | undefined;
  readonly #deadlineMs: number | undefined;
  readonly #madeMs: number;
  /** the id as it was written */
  #id = "";
  /** what was appended; `script`: one, and nothing but raw data behind it */
  #content: "nothing" | "script" | "other" = "nothing";
  /** buffers on their way to the wire: given up meanwhile, they still go there, as the host waits for every byte */
  #sendingData = 0;

  constructor(connection: Connection, co: PoCo, { hasNoRawData, rawBytes, timeoutMs }: PromiseOptions & WaitOptions) {
    this.#connection = connection;
    this.#co = co;
    this.#promised = hasNoRawData === true ? 0 : rawBytes;
    this.#deadlineMs = timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
    this.#madeMs = connection.clock.now();
    this.bracket = new Bracket(co.lane, this);
    if (this.#promised !== undefined) this.bracket.mostRawBytes = this.#promised;
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
    this.#content = this.#content === "nothing" && directive !== "co_recv" ? "script" : "other";
    this.bracket.askSoon();
    const text = this.bracket.text(packet, this.#co.bounded(options));
    const sent = settled(text, this.#co.lane, options);
    if (sent !== undefined) await this.orWhyLost(sent);
  }

  /** It waits for its place until that is known. With the turn in hand it can't wait: the peer's answer would need the turn. */
  #mustBeOurs(onlyOurs: string): void {
    const { posting } = this.#connection;
    if (posting.knowsExtension) return;
    posting.sayHello();
    if (this.#co.isAdmitted) throw failure("not_representable", onlyOurs);
    this.#co.onlyOurs ??= onlyOurs;
  }

  async data(buffers: Buffers, options: WaitOptions): Promise<void> {
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

  /** A wait for the wire; what it knows less of than the conversation is told by the latter. */
  async orWhyLost(wait: Promise<void>): Promise<void> {
    try {
      await wait;
    } catch (thrown) {
      throw this.#co.failure ?? thrown; // of a lost connection it says whether anything may have landed
    }
  }

  #checkSending(): void {
    const { failure: failed, stage } = this.#co;
    if (failed !== undefined) throw failed;
    this.#connection.checkOpen();
    if (stage !== "send") throw failure("wrong_stage", `sending in stage ${stage}`);
  }

  /** The last packet, if it would be read as one. Why not, if it would not: a packet now would be read as raw data by the host, or raw
   *  data as packets. */
  close(): HbiError | undefined {
    const { isInRawData, hasUnwritten, rawBytes: given } = this.bracket;
    const promised = this.#promised;
    // As much as was promised is on the wire, though its source had more to give: the host is satisfied.
    const isWhole = promised === undefined ? !isInRawData : promised === given && !hasUnwritten;
    if (!isWhole) return failure("cancelled", "raw data was not sent to its end, or not as much as promised");
    this.bracket.close();
    return undefined;
  }

  // --- called by the bracket -----------------------------------------------------------------------------------------

  get label(): string {
    return `conversation ${this.#co.coSeq}`;
  }

  /** What is there as a whole promises its raw data by itself, so that a refusal ends it and nothing else. */
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
      asksForPromise: !this.#co.isAnswerDeclared,
    });
    this.#id = token + posting.metadataFieldOf(this.#co);
    return encodePacket("co_begin", this.#id);
  }

  ending(): string {
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
    this.#co.written();
  }
}
