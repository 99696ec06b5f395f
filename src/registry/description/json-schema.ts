/**
 * JSON Schema (draft 2020-12) as plain data: traversal of its parts, references, and a canonical text. Independent of
 * zod.
 */
import { failure, oneLine } from "../../errors.ts";

/** A schema in object form. Its parts may also be `true` (anything) and `false` (nothing). */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** The targets of `$ref: "#/$defs/name"`. */
export type Definitions = Readonly<Record<string, JsonSchema>>;

/** Names the value constructor that a definition describes. */
export const VALUE_KEYWORD = "x-hbi-value";
/** Distinguishes bytes from text: both have the type "string" in JSON Schema, but differ on the wire. */
export const BYTES_KEYWORD = "x-hbi-type";
/** Stands where JSON Schema cannot say what is accepted, and says it in words: "a custom schema". */
export const UNSAID_KEYWORD = "x-hbi-unsaid";
/** A default that a function makes anew for each call: "made". */
export const DEFAULT_KEYWORD = "x-hbi-default";

/** Keywords that do not affect which values are accepted. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  ...["$schema", "$id", "$comment", "title", "description", "examples", "deprecated", "readOnly", "writeOnly"],
]);

const RECORDS_OF_PARTS: ReadonlySet<string> = new Set(["properties", "patternProperties", "dependentSchemas", "$defs"]);
const LISTS_OF_PARTS: ReadonlySet<string> = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
const SINGLE_PARTS: ReadonlySet<string> = new Set([
  ...["items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"],
  ...["unevaluatedItems", "unevaluatedProperties", "contentSchema"],
]);

export function isObject(candidate: unknown): candidate is JsonSchema {
  return typeof candidate === "object" && candidate !== null && !Array.isArray(candidate);
}

/** Whether the content of a keyword with parts consists of schemas. Older drafts permit other forms, such as a list of
 *  schemas in `items`, in which `mapParts` finds no parts. True for any other keyword. */
export function hasParts(keyword: string, content: unknown): boolean {
  const isPart = (part: unknown) => typeof part === "boolean" || isObject(part);
  if (SINGLE_PARTS.has(keyword)) return isPart(content);
  if (LISTS_OF_PARTS.has(keyword)) return Array.isArray(content) && content.every(isPart);
  return !RECORDS_OF_PARTS.has(keyword) || (isObject(content) && Object.values(content).every(isPart));
}

/** The schema with each direct part replaced. Data such as an `enum` is not a part, so a constant that resembles a
 *  reference stays unchanged. */
export function mapParts(schema: JsonSchema, replace: (part: JsonSchema) => JsonSchema): JsonSchema {
  const each = (part: unknown) => (isObject(part) ? replace(part) : part);
  const mapped = Object.entries(schema).map(([keyword, content]): [string, unknown] => {
    if (SINGLE_PARTS.has(keyword)) return [keyword, each(content)];
    if (LISTS_OF_PARTS.has(keyword) && Array.isArray(content)) return [keyword, content.map(each)];
    if (!RECORDS_OF_PARTS.has(keyword) || !isObject(content)) return [keyword, content];
    return [keyword, Object.fromEntries(Object.entries(content).map(([name, part]) => [name, each(part)]))];
  });
  return Object.fromEntries(mapped);
}

/** The schema with every reference replaced. */
export function mapReferences(schema: JsonSchema, replace: (reference: string) => string): JsonSchema {
  const mapped = mapParts(schema, (part) => mapReferences(part, replace));
  return typeof mapped["$ref"] === "string" ? { ...mapped, $ref: replace(mapped["$ref"]) } : mapped;
}

export function referencesOf(schema: JsonSchema): Set<string> {
  const found = new Set<string>();
  mapReferences(schema, (reference) => {
    found.add(reference);
    return reference;
  });
  return found;
}

/** "#/$defs/a~1b" names the definition "a/b"; undefined for other references. */
export function definitionName(reference: string): string | undefined {
  const name = /^#\/\$defs\/([^/]+)$/.exec(reference)?.[1];
  return name?.replaceAll("~1", "/").replaceAll("~0", "~");
}

export function referenceTo(name: string): string {
  return `#/$defs/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** @throws HbiError bad_option if the reference cannot be resolved */
export function resolveReference(reference: string, definitions: Definitions): JsonSchema {
  const name = definitionName(reference);
  const found = name !== undefined && Object.hasOwn(definitions, name) ? definitions[name] : undefined;
  if (found === undefined) throw failure("bad_option", `"${oneLine(reference.slice(0, 64))}" refers to no definition`);
  return found;
}

/** Bounds nesting, including references; no real schema is deeper. */
export const MAX_NESTING = 400;
/** Bounds the work of comparing two services: a few mutual references can expand to a schema of any size. */
const MAX_STEPS = 2_000_000;
let stepsLeft = Number.POSITIVE_INFINITY;

/** Runs a comparison of foreign schemas. @throws HbiError resource_exhausted if it takes too long */
export function bounded<T>(compare: () => T): T {
  const outer = stepsLeft;
  stepsLeft = MAX_STEPS;
  try {
    return compare();
  } finally {
    stepsLeft = outer;
  }
}

export function step(count = 1): void {
  stepsLeft -= count;
  if (stepsLeft < 0) throw failure("too_many_nodes", "the schemas are too complex to be compared");
}

export function tooDeep() {
  return failure("bad_option", "a schema is nested too deeply or has a circular reference");
}

/** JSON text with sorted keys, so equal data has equal text. */
export function sortedText(data: unknown): string {
  return JSON.stringify(sorted(data));
}

function sorted(data: unknown): unknown {
  step();
  if (Array.isArray(data)) return data.map(sorted);
  if (!isObject(data)) return data;
  const entries = Object.entries(data).map(([key, item]): [string, unknown] => [key, sorted(item)]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Lists whose order has no meaning. */
const SETS: ReadonlySet<string> = new Set(["required", "enum", "type"]);

/** What the schema accepts, in canonical form: sorted, with definitions numbered in order of first use, so that names
 *  and order do not matter. A value constructor is represented by its name only. */
export function canonical(
  schema: JsonSchema,
  definitions: Definitions,
  skipped: ReadonlySet<string> = ANNOTATIONS,
): unknown {
  const numbers = new Map<JsonSchema, number>();
  const bodies: JsonSchema[] = [];
  let depth = 0;
  const reduce = (part: JsonSchema): JsonSchema => {
    step();
    if (depth === MAX_NESTING) throw tooDeep();
    depth += 1; // following a reference adds a level
    const entries = Object.entries(part)
      .filter(([keyword]) => !skipped.has(keyword))
      .map(([keyword, content]): [string, unknown] => {
        if (SETS.has(keyword) && Array.isArray(content)) return [keyword, content.map(sortedText).sort()];
        return keyword === "$ref" ? [keyword, refer(String(content))] : [keyword, content];
      });
    const mapped = mapParts(Object.fromEntries(entries), reduce);
    depth -= 1;
    return mapped;
  };
  const refer = (reference: string): unknown => {
    const target = resolveReference(reference, definitions);
    if (target[VALUE_KEYWORD] !== undefined) return { [VALUE_KEYWORD]: target[VALUE_KEYWORD] };
    let number = numbers.get(target);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(target, number);
      bodies[number] = {}; // reserves its place while its own references are processed
      bodies[number] = reduce(sorted(target) as JsonSchema); // sorting an object gives an object
    }
    return number;
  };
  const root = reduce(sorted(schema) as JsonSchema); // sorting an object gives an object
  return bodies.length === 0 ? root : { root, bodies };
}
