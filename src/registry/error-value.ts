/**
 * HbiError as a value: a refusal or failure crosses the wire as `HbiError("code", "message", details, "reason")`. What a
 * schema has found is the member `issues` of the details.
 */
import { z } from "zod";
import {
  type ErrorDetails,
  failure,
  HbiError,
  type Issue,
  isCode,
  isReason,
  MAX_ISSUES,
  oneLine,
  ownError,
  withoutStack,
} from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { isPlainObject } from "../parser/plain-object.ts";
import { repr, reprOf } from "../parser/repr.ts";
import { boundedParams, isRecord } from "./issues.ts";
import { value } from "./method.ts";

/** Lands an error of the peer. Its text becomes one line; an unknown code becomes `unknown`. */
export const errorValue = value({
  params: {
    code: z.string().max(32),
    message: z.string().max(1_024),
    details: z.record(z.string(), z.unknown()).nullable().optional(),
    reason: z.string().max(32).nullable().optional(),
  },
  make: ({ code, message, details, reason }) => {
    const issues = landedIssues(details?.["issues"]);
    const known = typeof reason === "string" && isReason(reason) ? reason : undefined;
    return withoutStack(
      () =>
        new HbiError(
          isCode(code) ? code : "unknown",
          oneLine(message),
          issues !== undefined && known !== undefined ? withoutIssues(details) : (details ?? undefined),
          { reason: known, issues, origin: "peer" },
        ),
    );
  },
});

/** The library's own errors have no other details; a handler's are the business of its caller. */
function withoutIssues(details: ErrorDetails | null | undefined): ErrorDetails | undefined {
  const { issues: _taken, ...rest } = details ?? {};
  return Object.keys(rest).length === 0 ? undefined : rest;
}

const MAX_PATH = 64;
const MAX_TEXT_CHARS = 256;

/** What a peer calls its findings, if it is a list of them. */
function landedIssues(given: unknown): readonly Issue[] | undefined {
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_ISSUES) return undefined;
  const issues: Issue[] = [];
  for (const issue of given as readonly unknown[]) {
    if (!isRecord(issue)) return undefined;
    const { path, code, message, params } = issue;
    if (!isPath(path) || typeof code !== "string" || typeof message !== "string") return undefined;
    const kept = isRecord(params) ? boundedParams(params) : undefined;
    issues.push({
      path: path.map((part) => (typeof part === "number" ? part : oneLine(part, MAX_TEXT_CHARS))),
      code: oneLine(code, MAX_TEXT_CHARS),
      message: oneLine(message),
      ...(kept === undefined ? {} : { params: kept }),
    });
  }
  return issues;
}

function isPath(path: unknown): path is readonly (string | number)[] {
  if (!Array.isArray(path) || path.length > MAX_PATH) return false;
  return path.every((part: unknown) => typeof part === "string" || Number.isSafeInteger(part));
}

/** The size of details that a peer accepts within its limits, including the nesting of the error itself. */
const MAX_DETAILS_CHARS = 16 * 1024;
const MAX_DETAILS_DEPTH = PRESETS.public.maxDepth - 1;
/** of all findings; those beyond it are omitted */
const MAX_ISSUES_CHARS = 4 * 1024;

/** The text that lands as this error at the peer: one line, no cause, no stack. Details that have no textual form, or
 *  are larger than a peer accepts, are omitted, and `onLoss` is told why. */
export function errorText(error: HbiError, onLoss?: (why: HbiError) => void): string {
  const parts = [repr(error.code), repr(oneLine(error.message))];
  const details = detailsText(error, onLoss);
  if (details !== undefined || error.reason !== undefined) parts.push(details ?? "None");
  if (error.reason !== undefined) parts.push(repr(error.reason));
  return `HbiError(${parts.join(",")})`;
}

function detailsText({ details, issues, reason }: HbiError, onLoss?: (why: HbiError) => void): string | undefined {
  const found = issues === undefined || reason === "bad_result" ? undefined : issuesText(issues); // a result is the host's own
  const own = details === undefined ? undefined : ownText(details, onLoss);
  if (found === undefined) return own;
  return own === undefined || own === "{}" ? `{"issues":${found}}` : `${own.slice(0, -1)},"issues":${found}}`;
}

function ownText(details: ErrorDetails, onLoss?: (why: HbiError) => void): string | undefined {
  const how = { dialect: "json", maxDepth: MAX_DETAILS_DEPTH, writer: undefined, onlyOurs: undefined } as const;
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
