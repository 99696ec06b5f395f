/**
 * The part of a description that every peer may see: names and schemas of what it may call, and their definitions.
 */
import { type MethodDescription, type ServiceDescription, wholesOf } from "./description.ts";
import { type Definitions, type JsonSchema, referencesOf, resolveReference } from "./json-schema.ts";

export function briefDescription(description: ServiceDescription): ServiceDescription {
  const { format, name, version, hash, methods, credentials } = description;
  const brief = Object.fromEntries(Object.entries(methods).map(([key, method]) => [key, withoutTexts(method)]));
  const schemas = Object.values(brief).flatMap((method) => [
    ...method.params.map(({ schema }) => schema),
    ...wholesOf(method),
  ]);
  const shown = credentials ?? [];
  const isMet = reachable([...schemas, ...shown.map(({ schema }) => schema)], description.$defs);
  const $defs = Object.fromEntries(Object.entries(description.$defs).filter(([, definition]) => isMet.has(definition)));
  const values = Object.fromEntries(Object.entries(description.values).filter(([key]) => Object.hasOwn($defs, key)));
  const told = credentials === undefined ? {} : { credentials };
  return { format, name, version, hash, methods: brief, reactions: {}, values, ...told, $defs };
}

function withoutTexts({
  title: _title,
  description: _text,
  deprecated: _,
  examples: _examples,
  ...kept
}: MethodDescription): MethodDescription {
  return kept;
}

/** The definitions that the schemas refer to, directly or indirectly. */
function reachable(from: readonly JsonSchema[], all: Definitions): ReadonlySet<JsonSchema> {
  const found = new Set<JsonSchema>();
  const queue = [...from];
  for (let schema = queue.pop(); schema !== undefined; schema = queue.pop()) {
    for (const reference of referencesOf(schema)) {
      const definition = resolveReference(reference, all); // every reference was resolved when the description was hashed
      if (found.has(definition)) continue;
      found.add(definition);
      queue.push(definition);
    }
  }
  return found;
}
