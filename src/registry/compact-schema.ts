/**
 * Schemas that run on values of a peer. zod makes objects anew, member by member: one whose keys are sparse indexes would cost what
 * parser/members.ts tells of. So the schemas that make objects with keys of the peer's choice compact each as soon as it is there. Nothing
 * else about them changes, and the others run as they are.
 */
import type { z } from "zod";
import { compact, isIndex } from "../parser/members.ts";
import { definition, isSchema, partsOf } from "./schema-walk.ts";

type Schema = z.core.$ZodType;
type Run = Schema["_zod"]["run"];

const prepared = new WeakSet<Schema>();

/** Prepares the schema to be run and, when it runs for the first time, the schemas inside: lazy ones are not asked before. */
export function makeCompact(schema: Schema): void {
  if (prepared.has(schema)) return;
  prepared.add(schema);
  const internals = schema._zod;
  const { run, parse } = internals;
  // Without checks a schema is run by its parser, which zod may still replace.
  const ran: Run = run === parse ? (payload, context) => internals.parse(payload, context) : run;
  internals.run = (payload, context) => {
    for (const part of schemasIn(schema)) makeCompact(part);
    internals.run = preparedRun(schema, ran) ?? run;
    return internals.run(payload, context);
  };
}

/** Undefined: as it is. */
function preparedRun(schema: Schema, run: Run): Run | undefined {
  const def = definition(schema);
  switch (def.type) {
    case "record":
      return compacting(run);
    case "object":
      return makesIndexes(def) ? compacting(run) : undefined;
    case "intersection":
      return rebuilds(schema) ? bounded(compacting(run)) : undefined;
    case "union": {
      const [only] = def.options;
      if (def.options.length !== 1 || only === undefined || "discriminator" in def) return undefined;
      schema._zod.parse = (payload, context) => only._zod.run(payload, context); // zod keeps how it ran before it was prepared
      return run;
    }
    default:
      return undefined;
  }
}

function compacting(run: Run): Run {
  return (payload, context) => {
    const given = payload.value;
    const result = run(payload, context);
    if (result instanceof Promise) return result; // asynchronous schemas are refused
    const { value } = result;
    if (value !== given && typeof value === "object" && value !== null) compact(value); // it has been made here
    return result;
  };
}

function makesIndexes(def: z.core.$ZodObjectDef): boolean {
  return (
    (def.catchall !== undefined && definition(def.catchall).type !== "never") || Object.keys(def.shape).some(isIndex)
  );
}

// --- intersections -----------------------------------------------------------------------------------------------------

/** zod merges the objects inside two results at once, where nothing can be compacted in between: what they may cost is counted before.
 *  Slots that V8 may reserve for indexes, of all objects, and for each value. */
const FREE_SLOTS = 16_384;
const SLOTS_EACH = 16;
/** V8 lets no object have more that are mostly empty. */
const MOST_SLOTS = 5_000;
/** No peer can nest deeper. What is deeper, or in a cycle, is the program's own. */
const MAX_DEPTH = 512;

function bounded(run: Run): Run {
  return (payload, context) => {
    if (reservedSlots(payload.value) <= FREE_SLOTS) return run(payload, context);
    const expected = "fewer objects with sparse integer keys" as never; // no type of zod's
    payload.issues.push({ code: "invalid_type", expected, input: payload.value });
    return payload;
  };
}

/** Beyond those that each value may have. */
function reservedSlots(value: unknown, depthLeft = MAX_DEPTH): number {
  if (typeof value !== "object" || value === null || depthLeft === 0) return -SLOTS_EACH;
  let slots = -SLOTS_EACH;
  if (Array.isArray(value)) {
    for (const item of value) slots += reservedSlots(item, depthLeft - 1);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    let last = -1;
    for (const [key, member] of Object.entries(value)) {
      slots += reservedSlots(member, depthLeft - 1);
      if (isIndex(key)) last = Number(key);
    }
    slots += Math.min(1.5 * (last + 1), MOST_SLOTS);
  }
  return slots;
}

/** Whether objects inside its results may have indexes, and be others than those of its input. */
function rebuilds(schema: Schema, seen = new Set<Schema>()): boolean {
  if (seen.has(schema)) return false;
  seen.add(schema);
  const def = definition(schema);
  if (def.type === "record" || def.type === "lazy" || (def.type === "object" && makesIndexes(def))) return true;
  return schemasIn(schema).some((part) => rebuilds(part, seen));
}

function schemasIn(schema: Schema): Schema[] {
  const def = definition(schema);
  if (def.type === "lazy") return [(schema as z.core.$ZodLazy)._zod.innerType];
  const parts = partsOf(schema).map((part) => part.schema);
  if (def.type === "object" && def.catchall !== undefined) parts.push(def.catchall);
  for (const check of def.checks ?? []) {
    const inner: unknown = (check._zod.def as { schema?: unknown }).schema; // of z.property
    if (isSchema(inner)) parts.push(inner);
  }
  return parts;
}
