/**
 * The members of an `input` as a list of parameters, for tools that write calls by name. The list cannot express what a
 * union or an intersection requires; their schema is then described as well.
 */
import type { ParamDescription } from "./description.ts";
import {
  type Definitions,
  isObject,
  type JsonSchema,
  MAX_NESTING,
  resolveReference,
  sortedText,
} from "./json-schema.ts";

type Members = ReadonlyMap<string, { readonly schemas: readonly JsonSchema[]; readonly isRequired: boolean }>;

const NONE: Members = new Map();
/** What the list says as well. */
const LISTED: ReadonlySet<string> = new Set(["type", "properties", "required", "additionalProperties"]);

/** Whether the list says everything that the schema does. */
export function isListed(schema: JsonSchema): boolean {
  return Object.keys(schema).every((keyword) => LISTED.has(keyword));
}

export function inputMembers(schema: JsonSchema, definitions: Definitions): ParamDescription[] {
  return [...membersOf(schema, definitions, 0)].map(([name, { schemas, isRequired }]) => {
    const distinct = [...new Map(schemas.map((part) => [sortedText(part), part])).values()];
    const [only] = distinct;
    return { name, schema: only === undefined || distinct.length > 1 ? { anyOf: distinct } : only, isRequired };
  });
}

function membersOf(schema: JsonSchema, definitions: Definitions, depth: number): Members {
  if (depth > MAX_NESTING) return NONE; // a schema that refers to itself
  const { $ref, properties, required } = schema;
  const own = new Map(
    Object.entries(isObject(properties) ? properties : {}).flatMap(([name, part]) => {
      const isRequired = Array.isArray(required) && required.includes(name);
      return isObject(part) ? [[name, { schemas: [part], isRequired }] as const] : [];
    }),
  );
  const inside = (part: unknown) => (isObject(part) ? membersOf(part, definitions, depth + 1) : NONE);
  const list = (keyword: string) => {
    const parts = schema[keyword];
    return Array.isArray(parts) ? parts.map(inside) : [];
  };
  const target = typeof $ref === "string" ? inside(resolveReference($ref, definitions)) : NONE;
  const either = [list("anyOf"), list("oneOf")].map((options) =>
    joined(options, (requiring) => requiring === options.length),
  );
  return joined([own, target, ...list("allOf"), ...either], (requiring) => requiring > 0);
}

/** @param isRequired of the number of those that require the member */
function joined(all: readonly Members[], isRequired: (requiring: number) => boolean): Members {
  const names = new Set(all.flatMap((members) => [...members.keys()]));
  return new Map(
    [...names].map((name) => {
      const found = all.flatMap((members) => members.get(name) ?? []);
      const requiring = found.filter((member) => member.isRequired).length;
      return [name, { schemas: found.flatMap(({ schemas }) => schemas), isRequired: isRequired(requiring) }];
    }),
  );
}
