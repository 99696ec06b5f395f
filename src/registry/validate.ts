/**
 * Validation: the only place that runs a zod schema. It stops at the first issue and reads nothing but its path and
 * code. zod formats no messages, because they repeat the peer's input and can be thousands of times larger.
 */
import type { z } from "zod";
import { failure, type HbiError, oneLine, type Reason } from "../errors.ts";
import { runSynchronously } from "./asynchronous.ts";

type Issue = z.core.$ZodRawIssue;
const noText = () => "";
/** Makes a schema compiled by `z.compile` run interpreted; compiled code builds objects that `compact-schema.ts` cannot
 *  reach. */
const INTERPRETED = Symbol.for("zod.compile.fallback");
/** Creates the error: `failure`, or `refusal` if a peer caused it and no stack is needed. */
export type Refuse = (reason: Reason, where: string) => HbiError;

/** Runs the schema. Throws `reason` with `where`, the path and the expectation, without the value.
 *  @param schema must be prepared
 *  @throws HbiError of the given reason; `internal` if the schema is asynchronous */
export function validate<S extends z.core.$ZodType>(
  schema: S,
  value: unknown,
  reason: Reason,
  where: string,
  make: Refuse = failure,
): z.output<S> {
  const result = run(schema, value, where);
  const issue = result.issues[0];
  if (issue === undefined) return result.value as z.output<S>; // zod's contract: without an issue, the value is the output
  throw make(reason, describe(issue, where));
}

function run(schema: z.core.$ZodType, value: unknown, where: string): z.core.ParsePayload {
  try {
    // A separate context per run, because zod caches there what it made of each object.
    const context = { async: false, abortEarly: true, error: noText, [INTERPRETED]: true } as const;
    return runSynchronously(schema, value, context, where);
  } catch (cause) {
    throw failure("handler", undefined, { cause }); // a throwing or asynchronous refinement is a mistake of its author
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
