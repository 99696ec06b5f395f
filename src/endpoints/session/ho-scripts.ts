/**
 * HoScripts: the scripts that arrive in a hosted conversation: whether one may run now, must wait for a place or is refused; what it
 * plans, held against what the token promises about raw data; how much of that is skipped when it fails.
 * docs/protocol.md, "the conversation token".
 */
import { asHbiError, failure, type HbiError } from "../../errors.ts";
import { parseScript } from "../../parser/parse.ts";
import type { Tree } from "../../parser/tree.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { callCount, type Plan, planScript } from "../../registry/plan.ts";
import { Landing, type LandingHost } from "../conversation/landing.ts";
import { promisedBytes, type Token } from "../conversation/token.ts";
import { ENTRY_COST_BYTES } from "../guard/account.ts";
import { isUrgent } from "./builtin-names.ts";
import type { Connection } from "./connection.ts";
import type { HoCo } from "./ho-co.ts";

/** The conversation that lands them. */
export interface Hosting extends LandingHost {
  readonly co: HoCo;
  readonly env: HostingEnv;
  /** The poster has given up. */
  readonly isLate: boolean;
  /** Nothing of a script has run. */
  refused(error: HbiError, rawBytes: number | undefined, answersObject: boolean): void;
}

/** A script that waits for a place. */
interface Stored {
  readonly text: string;
  readonly wantsValue: boolean;
}

export class HoScripts {
  readonly #connection: Connection;
  readonly #course: Hosting;
  readonly #token: Token;
  #count = 0;
  #landing: Landing | undefined;
  #wantsValue = false;
  /** of the place that it has among all conversations; undefined: it has none */
  #placeBytes: number | undefined;
  #stored: Stored | undefined;

  constructor(connection: Connection, course: Hosting, token: Token) {
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

  /** Whether a script of it waits for a place. */
  get isWaiting(): boolean {
    return this.#stored !== undefined;
  }

  /** Whether its value goes back as an object: it came as co_send. */
  get wantsValue(): boolean {
    return this.#wantsValue;
  }

  /** A script has come: runs it, keeps it until there is a place, or refuses it. False: not now, the same one again later. */
  take(text: string, wantsValue: boolean): boolean {
    if (text === "") return true;
    if (this.#stored !== undefined) return false;
    if (this.#count > 0 && !this.#connection.mayCall()) return false;
    const bytes = text.length + ENTRY_COST_BYTES;
    const refusal = this.#connection.refusalOf(this.#token);
    const isRefused = refusal !== undefined && !isUrgent(text);
    if (!isRefused && (this.#hasPlace(bytes) || isUrgent(text))) {
      this.#land(text, wantsValue);
      return true;
    }
    const promised = promisedBytes(this.#token);
    if (this.#count > 0 || promised === undefined) return false; // nobody knows what stands behind it
    if (refusal === undefined) return this.#store(text, wantsValue, bytes, promised);
    this.#refuseUnseen(refusal, text);
    return true;
  }

  /** One place for all scripts of the conversation, from the first that needs one on. */
  #hasPlace(bytes: number): boolean {
    const { hosting } = this.#connection;
    if (this.#placeBytes === undefined) {
      if (!hosting.takePlace(this.#course.co, bytes)) return false;
    } else hosting.resizePlace(bytes - this.#placeBytes);
    this.#placeBytes = bytes;
    return true;
  }

  /** It is read and not looked at, so that what stands behind it can be read: an answer that handlers wait for, a cancellation. When too
   *  much waits, reading stops, unless there may be such an answer. */
  #store(text: string, wantsValue: boolean, bytes: number, promised: number): boolean {
    const { hosting, limits } = this.#connection;
    if (!hosting.mayWait(bytes + promised)) {
      if (!hosting.mustReadOn) return false;
      this.#refuseUnseen(
        failure("overloaded", `${limits.maxHostedWaiting} calls and ${limits.maxBufferedBytes} bytes of them at most`),
        text,
      );
      return true;
    }
    if (!this.#isBelieved(text)) return true;
    this.#stored = { text, wantsValue };
    hosting.wait(this.#course.co, bytes + promised);
    return true;
  }

  /** There is a place for the one that has waited. */
  landStored(): void {
    const stored = this.#stored;
    if (stored === undefined) return;
    this.#placeBytes = this.storedBytes;
    this.#stored = undefined;
    this.#land(stored.text, stored.wantsValue);
  }

  /** Of the script that waits for a place. */
  get storedBytes(): number {
    return this.#stored === undefined ? 0 : this.#stored.text.length + ENTRY_COST_BYTES;
  }

  /** The conversation is given up: nothing of it waits any more. */
  forgetStored(): void {
    if (this.#stored === undefined) return;
    this.#stored = undefined;
    this.#connection.hosting.waitsNoMore(this.#course.co);
  }

  /** Its place, to be given back; undefined: it has none. */
  get placeBytes(): number | undefined {
    return this.#placeBytes;
  }

  /** Nothing of the script runs. */
  #refuseUnseen(error: HbiError, text: string): void {
    if (!this.#isBelieved(text)) return;
    this.#count += 1;
    this.#course.refused(error, undefined, false);
  }

  /** Whether the promise may be read on by: the script does not say that there is more. If it does, the connection has ended. */
  #isBelieved(text: string): boolean {
    this.#promise();
    try {
      this.#plannedBytes(text);
      return true;
    } catch (thrown) {
      this.#course.refused(asHbiError(thrown), undefined, false);
      return false;
    }
  }

  /** Of a script that is not landed: the raw bytes behind it; undefined: it does not tell. @throws HbiError body_mismatch */
  #plannedBytes(text: string): number | undefined {
    const { env, intake } = this.#course;
    const { limits } = this.#connection;
    let rawBytes: number | undefined;
    try {
      rawBytes = planScript(parseScript(text, limits), env, limits).rawBytes;
    } catch {
      // it tells nothing
    }
    intake.expect(rawBytes ?? 0);
    return rawBytes;
  }

  /** What the token says about raw data holds from the first script on. */
  #promise(): void {
    const promised = promisedBytes(this.#token);
    if (this.#count > 0 || promised === undefined || this.#course.intake.unannouncedBytes !== undefined) return;
    this.#course.intake.promise(promised);
  }

  #land(text: string, wantsValue: boolean): void {
    this.#promise();
    this.#count += 1;
    this.#wantsValue = wantsValue;
    let plan: Plan;
    try {
      const tree = parseScript(text, this.#connection.limits);
      this.#charge(tree);
      plan = this.#checked(planScript(tree, this.#course.env, this.#connection.limits), text);
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

  /** The conversation has been counted as one call. */
  #charge(tree: Tree): void {
    const { budgets, limits } = this.#connection;
    if (limits.callsPerSecond === Number.POSITIVE_INFINITY) return;
    budgets.called(this.#count === 1 ? Math.max(callCount(tree) - 1, 0) : callCount(tree));
  }

  /** What the token promises about raw data must agree with what the script plans, where it can plan it. Where the script has more,
   *  nobody knows which of the two is wrong; where it has less, what was promised is skipped. */
  #checked(plan: Plan, text: string): Plan {
    this.#course.intake.expect(plan.rawBytes ?? 0);
    if (plan.refusal !== undefined) return plan;
    if (this.#course.isLate && !isUrgent(text)) return { ...plan, refusal: failure("handler_timeout") };
    const left = this.#course.intake.unannouncedBytes;
    if (left === undefined || plan.rawBytes === undefined || plan.rawBytes === left) return plan;
    return { ...plan, refusal: failure("body_mismatch") };
  }

  /** A script behind a failed one is not landed, but its raw data has to be found. */
  skip(text: string): void {
    if (text === "") return;
    const { intake } = this.#course;
    const rawBytes = intake.restAfter(this.#plannedBytes(text));
    if (rawBytes === undefined) throw failure("position_lost");
    intake.discard(rawBytes);
  }
}
