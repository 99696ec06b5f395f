/**
 * Validation: the only place that runs a zod schema. It stops at the first issue; the others are looked for only in a
 * value that was refused, within bounds (findings.ts).
 */
import type { z } from "zod";
import { FAILURES, type FailureOptions, failure, type HbiError, type Issue, ownError, type Reason } from "../errors.ts";
import { runSynchronously } from "./asynchronous.ts";
import { findings } from "./findings.ts";
import { pathText } from "./issues.ts";

const noText = () => "";
/** Makes a schema compiled by `z.compile` run interpreted; compiled code builds objects that `compact-schema.ts` cannot
 *  reach. */
const INTERPRETED = Symbol.for("zod.compile.fallback");
/** Creates the error: `failure`, or `refusal` if a peer caused it and no stack is needed. */
export type Refuse = (reason: Reason, where: string | undefined, options?: FailureOptions) => HbiError;

/** Runs the schema. Throws `reason` with `where`, the path and the expectation, without the value.
 *  @param schema must be prepared
 *  @param path of the value, if it is a part of what is refused
 *  @throws HbiError of the given reason; `internal` if the schema is asynchronous */
export function validate<S extends z.core.$ZodType>(
  schema: S,
  value: unknown,
  reason: Reason,
  where: string,
  make: Refuse = failure,
  path: readonly string[] = [],
): z.output<S> {
  const result = run(schema, value, where);
  if (result.issues.length === 0) return result.value as z.output<S>; // zod's contract: without an issue, the value is the output
  const found = findings(schema, value, result.issues, (part, member) => run(part, member, where).issues);
  const issues = path.length === 0 ? found : found.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
  throw make(reason, described(issues), { of: where, issues });
}

/** What a peer means by an object that it sends. Peers of the reference say `None` for a result that is absent as well:
 *  where only undefined is allowed, that is what they mean.
 *  @param isOurs whether the peer is of this library and distinguishes the two */
export function meant(value: unknown, schema: z.core.$ZodType, isOurs: boolean): unknown {
  const isAbsent = value === null && !isOurs && !accepts(schema, null) && accepts(schema, undefined);
  return isAbsent ? undefined : value;
}

/** @throws HbiError internal if a function of the schema throws */
export function accepts(schema: z.core.$ZodType, value: unknown): boolean {
  return run(schema, value, "").issues.length === 0;
}

function run(schema: z.core.$ZodType, value: unknown, where: string): z.core.ParsePayload {
  try {
    // A separate context per run, because zod caches there what it made of each object.
    const context = { async: false, abortEarly: true, error: noText, [INTERPRETED]: true } as const;
    return runSynchronously(schema, value, context, where);
  } catch (cause) {
    const own = ownError(cause)?.message ?? "";
    const of = [`${FAILURES.bad_option.text}: ${where}: `, `${FAILURES.bad_option.text}: the result `];
    const isNamed = of.some((start) => own.startsWith(start)); // what only its first run shows
    const what = isNamed
      ? own.replace(of[0] as string, "").replace(`${FAILURES.bad_option.text}: `, "")
      : "a function of the schema has thrown";
    throw failure("handler", what, { of: where, cause }); // a mistake of its author
  }
}

/** The first finding with its path, and the number of the others. */
function described([first, ...others]: readonly Issue[]): string | undefined {
  if (first === undefined) return undefined;
  const path = pathText(first.path);
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return `${path === "" ? "" : `${path}: `}${first.message}${more}`;
}
