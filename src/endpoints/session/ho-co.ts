/**
 * HoCo: a conversation that the peer started and this side hosts, as its handlers use it. docs/protocol.md, section 4.
 */
import { failure } from "../../errors.ts";
import { needsRich } from "../../parser/repr.ts";
import { Script, scriptText } from "../../parser/script.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { keepFromFailingUnheard } from "../conversation/body-source.ts";
import { sendBuffers, settled } from "../conversation/co-sender.ts";
import type { Metadata } from "../conversation/metadata.ts";
import { packetOf } from "../conversation/packet-of.ts";
import type { Buffers } from "../lane/buffers.ts";
import { checkWait, handled, markHandled, rawOptions, type WaitOptions } from "../waits.ts";
import type { Schema, SchemaOutput } from "./co-receiver.ts";
import { HostedCo } from "./hosted-co.ts";
import type { PeerLimits } from "./peer-limits.ts";

export class HoCo extends HostedCo {
  get co(): this {
    return this;
  }

  /** Texts that travel with the conversation; empty if the poster does not support the extension. A claim of the poster, not a proof. */
  get metadata(): Metadata {
    return this.token.metadata;
  }

  /** Whether the poster knows the declared errors of the methods that it calls. */
  get hearsErrors(): boolean {
    return this.token.hearsErrors;
  }

  /** Milliseconds until the poster's deadline or the handler timeout, whichever is first. */
  get remainingMs(): number {
    return this.time.remainingMs;
  }

  /** Aborts when the conversation is cancelled: its deadline has passed, a later statement failed, or the connection is
   *  lost. */
  get signal(): AbortSignal {
    return this.signals.cancelled(this.failure);
  }

  /** Whether `signal` has aborted, or would have if it existed. */
  get isGivenUp(): boolean {
    return this.failure !== undefined;
  }

  /** Aborts when either side begins to drain: the connection closes when its handlers have ended. */
  get draining(): AbortSignal {
    return this.signals.draining(this.state === "over");
  }

  /** What the poster accepts. */
  get accepted(): PeerLimits {
    return this.answer.accepted;
  }

  /** The number of unread raw bytes of the current call; `Infinity` while it is unknown. */
  get unreadBytes(): number {
    return this.intake.unreadBytes;
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  /** Receives an object that the peer sent with `sendObj`; without a schema it is `unknown`.
   *  @throws HbiError failed_precondition if the peer sends something else, invalid_argument if it is refused */
  recvObj<S extends Schema | undefined = undefined>(schema?: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#object(schema as S, options));
  }

  /** `recvObj` with the value constructors of `env`. */
  recvObjIn<S extends Schema>(env: HostingEnv, schema: S, options: WaitOptions = {}): Promise<SchemaOutput<S>> {
    return markHandled(this.#object(schema, options, env));
  }

  async #object<S extends Schema | undefined>(
    schema: S,
    options: WaitOptions,
    env?: HostingEnv,
  ): Promise<SchemaOutput<S>> {
    if (this.intake.unreadBytes > 0) throw failure("body_unread");
    if (this.stage !== "recv" && !this.received.hasObject) throw failure("no_answer");
    return this.received.object(schema, options, {}, env);
  }

  /** Fills one buffer, or each buffer of an iterable, with raw bytes that the peer sent with `sendData`.
   *
   *  The total is bounded by the length that the method declares; a method with `body: "manual"` determines it by what
   *  it requests.
   *  @throws HbiError out_of_range beyond the declared length, unavailable */
  recvData(into: Buffers, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.received.data(into, this.isManual, rawOptions(options)));
  }

  /** The next `byteLength` raw bytes as they arrive, in the chunks of the wire and without a copy; default: the rest of
   *  the declared length. */
  recvChunks(byteLength = this.intake.unreadBytes, options: WaitOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return this.received.chunks(byteLength, this.isManual, rawOptions(options));
  }

  /** Skips the unread raw data of the current call, so that what follows it can be read. */
  discardData(): void {
    this.intake.discard();
    if (this.checkRest()) this.lane.pump();
  }

  /** Waits until the peer has sent the whole conversation; then the wire serves others. Optional: it happens
   *  automatically when the script has its data. */
  finishRecv(options: WaitOptions = {}): Promise<void> {
    return markHandled(this.untilReceived(options));
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** Sends code, which the poster lands for its effects. Small sends are collected until the handler has returned,
   *  unless `startSend` was called before. */
  sendCode(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#send("", code, options));
  }

  /** Sends an object for the poster's `recvObj`, as code that yields a value: `repr(value)`. */
  sendObj(code: string | Script, options: WaitOptions = {}): Promise<void> {
    return markHandled(this.#send("co_recv", code, options));
  }

  async #send(directive: "" | "co_recv", code: string | Script, options: WaitOptions): Promise<void> {
    checkWait(options);
    const onlyOurs = code instanceof Script ? code.onlyOurs : undefined;
    if (onlyOurs !== undefined && !(this.isExtended && (this.accepted.readsRich || !needsRich(onlyOurs)))) {
      throw failure("not_representable", onlyOurs);
    }
    const text = scriptText(code);
    const packet = packetOf(directive, text);
    const { accepted } = this;
    if (directive === "") accepted.check(text, "script", "the script");
    else accepted.check(text, "object", "the object");
    this.#checkAnswer();
    this.#checkBehind();
    if (directive === "") this.answer.hasScripts = true;
    const sent = this.answer.append(packet, options);
    if (this.failure !== undefined) throw this.failure;
    await settled(sent, this.lane, options);
  }

  /** Sends raw data: one buffer, or all of a sync or async iterable. A buffer may be changed when the promise has
   *  resolved, or when the next buffer of the iterable is requested. */
  sendData(buffers: Buffers, options: WaitOptions = {}): Promise<void> {
    return handled(async () => {
      checkWait(options);
      this.#checkAnswer();
      this.answer.hasRawData = true;
      keepFromFailingUnheard(buffers);
      await this.#untilAnswerable(options);
      this.#checkAnswer(); // it may have been closed since
      await sendBuffers(this.answer.bracket, this.lane, buffers, options);
    });
  }

  /** Takes the send turn: data goes out at once, and nothing else is sent on this connection until the handler has
   *  returned. A handler that meanwhile waits for an answer on the same connection blocks itself. */
  startSend(options: WaitOptions = {}): Promise<void> {
    return handled(async () => {
      checkWait(options);
      await this.#untilAnswerable(options);
      this.#checkAnswer(); // likewise
      this.go("startSend");
      await this.answer.bracket.open(options);
    });
  }

  /** Ends the answer now, while the handler continues without the conversation. */
  close(options: WaitOptions = {}): Promise<void> {
    return handled(async () => {
      checkWait(options);
      await this.untilReceived(options);
      if (this.stage !== "closed") this.complete();
    });
  }

  /** Waits until the poster waits for the answer: from co_end on, or from the start for a seed-era poster.
   *  @throws HbiError failed_precondition, or the failure of the conversation */
  async #untilAnswerable(options: WaitOptions): Promise<void> {
    if (!this.answer.isSeedStyle) await this.untilReceived(options);
    this.#checkAnswer();
    if (this.answer.isSeedStyle) this.answer.bracket.ask();
  }

  /** @throws HbiError failed_precondition, or the failure of the conversation */
  #checkAnswer(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.stage === "closed") throw failure("wrong_stage", "the answer is closed");
  }

  /** @throws HbiError failed_precondition behind raw data that ends with the lane */
  #checkBehind(): void {
    const { hasRawData, isOpenEnded } = this.answer;
    if (isOpenEnded && hasRawData) throw failure("wrong_stage", "nothing follows raw data of unknown length");
  }
}
