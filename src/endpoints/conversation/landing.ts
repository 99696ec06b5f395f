/**
 * Landing: runs the statements of one packet in order, each awaited, and keeps the position in the raw data that belongs to
 * them. Synchronous as long as no handler waits. docs/landing.md, "check, then run".
 */
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { checkResult, isPromise, runStep, stepParams } from "../../registry/invoke.ts";
import { handlerTimeoutOf, type Plan, type Step } from "../../registry/plan.ts";
import type { RawIntake } from "../lane/raw-intake.ts";

/** The conversation whose packet is landed: PoAnswer for the answer to a posted one, HoCourse for a hosted one. */
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
  /** No handler of it is at work any more, also after it was given up. Before `landed` and `landingFailed`. */
  landingEnded(): void;
  /** All have run; `value` is that of the last. */
  landed(value: unknown): void;
  /** One failed. `rawBytes` is what is unread of its data and that of the statements behind it; undefined: unknown. */
  landingFailed(error: HbiError, rawBytes: number | undefined): void;
}

export class Landing {
  readonly #host: LandingHost;
  readonly #env: HostingEnv;
  readonly #plan: Plan;
  #index = 0;
  #isRunning = true;
  #isAnnounced = false;
  #isAbandoned = false;
  #value: unknown;

  constructor(host: LandingHost, env: HostingEnv, plan: Plan) {
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

  start(): void {
    this.#run(0);
  }

  /** Nobody waits for the result any more; what the handler does until it ends is ignored. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  #run(from: number): void {
    const { steps } = this.#plan;
    for (let i = from; i < steps.length; i++) {
      const step = steps[i] as Step; // i is below the length
      this.#index = i;
      this.#isAnnounced = false;
      let isWaiting: boolean;
      try {
        const outcome = this.#begin(step);
        isWaiting = isPromise(outcome); // asked once: what it is may run code of the handler's
        if (isWaiting) this.#wait(step, outcome, i);
        else this.#end(step, outcome);
      } catch (thrown) {
        this.#fail(thrown);
        return;
      }
      if (isWaiting) return;
    }
    this.#isRunning = false;
    this.#host.landingEnded();
    this.#host.landed(this.#value);
  }

  /** A thenable of the handler's own may settle twice, or throw: a promise does neither. */
  #wait(step: Step, outcome: unknown, index: number): void {
    Promise.resolve(outcome).then(
      (result) => this.#host.paced(() => this.#goOn(step, result, index)),
      (thrown) => this.#host.paced(() => (this.#isAbandoned ? this.#endAbandoned() : this.#fail(thrown))),
    );
  }

  #goOn(step: Step, result: unknown, index: number): void {
    if (this.#isAbandoned) {
      this.#endAbandoned();
      return;
    }
    try {
      this.#end(step, result);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    this.#run(index + 1);
  }

  #begin(step: Step): unknown {
    const outer = this.#host.enter();
    try {
      const params = stepParams(step, this.#env, this.#host.co);
      if (!isPromise(params)) return this.#invoke(step, params);
      return params.then((ready) => this.#invokeLater(step, ready as object)); // see stepParams
    } finally {
      this.#host.leave(outer);
    }
  }

  #invokeLater(step: Step, params: object): unknown {
    const outer = this.#host.enter();
    try {
      return this.#invoke(step, params);
    } finally {
      this.#host.leave(outer);
    }
  }

  #invoke(step: Step, params: object | undefined): unknown {
    if (this.#isAbandoned) throw failure("cancelled");
    if (step.kind === "call" && step.entry.method.spec.body !== "manual") {
      const bytes = step.bodyBytes ?? step.entry.method.bodyBytes(params as never); // validated by the same method
      if (bytes === undefined)
        throw failure("bad_argument", `${step.entry.name}: the length of its raw data is unknown`);
      if (bytes > this.#host.limits.maxBodyBytes && step.bodyBytes === undefined) {
        throw failure("body_too_big", step.entry.name);
      }
      this.#host.intake.announce(bytes);
    }
    this.#isAnnounced = true;
    return runStep(step, params, this.#env, this.#host.co);
  }

  #end(step: Step, result: unknown): void {
    this.#value = checkResult(step, result);
    this.#host.intake.discard(); // what the handler left unread
    this.#host.stepLanded(this.#value, step.kind === "call" && step.entry.method.answers);
  }

  #fail(thrown: unknown): void {
    const rawBytes = this.remainingRawBytes;
    this.#isRunning = false;
    this.#host.landingEnded();
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
