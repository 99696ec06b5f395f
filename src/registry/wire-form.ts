/**
 * The form in which a parameter is sent. The other side runs the same schema again, so it must receive what the schema
 * accepts, without the members that the schema strips. For most schemas that is their output. A schema that changes
 * values (a transform, a default) needs its input: it is copied here before it is validated, so that what was
 * validated is what is sent.
 */
import type { z } from "zod";
import { failure } from "../errors.ts";
import { compact, setMember } from "../parser/members.ts";
import { isPlainObject } from "../parser/plain-object.ts";
import { makeCompact } from "./compact-schema.ts";
import { definition, innerOf, schemasIn } from "./schema-walk.ts";
import { accepts } from "./validate.ts";

type Schema = z.core.$ZodType;

/** Deeper values are refused when they are written; this ends cycles. */
const MAX_DEPTH = 512;

/** Bounds how many lazy schemas are resolved, because a lazy schema may create new ones endlessly. */
const MAX_LAZY = 100;

/** Whether a second run on the output of the schema may give another value or a refusal, so that the form of its input is
 *  sent instead. Resolves lazy schemas: only for one that is able to run. */
export function isChanging(schema: Schema): boolean {
  let lazy = 0;
  const seen = new Set<Schema>();
  const queue = [schema];
  for (let part = queue.pop(); part !== undefined; part = queue.pop()) {
    if (seen.has(part)) continue;
    seen.add(part);
    const def = definition(part);
    switch (def.type) {
      case "transform":
      case "pipe":
      case "default":
      case "prefault":
      case "catch":
      case "success":
        return true;
      case "date":
        if (def.coerce === true) return true; // of other types, the output is as good
        break;
      case "lazy":
        lazy += 1;
        if (lazy > MAX_LAZY) return true; // it may be endless; a form follows the value
    }
    if (def.checks?.some((check) => check._zod.def.check === "overwrite") === true) return true;
    queue.push(...schemasIn(part));
  }
  return false;
}

/** The form of what a caller gave, before it is validated. @throws HbiError invalid_argument for an ambiguous union */
export function formOf(schema: Schema, value: unknown, depthLeft = MAX_DEPTH): unknown {
  if (typeof value !== "object" || value === null || depthLeft === 0) return value;
  const def = definition(schema);
  switch (def.type) {
    case "object":
      return Array.isArray(value) ? value : objectOf(def, value, depthLeft - 1);
    case "array":
      return Array.isArray(value) ? Array.from(value, (item) => formOf(def.element, item, depthLeft - 1)) : value;
    case "tuple":
      if (!Array.isArray(value)) return value;
      return Array.from(value, (item, i) => {
        const part = def.items[i] ?? def.rest;
        return part === null ? item : formOf(part, item, depthLeft - 1);
      });
    case "map":
      if (!(value instanceof Map)) return value;
      return new Map(
        Array.from(value, ([key, item]) => [
          formOf(def.keyType, key, depthLeft - 1),
          formOf(def.valueType, item, depthLeft - 1),
        ]),
      );
    case "set":
      return value instanceof Set
        ? new Set(Array.from(value, (item) => formOf(def.valueType, item, depthLeft - 1)))
        : value;
    case "record":
      return isPlainObject(value) ? recordOf(def, value, depthLeft - 1) : value;
    case "union":
      return alternativeOf(def, value, depthLeft - 1);
    case "intersection":
      return merged(formOf(def.left, value, depthLeft - 1), formOf(def.right, value, depthLeft - 1));
    case "pipe":
      return formOf(def.in, value, depthLeft - 1);
    case "date":
      return def.coerce === true && value instanceof Date && Number.isFinite(value.getTime())
        ? value.toISOString()
        : value;
    default: {
      const inner = innerOf(schema);
      return inner === undefined ? value : formOf(inner, value, depthLeft - 1);
    }
  }
}

/** The members that zod reads, each once: those of the shape, also if a class has them, and the others if the schema
 *  keeps or refuses them. */
function objectOf({ shape, catchall }: z.core.$ZodObjectDef, value: object, depthLeft: number): object {
  const made: Record<string, unknown> = {};
  for (const key of Object.keys(shape)) {
    if (key in value) setMember(made, key, formOf(shape[key] as Schema, value[key as never], depthLeft)); // a key of the shape
  }
  if (catchall === undefined) return made;
  for (const key in value) {
    if (!Object.hasOwn(shape, key)) setMember(made, key, formOf(catchall, value[key as never], depthLeft));
  }
  return compact(made);
}

function recordOf({ valueType }: z.core.$ZodRecordDef, value: object, depthLeft: number): object {
  const made: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) setMember(made, key, formOf(valueType, member, depthLeft)); // it would be omitted
  }
  return compact(made);
}

/** The form by the alternative that accepts the value. @throws HbiError invalid_argument if the other side would take
 *  it for another alternative */
function alternativeOf({ options }: z.core.$ZodUnionDef, value: object, depthLeft: number): unknown {
  const chosen = firstOf(options, value);
  if (chosen === undefined) return value; // it is about to be refused
  const form = formOf(chosen, value, depthLeft);
  if (firstOf(options, form) === chosen) return form;
  throw failure("not_representable", "its form is also that of another alternative of a union");
}

function firstOf(options: readonly Schema[], value: unknown): Schema | undefined {
  try {
    return options.find((option) => {
      makeCompact(option); // it may run here before the union that it is part of
      return accepts(option, value);
    });
  } catch {
    return undefined; // a function of the author's throws, which the validation reports
  }
}

/** What either side of an intersection keeps. */
function merged(left: unknown, right: unknown): unknown {
  if (left === right) return left;
  if (Array.isArray(left) && Array.isArray(right)) return left.map((item, i) => merged(item, right[i]));
  if (!isPlainObject(left) || !isPlainObject(right)) return right;
  const made: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(left)) {
    setMember(made, key, Object.hasOwn(right, key) ? merged(member, right[key as never]) : member);
  }
  for (const [key, member] of Object.entries(right)) if (!Object.hasOwn(left, key)) setMember(made, key, member);
  return compact(made);
}
