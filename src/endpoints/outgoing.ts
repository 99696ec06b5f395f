/**
 * Outgoing: one typed call on its way: the short way without raw data, a conversation with it. docs/services.md.
 */
import { asHbiError, failure, HbiError } from "../errors.ts";
import { type Writing, writeCall } from "../registry/call-text.ts";
import type { Method } from "../registry/method.ts";
import { validate } from "../registry/validate.ts";
import { Body, type BodySource, begun, exactly, release } from "./body.ts";
import type { AnyCallOptions, Posted } from "./caller.ts";
import type { Connection } from "./connection.ts";
import type { CoOptions, PoCo } from "./po-co.ts";
import { asBytes } from "./raw-intake.ts";
import { checkTimeout, unguarded } from "./waits.ts";

/** A call as it is about to be sent. */
export interface Sending {
  readonly name: string;
  readonly method: Method;
  readonly params: unknown;
  readonly options: AnyCallOptions;
}

/** Sends, and waits for the answer. @throws HbiError at once for what can't be sent */
export function sendCall(connection: Connection, sending: Sending, writing: Writing): Promise<unknown> {
  const { name, method, params, options } = sending;
  checkBody(sending);
  const { code, bodyBytes } = writeCall(name, method, params, writing);
  const body = wholeBody(connection, sending, bodyBytes);
  if (hasRawData(method) && body === undefined) {
    return new Streaming(connection, sending, code, bodyBytes, true).promise;
  }
  const timeoutMs = timeoutOf(connection, options);
  const { signal } = options;
  return connection.posting.call({ code, name, results: method.results, wantsResults: true, timeoutMs, signal, body })
    .promise;
}

/** Raw data that is there as a whole, and not too much to be written at once. */
function wholeBody({ limits }: Connection, { method, options }: Sending, bytes = 0): Uint8Array | undefined {
  const { body } = options;
  if (bytes === 0 || method.spec.resultBody !== undefined || !ArrayBuffer.isView(body)) return undefined;
  if (bytes !== body.byteLength || bytes > limits.sendHighWaterBytes) return undefined;
  return bytes * 2 < limits.maxSendBufferBytes ? asBytes(body) : undefined;
}

/** Sends; resolves when it is handed to the wire. @throws HbiError at once for what can't be sent */
export function sendPost(connection: Connection, sending: Sending, writing: Writing): Promise<Posted> {
  const { name, method, params, options } = sending;
  checkBody(sending);
  const { code, bodyBytes } = writeCall(name, method, params, writing);
  if (hasRawData(method)) return new Streaming(connection, sending, code, bodyBytes, false).sent;
  const timeoutMs = timeoutOf(connection, options);
  const { signal } = options;
  const { results } = method;
  const call = connection.posting.call({ code, name, results, wantsResults: false, timeoutMs, signal });
  const posted = postedAs(() => call.promise);
  return call.whenSent?.then(() => posted) ?? Promise.resolve(posted);
}

function hasRawData(method: Method): boolean {
  return method.takesRawData || method.spec.resultBody !== undefined;
}

function postedAs(completed: () => Promise<unknown>): Posted {
  return { waitCompleted: () => completed().then(nothing) };
}

/** @throws HbiError invalid_argument */
export function timeoutOf({ limits }: Connection, { timeoutMs }: AnyCallOptions): number {
  return checkTimeout(timeoutMs) ?? limits.callTimeoutMs;
}

const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };

/** A call with raw data before or behind the answer: a conversation under one deadline. Given up, it is read and, as far as
 *  it has begun, also sent to its end, so that the others on the connection go on. */
class Streaming {
  /** the answer, or nothing when it is only posted */
  readonly promise: Promise<unknown>;
  readonly sent: Promise<Posted>;
  readonly #connection: Connection;
  readonly #sending: Sending;
  readonly #co: PoCo;
  #answer: unknown;

  constructor(
    connection: Connection,
    sending: Sending,
    code: string,
    bodyBytes: number | undefined,
    wantsAnswer: boolean,
  ) {
    const { method, options } = sending;
    const timeoutMs = timeoutOf(connection, options);
    const { signal } = options;
    if (signal?.aborted === true) throw failure("cancelled", undefined, { cause: signal.reason });
    if (method.spec.body === "manual" && typeof options.send !== "function") {
      throw failure("bad_option", `${sending.name}: nothing sends its raw data`);
    }
    const source = typeof method.spec.body === "function" ? bodyOf(sending) : undefined;
    const body = source === undefined || bodyBytes === 0 ? undefined : exactly(source, bodyBytes ?? 0);
    if (body === undefined) release(source);
    this.#connection = connection;
    this.#sending = sending;
    this.#co = connection.posting.begin({ ...this.#coOptions(bodyBytes, wantsAnswer), timeoutMs });
    const send = this.#send(code, body);
    send.catch(() => release(source));
    const answer = send.then(() => (wantsAnswer ? this.#receive() : this.#co.waitCompleted(FOREVER)));
    this.promise = unguarded(this.#bounded(answer, timeoutMs));
    this.promise.catch(() => {
      if (!this.#co.isSending) release(source); // given up before it began: nobody reads it
    });
    this.sent = unguarded(Promise.race([send, this.promise]).then(() => postedAs(() => this.promise)));
  }

  #coOptions(bodyBytes: number | undefined, wantsAnswer: boolean): CoOptions {
    const { spec } = this.#sending.method;
    const isManual = spec.body === "manual";
    const promised = bodyBytes === 0 ? { hasNoRawData: true } : { rawBytes: bodyBytes ?? 0 };
    const answered =
      spec.resultBody === undefined
        ? { hasNoRawAnswer: true }
        : { answerBytes: (object: unknown) => this.#take(object) };
    return { ...(isManual ? {} : promised), ...answered, dropsObjects: !wantsAnswer };
  }

  /** The result as it lands, before any raw data behind it is read: how much of it there is. */
  #take(object: unknown): number | undefined {
    const { name, method } = this.#sending;
    const { result } = method.spec;
    if (result === undefined) return undefined;
    this.#answer = validate(result, object, "bad_answer", name);
    return method.resultBytes(this.#answer);
  }

  async #send(code: string, body: ReturnType<typeof exactly> | undefined): Promise<void> {
    const co = this.#co;
    try {
      const data = body === undefined ? undefined : await begun(body);
      await co.sendCode(code, FOREVER);
      if (data !== undefined) await co.sendData(data, FOREVER);
      else await this.#sending.options.send?.(co);
    } catch (cause) {
      throw cause instanceof HbiError ? cause : failure("body_failed", this.#sending.name, { cause }); // a file that is not there
    }
    if (co.stage === "send") await co.finishSend(FOREVER); // a manual one may be receiving already
  }

  async #receive(): Promise<unknown> {
    const { name, method } = this.#sending;
    const { result, resultBody } = method.spec;
    if (result === undefined) return this.#co.waitCompleted(FOREVER);
    const object = await this.#co.recvObj(undefined, FOREVER);
    if (resultBody === undefined) {
      void this.#co.close();
      return validate(result, object, "bad_answer", name);
    }
    const { clock, limits } = this.#connection;
    const body = new Body(this.#co, this.#co.unreadBytes, {
      clock,
      idleTimeoutMs: limits.callTimeoutMs,
      onEnd: () => void this.#co.close(),
    });
    this.#co.onLost = (error) => body.lose(error);
    return { result: this.#answer, body };
  }

  /** The whole under its deadline and signal. What it gives up is told at once, whatever the conversation still waits for. */
  #bounded(answer: Promise<unknown>, timeoutMs: number): Promise<unknown> {
    const { signal } = this.#sending.options;
    return new Promise((resolve, reject) => {
      const giveUp = (error: HbiError): void => {
        end();
        reject(error);
        this.#co.abandon(error);
      };
      const timer = this.#connection.clock.after(timeoutMs, () => giveUp(this.#connection.explainTimeout(this.#co)));
      const onAbort = (): void => giveUp(failure("cancelled", undefined, { cause: signal?.reason }));
      signal?.addEventListener("abort", onAbort, { once: true });
      // It may be waiting for a source that never goes on. Whatever else it waits for tells more, and first.
      this.#co.onLost = (error) => this.#connection.clock.soon(() => giveUp(error));
      const end = (): void => {
        timer.cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      answer.then(
        (value) => {
          end();
          resolve(value);
        },
        (thrown) => giveUp(asHbiError(thrown)),
      );
    });
  }
}

function checkBody({ name, method, options }: Sending): void {
  const { body } = method.spec;
  if (typeof body !== "function" && options.body !== undefined) throw failure("bad_option", `${name} takes no body`);
  if (body !== "manual" && options.send !== undefined) throw failure("bad_option", `${name} sends nothing by hand`);
}

function bodyOf({ name, options: { body } }: Sending): BodySource {
  if (body === undefined) throw failure("bad_option", `${name} has raw data behind it, and no body was given`);
  return typeof body === "function" ? body() : body;
}

function nothing(): void {}
