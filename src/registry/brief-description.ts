/**
 * The part of a description that a stranger may see: names and schemas of what it may call, and what these refer to.
 */
import type { MethodDescription, ServiceDescription } from "./description.ts";
import { type JsonSchema, referencesOf } from "./json-schema.ts";

const DEFINITION = "#/$defs/";

export function briefDescription(description: ServiceDescription): ServiceDescription {
  const { format, name, version, hash, methods, credentials } = description;
  const brief = Object.fromEntries(Object.entries(methods).map(([key, method]) => [key, withoutTexts(method)]));
  const schemas = Object.values(brief).flatMap(({ params, result }) => [
    ...params.map(({ schema }) => schema),
    ...(result === undefined ? [] : [result]),
  ]);
  const shown = credentials ?? [];
  const $defs = reachable([...schemas, ...shown.map(({ schema }) => schema)], description.$defs);
  const values = Object.fromEntries(Object.entries(description.values).filter(([key]) => Object.hasOwn($defs, key)));
  const told = credentials === undefined ? {} : { credentials };
  return { format, name, version, hash, methods: brief, reactions: {}, values, ...told, $defs };
}

function withoutTexts({ params, body, result, resultBody, idempotent }: MethodDescription): MethodDescription {
  return { params, body, ...(result === undefined ? {} : { result }), resultBody, idempotent };
}

function reachable(from: readonly JsonSchema[], all: Readonly<Record<string, JsonSchema>>): Record<string, JsonSchema> {
  const found: Record<string, JsonSchema> = {};
  const queue = [...from];
  for (let schema = queue.pop(); schema !== undefined; schema = queue.pop()) {
    for (const reference of referencesOf(schema)) {
      const name = reference.slice(DEFINITION.length).replaceAll("~1", "/").replaceAll("~0", "~");
      const definition = Object.hasOwn(all, name) ? all[name] : undefined;
      if (definition === undefined || Object.hasOwn(found, name)) continue;
      found[name] = definition;
      queue.push(definition);
    }
  }
  return found;
}
