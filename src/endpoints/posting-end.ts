/**
 * PostingEnd: where this side starts conversations. Keeps at most as many of them unanswered on the wire as a host takes;
 * more wait here, in the order asked. docs/protocol.md, "conversations".
 */
import { Chain } from "../chain.ts";
import { asHbiError, failure, type HbiError, oneLine } from "../errors.ts";
import { repr } from "../parser/repr.ts";
import type { Script } from "../parser/script.ts";
import { CANCEL, GO_AWAY } from "./builtin-names.ts";
import type { Keeper, PostedConversation, PostingDesk } from "./keeper.ts";
import { type CallRequest, PoCall } from "./po-call.ts";
import { type CoOptions, PoCo } from "./po-co.ts";
import type { Buffers } from "./raw-intake.ts";
import { SeqRing } from "./seq-ring.ts";
import { callTokenSuffix, SeqCounter, seqOf } from "./token.ts";
import { checkTimeout, ignore, unguarded, type WaitOptions } from "./waits.ts";

export class PostingEnd implements PostingDesk {
  readonly #connection: Keeper;
  readonly #counter = new SeqCounter();
  /** begun and not completed */
  readonly #live = new SeqRing<PostedConversation>();
  /** how many of them hold a place on the wire */
  #admitted = 0;
  /** those that wait for one */
  readonly #gate = new Chain<PostedConversation>();
  /** those on the wire that may ask for an object by `co_send`, in the order of sending */
  #asking: Set<PostedConversation> | undefined;
  #suffixMs = Number.NaN;
  #suffixBytes = 0;
  #suffix = "";
  #knowsExtension = false;
  #hasBeenAnswered = false;

  constructor(connection: Keeper) {
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

  /** Whether the peer has acknowledged a conversation in the way that only an implementation of the extension does. */
  get knowsExtension(): boolean {
    return this.#knowsExtension;
  }

  /** Whether the peer has answered anything. */
  get hasBeenAnswered(): boolean {
    return this.#hasBeenAnswered;
  }

  /** Whether a conversation is half on the wire, so that nothing else may be written. */
  get isSending(): boolean {
    return this.#live.toArray().some((co) => co.isSending);
  }

  /** Conversations that are not completed. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** Starts a conversation. Close it, or use `await using` or `converse`, which do.
   *  @throws HbiError unavailable, resource_exhausted when too many wait */
  async co(options: CoOptions = {}): Promise<PoCo> {
    return this.begin(options);
  }

  /** Runs `talk` in a conversation of its own, and closes it whatever happens. */
  async converse<T>(talk: (co: PoCo) => Promise<T>, options: CoOptions = {}): Promise<T> {
    const co = this.begin(options);
    let result: T;
    try {
      result = await talk(co);
    } catch (thrown) {
      if (co.stage === "recv")
        co.abandon(asHbiError(thrown)); // what comes late is read and dropped
      else void co.close(); // who failed does not wait for the send turn as well
      throw thrown;
    }
    await co.close();
    return result;
  }

  /** Sends code that needs no answer. Resolves when it is handed to the wire; `waitCompleted` of the conversation that it
   *  gives says that it was landed. */
  notif(code: string | Script, options: CoOptions = {}): Promise<PoCo> {
    return unguarded(this.#notif(code, options));
  }

  async #notif(code: string | Script, options: CoOptions): Promise<PoCo> {
    const co = this.begin({ ...options, hasNoRawData: true, hasNoRawAnswer: true });
    await Promise.all([co.sendCode(code), co.close()]);
    return co;
  }

  /** Sends code and raw data that need no answer. */
  notifData(code: string | Script, buffers: Buffers, options: CoOptions = {}): Promise<PoCo> {
    return unguarded(this.#notifData(code, buffers, options));
  }

  async #notifData(code: string | Script, buffers: Buffers, options: CoOptions): Promise<PoCo> {
    const rawBytes = ArrayBuffer.isView(buffers) ? { rawBytes: buffers.byteLength } : {};
    const co = this.begin({ ...options, ...rawBytes, hasNoRawAnswer: true });
    await co.sendCode(code);
    await co.sendData(buffers);
    await co.close();
    return co;
  }

  /** Says why, if a reason is given, and closes the connection. Conversations in flight are lost: see `drain`. */
  disconnect(reason?: string): Promise<void> {
    return this.#connection.disconnect(reason);
  }

  begin(options: CoOptions): PoCo {
    this.#connection.checkAccepting();
    const co = new PoCo(this.#connection, this.#takeSeq(), options);
    this.#live.set(co);
    this.#connection.conversationBegun();
    co.heedSignal();
    return co;
  }

  /** A call that is one script, answered by objects alone: the short way. For the typed layer.
   *  @throws HbiError unavailable, resource_exhausted, cancelled when the signal has aborted already */
  call(request: CallRequest): PoCall {
    if (request.isUrgent === true) this.#connection.checkOpen();
    else this.#connection.checkAccepting();
    const { signal } = request;
    if (signal?.aborted === true) throw failure("cancelled", undefined, { cause: signal.reason });
    const call = new PoCall(this.#connection, this.#takeSeq(), request);
    this.#live.set(call);
    this.admit(call, request.isUrgent);
    call.waits();
    this.#connection.conversationBegun(); // last: what it reads may call as well, and must not overtake
    return call;
  }

  /** The part of a call's token behind its number; the same for all that may take as long and carry as much. */
  callSuffix(deadlineMs: number, rawBytes: number): string {
    if (deadlineMs !== this.#suffixMs || rawBytes !== this.#suffixBytes) {
      this.#suffixMs = deadlineMs;
      this.#suffixBytes = rawBytes;
      this.#suffix = callTokenSuffix(this.#connection.isExtended, deadlineMs, rawBytes);
    }
    return this.#suffix;
  }

  #takeSeq(): number {
    const { maxPostedInFlight, maxPostedWaiting } = this.#connection.limits;
    if (this.#live.size >= maxPostedInFlight + maxPostedWaiting) throw failure("too_many_waiting");
    return this.#counter.take(this.#live);
  }

  admit(conversation: PostedConversation, isUrgent = false): void {
    if (!isUrgent && this.#admitted >= this.#connection.limits.maxPostedInFlight) {
      this.#gate.add(conversation);
      return;
    }
    conversation.isAdmitted = true;
    this.#admitted += 1;
    if (conversation.mayAsk) {
      this.#asking ??= new Set();
      this.#asking.add(conversation);
    }
    conversation.admitted();
  }

  withdraw(conversation: PostedConversation): void {
    this.#gate.remove(conversation);
  }

  replace(conversation: PostedConversation, successor: PostedConversation): void {
    this.#live.set(successor);
    successor.isAdmitted = conversation.isAdmitted;
    this.#connection.handOverReader(conversation, successor);
  }

  /** Makes sure whether the peer speaks the extension: an empty conversation costs one round trip, and any peer takes it. */
  async learnExtension(options: WaitOptions = {}): Promise<boolean> {
    if (!this.#knowsExtension && this.#connection.isExtended) {
      await this.begin({ ...options, hasNoRawData: true, hasNoRawAnswer: true }).waitCompleted(options);
    }
    return this.#knowsExtension;
  }

  /** The peer speaks the extension: it has acknowledged as only such a peer does, or says so in its own token. */
  extensionSeen(): void {
    if (this.#connection.isExtended) this.#knowsExtension = true;
  }

  /** Calls one of the library's own methods that answers. @throws HbiError */
  callBuiltin(name: string, options: WaitOptions = {}, args = ""): Promise<unknown> {
    const timeoutMs = checkTimeout(options.timeoutMs) ?? this.#connection.limits.callTimeoutMs;
    const { signal } = options;
    const request = { name, code: `${name}(${args})`, results: [undefined], wantsResults: true, timeoutMs, signal };
    return this.call({ ...request, isUrgent: true }).promise;
  }

  cancelAtPeer(seq: number): void {
    if (!this.#knowsExtension || !this.#connection.isOpen) return;
    this.#say("cancel", `${CANCEL}("${seq}")`).catch(ignore); // it is a courtesy: the call has been given up either way
  }

  /** Asks the peer to begin nothing more. Resolves when everything that it had begun by then has been read here. */
  async sayGoAway(reason: string | undefined): Promise<void> {
    if (!this.#knowsExtension || !this.#connection.isOpen) return;
    await this.#say("goaway", `${GO_AWAY}(${reason === undefined ? "" : repr(oneLine(reason))})`).catch(ignore); // closing anyway
  }

  async #say(name: string, code: string): Promise<void> {
    const { closeTimeoutMs } = this.#connection.limits;
    await this.call({ name, code, results: [], wantsResults: false, timeoutMs: closeTimeoutMs, isUrgent: true })
      .promise;
  }

  completed(conversation: PostedConversation): void {
    this.#live.delete(conversation.seq);
    if (conversation.isAdmitted) {
      conversation.isAdmitted = false;
      this.#admitted -= 1;
      this.#asking?.delete(conversation);
      this.#admitNext();
    }
    this.#connection.conversationEnded();
  }

  #admitNext(): void {
    if (this.#gate.size === 0 || this.#admitted >= this.#connection.limits.maxPostedInFlight) return;
    const next = this.#gate.shift();
    if (next !== undefined) this.admit(next);
  }

  /** co_ack_begin: who reads on. @throws HbiError failed_precondition for an id that is not in flight */
  answerBegins(id: string): PostedConversation {
    const seq = seqOf(id);
    const co = this.#live.get(Number(seq));
    if (co === undefined || co.coSeq !== seq || !co.isAdmitted) {
      throw failure("bad_state", "co_ack_begin of an unknown id");
    }
    this.#hasBeenAnswered = true;
    if (id === seq) this.extensionSeen();
    co.answerBegins();
    return co;
  }

  /** A co_recv outside of any bracket: the reference's answer to co_send, in the order asked. */
  takeLoneObject(text: string): void {
    for (const co of this.#asking ?? []) if (co.takeLoneObject(text)) return;
    throw failure("bad_state", "an object outside of a conversation");
  }

  loseAll(error: HbiError): void {
    this.#gate.clear();
    for (const co of this.#live.toArray()) co.lose(error);
  }
}
