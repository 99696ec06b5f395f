/**
 * HoScripts: the scripts that arrive in a hosted conversation: when the first may begin, what each plans, held against what the
 * token promises about raw data, and how much of that is to be skipped when one fails. docs/protocol.md, "the conversation token".
 */
import { asHbiError, failure, type HbiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { parseScript } from "../parser/parse.ts";
import type { HostingEnv } from "../registry/hosting-env.ts";
import { type Plan, planScript } from "../registry/plan.ts";
import { isUrgent } from "./builtin-names.ts";
import type { Keeper } from "./keeper.ts";
import { Landing, type LandingHost } from "./landing.ts";
import type { Token } from "./token.ts";

/** The conversation that lands them. */
export interface Hosting extends LandingHost {
  readonly env: HostingEnv;
  /** Nothing of a script has run. */
  refused(error: HbiError, rawBytes: number | undefined, answersObject: boolean): void;
}

export class HoScripts {
  readonly #connection: Keeper;
  readonly #course: Hosting;
  readonly #token: Token;
  #count = 0;
  #landing: Landing | undefined;
  #wantsValue = false;
  #hasPlace = false;

  constructor(connection: Keeper, course: Hosting, token: Token) {
    this.#connection = connection;
    this.#course = course;
    this.#token = token;
  }

  /** The script that runs, or the last one that did. */
  get landing(): Landing | undefined {
    return this.#landing;
  }

  get isRunning(): boolean {
    return this.#landing?.isRunning === true;
  }

  /** Whether its value goes back as an object: it came as co_send. */
  get wantsValue(): boolean {
    return this.#wantsValue;
  }

  /** Whether the conversation has a place among all of the process. */
  get hasPlace(): boolean {
    return this.#hasPlace;
  }

  /** Begun beyond `maxInFlight`, or what the process takes, so that a cancellation gets through: anything else waits for a place. */
  isHeldBack(code: string): boolean {
    if (this.#count > 0) return false;
    const { hosting } = this.#connection;
    this.#hasPlace ||= !hosting.isOverfull && hosting.enterProcess();
    return !this.#hasPlace && !isUrgent(code);
  }

  land(text: string, wantsValue: boolean): void {
    if (text === "") return;
    this.#count += 1;
    this.#wantsValue = wantsValue;
    let plan: Plan;
    try {
      plan = checked(planOf(text, this.#course.env, this.#connection.limits), this.#token, this.#count === 1);
    } catch (thrown) {
      this.#course.refused(asHbiError(thrown), undefined, false);
      return;
    }
    if (plan.refusal !== undefined) {
      this.#course.refused(plan.refusal, plan.rawBytes, plan.answersObject);
      return;
    }
    this.#landing = new Landing(this.#course, this.#course.env, plan);
    this.#landing.start();
  }

  /** A script behind a failed one is not landed, but its raw data has to be found. */
  skip(text: string): void {
    const { env, intake } = this.#course;
    if (text === "" || promisedBytes(this.#token) !== undefined || !env.takesRawData) return;
    let rawBytes: number | undefined;
    try {
      rawBytes = planOf(text, env, this.#connection.limits).rawBytes;
    } catch (thrown) {
      this.#connection.report(asHbiError(thrown), `conversation ${this.#token.seq}`);
    }
    if (rawBytes === undefined) throw failure("position_lost");
    intake.discard(rawBytes);
  }

  /** The raw bytes to skip after a failure, beside what is unread of the present call; undefined: nobody knows.
   *  @param planned those of the scripts that have been planned */
  restOfRawData(planned: number | undefined): number | undefined {
    const { intake, env } = this.#course;
    const promised = promisedBytes(this.#token);
    if (promised !== undefined) return Math.max(promised - intake.takenBytes - intake.pendingBytes, 0);
    return env.takesRawData ? planned : 0;
  }
}

function planOf(text: string, env: HostingEnv, limits: Limits): Plan {
  return planScript(parseScript(text, limits), env, limits);
}

/** What the token promises about raw data must agree with what the script plans. */
function checked(plan: Plan, token: Token, isFirst: boolean): Plan {
  const promised = promisedBytes(token);
  if (promised === undefined || plan.rawBytes === undefined || plan.refusal !== undefined) return plan;
  if (plan.rawBytes === promised && (token.hasNoRawData || isFirst)) return plan;
  return { ...plan, refusal: failure("body_mismatch") };
}

function promisedBytes({ hasNoRawData, rawBytes }: Token): number | undefined {
  return hasNoRawData ? 0 : rawBytes;
}
