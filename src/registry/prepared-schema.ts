/**
 * Prepares schemas once, before they run on a peer's values: zod by itself drops promises, and builds objects that cost
 * more than their text.
 */
import type { z } from "zod";
import { failure } from "../errors.ts";
import { requireSendable, type Side } from "./accepted-schema.ts";
import { checkSynchronous, hear } from "./asynchronous.ts";
import { makeCompact } from "./compact-schema.ts";
import { findTransform } from "./schema-walk.ts";

const prepared = new WeakSet<object>();

/** Prepares the schema; `where` names it in errors. What is not available yet is prepared when the schema runs.
 *  @throws HbiError invalid_argument if it is visibly asynchronous, if its values cannot be sent, or for a result or
 *  details that have a transform */
export function prepare(schema: z.core.$ZodType, where: string, side: Side = "params"): void {
  const check = side === "params" ? undefined : () => checkStable(schema, side === "result" ? "the result" : where);
  check?.();
  checkSynchronous(hear(schema, check), where);
  requireSendable(schema, where, side);
  done(schema);
}

/** Like `prepare`, for a schema that is about to run. Asynchronous functions are then detected when they run. */
export function prepareLate(schema: z.core.$ZodType): void {
  if (prepared.has(schema)) return;
  hear(schema);
  done(schema);
}

function done(schema: z.core.$ZodType): void {
  makeCompact(schema);
  prepared.add(schema);
}

/** Both sides validate it, so the schema must accept its own output. */
function checkStable(schema: z.core.$ZodType, what: string): void {
  const path = findTransform(schema);
  if (path !== undefined) throw failure("bad_option", `${what} has a transform at "${path}", which would run twice`);
}
