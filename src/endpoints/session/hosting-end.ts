/**
 * HostingEnd: hosts the peer's conversations: those that run, and those that wait for a slot. docs/protocol.md, section
 * 4.
 */
import { Chain, type Chained } from "../../chain.ts";
import { digits, failure, type HbiError } from "../../errors.ts";
import type { OnDemand } from "../../on-demand.ts";
import { opaqueToken, promisedBytes, type Token, TokenReader } from "../conversation/token.ts";
import type { Bracket } from "../lane/bracket.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Lane } from "../lane/lane.ts";
import type { Wait, WaitOptions } from "../waits.ts";
import { isUrgent } from "./builtin-names.ts";
import type { Connection } from "./connection.ts";
import { CONVERSING, conversingNow } from "./conversing.ts";
import type { HoCo } from "./ho-co.ts";
import { isHello, PeerHello } from "./peer-hello.ts";

/** What is known of a script before it is parsed. */
export interface ArrivedScript {
  readonly text: string;
  /** whether its value is sent back as an object, because it came as co_send */
  readonly wantsValue: boolean;
  /** the size accounted for it */
  readonly bytes: number;
}

interface Waiting {
  readonly script: ArrivedScript;
  /** of text and raw data */
  readonly bytes: number;
}

/** A conversation of the peer: a HoCo, or a hello. */
export interface Hosted extends Chained {
  readonly coSeq: string;
  readonly lane: Lane;
  /** whether its answer is not written */
  readonly owesAnswer: boolean;
  /** of its slot, if it has one */
  readonly placeBytes: number | undefined;
  cancel(): void;
  lose(error: HbiError): void;
}

export class HostingEnd {
  readonly #connection: Connection;
  readonly #tokens = new TokenReader();
  /** conversations whose handler or answer has not ended */
  readonly #live = new Chain<Hosted>();
  /** those of them that wait for a slot, in order of arrival */
  #waiting: Map<HoCo, Waiting> | undefined;
  #isAdmitting = false;
  #hasBegun = false;
  #first: Wait<void> | undefined;
  /** whether the peer has introduced itself, which does not count as a call */
  #isIntroduced = false;
  /** answers to seed-era posters, which must be sent in the order of the requests */
  #seedAnswers: readonly Bracket[] = NONE;
  /** those of them that have data to send */
  #seedEntering: Set<Bracket> | undefined;
  #co: HoCo | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get netIdent(): string {
    return this.#connection.netIdent;
  }

  get localAddress(): string {
    return this.#connection.localAddress;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  /** The conversation whose script is being landed. Read it before the handler's first `await`; later it belongs to
   *  another. */
  get co(): HoCo | undefined {
    return this.#co;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** Whether an answer is not written. Handlers that were given up may run on without one. */
  get owesAnswers(): boolean {
    return this.#live.toArray().some(({ owesAnswer }) => owesAnswer);
  }

  /** Closes the connection; a reason is sent to the peer. */
  disconnect(reason?: string): Promise<void> {
    return this.#connection.disconnect(reason);
  }

  // --- slots ---------------------------------------------------------------------------------------------------------

  /** How many may run at once: one for a peer that has not authenticated. */
  get #most(): number {
    return this.#connection.env.isPreAuth ? 1 : this.#connection.limits.maxInFlight;
  }

  /** Whether reading must continue without a free slot: a handler may wait for an answer that is behind. */
  get mustReadOn(): boolean {
    return this.#connection.posting.liveCount > 0;
  }

  /** Whether one more may begin. One more than may run or wait, because the library's own messages must pass: its
   *  script is checked. */
  get mayBegin(): boolean {
    return this.#live.size <= this.#most + this.#mostWaiting;
  }

  /** Whether more may wait; before authentication, only if reading must continue. */
  get #mostWaiting(): number {
    const { env, limits } = this.#connection;
    return env.isPreAuth && !this.mustReadOn ? 0 : limits.maxHostedWaiting;
  }

  /** Resolves when the peer has begun a conversation, which shows whether it supports the extension. */
  async begun(options: WaitOptions): Promise<void> {
    if (this.#hasBegun) return;
    this.#first ??= this.#connection.waits.start<void>(options, { isHearing: true });
    await this.#first.promise;
  }

  /** Whether a script may run now, waits for a slot, must be passed again later, or is refused unparsed. Waiting
   *  scripts are read, so that what is behind them can be read: an answer that handlers wait for, a cancellation. If
   *  too much waits, reading stops, unless there may be such an answer.
   *  @param isFirst of its conversation */
  admission(co: HoCo, token: Token, script: ArrivedScript, isFirst: boolean): "now" | "wait" | "later" | HbiError {
    const { account, limits } = this.#connection;
    const refusal = this.#connection.beginGate.refusalOf(token);
    const { bytes, text } = script;
    if ((refusal === undefined || isUrgent(text)) && (this.#takePlace(co, bytes) || isUrgent(text))) return "now";
    const rawBytes = promisedBytes(token);
    if (!isFirst || rawBytes === undefined) return "later"; // what follows it may be raw data
    if (refusal !== undefined) return refusal;
    const all = bytes + rawBytes;
    const isFew = (this.#waiting?.size ?? 0) < this.#mostWaiting;
    if (isFew && account.waiting + all <= limits.maxBufferedBytes && account.mayWait(all)) return "wait";
    if (!this.mustReadOn) return "later";
    return failure("overloaded", this.#whyNone(all));
  }

  /** What this side knows of the other's own calls, and nothing of other connections. */
  #whyNone(bytes: number): string {
    const { account, limits } = this.#connection;
    const calls = this.#waiting?.size ?? 0;
    if (calls >= this.#mostWaiting) return `${digits(calls)}, at most ${digits(this.#mostWaiting)} (maxHostedWaiting)`;
    const all = account.waiting + bytes;
    if (all <= limits.maxBufferedBytes) return "the process holds too much for all of its peers";
    return `${digits(all)} bytes with this one, at most ${digits(limits.maxBufferedBytes)} (maxBufferedBytes)`;
  }

  /** One slot for all scripts of a conversation, from the first that needs one. */
  #takePlace(co: HoCo, bytes: number): boolean {
    const { account } = this.#connection;
    if (co.placeBytes !== undefined) account.resizePlace(bytes - co.placeBytes);
    else {
      const isNext = this.#waiting === undefined || this.#waiting.size === 0 || this.#waiting.has(co);
      if (!isNext || !account.takePlace(bytes, this.#most)) return false;
    }
    co.placeBytes = bytes;
    return true;
  }

  wait(co: HoCo, token: Token, script: ArrivedScript): void {
    const bytes = script.bytes + (promisedBytes(token) ?? 0);
    this.#waiting ??= new Map();
    this.#waiting.set(co, { script, bytes });
    this.#connection.account.wait(bytes);
  }

  waitsNoMore(co: HoCo): void {
    const waiting = this.#waiting?.get(co);
    if (waiting === undefined) return;
    this.#waiting?.delete(co);
    this.#connection.account.wait(-waiting.bytes);
  }

  /** Slots may be free. A loop instead of a recursion, because what it admits may end before it returns. */
  admit(): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    while (this.#connection.isOpen) {
      const next = this.#waiting?.entries().next();
      if (next === undefined || next.done === true) break;
      const [co, { script }] = next.value;
      if (!this.#takePlace(co, script.bytes)) break;
      this.waitsNoMore(co);
      co.land(script);
    }
    this.#isAdmitting = false;
  }

  // --- conversations -------------------------------------------------------------------------------------------------

  /** What must be loaded before it may begin. */
  missingFor(id: string): OnDemand<unknown> | undefined {
    return CONVERSING.part !== undefined || isHello(id) ? undefined : CONVERSING;
  }

  begin(id: string, lane: Lane): BracketReader {
    const { env, isExtended, posting } = this.#connection;
    const token = isExtended ? this.#tokens.read(id) : opaqueToken(id);
    if (token.isOpenEnded && lane === this.#connection.lane) throw failure("bad_token", "u on lane 0");
    if (token.isExtended) posting.extensionSeen(token);
    this.#hasBegun = true;
    this.#first?.settle();
    const isHello = token.introduction !== undefined && !this.#isIntroduced;
    if (isHello) this.#isIntroduced = true;
    else this.#connection.budgets.called(1);
    this.#connection.account.beginHosted();
    if (CONVERSING.part === undefined) return this.#added(new PeerHello(this, lane, env, token));
    return this.#added(new CONVERSING.part.HoCo(this.#connection, lane, env, token));
  }

  #added<T extends Hosted>(co: T): T {
    this.#live.add(co);
    return co;
  }

  /** The hello has a script: from here on, it is hosted as any other conversation. */
  goOn(hello: PeerHello): HoCo {
    const { HoCo } = conversingNow();
    this.#live.remove(hello);
    const co = this.#added(new HoCo(this.#connection, hello.lane, hello.env, hello.token));
    co.lane.reading.give(co);
    return co;
  }

  enter(co: HoCo): HoCo | undefined {
    const outer = this.#co;
    this.#co = co;
    return outer;
  }

  leave(outer: HoCo | undefined): void {
    this.#co = outer;
  }

  /** The peer no longer waits for the answer to one of its conversations. */
  cancel(seq: string): void {
    for (const co of this.#live.toArray()) if (co.coSeq === seq) co.cancel(); // at most as many as may be in flight
  }

  peerGoesAway(reason: string | undefined): void {
    this.#connection.peerGoesAway(reason);
  }

  ended(co: Hosted): void {
    const { account } = this.#connection;
    this.#live.remove(co);
    account.endHosted();
    if (co.placeBytes !== undefined) account.givePlace(co.placeBytes);
    this.admit();
    this.#connection.conversationEnded(co.lane);
  }

  /** Whether a conversation of the peer is on the lane. */
  usesLane(lane: Lane): boolean {
    return this.#live.toArray().some((co) => co.lane === lane);
  }

  loseLane(lane: Lane, error: HbiError): void {
    for (const co of this.#live.toArray()) if (co.lane === lane) co.lose(error);
  }

  loseAll(error: HbiError): void {
    for (const co of this.#live.toArray()) co.lose(error);
  }

  // --- seed-era posters: docs/protocol.md, section 8 -----------------------------------------------------------------

  queueSeedAnswer(bracket: Bracket): void {
    this.#seedAnswers = [...this.#seedAnswers, bracket]; // as many as are in flight
  }

  /** Requests the send turn after the answers to earlier requests are closed. */
  enterSeedAnswer(bracket: Bracket): void {
    this.#seedEntering ??= new Set();
    this.#seedEntering.add(bracket);
    this.#admitSeedAnswer();
  }

  seedAnswerClosed(bracket: Bracket): void {
    this.#seedEntering?.delete(bracket);
    this.#seedAnswers = this.#seedAnswers.filter((other) => other !== bracket);
    this.#admitSeedAnswer();
  }

  #admitSeedAnswer(): void {
    const [head] = this.#seedAnswers;
    if (head !== undefined && this.#seedEntering?.delete(head) === true) head.lane.turn.request(head);
  }
}

const NONE: readonly Bracket[] = [];
