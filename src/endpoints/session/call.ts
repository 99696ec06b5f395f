/**
 * Call: what the caller of a typed method waits for. It is sent in a conversation (PoCo), and in another one on the
 * next connection as long as nothing of it can have reached the peer. It has the deadline, the signal, the promise, and
 * the wait for a connection. docs/services.md.
 */
import type { z } from "zod";
import type { Chained } from "../../chain.ts";
import type { Clock, Timer } from "../../clock.ts";
import { asHbiError, changed, digits, FAILURES, failure, HbiError, ofCall } from "../../errors.ts";
import { recognised } from "../../registry/error-value.ts";
import type { Method } from "../../registry/method.ts";
import { limited } from "../../registry/method-limits.ts";
import { meant, validate } from "../../registry/validate.ts";
import { packetOf } from "../conversation/packet-of.ts";
import { leadHere, rejectWhereAwaited } from "../failing.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { heed, heedNoMore } from "../heed.ts";
import { type TurnTaker, turnHeld } from "../lane/send-turn.ts";
import { ignore, markHandled, withLanded } from "../waits.ts";
import type { Connection } from "./connection.ts";
import { landObject } from "./land-object.ts";
import type { CoOptions, PoCo } from "./po-co.ts";
import type { PostedCo } from "./posted-co.ts";

export interface CallRequest {
  readonly code: string;
  /** the first form in it that only peers of this library can read, if any */
  readonly onlyOurs?: string | undefined;
  /** for error messages: "do_job" */
  readonly name: string;
  /** the method, if it is one of a definition */
  readonly method?: Method;
  /** the called method of this name; undefined if none of them declares errors */
  readonly methodOf?: ((name: string) => Method | undefined) | undefined;
  /** schemas of the answer's objects, in order; undefined accepts any */
  readonly results: readonly (z.core.$ZodType | undefined)[];
  /** false: objects are dropped, and only the acknowledgement counts */
  readonly wantsResults: boolean;
  /** the promise has all objects as an array, instead of a single one */
  readonly isList?: boolean;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** the token field with its metadata; "" or undefined if there is none */
  readonly metadata?: string | undefined;
  /** raw data behind the code. The caller may change it when the call has settled, or, for a post, when it is sent */
  readonly body?: Uint8Array | undefined;
  /** the length of its raw data, also if it is streamed; undefined if unknown or none */
  readonly bodyBytes?: number | undefined;
  /** goes before waiting calls and beyond the limit on calls in flight: for the library's own messages */
  readonly isUrgent?: boolean;
  /** sends and reads what is not available as a whole, instead of `code` and `results` */
  readonly talk?: Talk | undefined;
}

/** How a call with streamed raw data uses its conversation. */
export interface Talk {
  /** of the conversation */
  readonly options: CoOptions;
  /** Whether it is sent again if the host refuses it unprocessed, although its source has been read. */
  readonly isRepeatable: boolean;
  /** Sends, then receives. Returns the result of the call. */
  run(co: PoCo, connection: Connection, call: Call): Promise<unknown>;
  /** Renews its content for another connection. Returns false if the content was consumed. */
  renew(): boolean;
  /** The call was cancelled. @param co if it has begun, in which case it may have to be sent to its end */
  givenUp(co: PoCo | undefined): void;
}

/** A link: where a call waits for a connection, also if its connection accepts nothing new. */
export interface Home {
  /** Whether there may be another connection. */
  readonly isLasting: boolean;
  /** why the last attempt to connect failed, while there is no connection */
  readonly lastFailure: HbiError | undefined;
  /** @param from the connection that accepts nothing new. Returns false if there will be no other. */
  park(call: Call, from: Connection): boolean;
  unpark(call: Call): void;
}

/** `refused`: the host accepts nothing new, and has not ended its answer yet. */
type CallState = "waiting" | "sent" | "refused" | "fulfilled" | "failed";

export class Call implements TurnTaker {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  /** its position in the order of all calls of its link */
  readonly order: number;
  readonly request: CallRequest;
  /** as long as it may be sent, also again */
  packet: string;
  body: Uint8Array | undefined;
  readonly #clock: Clock;
  readonly #home: Home | undefined;
  #state: CallState = "waiting";
  /** the conversation in which it is sent; undefined while it waits for a connection */
  #co: PoCo | undefined;
  /** when it began to wait for a connection, a slot or the turn; for a streamed call, when it was made; undefined if it
   *  has not waited */
  #waitingSince: number | undefined;
  #received = 0;
  /** the object, all objects as an array, or the result of a streamed call; for a failed or refused call the error */
  #outcome: unknown;
  #promise: Promise<unknown> | undefined;
  #resolve: (value: unknown) => void = ignore;
  #reject: (error: HbiError) => void = ignore;
  #sent: Promise<void> | undefined;
  #resolveSent: () => void = ignore;
  #rejectSent: (error: HbiError) => void = ignore;
  #timer: Timer | undefined;
  #onAbort: (() => void) | undefined;

  /** @throws HbiError cancelled if the signal has already aborted */
  constructor(clock: Clock, request: CallRequest, home?: Home, order = 0) {
    const { timeoutMs, signal, code, talk } = request;
    if (signal?.aborted === true) throw cancelled(signal);
    this.order = order;
    this.request = request;
    this.packet = talk === undefined ? packetOf("", code) : "";
    this.body = request.body;
    this.#clock = clock;
    this.#home = home;
    if (talk !== undefined) this.waits();
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#timer = clock.after(timeoutMs, () => this.giveUp(this.#whyLate()));
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.giveUp(cancelled(signal));
      heed(signal, this.#onAbort);
    }
  }

  /** The object of the answer, all objects, or undefined. Created on first use. */
  get promise(): Promise<unknown> {
    if (this.#promise === undefined) {
      this.#promise = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
      if (this.#state === "fulfilled") this.#resolve(this.#outcome);
      const { error } = this;
      if (error !== undefined) this.#rejectAtOnce(error);
    }
    return this.#promise;
  }

  /** It has failed where it was made. */
  #rejectAtOnce(error: HbiError): void {
    leadHere(error);
    if (this.#promise !== undefined) markHandled(this.#promise);
    this.#reject(error);
  }

  /** Resolves when it is on the wire; undefined if it already is. */
  get whenSent(): Promise<void> | undefined {
    if (this.#state !== "waiting" && this.#state !== "failed") return undefined;
    if (this.#sent === undefined) {
      this.#sent = new Promise((resolve, reject) => {
        this.#resolveSent = resolve;
        this.#rejectSent = reject;
      });
      if (this.#state === "failed") this.#rejectSent(this.#outcome as HbiError); // kept there in this state
      markHandled(this.#sent);
    }
    return this.#sent;
  }

  /** The rest of its time after it has waited, rounded to a hundredth, so that most waiting calls share the same
   *  text. */
  get leftMs(): number {
    const { timeoutMs, talk } = this.request;
    if (this.#waitingSince === undefined) return timeoutMs;
    const waitedMs = this.#clock.now() - this.#waitingSince;
    if (talk !== undefined) return Math.max(timeoutMs - waitedMs, 1);
    const stepMs = timeoutMs >= 10_000 ? 100 : timeoutMs >= 1_000 ? 10 : 1;
    return timeoutMs - Math.floor(waitedMs / stepMs) * stepMs;
  }

  /** Whether all declared objects have arrived. */
  get hasAll(): boolean {
    return this.#received >= this.request.results.length;
  }

  /** Why it has failed, if it has. */
  get error(): HbiError | undefined {
    return this.#state === "failed" ? (this.#outcome as HbiError) : undefined; // kept there in this state
  }

  get isRefused(): boolean {
    return this.#state === "refused";
  }

  get #isSettled(): boolean {
    return this.#state === "fulfilled" || this.#state === "failed";
  }

  #whyLate(): HbiError {
    const co = this.#co;
    const { talk, timeoutMs } = this.request;
    if (co?.at.isUnsent === true && talk === undefined) return turnHeld(co.lane.turn);
    const error = co === undefined ? this.#whyUnconnected() : co.lane.explainTimeout(co);
    const { text } = FAILURES.timeout;
    return changed(error, { message: error.message.replace(text, `${text} after ${digits(timeoutMs)} ms`) });
  }

  #whyUnconnected(): HbiError {
    const cause = this.#home?.lastFailure;
    return failure("timeout", cause === undefined ? "no connection" : `no connection: ${cause.message}`, { cause });
  }

  // --- where it is ---------------------------------------------------------------------------------------------------

  /** There is a connection: begins a conversation on it, or fails. */
  begin(connection: Connection): void {
    const { talk } = this.request;
    try {
      if (talk === undefined) {
        const co = connection.posting.openFor(this);
        this.#co = co;
        connection.posting.admit(co);
        if (co.at.isUnsent) this.waits();
      } else this.#run(talk, connection);
    } catch (thrown) {
      this.lose(asHbiError(thrown));
      return;
    }
    connection.conversationBegun(); // last: what it reads may make calls as well, which must not overtake this one
  }

  #run(talk: Talk, connection: Connection): void {
    const co = connection.posting.openFor(this);
    this.#co = co;
    talk.run(co, connection, this).then(
      (value) => {
        if (co === this.#co) this.#fulfill(value);
      },
      (thrown) => this.#talkFailed(co, asHbiError(thrown)),
    );
  }

  #talkFailed(co: PostedCo, error: HbiError): void {
    if (co !== this.#co) return;
    const isRefused = error.reason === "draining" && error.mayHaveLanded === false;
    if (isRefused && this.request.talk?.isRepeatable === true) {
      co.giveUp(error); // the rest of its answer is read in its conversation
      co.connection.peerGoesAway(undefined); // it may not have said so
      this.#leave(co.connection, error);
    } else this.giveUp(error);
  }

  /** Time that it spends waiting does not count for its host. */
  waits(): void {
    this.#waitingSince ??= this.#clock.now();
  }

  /** Nothing of it has reached the peer, or the host has not processed it: it returns to its link, for the next
   *  connection; without a link it fails. */
  #leave(from: Connection, error: HbiError): void {
    this.#co = undefined;
    if (this.#isSettled) return;
    this.#state = "waiting";
    this.#outcome = undefined;
    this.#received = 0;
    let why = error;
    try {
      if (this.request.talk?.renew() !== false && this.#home?.park(this, from) === true) return;
    } catch (thrown) {
      why = asHbiError(thrown); // thrown by the function that creates its content
    }
    this.giveUp(why);
  }

  /** There will be no connection, or its connection has ended. */
  lose(error: HbiError): void {
    if (this.#co === undefined) this.giveUp(error);
    else this.#co.lose(error);
  }

  // --- sending: called by its conversation ---------------------------------------------------------------------------

  /** for error messages */
  get label(): string {
    return `call ${this.#co?.seq} of ${this.request.name}`;
  }

  /** Whether a packet now would be read as part of its raw data; only for a call that has the turn. */
  get isInRawData(): boolean {
    return this.#co?.at.isSending === true;
  }

  /** It has the turn: it is one text, or a text on either side of its raw data. */
  granted(): void {
    const co = this.#co as PoCo; // it has requested the turn
    const { posting, account } = co.connection;
    const { wire } = co.lane;
    const { packet, body } = this;
    const id = co.seq + posting.callSuffix(this.leftMs, body?.length ?? 0) + posting.fieldsOf(co);
    const end = posting.knowsExtension ? co.coSeq : id;
    account.posts -= packet.length + ENTRY_COST_BYTES;
    const head = `[${id.length}#co_begin]${id}${packet}`;
    const tail = `[${end.length}#co_end]${end}`;
    co.begun(wire.writtenBytes + head.length); // first: if the peer does not read, the write may end the connection
    if (body === undefined) {
      co.written();
      wire.text(head + tail);
      this.#isOut(co);
      return;
    }
    wire.text(head);
    const handed = wire.bytes(body);
    const finish = (): void => {
      if (co.at.isOver) return;
      wire.text(tail);
      if (co === this.#co) this.#isOut(co);
      else co.lane.turn.release(this); // it was refused unprocessed, and is elsewhere now
      co.written();
    };
    if (handed === undefined) finish();
    else handed.then(finish, ignore); // the end of the connection is reported otherwise
  }

  #isOut(co: PostedCo): void {
    if (co.at.isOver) return;
    co.lane.turn.release(this);
    this.sent();
  }

  /** Everything is on the wire. */
  sent(): void {
    const { wantsResults } = this.request;
    if (this.#home?.isLasting !== true) {
      this.packet = "";
      this.body = undefined; // it will not be sent again
    } else if (!wantsResults) this.body = this.body?.slice(); // it may be sent again, but its caller may change the buffer now
    if (this.#state === "waiting") this.#state = "sent";
    this.#resolveSent();
  }

  /** An object of the answer. */
  onObject(text: string, { connection }: PostedCo): void {
    if (this.#state === "failed" || this.#state === "refused") return; // the rest is read and dropped
    const { results, wantsResults } = this.request;
    if (this.hasAll) {
      this.#onSurplus(text, connection);
      return;
    }
    try {
      const own = this.request.method?.spec.limits?.result;
      const value = landObject(text, connection.env, limited(connection.limits, own));
      if (value instanceof HbiError) throw value;
      this.#take(value, results[this.#received], connection.posting.knowsExtension);
    } catch (thrown) {
      this.#refusedOr(asHbiError(thrown));
      return;
    }
    // A peer of this library answers as declared; for others, the end of the answer shows it.
    if (wantsResults && this.hasAll && connection.posting.knowsExtension) this.#fulfill(this.#outcome);
  }

  #take(value: unknown, schema: z.core.$ZodType | undefined, isOurs: boolean): void {
    const { wantsResults, isList, name } = this.request;
    const taken =
      wantsResults && schema !== undefined ? validate(schema, meant(value, schema, isOurs), "bad_answer", name) : value;
    if (isList === true) {
      this.#outcome ??= [];
      (this.#outcome as unknown[]).push(taken); // created above
    } else if (this.#received === 0) this.#outcome = taken;
    this.#received += 1;
  }

  /** More objects than declared: an error of the host, an object that another conversation has requested, or a
   *  different definition of the method. */
  #onSurplus(text: string, connection: Connection): void {
    if (connection.posting.takeLone(text)) return;
    const { wantsResults, name } = this.request;
    let error = failure("bad_answer", `${name}: more objects than declared`);
    try {
      const value = landObject(text, connection.env, connection.limits);
      if (value instanceof HbiError) error = value;
    } catch {
      // it is refused in any case
    }
    if (wantsResults || error.reason !== "bad_answer") this.#refusedOr(error);
  }

  #refusedOr(error: HbiError): void {
    if (error.reason !== "draining" || this.#isSettled) {
      this.#fail(error);
      return;
    }
    this.#state = "refused";
    this.#outcome = error;
  }

  /** The answer has ended. Returns the refusal, if it was one. */
  acknowledged(): HbiError | undefined {
    const { wantsResults, isList } = this.request;
    if (this.#state === "refused") return this.#outcome as HbiError; // kept there in this state
    if (wantsResults && !this.hasAll) this.#fail(failure("no_answer"));
    else this.#fulfill(isList === true ? (this.#outcome ?? []) : this.#outcome);
    return undefined;
  }

  /** Its conversation was lost after it may have reached the peer. */
  lost(co: PostedCo, error: HbiError): void {
    if (this.#isSettled || co !== this.#co) return;
    if (this.request.talk === undefined) this.#fail(error);
    // It may be waiting for a source that never continues. Other waits fail first, with a more specific error.
    else this.#clock.soon(() => this.#talkFailed(co, error));
  }

  /** Its conversation was lost before that, or has ended because the host has refused it unprocessed. */
  left(co: PostedCo, error: HbiError): void {
    if (co === this.#co) this.#leave(co.connection, error);
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Cancels: the promise rejects at once, whatever its conversation still has to do. */
  giveUp(error: HbiError): void {
    if (this.#isSettled) return;
    const co = this.#co;
    const { talk } = this.request;
    const isUnsent = co === undefined || (talk === undefined && co.at.isUnsent);
    this.#fail(isUnsent && error.mayHaveLanded !== false ? withLanded(error, false) : error);
    if (co === undefined) this.#home?.unpark(this);
    else co.giveUp(error);
    talk?.givenUp(co);
  }

  #fail(cause: HbiError): void {
    if (this.#isSettled) return;
    const { methodOf, name } = this.request;
    const error = ofCall(methodOf === undefined ? cause : recognised(cause, methodOf), name);
    this.#state = "failed";
    this.#outcome = error;
    if (this.#promise !== undefined) rejectWhereAwaited(this.#promise, this.#resolve, error);
    this.#rejectSent(error); // has no effect if it was sent
    this.#settled();
  }

  #fulfill(value: unknown): void {
    if (this.#isSettled) return;
    this.#state = "fulfilled";
    this.#outcome = value;
    this.#resolve(value);
    this.#settled();
  }

  #settled(): void {
    this.#timer?.cancel();
    const { signal } = this.request;
    if (signal !== undefined && this.#onAbort !== undefined) heedNoMore(signal, this.#onAbort);
  }
}

/** The error of a call whose signal has aborted. */
export function cancelled(signal: AbortSignal): HbiError {
  return failure("cancelled", undefined, { cause: signal.reason });
}
