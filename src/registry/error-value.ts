/**
 * HbiError as a value: how a refusal or a failure crosses the wire, `HbiError("code", "message", details, "reason")`.
 */
import { z } from "zod";
import { HbiError, isCode, isReason, oneLine } from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { repr } from "../parser/repr.ts";
import { value } from "./method.ts";

/** Lands the peer's error. Its text is one printable line before anybody sees it; an unknown code becomes `unknown`. */
export const errorValue = value({
  params: {
    code: z.string().max(32),
    message: z.string().max(1_024),
    details: z.record(z.string(), z.unknown()).nullable().optional(),
    reason: z.string().max(32).nullable().optional(),
  },
  make: ({ code, message, details, reason }) =>
    new HbiError(isCode(code) ? code : "unknown", oneLine(message), details ?? undefined, {
      ...(typeof reason === "string" && isReason(reason) ? { reason } : {}),
    }),
});

/** What a peer can take of details within its limits, the error's own nesting included. */
const MAX_DETAILS_CHARS = 16 * 1024;
const MAX_DETAILS_DEPTH = PRESETS.public.maxDepth - 1;

/** The text that lands as this error at the peer: one line, no cause, no stack. Details that have no textual form, or a
 *  larger one than a peer takes, stay at home. */
export function errorText(error: HbiError): string {
  const parts = [repr(error.code), repr(oneLine(error.message))];
  const details = error.details === undefined ? undefined : detailsText(error.details);
  if (details !== undefined || error.reason !== undefined) parts.push(details ?? "None");
  if (error.reason !== undefined) parts.push(repr(error.reason));
  return `HbiError(${parts.join(",")})`;
}

function detailsText(details: Readonly<Record<string, unknown>>): string | undefined {
  try {
    const prototype: unknown = Object.getPrototypeOf(details);
    if (prototype !== Object.prototype && prototype !== null) return undefined; // a list is no details at the peer
    const text = repr(details, "json", MAX_DETAILS_DEPTH);
    return text.length <= MAX_DETAILS_CHARS ? text : undefined;
  } catch {
    return undefined; // also where a getter of theirs fails: it must not take the connection with it
  }
}
