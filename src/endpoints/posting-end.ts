/**
 * PostingEnd: where this side starts conversations. Keeps at most as many of them unanswered on the wire as a host takes;
 * more wait here, in the order asked. docs/protocol.md, "conversations".
 */
import { failure, type HbiError } from "../errors.ts";
import type { Script } from "../parser/script.ts";
import type { Bracket } from "./bracket.ts";
import type { Keeper, PostingDesk } from "./keeper.ts";
import { type CoOptions, PoCo } from "./po-co.ts";
import type { Buffers } from "./raw-intake.ts";
import { SeqCounter, seqOf } from "./token.ts";
import { unguarded } from "./waits.ts";

export class PostingEnd implements PostingDesk {
  readonly #connection: Keeper;
  readonly #counter = new SeqCounter();
  /** begun and not completed */
  readonly #live = new Map<number, PoCo>();
  /** those of them that hold a place on the wire */
  readonly #admitted = new Set<number>();
  readonly #gate = new Map<Bracket, number>();
  #knowsExtension = false;

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

  /** Whether a conversation is half on the wire, so that nothing else may be written. */
  get isSending(): boolean {
    for (const co of this.#live.values()) if (co.isSending) return true;
    return false;
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
      void co.close(); // who failed does not wait for the send turn as well
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
    const { limits } = this.#connection;
    this.#connection.checkAccepting();
    if (this.#live.size >= limits.maxPostedInFlight + limits.maxPostedWaiting) throw failure("too_many_waiting");
    const seq = this.#counter.take((candidate) => this.#live.has(candidate));
    const co = new PoCo(this.#connection, this.#connection.env, seq, options);
    this.#live.set(seq, co);
    co.heedSignal();
    return co;
  }

  admit(seq: number, bracket: Bracket): void {
    if (this.#admitted.size >= this.#connection.limits.maxPostedInFlight) {
      this.#gate.set(bracket, seq);
      return;
    }
    this.#admitted.add(seq);
    this.#connection.turn.request(bracket);
  }

  withdraw(bracket: Bracket): void {
    this.#gate.delete(bracket);
    this.#connection.turn.withdraw(bracket);
  }

  completed(seq: number): void {
    this.#live.delete(seq);
    if (this.#admitted.delete(seq)) {
      for (const [bracket, waiting] of this.#gate) {
        this.#gate.delete(bracket);
        this.admit(waiting, bracket);
        break;
      }
    }
    this.#connection.conversationEnded();
  }

  /** co_ack_begin: who reads on. @throws HbiError failed_precondition for an id that is not in flight */
  answerBegins(id: string): PoCo {
    const seq = seqOf(id);
    const co = this.#live.get(Number(seq));
    if (co === undefined || co.coSeq !== seq || !this.#admitted.has(co.seq)) {
      throw failure("bad_state", "co_ack_begin of an unknown id");
    }
    if (id === seq && this.#connection.isExtended) this.#knowsExtension = true;
    co.answerBegins();
    return co;
  }

  /** A co_recv outside of any bracket: the reference's answer to co_send, in the order asked. */
  takeLoneObject(text: string): void {
    for (const seq of this.#admitted) if (this.#live.get(seq)?.takeLoneObject(text) === true) return;
    throw failure("bad_state", "an object outside of a conversation");
  }

  loseAll(error: HbiError): void {
    this.#gate.clear();
    for (const co of this.#live.values()) co.lose(error);
  }
}
