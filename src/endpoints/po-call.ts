/**
 * PoCall: a conversation of one script, perhaps with raw data that is there as a whole, whose answer is as many objects as were
 * declared: one write, one read, one promise. Whatever else an answer may hold (scripts of the host) is left to a PoCo that takes over.
 */
import type { z } from "zod";
import type { Chained } from "../chain.ts";
import type { Timer } from "../clock.ts";
import { asHbiError, failure, HbiError } from "../errors.ts";
import { validate } from "../registry/validate.ts";
import type { Packet } from "../wire/packet.ts";
import { turnHeld } from "./bracket.ts";
import { landObject } from "./co-receiver.ts";
import { packetOf } from "./co-sender.ts";
import type { BracketReader, Keeper, PostedConversation } from "./keeper.ts";
import { PoCo } from "./po-co.ts";
import type { TurnTaker } from "./send-turn.ts";
import { seqOf } from "./token.ts";
import { ignore, withLanded } from "./waits.ts";

export interface CallRequest {
  readonly code: string;
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
  /** raw data behind the code, not changed before the answer is there */
  readonly body?: Uint8Array | undefined;
  /** goes before what waits, and beside what is in flight: for the library's own messages */
  readonly isUrgent?: boolean;
}

export class PoCall implements BracketReader, TurnTaker, PostedConversation {
  readonly seq: number;
  isAdmitted = false;
  readonly mayAsk = false;
  chain: unknown;
  before: Chained | undefined;
  behind: Chained | undefined;
  readonly #connection: Keeper;
  readonly #request: CallRequest;
  readonly #packet: string;
  /** when it began to wait for a place or the turn; undefined: it has not waited */
  #waitingSince: number | undefined;
  readonly #values: unknown[] = [];
  #promise: Promise<unknown> | undefined;
  #resolve: (value: unknown) => void = ignore;
  #reject: (error: HbiError) => void = ignore;
  #sent: Promise<void> | undefined;
  #resolveSent: () => void = ignore;
  #rejectSent: (error: HbiError) => void = ignore;
  #timer: Timer | undefined;
  #onAbort: (() => void) | undefined;
  #state: "waiting" | "sent" | "answering" | "completed" = "waiting";
  #isSettled = false;
  #failure: HbiError | undefined;
  /** reads the rest of an answer that has scripts in it */
  #successor: PoCo | undefined;

  constructor(connection: Keeper, seq: number, request: CallRequest) {
    this.seq = seq;
    this.#connection = connection;
    this.#request = request;
    this.#packet = packetOf("", request.code, connection.limits);
    const { timeoutMs, signal } = request;
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#timer = connection.clock.after(timeoutMs, () => this.abandon(this.#whyLate()));
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.abandon(failure("cancelled", undefined, { cause: signal.reason }));
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  /** The object of the answer, all of them, or undefined. Made when somebody asks for it: of a call that nobody waits for no
   *  failure is unheard. */
  get promise(): Promise<unknown> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#isSettled) this.#tell();
    });
    return this.#promise;
  }

  /** Resolves when it is on the wire; undefined when it is there already. */
  get whenSent(): Promise<void> | undefined {
    if (this.#state !== "waiting" && this.#failure === undefined) return undefined;
    this.#sent ??= new Promise((resolve, reject) => {
      this.#resolveSent = resolve;
      this.#rejectSent = reject;
      if (this.#failure !== undefined) reject(this.#failure);
    });
    return this.#sent;
  }

  /** Its turn has not come at once: what time it spends waiting is not its host's. */
  waits(): void {
    if (this.#state === "waiting") this.#waitingSince = this.#connection.clock.now();
  }

  #whyLate(): HbiError {
    const { turn } = this.#connection;
    return this.#state === "waiting" ? turnHeld(turn) : this.#connection.explainTimeout(this);
  }

  get label(): string {
    return `call ${this.seq} of ${this.#request.name}`;
  }

  get coSeq(): string {
    return String(this.seq);
  }

  /** It is written whole, so nothing is ever half on the wire. */
  get isSending(): boolean {
    return false;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  /** It has a place on the wire. */
  admitted(): void {
    this.#connection.turn.request(this);
  }

  granted(): void {
    const { wire, posting, turn, clock } = this.#connection;
    const { timeoutMs, body } = this.#request;
    const { seq } = this;
    const since = this.#waitingSince;
    const leftMs = since === undefined ? timeoutMs : Math.ceil(timeoutMs - (clock.now() - since));
    const id = seq + posting.callSuffix(leftMs, body?.length ?? 0);
    const end = posting.knowsExtension ? this.coSeq : id;
    this.#state = "sent";
    const head = `[${id.length}#co_begin]${id}${this.#packet}`;
    const tail = `[${end.length}#co_end]${end}`;
    if (body === undefined) wire.text(head + tail);
    else {
      wire.text(head);
      wire.own(body);
      wire.text(tail);
    }
    turn.release(this);
    this.#resolveSent();
  }

  // --- reading: called by the connection -----------------------------------------------------------------------------

  readonly wantsRaw = false;
  readonly wantsPacket = true;

  takeRaw(): boolean {
    return false;
  }

  takeLoneObject(): boolean {
    return false; // it never asks by co_send
  }

  answerBegins(): void {
    if (this.#state !== "sent") throw failure("bad_state", "answered twice");
    this.#state = "answering";
  }

  onPacket(packet: Packet): boolean {
    switch (packet.directive) {
      case "co_recv":
        this.#onObject(packet.text);
        return true;
      case "co_ack_end":
        if (seqOf(packet.text) !== this.coSeq) throw failure("bad_state", "co_ack_end of another id");
        this.#connection.releaseReader(this);
        this.#acknowledged();
        return true;
      case "":
        return this.#succeed().onPacket(packet);
      default:
        throw failure("bad_state", `${packet.directive} inside an answer`);
    }
  }

  #onObject(text: string): void {
    const { results, wantsResults } = this.#request;
    if (this.#failure !== undefined) return; // given up, or failed before: the rest is read and dropped
    const index = this.#values.length;
    try {
      const value = landObject(text, this.#connection.env, this.#connection);
      if (value instanceof HbiError) throw value;
      if (index < results.length) this.#take(results[index], value);
    } catch (thrown) {
      this.#fail(asHbiError(thrown));
      return;
    }
    if (index >= results.length) throw failure("bad_state", "an object that nobody receives");
    if (wantsResults && this.#values.length === results.length) this.#settle();
  }

  #take(schema: z.ZodType | undefined, value: unknown): void {
    const { wantsResults, name } = this.#request;
    const isChecked = wantsResults && schema !== undefined;
    this.#values.push(isChecked ? validate(schema, value, "bad_answer", name) : value);
  }

  #acknowledged(): void {
    if (this.#failure === undefined && !this.#isSettled) {
      if (this.#request.wantsResults && this.#values.length < this.#request.results.length) {
        this.#fail(failure("no_answer"));
      } else this.#settle();
    }
    this.#complete();
  }

  /** The answer has scripts: a PoCo lands them, and waits for what this call waits for. */
  #succeed(): PoCo {
    const { results } = this.#request;
    const co = PoCo.inAnswer(this.#connection, this.seq);
    this.#successor = co;
    this.#connection.posting.replace(this, co);
    if (this.#failure !== undefined) {
      co.abandon(this.#failure);
      return co;
    }
    const objects = results.slice(this.#values.length).map((schema) => {
      const object = co.recvObj(undefined, FOREVER).then((value) => this.#take(schema, value));
      object.catch(ignore); // the first one that fails is told
      return object;
    });
    const completed = co.waitCompleted(FOREVER);
    completed.catch(ignore);
    Promise.all(this.#request.wantsResults && objects.length > 0 ? objects : [...objects, completed]).then(
      () => this.#settle(),
      (thrown) => this.#fail(asHbiError(thrown)),
    );
    return co;
  }

  // --- ending --------------------------------------------------------------------------------------------------------

  /** Gives up: the promise rejects, the peer is told if it can be, the answer is read to its end and dropped. */
  abandon(error: HbiError): void {
    if (this.#isSettled) return;
    const { posting } = this.#connection;
    this.#fail(this.#state === "waiting" ? withLanded(error, false) : error);
    if (this.#state === "waiting") {
      posting.withdraw(this);
      this.#connection.turn.withdraw(this);
      this.#complete();
      return;
    }
    if (this.#successor !== undefined) this.#successor.abandon(error);
    else if (this.#state === "sent") posting.cancelAtPeer(this.seq);
  }

  /** No answer can come any more. */
  lose(error: HbiError): void {
    this.#fail(withLanded(error, this.#state !== "waiting"));
    this.#complete();
  }

  #complete(): void {
    if (this.#state === "completed") return;
    this.#state = "completed";
    this.#connection.posting.completed(this);
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
    if (this.#failure !== undefined) this.#reject(this.#failure);
    else this.#resolve(this.#request.isList === true ? this.#values : this.#values[0]);
  }

  #end(): void {
    this.#isSettled = true;
    this.#tell();
    this.#timer?.cancel();
    if (this.#onAbort !== undefined) this.#request.signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** The call's own timer bounds it. */
const FOREVER = { timeoutMs: Number.POSITIVE_INFINITY };
