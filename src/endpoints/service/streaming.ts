/**
 * Streaming: how a typed call with streamed raw data, before or behind the answer, uses its conversation. After a
 * cancellation it is read to its end and, if it has begun, also sent to its end, so that others on the connection can
 * continue. docs/streaming.md.
 */

import type { Timer } from "../../clock.ts";
import { failure, ownError } from "../../errors.ts";
import { TO_THE_END } from "../../limits.ts";
import type { WrittenCall } from "../../registry/call-text.ts";
import { limited } from "../../registry/method-limits.ts";
import { meant, validate } from "../../registry/validate.ts";
import { Body } from "../conversation/body.ts";
import { type BodySource, bodyFrom, isBlob, type Pending, release } from "../conversation/body-source.ts";
import { asBytes } from "../lane/buffers.ts";
import { type Call, cancelled, type Talk } from "../session/call.ts";
import type { Connection } from "../session/connection.ts";
import type { PeerLimits } from "../session/peer-limits.ts";
import type { CoOptions, PoCo } from "../session/po-co.ts";
import { itemsIn } from "./item-reader.ts";
import type { Carrier, Sending } from "./outgoing.ts";

/** The call's own timer bounds it. */
const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };
/** After a cancellation, a source that provides nothing for this long delays the others unnecessarily. */
const STALLED_MS = 1_000;

export class Streaming implements Talk {
  readonly options: CoOptions;
  readonly #carrier: Carrier;
  readonly #sending: Sending;
  readonly #written: WrittenCall;
  readonly #wantsAnswer: boolean;
  /** what is sent of the source; undefined if there is none */
  #body: ArrayBufferView | Pending | undefined;
  /** what a source of unknown length has given, and what the peer accepts */
  #given = 0;
  #accepted: PeerLimits | undefined;
  /** A browser reads a blob in another process, which takes some turns of the event loop. */
  #isBlob = false;
  #answer: unknown;
  /** whether the peer of the connection on which it is sent is of this library */
  #isOurs: () => boolean = () => false;
  #stall: Timer | undefined;

  /** @throws HbiError if it cannot be sent */
  constructor(carrier: Carrier, sending: Sending, written: WrittenCall, wantsAnswer: boolean) {
    const { name, method, options } = sending;
    if (options.signal?.aborted === true) throw cancelled(options.signal); // before its body is created
    if (method.spec.body === "manual" && typeof options.send !== "function") {
      throw failure("bad_option", "its raw data is missing: pass { send } as an option", { of: name });
    }
    this.#carrier = carrier;
    this.#sending = sending;
    this.#written = written;
    this.#wantsAnswer = wantsAnswer;
    this.options = this.#coOptions();
    this.#makeBody();
  }

  #coOptions(): CoOptions {
    const { spec } = this.#sending.method;
    const bytes = this.#written.bodyBytes;
    const promised =
      bytes === 0 ? { hasNoRawData: true } : bytes === TO_THE_END ? { isOpenEnded: true } : { rawBytes: bytes ?? 0 };
    const answered =
      spec.resultBody === undefined
        ? { hasNoRawAnswer: true }
        : { answerBytes: (object: unknown) => this.#take(object) };
    const own = spec.limits?.result;
    const { needsLane, streams } = this.#sending.method;
    const read = limited(this.#carrier.limits, own);
    const limits =
      streams !== undefined
        ? { limits: { ...read, maxBodyBytes: Number.POSITIVE_INFINITY }, isPatient: true } // its items are bounded, and not their number
        : own === undefined
          ? {}
          : { limits: read };
    const drops = { dropsObjects: !this.#wantsAnswer };
    return { ...(spec.body === "manual" ? {} : promised), ...answered, ...limits, ...drops, needsLane };
  }

  #makeBody(): void {
    const { bodyBytes } = this.#written;
    const { body } = this.#sending.method.spec;
    const source = body === undefined || body === "manual" ? undefined : bodyOf(this.#sending);
    this.#isBlob = isBlob(source);
    if (source === undefined || bodyBytes === 0) release(source);
    else this.#body = bodyFrom(source, bodyBytes === TO_THE_END ? (given) => this.#gave(given) : (bodyBytes ?? 0));
  }

  /** A source of unknown length has given so much in all. The first chunk may come before there is a connection. */
  #gave(bytes: number): void {
    const { name, method } = this.#sending;
    this.#given = bytes;
    this.#accepted?.checkBody(bytes, name, "call", method, true);
  }

  get isRepeatable(): boolean {
    return !isPending(this.#body) && this.#sending.options.send === undefined;
  }

  /** What was taken from its source for one connection cannot be sent again, unless a function creates the source. */
  renew(): boolean {
    if (!isPending(this.#body) || this.#body.chunks === 0) return true;
    if (typeof this.#sending.options.body !== "function") return false;
    this.#makeBody();
    return true;
  }

  // --- sending, then receiving ---------------------------------------------------------------------------------------

  async run(co: PoCo, connection: Connection, call: Call): Promise<unknown> {
    this.#accepted = connection.posting.accepted;
    this.#isOurs = () => connection.posting.knowsExtension; // which the answer may only show
    try {
      await this.#send(co);
      this.#keepBody();
      call.sent();
      return await (this.#wantsAnswer ? this.#receive(co, connection) : co.waitCompleted(FOREVER));
    } finally {
      this.#stall?.cancel();
    }
  }

  /** The caller of a sent post may change its buffer, although it may be sent again. */
  #keepBody(): void {
    const body = this.#body;
    if (this.#wantsAnswer || this.#carrier.home?.isLasting !== true || !ArrayBuffer.isView(body)) return;
    this.#body = asBytes(body).slice();
  }

  /** Takes its position before it first waits, so that calls begin in the order in which they were made. */
  async #send(co: PoCo): Promise<void> {
    const body = this.#body;
    try {
      if (isPending(body)) co.sender.bracket.standBy(body.ready, this.#isBlob);
      const code = co.sendCode(this.#written.code, FOREVER);
      const data = isPending(body) ? this.#stream(co, body) : this.#sendWhole(co, body);
      await Promise.all([code, data]);
    } catch (cause) {
      throw ownError(cause) ?? failure("body_failed", systemCode(cause), { of: this.#sending.name, cause }); // such as a file that does not exist
    }
    if (co.stage === "send") await co.finishSend(FOREVER); // a manual call may already be receiving
  }

  #sendWhole(co: PoCo, body: ArrayBufferView | undefined): Promise<void> | undefined {
    const { send } = this.#sending.options;
    if (body === undefined && send === undefined) return co.finishSend(FOREVER);
    const sent = body === undefined ? undefined : co.sendData(body, FOREVER);
    co.sender.bracket.ask(); // takes its position before what is sent later

    return sent ?? send?.(co);
  }

  /** A failure before the first chunk occurs before anything of the call is on the wire. */
  async #stream(co: PoCo, body: Pending): Promise<void> {
    await body.ready;
    await co.sender.opened(FOREVER); // until then nothing is taken from the source, because the call may have to be sent on another connection
    this.#gave(this.#given);
    await co.sendData(body.content, FOREVER);
  }

  async #receive(co: PoCo, { draining }: Connection): Promise<unknown> {
    const { name, method } = this.#sending;
    const { result, resultBody } = method.spec;
    if (result === undefined) return co.waitCompleted(FOREVER);
    const object = await co.recvObj(undefined, FOREVER);
    if (resultBody === undefined) {
      void co.close();
      return validate(result, meant(object, result, this.#isOurs()), "bad_answer", name);
    }
    const { clock, limits } = this.#carrier;
    const onEnd = (): void => void co.close();
    const body = new Body(co, resultBody === "unknown" ? TO_THE_END : co.unreadBytes, name, {
      clock,
      idleTimeoutMs: limits.callTimeoutMs,
      draining,
      onEnd,
    });
    co.onLost = (error) => body.lose(error);
    const { streams } = method;
    return streams === undefined ? { result: this.#answer, body } : itemsIn(body, co, name, method, streams);
  }

  /** The result as it lands, before its raw data is read: returns the length of the raw data. */
  #take(object: unknown): number | undefined {
    const { name, method } = this.#sending;
    const { result } = method.spec;
    if (result === undefined) return undefined;
    this.#answer = validate(result, meant(object, result, this.#isOurs()), "bad_answer", name);
    return method.resultBytes(this.#answer);
  }

  // --- cancelled -----------------------------------------------------------------------------------------------------

  givenUp(co: PoCo | undefined): void {
    co?.lane.wire.keepBorrowed(); // the caller may change its buffer now
    if (co?.at.isSending === true) this.#watchSource(co);
    else if (isPending(this.#body)) this.#body.stop(failure("cancelled")); // before it began: the source is not read
  }

  /** The host, and with it the connection's other calls, wait for every promised byte, but not for a source that has
   *  stopped. */
  #watchSource(co: PoCo): void {
    const body = this.#body;
    if (!isPending(body)) return;
    const { chunks, isAwaited } = body;
    this.#stall?.cancel();
    this.#stall = this.#carrier.clock.after(STALLED_MS, () => {
      if (!co.at.isSending || co.at.isRefused) return;
      if (isAwaited && body.isAwaited && body.chunks === chunks) {
        const where = `${this.#sending.name} was given up and its source has stopped, so that nothing else could be sent`;
        co.connection.cut(failure("body_failed", where));
      } else this.#watchSource(co);
    });
  }
}

/** "ENOENT", if the system has said it; whatever else the source has thrown is the cause. */
function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return /^E[A-Z0-9]{1,30}$/.test(String(thrown.code)) ? String(thrown.code) : undefined;
}

function isPending(body: ArrayBufferView | Pending | undefined): body is Pending {
  return body !== undefined && !ArrayBuffer.isView(body);
}

function bodyOf({ name, options: { body } }: Sending): BodySource {
  if (body === undefined) throw failure("bad_option", "a body is required: pass { body } as an option", { of: name });
  return typeof body === "function" ? body() : body;
}
