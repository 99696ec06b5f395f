/**
 * Landing: runs the statements of one packet in order, each awaited, and keeps the position in the raw data that belongs to
 * them. Synchronous as long as no handler waits. docs/landing.md, "check, then run".
 */
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { checkResult, isPromise, runQuietStep, stepParams } from "../../registry/invoke.ts";
import { type CallStep, handlerTimeoutOf, type Plan, type Step } from "../../registry/plan.ts";
import type { RawIntake } from "../lane/raw-intake.ts";

/** The conversation whose packet is landed: PoAnswer for the answer to a posted one, HoCo for a hosted one. */
export interface LandingHost {
  /** The conversation as handlers are given it. */
  readonly co: unknown;
  readonly intake: RawIntake;
  readonly limits: Limits;
  /** Runs what follows from a handler's end, now or when it is this connection's turn. */
  paced(run: () => void): void;
  /** Makes it the conversation being landed; gives the one that was, for `leave`. */
  enter(): unknown;
  leave(outer: unknown): void;
  /** A statement has run; `result` is validated, and declared if `isDeclared`. */
  stepLanded(result: unknown, isDeclared: boolean): void;
  /** It was given up, and its handler has ended. */
  landingEnded(): void;
  /** All have run, given up or not; `value` is that of the last. */
  landed(value: unknown): void;
  /** One failed, given up or not. `rawBytes` is what is unread of its data and that of the statements behind it; undefined: unknown. */
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

  /** @param wantsValue whether its value goes back as an object: it came as co_send */
  constructor(host: LandingHost, env: HostingEnv, plan: Plan, wantsValue = false) {
    this.wantsValue = wantsValue;
    this.#host = host;
    this.#env = env;
    this.#plan = plan;
  }

  /** Whether a statement has not ended yet. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  get answersObject(): boolean {
    return this.#plan.answersObject;
  }

  /** How long its handlers may take. */
  get timeoutMs(): number {
    return handlerTimeoutOf(this.#plan, this.#env, this.#host.limits.handlerTimeoutMs);
  }

  /** Whether only the handler knows how much raw data comes next. */
  get isManual(): boolean {
    const step = this.#plan.steps[this.#index];
    return step?.kind === "call" && step.entry.method.spec.body === "manual";
  }

  /** Whether raw data may come before the next packet that no one has announced yet. */
  get hidesNextPacket(): boolean {
    if (!this.#isAnnounced || this.isManual) return this.#mayTakeRawData(this.#index);
    for (let i = this.#index + 1; i < this.#plan.steps.length; i++) if (this.#mayTakeRawData(i)) return true;
    return false;
  }

  /** Where a failure now would leave the raw data: unread bytes of this statement and those behind it. */
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

  /** The result is not wanted any more; what the handler does until it ends is ignored. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Runs what has not run yet, until a handler waits.
   *  @param settled of the statement that was waited for */
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
        // Asked once: what it is may run code of the handler's.
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

  /** A thenable of the handler's own may settle twice, or throw: a promise does neither. */
  #wait(outcome: PromiseLike<unknown>): void {
    Promise.resolve(outcome).then(
      (result) => this.#host.paced(() => this.start({ result })),
      (thrown) => this.#host.paced(() => (this.#isAbandoned ? this.#endAbandoned() : this.#fail(thrown))),
    );
  }

  /** @param ready parameters, where nested calls among them had to be waited for */
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
      return step.entry.handler(params as never, co as never, this.#env as never); // validated by the schema that types the handler
    } finally {
      this.#host.leave(outer);
    }
  }

  /** Says how much raw data follows. */
  #announce({ bodyBytes, entry: { method, name } }: CallStep, params: object | undefined): void {
    const bytes = bodyBytes ?? method.bodyBytes(params as never); // validated by the same method
    if (bytes === undefined) throw failure("bad_argument", `${name}: the length of its raw data is unknown`);
    if (bytes > this.#host.limits.maxBodyBytes && bodyBytes === undefined) throw failure("body_too_big", name);
    this.#host.intake.announce(bytes);
  }

  #end(step: Step, result: unknown): void {
    this.#value = checkResult(step, result);
    this.#host.intake.discard(); // what the handler left unread
    this.#host.stepLanded(this.#value, step.kind === "call" && step.entry.method.answers);
  }

  #fail(thrown: unknown): void {
    const rawBytes = this.remainingRawBytes;
    this.#isRunning = false;
    this.#host.landingFailed(asHbiError(thrown), rawBytes);
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
