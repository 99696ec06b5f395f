/**
 * Compares the plan of a script with the promise in its conversation's token about raw data. docs/protocol.md, "The
 * conversation token".
 */
import { failure } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { parseScript } from "../../parser/parse.ts";
import type { Tree } from "../../parser/tree.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { type Plan, planScript } from "../../registry/plan.ts";
import type { RawIntake } from "../lane/raw-intake.ts";

/** The conversation of the script. */
interface Arrival {
  readonly env: HostingEnv;
  readonly intake: RawIntake;
  readonly limits: Limits;
}

/** The plan of a script that is to run. If the raw data of the script is known, it must match the promise. With more,
 *  either may be wrong, and the byte position is lost. With less, the promised bytes are skipped.
 *  @param isLate the poster's deadline has passed, so nothing runs
 *  @throws HbiError body_mismatch */
export function planAgainstPromise(tree: Tree, { env, intake, limits }: Arrival, isLate: boolean): Plan {
  const plan = planScript(tree, env, limits);
  intake.expect(plan.rawBytes ?? 0);
  if (plan.refusal !== undefined) return plan;
  if (isLate) return { ...plan, refusal: failure("handler_timeout") };
  const left = intake.unannouncedBytes;
  if (left === undefined || plan.rawBytes === undefined || plan.rawBytes === left) return plan;
  return { ...plan, refusal: failure("body_mismatch") };
}

/** The raw bytes behind a script that does not run; undefined if unknown. @throws HbiError body_mismatch */
export function bytesBehind(text: string, { env, intake, limits }: Arrival): number | undefined {
  let rawBytes: number | undefined;
  try {
    rawBytes = planScript(parseScript(text, limits), env, limits).rawBytes;
  } catch {
    // unknown
  }
  intake.expect(rawBytes ?? 0);
  return rawBytes;
}
