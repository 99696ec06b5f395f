/**
 * The text of an HbiError, as a peer lands it (error-value.ts).
 */
import { type ErrorDetails, failure, type HbiError, type Issue, MAX_ISSUES, oneLine, ownError } from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { isPlainObject } from "../parser/plain-object.ts";
import { repr, reprOf } from "../parser/repr.ts";
import { MAX_DECLARED_CHARS } from "./error-value.ts";
import { nameOnWire } from "./raised-error.ts";

/** The size of details that a peer accepts within its limits, including the nesting of the error itself. */
const MAX_DETAILS_CHARS = 16 * 1024;
const MAX_DETAILS_DEPTH = PRESETS.public.maxDepth - 1;
/** of all findings; those beyond it are omitted */
const MAX_ISSUES_CHARS = 4 * 1024;

/** The text that lands as this error at the peer: one line, no cause, no stack. Details that have no textual form, or
 *  are larger than a peer accepts, are omitted, and `onLoss` is told why. Without its details, a declared error would
 *  be half of one, so it loses its name as well.
 *  @param isDeclared whether the peer knows the errors of the methods that it calls */
export function errorText(error: HbiError, onLoss?: (why: HbiError) => void, isDeclared = false): string {
  const parts = [repr(error.code), repr(oneLine(error.message))];
  const details = detailsText(error, onLoss);
  const declared = isDeclared && details !== undefined ? nameOnWire(error) : undefined;
  const isNamed = declared !== undefined && declared.length <= MAX_DECLARED_CHARS;
  const { reason } = error;
  if (details !== undefined || reason !== undefined) parts.push(details ?? "None");
  if (reason !== undefined || isNamed) parts.push(reason === undefined ? "None" : repr(reason));
  if (isNamed) parts.push(repr(declared));
  return `HbiError(${parts.join(",")})`;
}

function detailsText({ details, issues, reason }: HbiError, onLoss?: (why: HbiError) => void): string | undefined {
  const found = issues === undefined || reason === "bad_result" ? undefined : issuesText(issues); // a result is the host's own
  const own = details === undefined ? undefined : ownText(details, onLoss);
  if (found === undefined) return own;
  return own === undefined || own === "{}" ? `{"issues":${found}}` : `${own.slice(0, -1)},"issues":${found}}`;
}

function ownText(details: ErrorDetails, onLoss?: (why: HbiError) => void): string | undefined {
  const how = {
    dialect: "json",
    maxDepth: MAX_DETAILS_DEPTH,
    writer: undefined,
    onlyOurs: undefined,
    hasRich: false,
  } as const;
  try {
    if (!isPlainObject(details)) throw failure("details_lost", "details must be a plain object");
    const text = reprOf(details, how, "details");
    if (text.length <= MAX_DETAILS_CHARS) return text;
    throw failure("details_lost", `details have ${text.length} characters, at most ${MAX_DETAILS_CHARS} cross`);
  } catch (cause) {
    onLoss?.(lossOf(cause)); // also if a getter throws, which must not end the connection
    return undefined;
  }
}

function lossOf(cause: unknown): HbiError {
  const own = ownError(cause);
  if (own?.reason === "details_lost") return own;
  return failure("details_lost", own?.reason === "not_representable" ? own.message : undefined, { cause });
}

/** As many as there is room for. */
function issuesText(issues: readonly Issue[]): string | undefined {
  let text = "";
  for (const { path, code, message, params } of issues.slice(0, MAX_ISSUES)) {
    try {
      const issue = repr({ path, code, message, params });
      if (text.length + issue.length > MAX_ISSUES_CHARS) break;
      text += `${text === "" ? "" : ","}${issue}`;
    } catch {
      // a handler's own finding without a textual form
    }
  }
  return text === "" ? undefined : `[${text}]`;
}
