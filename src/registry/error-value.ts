/**
 * HbiError as a value: a refusal or failure crosses the wire as `HbiError("code", "message", details, "reason")`. What a
 * schema has found is the member `issues` of the details. A declared error has one argument more, its name.
 */
import { z } from "zod";
import {
  type ErrorDetails,
  HbiError,
  type Issue,
  isCode,
  isReason,
  MAX_ISSUES,
  oneLine,
  withoutStack,
} from "../errors.ts";
import { checkedError, detailsOf } from "./declared-errors.ts";
import { boundedParams, isRecord } from "./issues.ts";
import { type Method, value } from "./method.ts";

/** The longest name of a method that every reader accepts, and that of an error. */
export const MAX_DECLARED_CHARS = 600;

/** Lands an error of the peer. Its text becomes one line; an unknown code becomes `unknown`. */
export const errorValue = value({
  params: {
    code: z.string().max(32),
    message: z.string().max(1_024),
    details: z.record(z.string(), z.unknown()).nullable().optional(),
    reason: z.string().max(32).nullable().optional(),
    declared: z.string().max(MAX_DECLARED_CHARS).nullable().optional(),
  },
  make: ({ code, message, details, reason, declared }) => {
    const issues = landedIssues(details?.["issues"]);
    const known = typeof reason === "string" && isReason(reason) ? reason : undefined;
    const error = withoutStack(
      () =>
        new HbiError(
          isCode(code) ? code : "unknown",
          oneLine(message),
          issues !== undefined && known !== undefined ? withoutIssues(details) : (details ?? undefined),
          { reason: known, issues, origin: "peer" },
        ),
    );
    if (typeof declared === "string") CLAIMS.set(error, declared);
    return error;
  },
});

/** What a peer calls its errors, until it is known which of them the called method declares. */
const CLAIMS = new WeakMap<HbiError, string>();

/** The error as the called method declares it, if the peer says that it is one of these.
 *  @param methodOf the called method of this name
 *  @returns with details that do not fit, `bad_answer` */
export function recognised(error: HbiError, methodOf: (name: string) => Method | undefined): HbiError {
  const claim = CLAIMS.get(error);
  if (claim === undefined) return error;
  const dot = claim.lastIndexOf(".");
  const [name, declared] = [claim.slice(0, dot), claim.slice(dot + 1)];
  const method = methodOf(name);
  const details = method && detailsOf(method, declared);
  if (details === undefined) return error;
  try {
    return checkedError(error, declared, details, name, "bad_answer");
  } catch (refused) {
    return refused as HbiError; // as thrown there
  }
}

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
