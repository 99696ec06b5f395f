/**
 * Declared errors: those that a method names in its definition, each with the object of its details. The caller
 * recognises them by the name. docs/errors.md, "Declared errors".
 */
import type { z } from "zod";
import { changed, type ErrorDetails, failure, HbiError, isErrorName, ownError } from "../errors.ts";
import { membersOf } from "../options.ts";
import { requireSchema } from "./accepted-schema.ts";
import { isMarked } from "./copies.ts";
import type { Method } from "./method.ts";
import { prepare } from "./prepared-schema.ts";
import { definition } from "./schema-walk.ts";
import { accepts, validate } from "./validate.ts";

/** The errors of a method: the schema of their details by name. */
export interface Errors {
  readonly [name: string]: z.core.$ZodObject;
}
export type NoErrors = Record<never, never>;

/** The most errors that a method declares. */
const MAX_ERRORS = 32;

/** The errors that were declared, each read once.
 *  @throws HbiError invalid_argument for a name or a schema that cannot be sent, and for too many */
export function checkedErrors(given: unknown): Errors {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw failure("bad_option", "errors must be a record: errors: { quota_exceeded: z.object({ … }) }");
  }
  const errors = membersOf(given, "errors");
  if (errors.length > MAX_ERRORS)
    throw failure("bad_option", `${errors.length} errors, at most ${MAX_ERRORS} a method`);
  for (const [name, details] of errors) {
    if (!isErrorName(name)) {
      const rule = "a name consists of a-z, 0-9 and _, begins with a letter, and has at most 48 characters";
      throw failure("bad_option", `error ${JSON.stringify(name.slice(0, 64))}: ${rule}`);
    }
    checkDetails(details, `error ${name}`);
  }
  return Object.fromEntries(errors) as Errors; // as checked
}

function checkDetails(details: unknown, what: string): void {
  requireSchema(details, `${what} has no zod schema`);
  if (definition(details).type !== "object") throw failure("bad_option", `${what} must be a z.object()`);
  prepare(details, what, "details");
}

/** Of names that a peer says, only own members count. */
export function detailsOf({ errors }: Method, name: string | undefined): z.core.$ZodObject | undefined {
  return name !== undefined && Object.hasOwn(errors, name) ? errors[name] : undefined;
}

export function declaresErrors({ spec }: Method): boolean {
  return spec.errors !== undefined;
}

/** The error with its details as the schema makes them.
 *  @throws HbiError of the given reason if they do not fit */
export function checkedError(
  error: HbiError,
  declared: string,
  details: z.core.$ZodObject,
  method: string,
  reason: "bad_result" | "bad_answer",
): HbiError {
  try {
    const value = validate(details, error.details ?? {}, reason, method, failure, [declared]);
    return changed(error, { declared, method, details: value as ErrorDetails }); // of an object
  } catch (thrown) {
    throw changed(ownError(thrown) as HbiError, { cause: error }); // of validation
  }
}

// --- for callers -------------------------------------------------------------------------------------------------------

/** An error that a method declares. */
export interface DeclaredError<Name extends string = string, Details extends ErrorDetails = ErrorDetails>
  extends HbiError {
  readonly declared: Name;
  readonly details: Details;
}

/** One of these errors; `declared` decides which details it has. */
export type ErrorOf<E> = {
  [K in keyof E & string]: E[K] extends z.core.$ZodType<infer D extends ErrorDetails> ? DeclaredError<K, D> : never;
}[keyof E & string];

/** The errors that a method declares: `ServiceError<typeof jobs.methods.upload>`. */
export type ServiceError<M extends Method> = M extends { readonly errors: infer E } ? ErrorOf<E> : never;

/** Whether it is an error that the method declares, with details that fit. What it is, `error.declared` says:
 *
 *      if (isServiceError(error, jobs.methods.upload) && error.declared === "quota_exceeded") …
 *
 *  @throws HbiError invalid_argument for what is no method */
export function isServiceError<M extends Method>(error: unknown, method: M): error is ServiceError<M> {
  if (!isMarked(method, "method", "isServiceError")) throw failure("bad_option", "isServiceError needs a method()");
  if (!(error instanceof HbiError)) return false;
  const details = detailsOf(method, error.declared);
  return details !== undefined && accepts(details, error.details ?? {});
}
