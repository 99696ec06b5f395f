/**
 * Schemas are prepared once, before they are run on what a peer sends: zod by itself drops promises, and makes objects anew that cost
 * more than their text.
 */
import type { z } from "zod";
import { checkSynchronous, hear } from "./asynchronous.ts";
import { makeCompact } from "./compact-schema.ts";

const prepared = new WeakSet<object>();

/** Prepares a schema, called `where` in errors. False: a part of it is not there yet: `prepareLate` before it is run.
 *  @throws HbiError invalid_argument for what is asynchronous by its looks */
export function prepare(schema: z.core.$ZodType, where: string): boolean {
  const hearing = hear(schema);
  checkSynchronous(hearing, where);
  return done(schema, hearing.isWhole);
}

/** As `prepare`, where it is about to run: what is asynchronous is found then. */
export function prepareLate(schema: z.core.$ZodType): boolean {
  return prepared.has(schema) || done(schema, hear(schema).isWhole);
}

function done(schema: z.core.$ZodType, isWhole: boolean): boolean {
  makeCompact(schema);
  if (isWhole) prepared.add(schema);
  return isWhole;
}
