/**
 * Streaming: a typed call with raw data that comes bit by bit, before the answer or behind it: a conversation under one deadline. Given
 * up, it is read and, as far as it has begun, also sent to its end, so that the others on the connection go on. docs/streaming.md.
 */
import type { Chained } from "../../chain.ts";
import type { Timer } from "../../clock.ts";
import { asHbiError, failure, type HbiError, ownError } from "../../errors.ts";
import type { WrittenCall } from "../../registry/call-text.ts";
import { validate } from "../../registry/validate.ts";
import { Body, type BodySource, bodyFrom, type Pending, release } from "../conversation/body.ts";
import { asBytes } from "../lane/raw-intake.ts";
import type { Connection } from "../session/connection.ts";
import type { Home, Parked } from "../session/po-call.ts";
import type { CoOptions, PoCo } from "../session/po-co.ts";
import { ignore, markHandled, withLanded } from "../waits.ts";
import type { Posted } from "./calls.ts";
import type { Carrier, Sending } from "./outgoing.ts";

const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };
/** A source that gives nothing for so long, when nobody wants it any more, holds up the others for nothing. */
const STALLED_MS = 1_000;

export class Streaming implements Parked {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly order: number;
  /** the answer, or nothing when it is only posted */
  readonly promise: Promise<unknown>;
  readonly sent: Promise<Posted>;
  readonly #home: Home | undefined;
  readonly #carrier: Carrier;
  readonly #sending: Sending;
  readonly #code: string;
  readonly #onlyOurs: string | undefined;
  readonly #bodyBytes: number | undefined;
  readonly #wantsAnswer: boolean;
  #source: BodySource | undefined;
  /** what of the source is sent; undefined: nothing */
  #body: ArrayBufferView | Pending | undefined;
  readonly #untilMs: number;
  readonly #timer: Timer;
  readonly #onAbort: () => void;
  #resolve: (value: unknown) => void = ignore;
  #reject: (error: HbiError) => void = ignore;
  #resolveSent: (posted: Posted) => void = ignore;
  #rejectSent: (error: HbiError) => void = ignore;
  #isSettled = false;
  /** the conversation, while it has one: it may be begun again as long as nothing of it can have reached the peer */
  #co: PoCo | undefined;
  #connection: Connection | undefined;
  #answer: unknown;
  #stall: Timer | undefined;

  /** @throws HbiError for what can't be sent */
  constructor(
    carrier: Carrier,
    sending: Sending,
    { code, onlyOurs, bodyBytes }: WrittenCall,
    timeoutMs: number,
    wantsAnswer: boolean,
  ) {
    const { name, method, options } = sending;
    const { signal } = options;
    if (signal?.aborted === true) throw failure("cancelled", undefined, { cause: signal.reason });
    if (method.spec.body === "manual" && typeof options.send !== "function") {
      throw failure("bad_option", `${name}: nothing sends its raw data`);
    }
    this.#source = typeof method.spec.body === "function" ? bodyOf(sending) : undefined;
    this.#body = this.#bodyFrom(bodyBytes);
    this.#carrier = carrier;
    this.#home = carrier.home;
    this.order = carrier.nextOrder();
    this.#sending = sending;
    this.#code = code;
    this.#onlyOurs = onlyOurs;
    this.#bodyBytes = bodyBytes;
    this.#wantsAnswer = wantsAnswer;
    this.promise = markHandled(
      new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      }),
    );
    this.sent = markHandled(
      new Promise((resolve, reject) => {
        this.#resolveSent = resolve;
        this.#rejectSent = reject;
      }),
    );
    const { clock } = carrier;
    this.#untilMs = clock.now() + timeoutMs;
    this.#timer = clock.after(timeoutMs, () => this.#giveUp(this.#whyLate()));
    this.#onAbort = () => this.#giveUp(failure("cancelled", undefined, { cause: signal?.reason }));
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  #bodyFrom(bodyBytes: number | undefined): ArrayBufferView | Pending | undefined {
    const source = this.#source;
    if (source === undefined || bodyBytes === 0) {
      release(source);
      return undefined;
    }
    return bodyFrom(source, bodyBytes ?? 0);
  }

  #whyLate(): HbiError {
    const { co, connection } = { co: this.#co, connection: this.#connection };
    if (co === undefined || connection === undefined) return failure("timeout", "no connection");
    return connection.explainTimeout(co);
  }

  // --- where it is ---------------------------------------------------------------------------------------------------

  begin(connection: Connection): void {
    const timeoutMs = Math.max(this.#untilMs - this.#carrier.clock.now(), 1);
    const co = connection.posting.open({ ...this.#coOptions(), timeoutMs });
    this.#co = co;
    this.#connection = connection;
    co.onTurnedAway = (error) => this.#leaveFor(co, error);
    // It may be waiting for a source that never goes on. Whatever else it waits for tells more, and first.
    co.onLost = (error) => this.#carrier.clock.soon(() => this.#fail(co, error));
    this.#run(co)
      .finally(() => this.#stall?.cancel())
      .then(
        (value) => this.#settle(co, value),
        (thrown) => this.#fail(co, asHbiError(thrown)),
      );
  }

  /** Nothing of it has reached the peer, or its host has not looked at it: back to its link, for the next connection. */
  #leaveFor(co: PoCo, error: HbiError): void {
    const connection = this.#connection;
    if (co !== this.#co || connection === undefined) return;
    this.#co = undefined;
    this.#connection = undefined;
    if (this.#isSettled) return;
    try {
      if (!this.#renewBody() || this.#home?.park(this, connection) !== true) this.#giveUp(error);
    } catch (thrown) {
      this.#giveUp(asHbiError(thrown)); // the function that makes it
    }
  }

  /** What was taken from its source for that connection is not there again, unless a function makes it. Whether there is a whole body. */
  #renewBody(): boolean {
    if (!isPending(this.#body) || this.#body.chunks === 0) return true;
    if (typeof this.#sending.options.body !== "function") return false;
    this.#source = bodyOf(this.#sending);
    this.#body = this.#bodyFrom(this.#bodyBytes);
    return true;
  }

  lose(error: HbiError): void {
    this.#giveUp(withLanded(error, false));
  }

  waits(): void {
    // its deadline is a point in time
  }

  #coOptions(): CoOptions {
    const { spec } = this.#sending.method;
    const bytes = this.#bodyBytes;
    const promised = bytes === 0 ? { hasNoRawData: true } : { rawBytes: bytes ?? 0 };
    const answered =
      spec.resultBody === undefined
        ? { hasNoRawAnswer: true }
        : { answerBytes: (object: unknown) => this.#take(object) };
    return {
      ...(spec.body === "manual" ? {} : promised),
      ...answered,
      dropsObjects: !this.#wantsAnswer,
      onlyOurs: this.#onlyOurs,
    };
  }

  /** The result as it lands, before any raw data behind it is read: how much of it there is. */
  #take(object: unknown): number | undefined {
    const { name, method } = this.#sending;
    const { result } = method.spec;
    if (result === undefined) return undefined;
    this.#answer = validate(result, object, "bad_answer", name);
    return method.resultBytes(this.#answer);
  }

  // --- sending, then receiving ---------------------------------------------------------------------------------------

  async #run(co: PoCo): Promise<unknown> {
    await this.#send(co);
    this.#keepBody();
    this.#resolveSent({ waitCompleted: () => markHandled(this.promise.then(ignore)) });
    return this.#wantsAnswer ? this.#receive(co) : co.waitCompleted(FOREVER);
  }

  /** Its caller may change the buffer of a post that is sent, which may be sent again. */
  #keepBody(): void {
    const body = this.#body;
    if (this.#wantsAnswer || this.#home?.isLasting !== true || !ArrayBuffer.isView(body)) return;
    this.#body = asBytes(body).slice();
  }

  /** Asks for its place before it first waits: calls that are made one after the other begin in this order. */
  async #send(co: PoCo): Promise<void> {
    const body = this.#body;
    try {
      if (isPending(body)) co.standBy(body.ready);
      const code = co.sendCode(this.#code, FOREVER);
      const data = isPending(body) ? this.#stream(co, body) : this.#sendWhole(co, body);
      markHandled(Promise.resolve(data)); // nobody looks at it when the code has failed
      await code;
      await data;
    } catch (cause) {
      throw ownError(cause) ?? failure("body_failed", this.#sending.name, { cause }); // a file that is not there
    }
    if (co.stage === "send") await co.finishSend(FOREVER); // a manual one may be receiving already
  }

  #sendWhole(co: PoCo, body: ArrayBufferView | undefined): Promise<void> | undefined {
    const { send } = this.#sending.options;
    if (body === undefined && send === undefined) return co.finishSend(FOREVER);
    const sent = body === undefined ? undefined : co.sendData(body, FOREVER);
    co.takePlace();
    return sent ?? send?.(co);
  }

  /** What fails before its first chunk is there does so before anything of the call is on the wire. */
  async #stream(co: PoCo, body: Pending): Promise<void> {
    await body.ready;
    await co.opened(FOREVER); // until then nothing is taken from it: it may have to be sent elsewhere
    await co.sendData(body.content, FOREVER);
  }

  async #receive(co: PoCo): Promise<unknown> {
    const { name, method } = this.#sending;
    const { result, resultBody } = method.spec;
    if (result === undefined) return co.waitCompleted(FOREVER);
    const object = await co.recvObj(undefined, FOREVER);
    if (resultBody === undefined) {
      void co.close();
      return validate(result, object, "bad_answer", name);
    }
    const { clock, limits } = this.#carrier;
    const body = new Body(co, co.unreadBytes, {
      clock,
      idleTimeoutMs: limits.callTimeoutMs,
      draining: this.#connection?.draining,
      onEnd: () => void co.close(),
    });
    co.onLost = (error) => body.lose(error);
    return { result: this.#answer, body };
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  #settle(co: PoCo, value: unknown): void {
    if (co !== this.#co || this.#isSettled) return;
    this.#end();
    this.#resolve(value);
  }

  #fail(co: PoCo, error: HbiError): void {
    if (co !== this.#co) return;
    const isWhole = !isPending(this.#body) && this.#sending.options.send === undefined;
    if (error.reason === "draining" && error.mayHaveLanded === false && isWhole) {
      co.abandon(error); // the rest of its answer is read where it is
      this.#connection?.peerGoesAway(undefined); // it may not have said so
      this.#leaveFor(co, error);
    } else this.#giveUp(error);
  }

  /** Told at once, whatever the conversation still waits for. */
  #giveUp(error: HbiError): void {
    if (this.#isSettled) return;
    const co = this.#co;
    this.#end();
    if (co === undefined) this.#home?.unpark(this);
    this.#reject(co === undefined ? withLanded(error, false) : error);
    this.#rejectSent(error);
    co?.abandon(error);
    this.#connection?.wire.keepBorrowed(); // the caller may change its buffer now
    if (co?.isSending === true) this.#watchSource(co);
    else release(this.#source); // given up before it began: nobody reads it
  }

  #end(): void {
    this.#isSettled = true;
    this.#timer.cancel();
    this.#sending.options.signal?.removeEventListener("abort", this.#onAbort);
  }

  /** The host waits for every byte that was promised, and the others on the connection with it: not for a source that has stopped. */
  #watchSource(co: PoCo): void {
    const { clock } = this.#carrier;
    const body = this.#body;
    if (!isPending(body)) return;
    const { chunks, isAwaited } = body;
    this.#stall?.cancel();
    this.#stall = clock.after(STALLED_MS, () => {
      if (!co.isSending) return;
      if (isAwaited && body.isAwaited && body.chunks === chunks) {
        const where = `${this.#sending.name} was given up and its source has stopped, so that nothing else could be sent`;
        this.#connection?.cut(failure("body_failed", where));
      } else this.#watchSource(co);
    });
  }
}

function isPending(body: ArrayBufferView | Pending | undefined): body is Pending {
  return body !== undefined && !ArrayBuffer.isView(body);
}

function bodyOf({ name, options: { body } }: Sending): BodySource {
  if (body === undefined) throw failure("bad_option", `${name} has raw data behind it, and no body was given`);
  return typeof body === "function" ? body() : body;
}
