/**
 * What a script plans, held against what the conversation's token has promised about raw data. docs/protocol.md, "the conversation token".
 */
import { failure } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { parseScript } from "../../parser/parse.ts";
import type { Tree } from "../../parser/tree.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { type Plan, planScript } from "../../registry/plan.ts";
import type { RawIntake } from "../lane/raw-intake.ts";

/** The conversation that the script came in. */
interface Arrival {
  readonly env: HostingEnv;
  readonly intake: RawIntake;
  readonly limits: Limits;
}

/** The plan of a script that is to run. Where the raw data of the script is known, it must be what was promised: with more, either of the
 *  two may be wrong, and the position in the bytes is lost; with less, what was promised is skipped.
 *  @param isLate the poster's deadline has passed: nothing runs for it any more
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

/** The raw bytes behind a script that does not run; undefined: it does not tell. @throws HbiError body_mismatch */
export function bytesBehind(text: string, { env, intake, limits }: Arrival): number | undefined {
  let rawBytes: number | undefined;
  try {
    rawBytes = planScript(parseScript(text, limits), env, limits).rawBytes;
  } catch {
    // it tells nothing
  }
  intake.expect(rawBytes ?? 0);
  return rawBytes;
}
