/**
 * PoCall: a conversation of one script, perhaps with raw data that is there as a whole, whose answer is as many objects as were
 * declared: one write, one read, one promise. It may be made before there is a connection, and begun again on another one as long as
 * nothing of it can have reached the peer. Whatever else an answer may hold (scripts of the host) is left to a PoCo that takes over.
 */
import type { z } from "zod";
import type { Chained } from "../../chain.ts";
import type { Clock, Timer } from "../../clock.ts";
import { asHbiError, failure, HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { validate } from "../../registry/validate.ts";
import type { Packet } from "../../wire/packet.ts";
import { packetOf } from "../conversation/co-sender.ts";
import { seqOf } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { turnHeld } from "../lane/bracket.ts";
import type { BracketReader, PostedConversation } from "../lane/conversation.ts";
import type { TurnTaker } from "../lane/send-turn.ts";
import { ignore, markHandled, withLanded } from "../waits.ts";
import { landObject } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import { PoCo } from "./po-co.ts";

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
  /** raw data behind the code. The caller may change it when the call has settled, or, of a post, when it is sent */
  readonly body?: Uint8Array | undefined;
  /** goes before what waits, and beside what is in flight: for the library's own messages */
  readonly isUrgent?: boolean;
}

/** What waits for a connection of its link. */
export interface Parked extends Chained {
  /** when it was made, in the order of all of its link */
  readonly order: number;
  /** There is a connection. @throws HbiError unavailable when it takes nothing new */
  begin(connection: Connection): void;
  /** It has to wait: that is a part of its own time. */
  waits(): void;
  /** There will be none. */
  lose(error: HbiError): void;
}

/** A link: where a call waits for a connection, also when the one that it was to be sent on takes nothing new. */
export interface Home {
  /** Whether there may be another connection. */
  readonly isLasting: boolean;
  /** @param from the one that takes nothing new. False when there will be no other. */
  park(parked: Parked, from: Connection): boolean;
  unpark(parked: Parked): void;
}

type CallState = "parked" | "waiting" | "sending" | "sent" | "answering" | "completed";

export class PoCall implements BracketReader, TurnTaker, PostedConversation, Parked {
  seq = 0;
  isAdmitted = false;
  readonly mayAsk = false;
  readonly isLarge: boolean;
  onlyOurs: string | undefined;
  readonly isUrgent: boolean;
  readonly order: number;
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #name: string;
  readonly #results: CallRequest["results"];
  readonly #wantsResults: boolean;
  readonly #isList: boolean;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #clock: Clock;
  readonly #home: Home | undefined;
  /** while it may still be sent, also again */
  #packet: string;
  #body: Uint8Array | undefined;
  /** the one on which it is, from `begin` on */
  #connection: Connection | undefined;
  /** where its script ends among all that was written there */
  #scriptEnd = 0;
  /** since when it waits for a connection, a place or the turn; undefined: it has not waited */
  #waitingSince: number | undefined;
  #values: unknown[] = [];
  #promise: Promise<unknown> | undefined;
  #resolve: (value: unknown) => void = ignore;
  #reject: (error: HbiError) => void = ignore;
  #sent: Promise<void> | undefined;
  #resolveSent: () => void = ignore;
  #rejectSent: (error: HbiError) => void = ignore;
  #timer: Timer | undefined;
  #onAbort: (() => void) | undefined;
  #state: CallState = "parked";
  #isAnsweredEarly = false;
  /** the host promises that no raw data is in the answer */
  #hasNoRawAnswer = false;
  #isSettled = false;
  #failure: HbiError | undefined;
  /** the peer has refused it unseen, as it takes nothing new */
  #refusal: HbiError | undefined;
  /** reads the rest of an answer that has scripts in it */
  #successor: PoCo | undefined;

  /** @throws HbiError resource_exhausted for a script beyond `maxPacketBytes`, cancelled when the signal has aborted already */
  constructor(clock: Clock, limits: Limits, request: CallRequest, home?: Home, order = 0) {
    const { timeoutMs, signal, code, body, name, results, wantsResults, isList = false, isUrgent = false } = request;
    if (signal?.aborted === true) throw failure("cancelled", undefined, { cause: signal.reason });
    this.#clock = clock;
    this.#home = home;
    this.order = order;
    this.#name = name;
    this.#results = results;
    this.#wantsResults = wantsResults;
    this.#isList = isList;
    this.isUrgent = isUrgent;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#packet = packetOf("", code, limits);
    this.isLarge = this.#packet.length > SMALL_CHARS;
    this.onlyOurs = request.onlyOurs;
    this.#body = body;
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#timer = clock.after(timeoutMs, () => this.abandon(this.#whyLate()));
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.abandon(failure("cancelled", undefined, { cause: signal.reason }));
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
      if (this.#isSettled) this.#tell();
    }
    return this.#promise;
  }

  /** Resolves when it is on the wire; undefined when it is there already. */
  get whenSent(): Promise<void> | undefined {
    const isSent = this.#state === "sent" || this.#state === "answering" || this.#state === "completed";
    if (isSent && this.#failure === undefined) return undefined;
    if (this.#sent === undefined) {
      this.#sent = new Promise((resolve, reject) => {
        this.#resolveSent = resolve;
        this.#rejectSent = reject;
        if (this.#failure !== undefined) reject(this.#failure);
      });
      markHandled(this.#sent);
    }
    return this.#sent;
  }

  #whyLate(): HbiError {
    const connection = this.#connection;
    if (connection === undefined) return failure("timeout", "no connection");
    return this.#state === "waiting" ? turnHeld(connection.turn) : connection.explainTimeout(this);
  }

  get label(): string {
    return `call ${this.seq} of ${this.#name}`;
  }

  get coSeq(): string {
    return String(this.seq);
  }

  get isSending(): boolean {
    return this.#state === "sending";
  }

  /** Whether a packet now would be read as part of its raw data. */
  get isInRawData(): boolean {
    return this.#state === "sending";
  }

  // --- where it is ---------------------------------------------------------------------------------------------------

  begin(connection: Connection): void {
    const { posting } = connection;
    if (this.isLarge) posting.checkPacket(this.#packet);
    this.seq = posting.takeSeq(this.isUrgent);
    this.#connection = connection;
    posting.enroll(this);
    connection.account.posts += this.#packet.length + ENTRY_COST_BYTES;
    this.#state = "waiting";
    posting.admit(this);
    if (this.#state === "waiting") this.waits();
  }

  /** What time it spends waiting is not its host's. */
  waits(): void {
    this.#waitingSince ??= this.#clock.now();
  }

  turnedAway(error: HbiError): void {
    if (this.#state === "waiting") this.#leaveFor(withLanded(error, false));
  }

  /** Nothing of it has reached the peer: back to its link, for the next connection; without one it fails. */
  #leaveFor(error: HbiError): void {
    const connection = this.#connection as Connection; // it was begun
    if (this.#state === "waiting") this.#withdraw(connection);
    connection.turn.release(this);
    this.#state = "parked";
    connection.posting.completed(this);
    this.#connection = undefined;
    this.#values = [];
    this.#refusal = undefined;
    this.#isAnsweredEarly = false;
    if (!this.#isSettled && this.#home?.park(this, connection) === true) return;
    this.#state = "completed";
    this.#fail(error);
  }

  #withdraw(connection: Connection): void {
    connection.posting.withdraw(this);
    connection.turn.withdraw(this);
    connection.account.posts -= this.#packet.length + ENTRY_COST_BYTES;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** It has a place on the wire. */
  admitted(): void {
    this.#connection?.turn.request(this);
  }

  granted(): void {
    const connection = this.#connection as Connection; // it has asked for the turn
    const { wire, posting, account } = connection;
    const timeoutMs = this.#timeoutMs;
    const body = this.#body;
    const { seq } = this;
    const since = this.#waitingSince;
    const leftMs = since === undefined ? timeoutMs : left(timeoutMs, this.#clock.now() - since);
    const id = seq + posting.callSuffix(leftMs, body?.length ?? 0);
    const end = posting.knowsExtension ? this.coSeq : id;
    const packet = this.#packet;
    account.posts -= packet.length + ENTRY_COST_BYTES;
    const head = `[${id.length}#co_begin]${id}${packet}`;
    const tail = `[${end.length}#co_end]${end}`;
    if (body === undefined) {
      this.#scriptEnd = wire.writtenBytes + head.length;
      wire.text(head + tail);
      this.#isOut(connection);
      return;
    }
    this.#state = "sending";
    wire.text(head);
    this.#scriptEnd = wire.writtenBytes;
    const handed = wire.bytes(body);
    const finish = (): void => {
      wire.text(tail);
      this.#isOut(connection);
    };
    if (handed === undefined) finish();
    else handed.then(finish, ignore); // the end of the connection tells
  }

  #isOut(connection: Connection): void {
    this.#state = this.#isAnsweredEarly ? "answering" : "sent";
    if (this.#home?.isLasting !== true) this.#forgetContent();
    else if (!this.#wantsResults) this.#body = this.#body?.slice(); // it may be sent again, and its caller may change it now
    connection.turn.release(this);
    this.#resolveSent();
    if (this.#isAnsweredEarly) connection.pump();
    else if (this.#failure !== undefined) this.#gaveUp(connection);
  }

  /** It will not be sent again. */
  #forgetContent(): void {
    this.#packet = "";
    this.#body = undefined;
  }

  // --- reading: called by the connection -----------------------------------------------------------------------------

  get wantsRaw(): boolean {
    return false;
  }

  /** A host of the seed era answers before it has all of the raw data. */
  get wantsPacket(): boolean {
    return this.#state !== "sending";
  }

  checkPosition(): void {}

  takeRaw(): boolean {
    return false;
  }

  takeLoneObject(): boolean {
    return false; // it never asks by co_send
  }

  answerBegins(hasNoRawData: boolean): void {
    if (this.#isAnsweredEarly || (this.#state !== "sent" && this.#state !== "sending")) {
      throw failure("bad_state", "answered twice");
    }
    this.#hasNoRawAnswer = hasNoRawData;
    if (this.#state === "sending") this.#isAnsweredEarly = true;
    else this.#state = "answering";
  }

  onPacket(packet: Packet): boolean {
    const connection = this.#connection as Connection; // it reads there
    switch (packet.directive) {
      case "co_recv":
        this.#onObject(packet.text, connection);
        return true;
      case "co_ack_end":
        if (seqOf(packet.text) !== this.coSeq) throw failure("bad_state", "co_ack_end of another id");
        connection.releaseReader(this);
        this.#acknowledged();
        return true;
      case "":
        return this.#succeed(connection).onPacket(packet);
      default:
        throw failure("bad_state", `${packet.directive} inside an answer`);
    }
  }

  #onObject(text: string, connection: Connection): void {
    if (this.#failure !== undefined) return; // given up, or failed before: the rest is read and dropped
    const results = this.#results;
    const index = this.#values.length;
    if (index >= results.length) {
      this.#onSurplus(text, connection);
      return;
    }
    try {
      const value = landObject(text, connection.env, connection);
      if (value instanceof HbiError) throw value;
      this.#take(results[index], value);
    } catch (thrown) {
      const error = asHbiError(thrown);
      if (error.reason === "draining") this.#refusal = error;
      else this.#fail(error);
      return;
    }
    // A peer of ours answers by what is declared; of others it shows at the end of the answer.
    if (this.#wantsResults && this.#values.length === results.length && connection.posting.knowsExtension)
      this.#settle();
  }

  /** More than was declared: the error of the host, the object that another conversation has asked for, or another idea of the method. */
  #onSurplus(text: string, connection: Connection): void {
    if (connection.posting.takeLone(text)) return;
    let error = failure("bad_answer", `${this.#name}: more objects than declared`);
    try {
      const value = landObject(text, connection.env, connection);
      if (value instanceof HbiError) error = value;
    } catch {
      // it is refused either way
    }
    if (error.reason === "draining") this.#refusal = error;
    else if (this.#wantsResults || error.reason !== "bad_answer") this.#fail(error);
  }

  #take(schema: z.ZodType | undefined, value: unknown): void {
    const isChecked = this.#wantsResults && schema !== undefined;
    this.#values.push(isChecked ? validate(schema, value, "bad_answer", this.#name) : value);
  }

  #acknowledged(): void {
    if (this.#refusal !== undefined) {
      this.#connection?.peerGoesAway(undefined); // it may not have said so
      this.#leaveFor(this.#refusal);
      return;
    }
    if (this.#failure === undefined && !this.#isSettled) {
      if (this.#wantsResults && this.#values.length < this.#results.length) this.#fail(failure("no_answer"));
      else this.#settle();
    }
    this.#complete();
  }

  /** The answer has scripts: a PoCo lands them, and waits for what this call waits for. */
  #succeed(connection: Connection): PoCo {
    const co = PoCo.inAnswer(connection, this.seq, this.#hasNoRawAnswer);
    this.#successor = co;
    connection.posting.replace(this, co);
    if (this.#failure !== undefined) {
      co.abandon(this.#failure);
      return co;
    }
    const objects = this.#results.slice(this.#values.length).map((schema) => {
      const object = co.recvObj(undefined, FOREVER).then((value) => this.#take(schema, value));
      object.catch(ignore); // the first one that fails is told
      return object;
    });
    const completed = co.waitCompleted(FOREVER);
    Promise.all(this.#wantsResults && objects.length > 0 ? objects : [...objects, completed]).then(
      () => this.#settle(),
      (thrown) => this.#fail(asHbiError(thrown)),
    );
    return co;
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Gives up: the promise rejects, the peer is told if it can be, the answer is read to its end and dropped. */
  abandon(error: HbiError): void {
    if (this.#isSettled) return;
    const connection = this.#connection;
    const isUnsent = this.#state === "parked" || this.#state === "waiting";
    this.#fail(isUnsent ? withLanded(error, false) : error);
    if (connection === undefined) {
      this.#home?.unpark(this);
      this.#state = "completed";
    } else if (this.#state === "waiting") {
      this.#withdraw(connection);
      this.#complete();
    } else if (this.#state === "sending")
      connection.wire.keepBorrowed(); // the host waits for every byte
    else if (this.#successor !== undefined) this.#successor.abandon(error);
    else if (this.#state === "sent") this.#gaveUp(connection);
  }

  /** Not so a message of the library that runs nothing: a cancellation would be cancelled, and so on. */
  #gaveUp({ posting }: Connection): void {
    if (this.#wantsResults || !this.isUrgent) posting.gaveUp(this);
  }

  /** No answer can come any more, or there will be no connection. */
  lose(error: HbiError): void {
    const connection = this.#connection;
    const hasReached = connection !== undefined && this.#hasReached(connection);
    if (connection !== undefined && !hasReached) {
      this.#leaveFor(withLanded(error, false));
      return;
    }
    this.#fail(withLanded(error, hasReached));
    if (connection === undefined) this.#state = "completed";
    else this.#complete();
  }

  /** Whether its script may have reached the peer's hand. */
  #hasReached({ wire }: Connection): boolean {
    if (this.#state === "waiting" || this.#refusal !== undefined) return false;
    return this.#state === "answering" || wire.handedBytes >= this.#scriptEnd;
  }

  #complete(): void {
    if (this.#state === "completed") return;
    this.#state = "completed";
    this.#connection?.turn.release(this); // lost in the middle of its raw data
    this.#connection?.posting.completed(this);
  }

  #fail(error: HbiError): void {
    this.#failure ??= error;
    if (this.#isSettled) return;
    this.#end();
    this.#rejectSent(error); // which changes nothing once it was sent
  }

  #settle(): void {
    if (!this.#isSettled) this.#end();
  }

  /** What it has come to. */
  #tell(): void {
    if (this.#failure !== undefined) {
      if (this.#promise !== undefined) markHandled(this.#promise); // not before: most calls do not fail
      this.#reject(this.#failure);
    } else this.#resolve(this.#isList ? this.#values : this.#values[0]);
  }

  #end(): void {
    this.#isSettled = true;
    this.#tell();
    this.#timer?.cancel();
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** The call's own timer bounds it. */
const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };
/** Every peer takes a packet of so many characters, unless its limits are very low. */
const SMALL_CHARS = 4 * 1024;

/** What is left of a call's time after it has waited, in steps of at most a hundredth: of calls that wait, most say the same. */
function left(timeoutMs: number, waitedMs: number): number {
  const stepMs = timeoutMs >= 10_000 ? 100 : timeoutMs >= 1_000 ? 10 : 1;
  return timeoutMs - Math.floor(waitedMs / stepMs) * stepMs;
}
