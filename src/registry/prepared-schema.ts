/**
 * Prepares schemas once, before they run on a peer's values: zod by itself drops promises, and builds objects that cost
 * more than their text.
 */
import type { z } from "zod";
import { requireSendable, type Side } from "./accepted-schema.ts";
import { checkSynchronous, hear } from "./asynchronous.ts";
import { makeCompact } from "./compact-schema.ts";

const prepared = new WeakSet<object>();

/** Prepares the schema; `where` names it in errors. Returns false if a part is not available yet; call `prepareLate`
 *  before it runs.
 *  @throws HbiError invalid_argument if it is visibly asynchronous, or if its values cannot be sent */
export function prepare(schema: z.core.$ZodType, where: string, side: Side = "params"): boolean {
  const hearing = hear(schema);
  checkSynchronous(hearing, where);
  requireSendable(schema, where, side);
  return done(schema, hearing.isWhole);
}

/** Like `prepare`, directly before the schema runs. Asynchronous functions are then detected when they run. */
export function prepareLate(schema: z.core.$ZodType): boolean {
  return prepared.has(schema) || done(schema, hear(schema).isWhole);
}

function done(schema: z.core.$ZodType, isWhole: boolean): boolean {
  makeCompact(schema);
  if (isWhole) prepared.add(schema);
  return isWhole;
}
