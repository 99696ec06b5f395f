/**
 * The parts of a zod schema, by the names in zod's definitions.
 */
import type { z } from "zod";
import { failure } from "../errors.ts";

export type Definition = z.core.$ZodTypes["_zod"]["def"];

export function isSchema(candidate: unknown): candidate is z.core.$ZodType {
  return typeof candidate === "object" && candidate !== null && "_zod" in candidate;
}

/** zod's definition as a closed union, for `switch`. */
export function definition(schema: z.core.$ZodType): Definition {
  return (schema as z.core.$ZodTypes)._zod.def; // every zod schema is one of these
}

export interface Part {
  /** "items.0.name"; "" for the schema itself */
  readonly path: string;
  readonly schema: z.core.$ZodType;
}

/** Like `partsOf`; undefined if a getter of the author refers to a later definition, which
 *  is not available yet. */
export function partsNow(schema: z.core.$ZodType): Part[] | undefined {
  const def = definition(schema);
  try {
    if (def.type === "lazy") {
      const cached: unknown = Reflect.get(def, "_cachedInner"); // zod's own access never calls the getter again after it has thrown
      return [{ path: "", schema: isSchema(cached) ? cached : def.getter() }];
    }
    return partsOf(schema);
  } catch {
    return undefined;
  }
}

/** The schema that it wraps, for values at the same place; undefined for any other. Resolves a lazy one. */
export function innerOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const def = definition(schema);
  switch (def.type) {
    case "optional":
    case "nullable":
    case "nonoptional":
    case "default":
    case "prefault":
    case "catch":
    case "readonly":
    case "success":
      return def.innerType;
    case "lazy":
      return (schema as z.core.$ZodLazy)._zod.innerType; // which zod caches; the getter may return a new one each time
    default:
      return undefined;
  }
}

/** The schemas directly inside, with the path of the values that they describe: "[]" for items, "{}" for other members.
 *  Resolves lazy ones. */
export function partsOf(schema: z.core.$ZodType): Part[] {
  const def = definition(schema);
  const at = (path: string, part: z.core.$ZodType): Part => ({ path, schema: part });
  switch (def.type) {
    case "object":
      return [
        ...Object.entries(def.shape).map(([key, part]) => at(key, part)),
        ...(def.catchall === undefined ? [] : [at("{}", def.catchall)]),
      ];
    case "array":
      return [at("[]", def.element)];
    case "tuple":
      return [...def.items.map((part, i) => at(String(i), part)), ...(def.rest === null ? [] : [at("[]", def.rest)])];
    case "record":
    case "map":
      return [at("(key)", def.keyType), at("{}", def.valueType)];
    case "set":
      return [at("[]", def.valueType)];
    case "union":
      return def.options.map((part) => at("", part));
    case "intersection":
      return [at("", def.left), at("", def.right)];
    case "promise":
      return [at("", def.innerType)];
    case "pipe":
      return [at("", def.in), at("", def.out)];
    default: {
      const inner = innerOf(schema);
      return inner === undefined ? [] : [at("", inner)];
    }
  }
}

/** All schemas inside, also those that describe no value at a path of their own. */
export function schemasIn(schema: z.core.$ZodType): z.core.$ZodType[] {
  const parts = partsOf(schema).map((part) => part.schema);
  for (const check of definition(schema).checks ?? []) {
    const inner: unknown = (check._zod.def as { schema?: unknown }).schema; // of z.property
    if (isSchema(inner)) parts.push(inner);
  }
  return parts;
}

const MAX_PARTS = 10_000;

/** The path of the first part whose output differs from its input; undefined if there is none among the parts that are
 *  available. */
export function findTransform(schema: z.core.$ZodType): string | undefined {
  const seen = new Set<z.core.$ZodType>();
  const queue: Part[] = [{ path: "", schema }];
  for (let part = queue.pop(); part !== undefined; part = queue.pop()) {
    if (seen.has(part.schema)) continue;
    if (seen.size === MAX_PARTS)
      throw failure("bad_option", "an endless schema: a lazy schema returns a new one each time");
    seen.add(part.schema);
    const def = definition(part.schema);
    if (def.type === "transform" || (def.type === "pipe" && def.transform !== undefined)) return part.path;
    for (const inner of partsNow(part.schema) ?? [])
      queue.push({ path: join(part.path, inner.path), schema: inner.schema });
  }
  return undefined;
}

export function join(path: string, part: string): string {
  if (part === "" || path === "") return path + part;
  return `${path}.${part}`;
}
