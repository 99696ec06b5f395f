/**
 * Compact results of schemas. zod rebuilds objects member by member, and an object with sparse integer keys would cost
 * far more than its text (parser/members.ts). Schemas that build objects with keys chosen by the peer therefore compact
 * each object as soon as it exists. An absent member counts as undefined where a schema allows undefined, because a
 * text does not distinguish the two; zod alone would refuse it. All other schemas run unmodified.
 */
import type { z } from "zod";
import { compact, isIndex, setMember } from "../parser/members.ts";
import { richKindOf } from "../parser/rich.ts";
import { definition, schemasIn } from "./schema-walk.ts";

type Schema = z.core.$ZodType;
type Run = Schema["_zod"]["run"];

const prepared = new WeakSet<Schema>();

/** Prepares the schema and, when it runs for the first time, the schemas inside it. Lazy schemas are not resolved
 *  earlier. */
export function makeCompact(schema: Schema): void {
  if (prepared.has(schema)) return;
  prepared.add(schema);
  const internals = schema._zod;
  const { run, parse } = internals;
  // A schema without checks is run by its parse function, which zod may still replace.
  const ran: Run = run === parse ? (payload, context) => internals.parse(payload, context) : run;
  internals.run = (payload, context) => {
    for (const part of schemasIn(schema)) makeCompact(part);
    internals.run = preparedRun(schema, ran) ?? run;
    return internals.run(payload, context);
  };
}

/** The prepared function, or undefined if the schema needs no preparation. */
function preparedRun(schema: Schema, run: Run): Run | undefined {
  const def = definition(schema);
  switch (def.type) {
    case "record":
      return compacting(run);
    case "object": {
      const compacted = makesIndexes(def) ? compacting(withoutRich(run)) : undefined;
      const members = Object.keys(def.shape).filter((key) => isUndefinedOnly(def.shape[key] as Schema)); // a key of the shape
      return members.length === 0 ? compacted : completing(def.shape, members, compacted ?? run);
    }
    case "intersection":
      return rebuilds(schema) ? bounded(compacting(run)) : undefined;
    case "union": {
      const [only] = def.options;
      if (def.options.length !== 1 || only === undefined || "discriminator" in def) return undefined;
      schema._zod.parse = (payload, context) => only._zod.run(payload, context); // zod has captured the unprepared function
      return run;
    }
    default:
      return undefined;
  }
}

/** Runs on an object that has the given members. */
function completing(shape: z.core.$ZodShape, members: readonly string[], run: Run): Run {
  return (payload, context) => {
    const { value } = payload;
    if (typeof value === "object" && value !== null && members.some((key) => !(key in value))) {
      payload.value = completed(value, shape, members);
    }
    return run(payload, context);
  };
}

/** A copy with all the members; those of a class are read as zod would read them. */
function completed(value: object, shape: z.core.$ZodShape, members: readonly string[]): object {
  if (Array.isArray(value)) return value; // refused
  const made: Record<string, unknown> = {};
  for (const key in value) setMember(made, key, value[key as never]); // what zod looks at
  for (const key of Object.keys(shape)) {
    if (!Object.hasOwn(made, key) && key in value) setMember(made, key, value[key as never]);
  }
  for (const key of members) if (!Object.hasOwn(made, key)) setMember(made, key, undefined);
  return compact(made);
}

/** Whether it may accept undefined, but not the absence of a member. */
function isUndefinedOnly(schema: Schema): boolean {
  return schema._zod.optin === undefined && mayBeUndefined(schema);
}

/** Bounds how deep alternatives are looked through; lazy ones may be endless. */
const MAX_ALTERNATIVES = 16;

function mayBeUndefined(schema: Schema, depthLeft = MAX_ALTERNATIVES): boolean {
  if (depthLeft === 0) return false;
  const def = definition(schema);
  switch (def.type) {
    case "any":
    case "unknown":
    case "undefined":
    case "void":
    case "custom":
    case "optional":
      return true;
    case "literal":
      return def.values.includes(undefined);
    case "union":
    case "intersection":
    case "nullable":
    case "readonly":
    case "lazy":
      return schemasIn(schema).some((part) => mayBeUndefined(part, depthLeft - 1));
    case "pipe":
      return mayBeUndefined(def.in, depthLeft - 1);
    default:
      return false;
  }
}

function compacting(run: Run): Run {
  return (payload, context) => {
    const given = payload.value;
    const result = run(payload, context);
    if (result instanceof Promise) return result; // asynchronous schemas are refused
    const { value } = result;
    if (value !== given && typeof value === "object" && value !== null) compact(value); // a new object, built by this schema
    return result;
  };
}

/** Of a schema that keeps undeclared members: zod would copy those of the prototype of a URL, functions among them. */
function withoutRich(run: Run): Run {
  return (payload, context) => {
    if (richKindOf(payload.value) === undefined) return run(payload, context);
    payload.issues.push({ code: "invalid_type", expected: "object", input: payload.value });
    return payload;
  };
}

function makesIndexes(def: z.core.$ZodObjectDef): boolean {
  return (
    (def.catchall !== undefined && definition(def.catchall).type !== "never") || Object.keys(def.shape).some(isIndex)
  );
}

// --- intersections -----------------------------------------------------------------------------------------------------

/** zod merges the objects inside two results at once, with no chance to compact in between. Their possible cost is
 *  therefore computed first:
 *  slots that V8 may reserve for indexes, in total and for each value. */
const FREE_SLOTS = 16_384;
const SLOTS_EACH = 16;
/** V8 gives no mostly empty object more slots. */
const MOST_SLOTS = 5_000;
/** A peer cannot nest deeper. A deeper or cyclic value belongs to the program itself. */
const MAX_DEPTH = 512;

function bounded(run: Run): Run {
  return (payload, context) => {
    if (reservedSlots(payload.value) <= FREE_SLOTS) return run(payload, context);
    const expected = "fewer objects with sparse integer keys" as never; // no type of zod's
    payload.issues.push({ code: "invalid_type", expected, input: payload.value });
    return payload;
  };
}

/** The slots of a value, minus the slots that each value is allowed. */
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

/** Whether the results may contain new objects with indexes. */
function rebuilds(schema: Schema, seen = new Set<Schema>()): boolean {
  if (seen.has(schema)) return false;
  seen.add(schema);
  const def = definition(schema);
  if (def.type === "record" || def.type === "lazy" || (def.type === "object" && makesIndexes(def))) return true;
  return schemasIn(schema).some((part) => rebuilds(part, seen));
}
