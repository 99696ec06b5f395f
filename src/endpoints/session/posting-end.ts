/**
 * PostingEnd: starts conversations of this side. It keeps at most as many of them unanswered on the wire as the host
 * accepts; further ones wait here in order. docs/protocol.md, section 4.
 */
import { Chain } from "../../chain.ts";
import { asHbiError, failure, type HbiError, oneLine } from "../../errors.ts";
import { checkOptions } from "../../options.ts";
import { needsRich, repr } from "../../parser/repr.ts";
import type { Script } from "../../parser/script.ts";
import type { Introduction } from "../conversation/introduction.ts";
import {
  callTokenSuffix,
  HELLO_SEQ,
  isAnsweredByOurs,
  promisedAnswer,
  SeqCounter,
  seqOf,
  type Token,
} from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import type { Buffers } from "../lane/buffers.ts";
import type { BracketReader } from "../lane/conversation.ts";
import type { Lane } from "../lane/lane.ts";
import { checkTimeout, checkWait, handled, ignore, type WaitOptions } from "../waits.ts";
import { GO_AWAY, PING } from "./builtin-names.ts";
import { Call, type CallRequest } from "./call.ts";
import { NOT_LANDED } from "./closing.ts";
import type { Connection } from "./connection.ts";
import { CONVERSING } from "./conversing.ts";
import { GivenUp } from "./given-up.ts";
import { Hello } from "./hello.ts";
import { typedLayerOf } from "./hosting-env.ts";
import { PeerLimits } from "./peer-limits.ts";
import { CO_OPTIONS, type CoOptions, PoCo } from "./po-co.ts";
import type { PostedCo } from "./posted-co.ts";
import { SeqRing } from "./seq-ring.ts";

/** Within this time after it has connected, a peer of this library has introduced itself. */
const INTRODUCTION_MS = 1_000;

/** For a complete call: apart from scripts, its answer consists of objects. */
const WHOLE: CoOptions = { hasNoRawAnswer: true };

export class PostingEnd {
  readonly #connection: Connection;
  readonly #counter = new SeqCounter();
  /** begun and not completed */
  readonly #live = new SeqRing<PostedCo>();
  /** the number of them that hold a slot on the wire */
  #admitted = 0;
  /** those that wait for one */
  readonly #gate = new Chain<PostedCo>();
  /** those on the wire that may request an object with `co_send`, in the order of sending */
  #asking: Set<PostedCo> | undefined;
  #hello: Hello | undefined;
  #isAttached = false;
  /** what the peer accepts */
  readonly accepted: PeerLimits;
  #mostInFlight: number;
  #suffixMs = Number.NaN;
  #suffixBytes = 0;
  #suffix = "";
  #knowsExtension = false;
  /** whose conversations may go to the wire: if the peer is about to close, only those of handlers for which it
   *  waits */
  #takes: "all" | "of handlers" | "none" = "all";
  #givenUp: GivenUp | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#mostInFlight = connection.limits.maxPostedInFlight;
    this.accepted = new PeerLimits(connection.limits, connection.isDialing ? "service" : "client");
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

  /** Whether the peer has shown that it supports the extension, which only this library implements. */
  get knowsExtension(): boolean {
    return this.#knowsExtension;
  }

  /** Whether a conversation is partly on the wire, so that nothing else may be written. */
  get isSending(): boolean {
    return this.#live.toArray().some((co) => co.at.isSending);
  }

  /** Whether an answer is awaited. */
  get isAwaitingAnswers(): boolean {
    return this.#live.toArray().some(({ at }) => !(at.isUnsent || at.isGivenUp || at.isRefused));
  }

  /** The number of conversations that the peer accepts; that of this side until the peer has introduced itself. */
  get mostInFlight(): number {
    return this.#mostInFlight;
  }

  /** The number of conversations that are not completed. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** In a bundle, the first conversation of an application waits for what it needs. */
  async #loaded({ timeoutMs, signal }: CoOptions | WaitOptions): Promise<void> {
    await this.#connection.waits.until(CONVERSING.load(), { timeoutMs, signal });
  }

  // --- conversations of the application ------------------------------------------------------------------------------

  /** Starts a conversation. Close it; `await using` and `converse` do this automatically.
   *  @throws HbiError unavailable, resource_exhausted if too many wait */
  co(options: CoOptions = {}): Promise<PoCo> {
    return handled(async () => {
      if (CONVERSING.part === undefined) await this.#loaded(options);
      return this.open(options);
    });
  }

  /** Runs `talk` in a conversation of its own, and always closes it. */
  converse<T>(talk: (co: PoCo) => Promise<T>, options: CoOptions = {}): Promise<T> {
    return handled(async () => {
      if (CONVERSING.part === undefined) await this.#loaded(options);
      const co = this.open(options);
      let result: T;
      try {
        result = await talk(co);
      } catch (thrown) {
        if (co.stage === "recv")
          co.abandon(asHbiError(thrown)); // what arrives late is read and dropped
        else void co.close(); // a failed conversation does not wait for the send turn
        throw thrown;
      }
      await co.close();
      return result;
    });
  }

  /** Sends code that needs no answer. Resolves when it is handed to the wire; `waitCompleted` of the returned
   *  conversation reports that it was landed. */
  notif(code: string | Script, options: CoOptions = {}): Promise<PoCo> {
    return handled(async () => {
      checkOptions(options, "notif", CO_OPTIONS);
      if (CONVERSING.part === undefined) await this.#loaded(options);
      const co = this.open({ ...options, hasNoRawData: true, hasNoRawAnswer: true });
      await Promise.all([co.sendCode(code), co.close()]);
      return co;
    });
  }

  /** Sends code and raw data that need no answer. */
  notifData(code: string | Script, buffers: Buffers, options: CoOptions = {}): Promise<PoCo> {
    return handled(async () => {
      checkOptions(options, "notifData", CO_OPTIONS);
      const rawBytes = ArrayBuffer.isView(buffers) ? { rawBytes: buffers.byteLength } : {};
      const talk = async (co: PoCo): Promise<PoCo> => {
        await co.sendCode(code);
        await co.sendData(buffers);
        return co;
      };
      return this.converse(talk, { ...options, ...rawBytes, hasNoRawAnswer: true });
    });
  }

  /** Closes the connection at once; a reason is sent to the peer. Conversations in flight are lost; see `drain`. */
  disconnect(reason?: string): Promise<void> {
    return this.#connection.disconnect(reason);
  }

  open(options: CoOptions): PoCo {
    checkOptions(options, "a conversation", CO_OPTIONS);
    const co = this.#enrolled(options, this.#takeSeq(false), undefined);
    this.#connection.conversationBegun();
    co.heedSignal();
    return co;
  }

  /** A conversation of a call.
   *  @throws HbiError unavailable, resource_exhausted */
  openFor(call: Call): PoCo {
    const { talk, isUrgent = false, onlyOurs } = call.request;
    this.#check(call);
    if (talk !== undefined) {
      return this.#enrolled({ ...talk.options, onlyOurs, timeoutMs: call.leftMs }, this.#takeSeq(isUrgent), call);
    }
    const options = onlyOurs === undefined ? WHOLE : { ...WHOLE, onlyOurs };
    const co = this.#enrolled(options, this.#takeSeq(isUrgent), call);
    this.#connection.account.posts += call.packet.length + ENTRY_COST_BYTES;
    return co;
  }

  /** A call with one script, answered only by objects. For the library's own messages.
   *  @throws HbiError unavailable, resource_exhausted, cancelled if the signal has already aborted */
  call(request: CallRequest): Call {
    const call = new Call(this.#connection.clock, request);
    call.begin(this.#connection);
    if (call.error !== undefined) throw call.error;
    return call;
  }

  // --- numbers and slots ---------------------------------------------------------------------------------------------

  /** The number of a new conversation.
   *  @throws HbiError unavailable, also while draining unless it is urgent; resource_exhausted if too many wait */
  #takeSeq(isUrgent: boolean): number {
    if (isUrgent) this.#connection.checkOpen();
    else this.#connection.checkAccepting();
    const { limits, account } = this.#connection;
    const isFull = this.#live.size >= limits.maxPostedInFlight + limits.maxPostedWaiting;
    if (isFull || account.posts > limits.maxPostedWaitingBytes) throw failure("too_many_waiting");
    return this.#counter.take(this.#live);
  }

  #enrolled(options: CoOptions, seq: number, call: Call | undefined): PoCo {
    const co = new PoCo(this.#connection, this.#connection.lane, seq, options, call);
    this.#live.set(co);
    this.#connection.account.posted += 1;
    return co;
  }

  /** @throws HbiError resource_exhausted for what the peer does not accept */
  #check({ request: { code, name, method, bodyBytes } }: Call): void {
    this.accepted.check(code, "script", name, method);
    if (bodyBytes !== undefined) this.accepted.checkBody(bodyBytes, name, "call", method);
  }

  /** The part of a call's token after its number; the same for all calls with the same deadline and raw data. */
  callSuffix(deadlineMs: number, rawBytes: number): string {
    if (deadlineMs !== this.#suffixMs || rawBytes !== this.#suffixBytes) {
      this.#suffixMs = deadlineMs;
      this.#suffixBytes = rawBytes;
      this.#suffix = callTokenSuffix(this.#connection.isExtended, deadlineMs, rawBytes);
    }
    return this.#suffix;
  }

  /** The part of a conversation's token about its call: that its errors are known, and its metadata, which only a peer
   *  gets that reads them. */
  fieldsOf({ call, metadataField }: PostedCo): string {
    const errors = call?.request.methodOf !== undefined && this.#connection.isExtended ? ";e" : "";
    return this.#knowsExtension ? errors + metadataField : errors;
  }

  /** Requests a slot on the wire, and then the send turn. @param isNext it has waited, and there is one */
  admit(co: PostedCo, isNext = false): void {
    const { onlyOurs } = co;
    if (this.#hello === undefined && (this.#mustBeKnown(co) || co.isLarge || this.#mayHaveLane(co))) this.sayHello();
    if (!isNext && !co.isUrgent && (this.#gate.size > 0 || !this.#hasPlaceFor(co))) {
      this.#gate.add(co);
      return;
    }
    if (onlyOurs !== undefined && !this.reads(onlyOurs)) {
      co.abandon(failure("not_representable", onlyOurs)); // the peer would end the connection for it
      return;
    }
    if (isNext && !this.#isAccepted(co)) return;
    if (co.needsLane && !this.#connection.laneSupply.isKnown) {
      const why = this.#connection.offersLanes ? "the peer takes none" : "this side has turned them off";
      co.abandon(failure("no_lanes", why, NOT_LANDED));
      return;
    }
    co.isAdmitted = true;
    this.#admitted += 1;
    if (co.mayAsk) {
      this.#asking ??= new Set();
      this.#asking.add(co);
    }
    if (!co.wantsLane || !this.#connection.laneSupply.enter(co)) co.lane.turn.request(co.taker);
  }

  /** Whether the peer is known to read such a form. @param onlyOurs where it is, as a text records it */
  reads(onlyOurs: string): boolean {
    return this.#knowsExtension && (this.accepted.readsRich || !needsRich(onlyOurs)); // both from its hello
  }

  /** It may have been made before the peer had said what it accepts. If it is refused, it has failed. */
  #isAccepted(co: PostedCo): boolean {
    try {
      if (co.call === undefined) co.sender.checkAgain();
      else this.#check(co.call);
      return true;
    } catch (thrown) {
      co.abandon(asHbiError(thrown));
      return false;
    }
  }

  /** A large packet, and one that only peers of this library can read, wait until it is known whether the peer accepts
   *  it. */
  #hasPlaceFor(co: PostedCo): boolean {
    const { isLoading } = this.#connection.laneSupply;
    if (isLoading || this.#admitted >= this.#mostInFlight || !this.#takesNew) return false;
    if (this.#hello?.isDone !== false) return true; // first, as this runs for every call
    const waitsForLanes = this.#mayHaveLane(co) && !this.#connection.laneSupply.isKnown;
    return !co.isLarge && !waitsForLanes && !this.#connection.awaitsPeer && !this.#mustBeKnown(co);
  }

  /** Whether it has a lane of its own if the peer takes lanes. */
  #mayHaveLane(co: PostedCo): boolean {
    return co.wantsLane && this.#connection.offersLanes;
  }

  /** Whether it depends on what the peer is how it is sent, and that is not known. */
  #mustBeKnown({ onlyOurs, metadataField }: PostedCo): boolean {
    return !this.#knowsExtension && (onlyOurs !== undefined || metadataField !== "");
  }

  get #takesNew(): boolean {
    return this.#takes === "all" || (this.#takes === "of handlers" && this.#connection.hosting.liveCount > 0);
  }

  #admitNext(): void {
    for (let next = this.#gate.first; next !== undefined && this.#hasPlaceFor(next); next = this.#gate.first) {
      this.#gate.remove(next);
      this.admit(next, true);
    }
  }

  /** Withdraws the request. */
  withdraw(conversation: PostedCo): void {
    this.#gate.remove(conversation);
    this.#connection.laneSupply.withdraw(conversation);
  }

  completed(conversation: PostedCo): void {
    this.#live.delete(conversation.seq);
    this.#connection.account.posted -= 1;
    this.#givenUp?.remove(conversation);
    if (conversation.isAdmitted) {
      conversation.isAdmitted = false;
      this.#admitted -= 1;
      this.#asking?.delete(conversation);
      this.#givenUp?.endSilence();
      if (this.#gate.size > 0) this.#admitNext();
    }
    this.#connection.conversationEnded(conversation.lane);
  }

  // --- the extension -------------------------------------------------------------------------------------------------

  /** Introduces this side, once. */
  sayHello(): void {
    if (!this.#connection.isExtended || this.#hello !== undefined || !this.#connection.isOpen) return;
    this.#hello = new Hello(this.#connection);
    if (this.#isAttached) this.#hello.say();
  }

  /** The connection has its environment, which the hello describes. A call may have been made before. */
  attached(): void {
    this.#isAttached = true;
    this.#hello?.say();
  }

  /** Resolves when the peer has acknowledged the hello, if there is one. */
  async introduction(options: WaitOptions): Promise<void> {
    await this.#hello?.acknowledged(options);
  }

  /** The peer has acknowledged the hello, and a peer of this library has declared before what it accepts; or lanes are
   *  loaded. */
  introduced(): void {
    this.#admitNext();
  }

  /** The peer supports the extension: its acknowledgement shows it, or its own token declares it. */
  extensionSeen(token?: Token): void {
    if (!this.#connection.isExtended) return;
    if (!this.#knowsExtension) {
      this.#knowsExtension = true;
      this.sayHello();
      this.#givenUp?.tellAll();
    }
    if (token?.introduction !== undefined) this.#heed(token.introduction);
  }

  #heed(introduction: Introduction): void {
    const { maxPostedInFlight } = this.#connection.limits;
    this.#mostInFlight = Math.min(introduction.limits.maxInFlight ?? maxPostedInFlight, maxPostedInFlight);
    this.accepted.heed(introduction);
    this.#connection.peerHasLanes(introduction);
    typedLayerOf(this.#connection.env)?.introduced?.(introduction, this.#connection);
    this.#admitNext();
  }

  /** Whether the peer may still say what it accepts; undefined if it has not been asked, and may be of any kind. */
  get isIntroducing(): boolean | undefined {
    return this.#connection.isExtended ? this.#hello && !this.#hello.isDone : false;
  }

  /** Finds out whether the peer supports the extension: it answers the hello before anything else. */
  learnExtension(options: WaitOptions = {}): Promise<boolean> {
    return handled(async () => {
      checkWait(options);
      if (this.#knowsExtension || !this.#connection.isExtended) return this.#knowsExtension;
      this.#connection.checkOpen();
      this.sayHello();
      await this.#hello?.acknowledged(options);
      return this.#knowsExtension;
    });
  }

  /** Calls one of the library's methods with a result. @throws HbiError */
  callBuiltin(name: string, options: WaitOptions = {}, args = ""): Promise<unknown> {
    const timeoutMs = checkTimeout(options.timeoutMs) ?? this.#connection.limits.callTimeoutMs;
    const { signal } = options;
    const request = { name, code: `${name}(${args})`, results: [undefined], wantsResults: true, timeoutMs, signal };
    return this.call({ ...request, isUrgent: true }).promise;
  }

  /** Pings the peer. Resolves when it has answered. */
  ping(options: WaitOptions = {}): Promise<void> {
    return handled(async () => {
      checkWait(options);
      if (this.#knowsExtension) await this.callBuiltin(PING, options);
      else if (this.#hello?.isDone === false)
        await this.#hello.acknowledged(options); // an ordinary round trip
      else {
        if (CONVERSING.part === undefined) await this.#loaded(options);
        await this.open({ ...options, hasNoRawData: true, hasNoRawAnswer: true }).waitCompleted(options);
      }
    });
  }

  /** Sends something that the peer need not answer soon. */
  showLife(): void {
    this.say("ping", `${PING}()`).catch(ignore); // whether it arrives is not this side's concern
  }

  /** The answer is not wanted any more. */
  gaveUp(conversation: PostedCo): void {
    if (this.#live.get(conversation.seq) !== conversation) return; // it has ended
    this.#givenUp ??= new GivenUp(this.#connection);
    this.#givenUp.add(conversation);
  }

  /** Asks the peer to begin nothing more. Resolves when everything that it had begun by then was read. */
  async sayGoAway(reason: string | undefined): Promise<void> {
    await this.#acquainted();
    if (!this.#knowsExtension || !this.#connection.isOpen) return;
    await this.say("goaway", `${GO_AWAY}(${reason === undefined ? "" : repr(oneLine(reason))})`).catch(ignore); // the connection closes in any case
  }

  /** A peer of this library introduces itself at once, or answers a hello. */
  async #acquainted(): Promise<void> {
    if (this.#knowsExtension || !this.#connection.isExtended) return;
    const { hosting, limits } = this.#connection;
    const known =
      this.#hello === undefined
        ? hosting.begun({ timeoutMs: INTRODUCTION_MS })
        : this.#hello.acknowledged({ timeoutMs: limits.closeTimeoutMs });
    await known.catch(ignore); // then it is not
  }

  /** Sends a message of the library. */
  async say(name: string, code: string): Promise<void> {
    const { closeTimeoutMs } = this.#connection.limits;
    await this.call({ name, code, results: [], wantsResults: false, timeoutMs: closeTimeoutMs, isUrgent: true })
      .promise;
  }

  // --- what arrives --------------------------------------------------------------------------------------------------

  /** co_ack_begin: the conversation that reads on. @throws HbiError failed_precondition for an id that is not in
   *  flight */
  answerBegins(id: string, lane: Lane): BracketReader {
    const seq = seqOf(id);
    if (Number(seq) === HELLO_SEQ && this.#hello !== undefined && lane === this.#connection.lane)
      return this.#begun(id, this.#hello);
    const co = this.#live.get(Number(seq));
    if (co === undefined || co.coSeq !== seq || !co.isAdmitted || co.lane !== lane) {
      throw failure("bad_state", "co_ack_begin of an unknown id");
    }
    return this.#begun(id, co);
  }

  #begun<T extends BracketReader & { answerBegins(rawBytes: number | undefined): void }>(id: string, co: T): T {
    if (!this.#knowsExtension && isAnsweredByOurs(id)) this.extensionSeen();
    co.answerBegins(promisedAnswer(id));
    return co;
  }

  /** A co_recv outside of any bracket: the reference's answers to co_send, in the order of the requests. */
  takeLoneObject(text: string): void {
    if (!this.takeLone(text)) throw failure("bad_state", "an object outside of a conversation");
  }

  /** False if none was requested. The Go reference sends it without holding its turn, so it may occur inside another
   *  answer. */
  takeLone(text: string): boolean {
    for (const co of this.#asking ?? []) if (co.takeLoneObject(text)) return true;
    return false;
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** The peer accepts nothing new: what has not begun returns to its origin. What running handlers begin from now on
   *  does not, until they have ended. */
  turnAway(error: HbiError): void {
    if (this.#takes === "none") return;
    this.#takes = "none";
    this.#each((co) => {
      if (co.at.isUnsent) co.lose(error);
    });
    if (this.#connection.isOpen) this.#takes = "of handlers";
  }

  /** Whether a conversation of this side is on the lane. */
  usesLane(lane: Lane): boolean {
    return this.#live.toArray().some((co) => co.lane === lane);
  }

  loseLane(lane: Lane, error: HbiError): void {
    this.#each((co) => {
      if (co.lane === lane) co.lose(error);
    });
  }

  loseAll(error: HbiError): void {
    this.#takes = "none";
    this.#givenUp?.endSilence();
    this.#hello?.lose(error);
    this.#each((co) => co.lose(error));
  }

  /** Those in flight by number. Numbers are assigned in order and start again at 101. A conversation that failed
   *  because of another belongs to the next connection. */
  #each(run: (co: PostedCo) => void): void {
    const all = this.#live.toArray().sort((a, b) => a.seq - b.seq);
    for (const co of all) if (this.#live.get(co.seq) === co) run(co);
  }
}
