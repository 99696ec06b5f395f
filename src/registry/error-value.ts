/**
 * HbiError as a value: a refusal or failure crosses the wire as `HbiError("code", "message", details, "reason")`.
 */
import { z } from "zod";
import { HbiError, isCode, isReason, oneLine } from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { repr } from "../parser/repr.ts";
import { value } from "./method.ts";

/** Lands an error of the peer. Its text becomes one printable line; an unknown code becomes `unknown`. */
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

/** The size of details that a peer accepts within its limits, including the nesting of the error itself. */
const MAX_DETAILS_CHARS = 16 * 1024;
const MAX_DETAILS_DEPTH = PRESETS.public.maxDepth - 1;

/** The text that lands as this error at the peer: one line, no cause, no stack. Details are omitted if they have no
 *  textual form or are larger than a peer accepts. */
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
    if (prototype !== Object.prototype && prototype !== null) return undefined; // the peer refuses a list as details
    const text = repr(details, "json", MAX_DETAILS_DEPTH);
    return text.length <= MAX_DETAILS_CHARS ? text : undefined;
  } catch {
    return undefined; // also if a getter throws, which must not end the connection
  }
}
