/**
 * PoAnswer: what the poster of a conversation reads: objects, requested or not, the raw data behind them, and scripts
 * of the host, which are landed. docs/protocol.md, section 4.
 */
import { asHbiError, bodyTooBig, failure, HbiError, moreThan } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { planScript } from "../../registry/plan.ts";
import { Landing, type LandingHost } from "../conversation/landing.ts";
import { readScript } from "../conversation/script-plan.ts";
import type { Buffers } from "../lane/buffers.ts";
import { RawIntake } from "../lane/raw-intake.ts";
import { rawOptions, type WaitOptions } from "../waits.ts";
import { CoReceiver, type Schema, type SchemaOutput } from "./co-receiver.ts";
import type { Connection } from "./connection.ts";
import { landObject } from "./land-object.ts";
import type { PostedCo } from "./posted-co.ts";

export interface AnswerOptions {
  /** Lands the answer in another environment than the connection's. */
  readonly env?: HostingEnv;
  /** Declares that the answer has no raw data, so that a cancelled conversation can be read to its end. */
  readonly hasNoRawAnswer?: boolean;
  /** The number of raw bytes behind an object of the answer, or `TO_THE_END`, with the same effect; undefined if it
   *  cannot be computed. */
  readonly answerBytes?: (object: unknown) => number | undefined;
  /** for the library only: the limits for the answer, if they are not those of the connection */
  readonly limits?: Limits | undefined;
  /** Objects that are not requested are dropped instead of being an error. */
  readonly dropsObjects?: boolean;
}

export class PoAnswer implements LandingHost {
  readonly intake: RawIntake;
  /** as handlers of its scripts see it */
  readonly co: PostedCo;
  readonly #connection: Connection;
  readonly #options: AnswerOptions;
  #receiver: CoReceiver | undefined;
  #landing: Landing | undefined;
  /** whether the object that declares the raw data of the answer has arrived */
  #hasAnswered = false;
  /** whether the host's error has arrived, which nothing follows */
  #hasFailed = false;
  /** whether the host has promised that there is no raw data */
  #isPromised = false;
  /** whether the host sends raw data up to the end of the lane */
  isOpenEnded = false;
  /** objects requested with `co_send` that have not arrived outside of a bracket */
  requests = 0;

  constructor(connection: Connection, co: PostedCo, options: AnswerOptions) {
    this.co = co;
    this.#connection = connection;
    this.#options = options;
    this.intake = new RawIntake(co, connection.account);
  }

  /** Those of the method whose answer it is, if it has its own. */
  get limits(): Limits {
    return this.#options.limits ?? this.#connection.limits;
  }

  /** Created on first use: a poster that only posts receives nothing. */
  get #received(): CoReceiver {
    this.#receiver ??= new CoReceiver(this.#connection, this.co, this, this.intake);
    return this.#receiver;
  }

  /** The environment that lands it. */
  get env(): HostingEnv {
    return this.#options.env ?? this.#connection.env;
  }

  /** Whether the requested bytes are the next ones on the wire, because nothing else declares them. */
  get #isManual(): boolean {
    return this.#landing?.isRunning === true ? this.#landing.isManual : !this.isDeclared;
  }

  /** Whether a script of it is being landed. */
  get isLanding(): boolean {
    return this.#landing?.isRunning === true;
  }

  /** Whether an object is awaited. */
  get isWaitingForObject(): boolean {
    return this.#receiver?.isWaitingForObject === true;
  }

  /** Whether the caller or the host has declared the raw data of the answer, apart from that of its scripts. */
  get isDeclared(): boolean {
    const { hasNoRawAnswer, answerBytes } = this.#options;
    return this.#isPromised || hasNoRawAnswer === true || answerBytes !== undefined;
  }

  get #hasNoRawData(): boolean {
    return this.#isPromised || this.#options.hasNoRawAnswer === true;
  }

  /** The host declares that the whole answer has no raw data. */
  promisesNoRawData(): void {
    this.#isPromised = true;
    this.intake.promise(0);
  }

  /** Skips the unread raw data, so that what follows it can be read. */
  discardData(): void {
    this.intake.discard();
    this.co.lane.pump();
  }

  /** Nothing follows raw data that ends with its lane, so the rest of it is not awaited. Returns false for other raw
   *  data. */
  isCut(): boolean {
    const { intake } = this;
    return intake.isOpenEnded && !intake.isAtEnd && this.co.lane.session.abandon(failure("cancelled"));
  }

  /** Raw data of unknown length is counted as it arrives. */
  checkSize(): void {
    if (!this.intake.isTooBig) return;
    const error = moreThan(this.intake.most, this.co.call?.request.name);
    this.co.failed(error);
    this.fail(error);
    this.co.lane.session.abandon(error);
  }

  /** Only the handlers of its scripts read on: raw data that was requested and not read is skipped. */
  discardUnread(): void {
    if (this.isCut()) return;
    if (this.#landing?.isRunning !== true) this.intake.discard();
    this.co.lane.pump();
  }

  /** Fails the waiting receivers. */
  fail(error: HbiError): void {
    this.#receiver?.fail(error);
  }

  /** It will not arrive. */
  lose(error: HbiError): void {
    this.#landing?.abandon();
    this.fail(error);
  }

  // --- receiving -----------------------------------------------------------------------------------------------------

  async object<S extends Schema | undefined>(
    schema: S,
    options: WaitOptions,
    env?: HostingEnv,
  ): Promise<SchemaOutput<S>> {
    this.co.toRecv();
    return this.#received.object(schema, this.co.bounded(options), this.co.hints, env);
  }

  async data(into: Buffers, options: WaitOptions): Promise<void> {
    this.co.toRecv();
    await this.#received.data(into, this.#isManual, rawOptions(this.co.bounded(options)));
  }

  chunks(byteLength: number, options: WaitOptions): AsyncGenerator<Uint8Array, void, void> {
    this.co.toRecv();
    return this.#received.chunks(byteLength, this.#isManual, rawOptions(this.co.bounded(options)));
  }

  // --- what arrives --------------------------------------------------------------------------------------------------

  /** Whether raw data may precede the next packet. */
  get hidesNextPacket(): boolean {
    if (this.intake.pendingBytes > 0) return true;
    return this.#landing?.isRunning === true && this.#landing.hidesNextPacket;
  }

  /** Only the caller that has cancelled would have known where the raw data is, unless it was declared.
   *  @throws HbiError failed_precondition */
  checkPosition(): void {
    if (this.co.at.isGivenUp && !this.isDeclared && !this.#hasFailed)
      throw failure("position_lost", "the answer to a cancelled call may have some; see hasNoRawAnswer");
    this.intake.check();
  }

  /** It has ended; waiting receivers fail. */
  ended(): void {
    this.#receiver?.failObjects("no_answer");
  }

  /** Nothing more of it is read. */
  drop(): void {
    this.intake.drop();
    this.#receiver?.drop();
  }

  /** An answer to `co_send` outside of any bracket, as the reference sends it. */
  takeLoneObject(text: string): boolean {
    if (this.requests === 0) return false;
    this.requests -= 1;
    this.#received.onObject(text);
    return true;
  }

  onObject(text: string): void {
    if (this.#receiver?.isWaitingForObject === true) {
      const isFirst = this.#options.answerBytes !== undefined && !this.#hasAnswered;
      this.#hasAnswered = true;
      if (isFirst && !this.#announceBehind(text)) return;
      if (this.#receiver.onObject(text)) this.#hasFailed = true;
      return;
    }
    if (this.#connection.posting.takeLone(text)) return;
    const value = this.#landUnwanted(text);
    if (value instanceof HbiError) {
      this.#hasFailed = true;
      this.co.failed(value);
    } else if (!this.co.at.isGivenUp && this.#options.dropsObjects !== true) this.#onSurplus();
    this.intake.discard(this.#hasAnswered ? 0 : this.#skippedBehind(value));
    this.#hasAnswered = true;
  }

  /** @throws HbiError failed_precondition if raw data may follow it */
  #onSurplus(): void {
    if (!this.isDeclared) throw failure("bad_state", "an object that is not expected");
    this.co.failed(failure("bad_answer", "more objects than declared"));
  }

  /** An object that cannot be landed affects nothing else if it is certain that no raw data follows it. */
  #landUnwanted(text: string): unknown {
    try {
      return landObject(text, this.env, this.limits);
    } catch (thrown) {
      if (!this.#hasNoRawData) throw thrown;
      return asHbiError(thrown);
    }
  }

  /** Called before the object is passed on, so that its receiver can rely on the raw data. Returns false if it is
   *  refused, after the receiver has failed.
   *  @throws HbiError if the position is lost */
  #announceBehind(text: string): boolean {
    try {
      this.intake.announce(this.#bytesBehind(landObject(text, this.env, this.limits)));
      return true;
    } catch (thrown) {
      this.fail(asHbiError(thrown));
      this.#checkCertain(thrown);
      return false;
    }
  }

  /** For an object that is not wanted. @throws HbiError if the position is lost */
  #skippedBehind(value: unknown): number {
    try {
      return this.#bytesBehind(value);
    } catch (thrown) {
      this.#checkCertain(thrown);
      return 0;
    }
  }

  /** A refused object affects nothing else if it is certain that no raw data follows it. */
  #checkCertain(thrown: unknown): void {
    if (this.intake.restAfter(this.#hasNoRawData ? 0 : undefined) === undefined) throw thrown;
  }

  /** The number of raw bytes behind an object of the answer. The object is checked even if the host has promised that
   *  there are none.
   *  @throws HbiError if it is uncertain: the position is lost */
  #bytesBehind(value: unknown): number {
    if (this.#options.hasNoRawAnswer === true || value instanceof HbiError) return 0;
    const bytes = this.#options.answerBytes?.(value) ?? (this.#isPromised ? 0 : undefined);
    if (bytes === undefined) throw failure("bad_state", "an object that is not expected");
    if ((bytes === TO_THE_END) !== this.isOpenEnded) {
      throw failure("bad_answer", this.isOpenEnded ? "raw data of unknown length" : "raw data of a known length");
    }
    if (this.isOpenEnded) {
      this.intake.promise(bytes);
      this.intake.most = this.limits.maxBodyBytes;
    } else if (bytes > this.limits.maxBodyBytes) throw bodyTooBig(bytes, this.limits.maxBodyBytes);
    this.intake.expect(bytes);
    return bytes;
  }

  // --- landing: scripts of the answer --------------------------------------------------------------------------------

  land(text: string): void {
    if (text === "") return;
    try {
      const plan = planScript(readScript(text, this.env, this.#connection.limits), this.env, this.#connection.limits);
      this.intake.expect(plan.rawBytes ?? 0);
      if (plan.needsLane) throw failure("no_lanes", "inside an answer");
      if (plan.refusal !== undefined) {
        this.landingFailed(plan.refusal, plan.rawBytes);
        return;
      }
      this.#landing = new Landing(this, this.env, plan);
    } catch (thrown) {
      this.landingFailed(asHbiError(thrown), undefined);
      return;
    }
    this.#landing.start();
  }

  paced(run: () => void): void {
    this.#connection.paced(run);
  }

  enter(): undefined {}

  leave(): void {}

  stepLanded(): void {}

  landingEnded(): void {}

  landed(): void {
    this.co.lane.pump();
  }

  /** A failing script of the answer concerns only this conversation, if the bytes behind it are certain. */
  landingFailed(error: HbiError, rawBytes: number | undefined): void {
    this.#connection.report(error, `answer ${this.co.coSeq}`);
    const rest = this.intake.restAfter(rawBytes); // a declaration of the caller does not cover scripts, only a promise of the host does
    if (rest === undefined) {
      this.#connection.cut(error);
      return;
    }
    this.co.failed(error);
    this.fail(error);
    this.intake.discard(rest);
    if (this.intake.skippedBytes > this.limits.maxDrainBytes) this.co.lane.session.cut(failure("drain_too_big"));
    else this.co.abandon(error);
  }
}
