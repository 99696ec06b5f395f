/**
 * Landing: runs the statements of one packet in order, awaiting each, and tracks the raw data that belongs to them.
 * Synchronous unless a handler waits. docs/landing.md, "Check, then run".
 */
import { asHbiError, bodyTooBig, failure, type HbiError, moreThan, ofCall } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import type { ExposedMethod, HostingEnv } from "../../registry/hosting-env.ts";
import { checkResult, runQuietStep, stepParams } from "../../registry/invoke.ts";
import { type CallStep, handlerTimeoutOf, type Plan, type Step } from "../../registry/plan.ts";
import { isPromise } from "../../registry/promised.ts";
import { runHandler } from "../../registry/raised-error.ts";
import type { RawIntake } from "../lane/raw-intake.ts";

/** The conversation whose packet is landed: PoAnswer for the answer to a posted one, HostedCo for a hosted one. */
export interface LandingHost {
  /** The conversation as handlers see it. */
  readonly co: unknown;
  readonly intake: RawIntake;
  readonly limits: Limits;
  /** Continues after the end of a handler, now or when it is this connection's turn. */
  paced(run: () => void): void;
  /** Makes it the conversation that is being landed; returns the previous one, for `leave`. */
  enter(): unknown;
  leave(outer: unknown): void;
  /** A statement has run; `result` is validated, and declared if `answering` is the method that it called. */
  stepLanded(result: unknown, answering: ExposedMethod | undefined): void;
  /** The landing was abandoned, and its handler has ended. */
  landingEnded(): void;
  /** All statements have run, abandoned or not; `value` is that of the last. */
  landed(value: unknown): void;
  /** A statement failed, abandoned or not. `rawBytes` is the unread raw data of it and of the statements after it;
   *  undefined if unknown. */
  landingFailed(error: HbiError, rawBytes: number | undefined): void;
}

export class Landing {
  readonly wantsValue: boolean;
  readonly #host: LandingHost;
  readonly #env: HostingEnv;
  readonly #plan: Plan;
  #index = 0;
  #isRunning = true;
  #isAnnounced = false;
  #isAbandoned = false;
  #value: unknown;

  /** @param wantsValue whether its value is sent back as an object, because it came as co_send */
  constructor(host: LandingHost, env: HostingEnv, plan: Plan, wantsValue = false) {
    this.wantsValue = wantsValue;
    this.#host = host;
    this.#env = env;
    this.#plan = plan;
  }

  /** Whether a statement is still running. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The method whose handler is running; undefined between statements that are calls. */
  get name(): string | undefined {
    const step = this.#plan.steps[this.#index];
    return step?.kind === "call" ? step.entry.name : undefined;
  }

  get answersObject(): boolean {
    return this.#plan.answersObject;
  }

  /** The time for its handlers. */
  get timeoutMs(): number {
    return handlerTimeoutOf(this.#plan, this.#env, this.#host.limits.handlerTimeoutMs);
  }

  /** Whether only the handler knows how much raw data follows. */
  get isManual(): boolean {
    const step = this.#plan.steps[this.#index];
    return step?.kind === "call" && step.entry.method.spec.body === "manual";
  }

  /** Whether raw data that is not announced yet may precede the next packet. */
  get hidesNextPacket(): boolean {
    if (!this.#isAnnounced || this.isManual) return this.#mayTakeRawData(this.#index);
    for (let i = this.#index + 1; i < this.#plan.steps.length; i++) if (this.#mayTakeRawData(i)) return true;
    return false;
  }

  /** The raw data that a failure would leave now: unread bytes of this statement and those after it. */
  get remainingRawBytes(): number | undefined {
    const { steps } = this.#plan;
    let bytes = 0;
    for (let i = this.#isAnnounced ? this.#index + 1 : this.#index; i < steps.length; i++) {
      const step = steps[i];
      if (step?.kind !== "call") continue;
      if (step.bodyBytes === undefined) return undefined;
      bytes += step.bodyBytes;
    }
    return this.isManual && this.#isRunning ? undefined : bytes;
  }

  /** The result is not wanted any more; the rest of the handler's work is ignored. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Runs the remaining statements until a handler waits.
   *  @param settled the result of the statement that was awaited */
  start(settled?: { readonly result: unknown }): void {
    if (settled !== undefined && this.#isAbandoned) {
      this.#endAbandoned();
      return;
    }
    const { steps } = this.#plan;
    let known = settled;
    for (; this.#index < steps.length; this.#index++) {
      const step = steps[this.#index] as Step; // below the length
      try {
        const outcome = known === undefined ? this.#begin(step) : known.result;
        // Checked once, because the check may run code of the handler.
        if (known === undefined && isPromise(outcome)) {
          this.#wait(outcome);
          return;
        }
        this.#end(step, outcome);
      } catch (thrown) {
        this.#fail(thrown);
        return;
      }
      known = undefined;
    }
    this.#isRunning = false;
    this.#host.landed(this.#value);
  }

  /** A thenable of the handler may settle twice or throw; a promise does neither. */
  #wait(outcome: PromiseLike<unknown>): void {
    Promise.resolve(outcome).then(
      (result) => this.#host.paced(() => this.start({ result })),
      (thrown) => this.#host.paced(() => (this.#isAbandoned ? this.#endAbandoned() : this.#fail(thrown))),
    );
  }

  /** @param ready the parameters, if nested calls among them had to be awaited */
  #begin(step: Step, ready?: object): unknown {
    this.#isAnnounced = false;
    const co = this.#host.co;
    const outer = this.#host.enter();
    try {
      const params = ready ?? stepParams(step, this.#env, co);
      if (isPromise(params)) return params.then((later) => this.#begin(step, later as object)); // see stepParams
      if (this.#isAbandoned) throw failure("cancelled");
      if (step.kind !== "call") {
        this.#isAnnounced = true;
        return runQuietStep(step, this.#env, co);
      }
      if (step.entry.method.spec.body !== "manual") this.#announce(step, params);
      this.#isAnnounced = true;
      return runHandler(step.entry, params, co, this.#env);
    } finally {
      this.#host.leave(outer);
    }
  }

  /** Announces how much raw data follows. */
  #announce({ bodyBytes, entry: { method, name } }: CallStep, params: object | undefined): void {
    const bytes = bodyBytes ?? method.bodyBytes(params as never); // validated by the same method
    if (bytes === undefined) throw failure("bad_argument", `${name}: the length of its raw data is unknown`);
    const most = method.spec.limits?.call?.maxBodyBytes ?? this.#host.limits.maxBodyBytes;
    if (bytes > most && bodyBytes === undefined) throw bodyTooBig(bytes, most, name);
    const { intake } = this.#host;
    if (bytes === TO_THE_END) intake.most = most;
    if (intake.isTooBig) throw moreThan(most, name);
    intake.announce(bytes);
  }

  #end(step: Step, result: unknown): void {
    this.#value = checkResult(step, result);
    this.#host.intake.discard(); // the part that the handler left unread
    this.#host.stepLanded(this.#value, step.kind === "call" && step.entry.method.answers ? step.entry : undefined);
  }

  #fail(thrown: unknown): void {
    const rawBytes = this.remainingRawBytes;
    this.#isRunning = false;
    this.#host.landingFailed(this.#named(asHbiError(thrown)), rawBytes);
  }

  /** An unexpected exception as one of its method. Everything else either names it, or is as a handler wrote it. */
  #named(error: HbiError): HbiError {
    const step = this.#plan.steps[this.#index];
    return error.reason === "handler" && step?.kind === "call" ? ofCall(error, step.entry.name) : error;
  }

  #endAbandoned(): void {
    this.#isRunning = false;
    this.#host.landingEnded();
  }

  #mayTakeRawData(index: number): boolean {
    const step = this.#plan.steps[index];
    return step?.kind === "call" && step.bodyBytes !== 0;
  }
}
