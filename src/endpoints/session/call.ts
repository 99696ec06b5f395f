/**
 * Call: what the caller of a typed method waits for. It is sent in a conversation (PoCo), and in another one on the next connection as
 * long as nothing of it can have reached the peer. Here are its deadline, its signal, its promise, and waiting for a connection.
 * docs/services.md.
 */
import type { z } from "zod";
import type { Chained } from "../../chain.ts";
import type { Clock, Timer } from "../../clock.ts";
import { asHbiError, failure, HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { validate } from "../../registry/validate.ts";
import { packetOf } from "../conversation/co-sender.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { turnHeld } from "../lane/bracket.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import { ignore, markHandled, withLanded } from "../waits.ts";
import { landObject } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import type { CoOptions, PoCo } from "./po-co.ts";

export interface CallRequest {
  readonly code: string;
  /** the first form in it that only a peer of ours reads, if there is one */
  readonly onlyOurs?: string | undefined;
  /** for error messages: "do_job" */
  readonly name: string;
  /** schemas of the objects of the answer, in order; undefined: any */
  readonly results: readonly (z.ZodType | undefined)[];
  /** false: the objects are dropped, and only the acknowledgement counts */
  readonly wantsResults: boolean;
  /** the promise is of all objects as an array, rather than of the only one */
  readonly isList?: boolean;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** the field of the token that holds its metadata; "" or undefined: none */
  readonly metadata?: string | undefined;
  /** raw data behind the code. The caller may change it when the call has settled, or, of a post, when it is sent */
  readonly body?: Uint8Array | undefined;
  /** goes before what waits, and beside what is in flight: for the library's own messages */
  readonly isUrgent?: boolean;
  /** sends and reads what is not there as a whole, in place of `code` and `results` */
  readonly talk?: Talk | undefined;
}

/** What a call with raw data that comes bit by bit does in its conversation. */
export interface Talk {
  /** of the conversation */
  readonly options: CoOptions;
  /** Whether it is sent again when the host refuses it unseen, though it has been read. */
  readonly isRepeatable: boolean;
  /** Sends, then receives. Gives what the call comes to. */
  run(co: PoCo, connection: Connection, call: Call): Promise<unknown>;
  /** Makes its content anew for another connection. False when it is spent. */
  renew(): boolean;
  /** Nobody waits for it any more. @param co where it has been begun, and may have to be sent to its end */
  givenUp(co: PoCo | undefined): void;
}

/** A link: where a call waits for a connection, also when the one that it was to be sent on takes nothing new. */
export interface Home {
  /** Whether there may be another connection. */
  readonly isLasting: boolean;
  /** @param from the one that takes nothing new. False when there will be no other. */
  park(call: Call, from: Connection): boolean;
  unpark(call: Call): void;
}

/** `refused`: the host has said that it takes nothing new, and not yet ended its answer. */
type CallState = "waiting" | "sent" | "refused" | "fulfilled" | "failed";

export class Call implements TurnTaker {
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  /** when it was made, in the order of all of its link */
  readonly order: number;
  readonly request: CallRequest;
  /** while it may still be sent, also again */
  packet: string;
  body: Uint8Array | undefined;
  readonly #clock: Clock;
  readonly #home: Home | undefined;
  #state: CallState = "waiting";
  /** the conversation that it is sent in; undefined: it waits for a connection */
  #co: PoCo | undefined;
  /** since when it waits for a connection, a place or the turn; of a talk, when it was made; undefined: it has not waited */
  #waitingSince: number | undefined;
  #received = 0;
  /** the object, or all of them as an array, or what a talk came to; of a failed or refused call the error */
  #outcome: unknown;
  #promise: Promise<unknown> | undefined;
  #resolve: (value: unknown) => void = ignore;
  #reject: (error: HbiError) => void = ignore;
  #sent: Promise<void> | undefined;
  #resolveSent: () => void = ignore;
  #rejectSent: (error: HbiError) => void = ignore;
  #timer: Timer | undefined;
  #onAbort: (() => void) | undefined;

  /** @throws HbiError resource_exhausted for a script beyond `maxPacketBytes`, cancelled when the signal has aborted already */
  constructor(clock: Clock, limits: Limits, request: CallRequest, home?: Home, order = 0) {
    const { timeoutMs, signal, code, talk } = request;
    if (signal?.aborted === true) throw cancelled(signal);
    this.order = order;
    this.request = request;
    this.packet = talk === undefined ? packetOf("", code, limits) : "";
    this.body = request.body;
    this.#clock = clock;
    this.#home = home;
    if (talk !== undefined) this.waits();
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#timer = clock.after(timeoutMs, () => this.giveUp(this.#whyLate()));
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.giveUp(cancelled(signal));
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  /** The object of the answer, all of them, or undefined. Made when somebody asks for it. */
  get promise(): Promise<unknown> {
    if (this.#promise === undefined) {
      this.#promise = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
      if (this.#state === "fulfilled") this.#resolve(this.#outcome);
      const { error } = this;
      if (error !== undefined) {
        markHandled(this.#promise);
        this.#reject(error);
      }
    }
    return this.#promise;
  }

  /** Resolves when it is on the wire; undefined when it is there already. */
  get whenSent(): Promise<void> | undefined {
    if (this.#state !== "waiting" && this.#state !== "failed") return undefined;
    if (this.#sent === undefined) {
      this.#sent = new Promise((resolve, reject) => {
        this.#resolveSent = resolve;
        this.#rejectSent = reject;
      });
      if (this.#state === "failed") this.#rejectSent(this.#outcome as HbiError); // it is kept there
      markHandled(this.#sent);
    }
    return this.#sent;
  }

  /** What is left of its time after it has waited, in steps of at most a hundredth: of calls that wait, most say the same. */
  get leftMs(): number {
    const { timeoutMs, talk } = this.request;
    if (this.#waitingSince === undefined) return timeoutMs;
    const waitedMs = this.#clock.now() - this.#waitingSince;
    if (talk !== undefined) return Math.max(timeoutMs - waitedMs, 1);
    const stepMs = timeoutMs >= 10_000 ? 100 : timeoutMs >= 1_000 ? 10 : 1;
    return timeoutMs - Math.floor(waitedMs / stepMs) * stepMs;
  }

  /** Whether all objects that were declared are here. */
  get hasAll(): boolean {
    return this.#received >= this.request.results.length;
  }

  /** Why it has failed, if it has. */
  get error(): HbiError | undefined {
    return this.#state === "failed" ? (this.#outcome as HbiError) : undefined; // it is kept there
  }

  get isRefused(): boolean {
    return this.#state === "refused";
  }

  get #isSettled(): boolean {
    return this.#state === "fulfilled" || this.#state === "failed";
  }

  #whyLate(): HbiError {
    const co = this.#co;
    if (co === undefined) return failure("timeout", "no connection");
    if (co.at.isUnsent && this.request.talk === undefined) return turnHeld(co.lane.turn);
    return co.lane.explainTimeout(co);
  }

  // --- where it is ---------------------------------------------------------------------------------------------------

  /** There is a connection: begins a conversation there. Where that is not possible it fails. */
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
    connection.conversationBegun(); // last: what it reads may call as well, and must not overtake
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

  #talkFailed(co: PoCo, error: HbiError): void {
    if (co !== this.#co) return;
    const isRefused = error.reason === "draining" && error.mayHaveLanded === false;
    if (isRefused && this.request.talk?.isRepeatable === true) {
      co.giveUp(error); // the rest of its answer is read where it is
      co.connection.peerGoesAway(undefined); // it may not have said so
      this.#leave(co.connection, error);
    } else this.giveUp(error);
  }

  /** What time it spends waiting is not its host's. */
  waits(): void {
    this.#waitingSince ??= this.#clock.now();
  }

  /** Nothing of it has reached the peer, or its host has not looked at it: back to its link, for the next connection; without one it
   *  fails. */
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
      why = asHbiError(thrown); // the function that makes its content
    }
    this.giveUp(why);
  }

  /** There will be no connection, or this one is over. */
  lose(error: HbiError): void {
    if (this.#co === undefined) this.giveUp(error);
    else this.#co.lose(error);
  }

  // --- sending; what its conversation tells --------------------------------------------------------------------------------------

  /** for error messages */
  get label(): string {
    return `call ${this.#co?.seq} of ${this.request.name}`;
  }

  /** Whether a packet now would be read as part of its raw data: of the one that has the turn. */
  get isInRawData(): boolean {
    return this.#co?.at.isSending === true;
  }

  /** It has the turn: what is there as a whole is one text, or a text on either side of its raw data. */
  granted(): void {
    const co = this.#co as PoCo; // which has asked for the turn
    const { posting, account } = co.connection;
    const { wire } = co.lane;
    const { packet, body } = this;
    const id = co.seq + posting.callSuffix(this.leftMs, body?.length ?? 0) + posting.metadataFieldOf(co);
    const end = posting.knowsExtension ? co.coSeq : id;
    account.posts -= packet.length + ENTRY_COST_BYTES;
    const head = `[${id.length}#co_begin]${id}${packet}`;
    const tail = `[${end.length}#co_end]${end}`;
    co.begun(wire.writtenBytes + head.length); // before the write: one to a peer that does not read ends the connection
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
      this.#isOut(co);
      co.written();
    };
    if (handed === undefined) finish();
    else handed.then(finish, ignore); // the end of the connection tells
  }

  #isOut(co: PoCo): void {
    if (co.at.isOver) return;
    co.lane.turn.release(this);
    this.sent();
  }

  /** All of it is on the wire. */
  sent(): void {
    const { wantsResults } = this.request;
    if (this.#home?.isLasting !== true) {
      this.packet = "";
      this.body = undefined; // it will not be sent again
    } else if (!wantsResults) this.body = this.body?.slice(); // it may be, and its caller may change it now
    if (this.#state === "waiting") this.#state = "sent";
    this.#resolveSent();
  }

  /** An object of the answer. */
  onObject(text: string, { connection }: PoCo): void {
    if (this.#state === "failed" || this.#state === "refused") return; // the rest is read and dropped
    const { results, wantsResults } = this.request;
    if (this.hasAll) {
      this.#onSurplus(text, connection);
      return;
    }
    try {
      const value = landObject(text, connection.env, connection);
      if (value instanceof HbiError) throw value;
      this.#take(value, results[this.#received]);
    } catch (thrown) {
      this.#refusedOr(asHbiError(thrown));
      return;
    }
    // A peer of ours answers by what is declared; of others it shows at the end of the answer.
    if (wantsResults && this.hasAll && connection.posting.knowsExtension) this.#fulfill(this.#outcome);
  }

  #take(value: unknown, schema: z.ZodType | undefined): void {
    const { wantsResults, isList, name } = this.request;
    const taken = wantsResults && schema !== undefined ? validate(schema, value, "bad_answer", name) : value;
    if (isList === true) {
      this.#outcome ??= [];
      (this.#outcome as unknown[]).push(taken); // as made above
    } else if (this.#received === 0) this.#outcome = taken;
    this.#received += 1;
  }

  /** More than was declared: the error of the host, the object that another conversation has asked for, or another idea of the method. */
  #onSurplus(text: string, connection: Connection): void {
    if (connection.posting.takeLone(text)) return;
    const { wantsResults, name } = this.request;
    let error = failure("bad_answer", `${name}: more objects than declared`);
    try {
      const value = landObject(text, connection.env, connection);
      if (value instanceof HbiError) error = value;
    } catch {
      // it is refused either way
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

  /** The answer has ended. Gives the refusal, if it was one. */
  acknowledged(): HbiError | undefined {
    const { wantsResults, isList } = this.request;
    if (this.#state === "refused") return this.#outcome as HbiError; // it is kept there
    if (wantsResults && !this.hasAll) this.#fail(failure("no_answer"));
    else this.#fulfill(isList === true ? (this.#outcome ?? []) : this.#outcome);
    return undefined;
  }

  /** The host has refused it unseen, and its conversation is over. */
  refused(from: Connection, error: HbiError): void {
    this.#leave(from, error);
  }

  /** Its conversation was lost after it may have reached the peer. */
  lost(co: PoCo, error: HbiError): void {
    if (this.#isSettled) return;
    if (this.request.talk === undefined) this.#fail(error);
    // It may be waiting for a source that never goes on. Whatever else it waits for tells more, and first.
    else this.#clock.soon(() => this.#talkFailed(co, error));
  }

  /** Its conversation was lost before. */
  left(co: PoCo, error: HbiError): void {
    if (co === this.#co) this.#leave(co.connection, error);
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Gives up: the promise rejects at once, whatever its conversation still has to do. */
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

  #fail(error: HbiError): void {
    if (this.#isSettled) return;
    this.#state = "failed";
    this.#outcome = error;
    if (this.#promise !== undefined) markHandled(this.#promise); // not before: most calls do not fail
    this.#reject(error);
    this.#rejectSent(error); // which changes nothing once it was sent
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
    if (this.#onAbort !== undefined) this.request.signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** Why a call fails whose signal has aborted. */
export function cancelled(signal: AbortSignal): HbiError {
  return failure("cancelled", undefined, { cause: signal.reason });
}
