/**
 * Compares the plan of a script with the promise in its conversation's token about raw data. docs/protocol.md, "The
 * conversation token".
 */
import { digits, failure } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import { parseScript } from "../../parser/landing-reader.ts";
import { Call, type Tree } from "../../parser/tree.ts";
import type { HostingEnv } from "../../registry/hosting-env.ts";
import { limited, type OwnLimits } from "../../registry/method-limits.ts";
import { type Plan, planScript } from "../../registry/plan.ts";
import type { RawIntake } from "../lane/raw-intake.ts";
import { checkPacket } from "./packet-size.ts";

/** The conversation of the script. */
interface Arrival {
  readonly env: HostingEnv;
  readonly intake: RawIntake;
  readonly limits: Limits;
}

const NAME = /^\s*([A-Za-z_$][\w$.]{0,1023})\(/;

/** Parses a script under the limits of this side, or of its method, if that is its only call and has its own. A packet
 *  may be larger than usual before its method is known. @throws HbiError */
export function readScript(text: string, env: HostingEnv, limits: Limits): Tree {
  if (!env.hasLimits) return parseWithin(text, limits, env);
  const guess = callLimitsOf(NAME.exec(text)?.[1], env);
  const tree = parseWithin(text, limited(limits, guess), env);
  const [only] = tree;
  const actual = tree.length === 1 && only instanceof Call ? callLimitsOf(only.name, env) : undefined;
  return actual === guess ? tree : parseWithin(text, limited(limits, actual), env);
}

function callLimitsOf(name: string | undefined, env: HostingEnv): OwnLimits | undefined {
  const entry = name === undefined ? undefined : env.lookup(name);
  return entry?.kind === "method" ? entry.method.spec.limits?.call : undefined;
}

function parseWithin(text: string, limits: Limits, env: HostingEnv): Tree {
  if (env.mostPacketBytes > 0) checkPacket(text, limits);
  return parseScript(text, limits);
}

/** The plan of a script that is to run. If the raw data of the script is known, it must match the promise. With more,
 *  either may be wrong, and the byte position is lost. With less, the promised bytes are skipped.
 *  @param lateMs the poster's deadline, if it has passed, so that nothing runs
 *  @throws HbiError body_mismatch */
export function planAgainstPromise(tree: Tree, { env, intake, limits }: Arrival, lateMs: number | undefined): Plan {
  const plan = planScript(tree, env, limits);
  intake.expect(plan.rawBytes ?? 0);
  if (plan.refusal !== undefined) return plan;
  if (lateMs !== undefined) {
    const where = `before the call began, after the ${digits(lateMs)} ms that the caller allowed`;
    return { ...plan, refusal: failure("handler_timeout", where) };
  }
  const left = intake.unannouncedBytes;
  if (plan.rawBytes === TO_THE_END && left !== TO_THE_END) {
    return { ...plan, rawBytes: undefined, refusal: failure("body_mismatch", "its length is declared to be unknown") };
  }
  if (left === undefined || plan.rawBytes === undefined || plan.rawBytes === left) return plan;
  return { ...plan, refusal: failure("body_mismatch") };
}

/** The raw bytes behind a script that does not run; undefined if unknown. @throws HbiError body_mismatch */
export function bytesBehind(text: string, { env, intake, limits }: Arrival): number | undefined {
  let rawBytes: number | undefined;
  try {
    rawBytes = planScript(readScript(text, env, limits), env, limits).rawBytes;
  } catch {
    // unknown
  }
  intake.expect(rawBytes ?? 0);
  return rawBytes === TO_THE_END ? undefined : rawBytes;
}
