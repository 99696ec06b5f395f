/**
 * Validation: the one place that runs a zod schema. It stops at the first issue, which is all that is looked at, and zod formats
 * none: its messages repeat peer input and can be thousands of times larger than it.
 */
import type { z } from "zod";
import { failure, type HbiError, oneLine, type Reason } from "../errors.ts";
import { runSynchronously } from "./asynchronous.ts";

type Issue = z.core.$ZodRawIssue;
const noText = () => "";
/** What `z.compile` has made is run by its schema: it builds objects that `compact-schema.ts` can't reach. */
const INTERPRETED = Symbol.for("zod.compile.fallback");
/** Makes the error: `failure`, or `refusal` where a peer is to blame and no stack is needed. */
export type Refuse = (reason: Reason, where: string) => HbiError;

/** Runs the schema; throws `reason` with `where`, the path and what was expected, and no value.
 *  @param schema prepared to be run
 *  @throws HbiError of the reason; `internal` when the schema is asynchronous */
export function validate<S extends z.ZodType>(
  schema: S,
  value: unknown,
  reason: Reason,
  where: string,
  make: Refuse = failure,
): z.output<S> {
  const result = run(schema, value, where);
  const issue = result.issues[0];
  if (issue === undefined) return result.value as z.output<S>; // zod's own contract: no issue, so it is the output
  throw make(reason, describe(issue, where));
}

function run(schema: z.ZodType, value: unknown, where: string): z.core.ParsePayload {
  try {
    // A context of its own: zod remembers there what it has made of each object.
    const context = { async: false, abortEarly: true, error: noText, [INTERPRETED]: true } as const;
    return runSynchronously(schema, value, context, where);
  } catch (cause) {
    throw failure("handler", undefined, { cause }); // a refinement that throws, or is asynchronous: its author's concern alone
  }
}

function describe(issue: Issue, where: string): string {
  const path = (issue.path ?? []).map((part) => oneLine(String(part).slice(0, 64))).join("."); // a record's keys are the peer's
  return `${where}${path === "" ? "" : `: ${path}`}: ${expectation(issue)}`;
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${String(issue.expected)}`;
    case "too_big":
      return `too big, at most ${String(issue.maximum)}`;
    case "too_small":
      return `too small, at least ${String(issue.minimum)}`;
    case "invalid_format":
      return `expected the format ${String(issue.format)}`;
    case "not_multiple_of":
      return `expected a multiple of ${String(issue.divisor)}`;
    case "unrecognized_keys":
      return "unrecognized key";
    case "invalid_union":
      return "no alternative matches";
    case "invalid_value":
      return "not one of the allowed values";
    default:
      return "refused";
  }
}
