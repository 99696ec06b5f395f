/**
 * A JSON Schema decomposed for comparison: references resolved, unions split into alternatives, conjunctions into
 * parts.
 */
import {
  ANNOTATIONS,
  DEFAULT_KEYWORD,
  type Definitions,
  isObject,
  type JsonSchema,
  resolveReference,
  step,
  tooDeep,
} from "./json-schema.ts";

/** A schema without a top-level reference, with the definitions that its inner references need. */
export interface Node {
  readonly schema: JsonSchema;
  readonly definitions: Definitions;
}

const ANYTHING: JsonSchema = {};
const NOTHING: JsonSchema = { not: {} };
/** No real schema is deeper; circular references have no bound. */
export const MAX_DEPTH = 200;

/** Resolves references; keywords beside a reference are additional constraints.
 *  @throws HbiError bad_option for unresolvable or circular references */
export function toNode(part: unknown, definitions: Definitions): Node {
  let schema = part === false ? NOTHING : isObject(part) ? part : ANYTHING;
  for (let hops = 0; typeof schema["$ref"] === "string"; hops++) {
    if (hops > MAX_DEPTH) throw tooDeep();
    const { $ref, ...rest } = schema;
    const target = resolveReference(String($ref), definitions);
    if (hasConstraints(rest)) return { schema: { ...rest, allOf: [...listOf(rest, "allOf"), target] }, definitions };
    schema = target;
  }
  return { schema, definitions };
}

export interface Union {
  readonly keyword: "anyOf" | "oneOf";
  readonly branches: readonly Node[];
}

export interface Parts {
  /** the schema's own keywords; undefined if there are none */
  readonly plain: Node | undefined;
  readonly unions: readonly Union[];
  /** of `allOf` */
  readonly members: readonly Node[];
}

/** A value of the schema is a value of each of these parts. */
export function split({ schema, definitions }: Node): Parts {
  step();
  const { anyOf, oneOf, allOf, ...rest } = schema;
  const nodes = (list: readonly unknown[]) => {
    step(list.length);
    return list.map((part) => toNode(part, definitions));
  };
  const unions: Union[] = [];
  if (Array.isArray(anyOf)) unions.push({ keyword: "anyOf", branches: nodes(anyOf) });
  if (Array.isArray(oneOf)) unions.push({ keyword: "oneOf", branches: nodes(oneOf) });
  const members = nodes(listOf(schema, "allOf"));
  const isWhole = unions.length === 0 && members.length === 0;
  const plain = isWhole ? { schema, definitions } : hasConstraints(rest) ? { schema: rest, definitions } : undefined;
  return { plain, unions, members };
}

/** A value of the schema is a value of at least one of these. The node itself if there are no alternatives. */
export function alternatives(node: Node, depth = 0): readonly Node[] {
  if (depth > MAX_DEPTH) throw tooDeep();
  const { plain, unions, members } = split(node);
  const [union, second] = unions;
  if (plain === undefined && members.length === 0 && union !== undefined && second === undefined) {
    return union.branches.flatMap((branch) => alternatives(branch, depth + 1));
  }
  const { schema, definitions } = node;
  const { type } = schema;
  if (!Array.isArray(type) || type.length < 2) return [node];
  return type.map((one: unknown) => ({ schema: { ...schema, type: one }, definitions }));
}

/** One schema for each value, where they can be enumerated. */
export function literals(node: Node): readonly Node[] {
  const values = valuesOf(node.schema) ?? [];
  return values.length < 2 ? [node] : values.map((one) => ({ ...node, schema: { ...node.schema, enum: [one] } }));
}

/** A range of more integers is compared by its bounds. */
const MAX_RANGE = 64;

/** All values that the schema can accept, if they can be enumerated. */
export function valuesOf(schema: JsonSchema): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, "const")) return [schema["const"]];
  if (Array.isArray(schema["enum"])) {
    step(schema["enum"].length);
    return schema["enum"];
  }
  if (schema["type"] === "null") return [null];
  if (schema["type"] === "boolean") return [false, true];
  if (schema["type"] !== "integer") return undefined;
  const [least, most] = [integerBound(schema, 1), -integerBound(schema, -1)];
  if (!(most - least < MAX_RANGE)) return undefined;
  step(MAX_RANGE);
  return Array.from({ length: Math.max(0, most - least + 1) }, (_, i) => least + i);
}

/** The lowest integer of a schema; with sign -1, the highest one, negated. -Infinity if there is none. */
export function integerBound(schema: JsonSchema, sign: 1 | -1): number {
  const bound = (keyword: string) =>
    typeof schema[keyword] === "number" ? schema[keyword] * sign : Number.NEGATIVE_INFINITY;
  const [closed, open] =
    sign === 1 ? (["minimum", "exclusiveMinimum"] as const) : (["maximum", "exclusiveMaximum"] as const);
  return Math.max(Math.ceil(bound(closed)), Math.floor(bound(open)) + 1);
}

export function isNothing({ schema }: Node): boolean {
  return isObject(schema["not"]) && !hasConstraints(schema["not"]);
}

/** Whether the keyword leaves the set of accepted values unchanged. */
export function isSilent(keyword: string): boolean {
  return keyword === "default" || keyword === DEFAULT_KEYWORD || keyword === "$defs" || ANNOTATIONS.has(keyword);
}

export function hasConstraints(schema: JsonSchema): boolean {
  return Object.keys(schema).some((keyword) => !isSilent(keyword));
}

export function listOf(schema: JsonSchema, keyword: string): readonly unknown[] {
  const list = schema[keyword];
  return Array.isArray(list) ? list : [];
}
