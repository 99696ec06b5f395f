/**
 * The constraints of one JSON Schema, keyword by keyword, each with a proof that another schema is at least as strict.
 * A proof may be missing where one exists, but must never be wrong.
 */

import { join } from "../schema-walk.ts";
import { isObject, type JsonSchema, sortedText, VALUE_KEYWORD } from "./json-schema.ts";
import { integerBound, isSilent, listOf, type Node, toNode, valuesOf } from "./schema-node.ts";

/** Compares parts of both schemas. */
export type Within = (inner: Node, outer: Node, path: string) => string | undefined;

/** Why a value of `inner` may violate this constraint of `outer`; undefined if it cannot. */
export type Constraint = (inner: Node, outer: Node, within: Within, path: string) => string | undefined;

export function constraintsOf(schema: JsonSchema): Constraint[] {
  return CONSTRAINTS.filter(([keywords]) => keywords.some((keyword) => isKnown(schema, keyword)))
    .map(([, constraint]) => constraint)
    .concat(unknown);
}

type Check = readonly [keywords: readonly string[], constraint: Constraint];

const CONSTRAINTS: readonly Check[] = [
  [["type"], types],
  [["const", "enum"], values],
  limit("number", "minimum", "exclusiveMinimum", 1),
  limit("number", "maximum", "exclusiveMaximum", -1),
  size("string", "minLength", 1),
  size("string", "maxLength", -1),
  size("array", "minItems", 1),
  size("array", "maxItems", -1),
  [["multipleOf"], multipleOf],
  same("pattern"),
  same("format"),
  same("contentEncoding"),
  same("contentMediaType"),
  [["items", "prefixItems"], items],
  [["properties", "patternProperties", "additionalProperties"], properties],
  [["propertyNames"], propertyNames],
  [["required"], required],
];

/** The forms that the constraints understand. A keyword in another form, or not listed, is unknown. */
const KNOWN: Readonly<Record<string, (content: unknown) => boolean>> = {
  type: (content) => typeof content === "string" || Array.isArray(content),
  const: () => true,
  ...Object.fromEntries(["enum", "prefixItems", "required"].map((keyword) => [keyword, Array.isArray])),
  ...Object.fromEntries(
    ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"]
      .concat(["minLength", "maxLength", "minItems", "maxItems"])
      .map((keyword) => [keyword, Number.isFinite]),
  ),
  ...Object.fromEntries(
    ["pattern", "format", "contentEncoding", "contentMediaType"].map((keyword) => [keyword, isText]),
  ),
  ...Object.fromEntries(["properties", "patternProperties"].map((keyword) => [keyword, isObject])),
  ...Object.fromEntries(["items", "additionalProperties", "propertyNames"].map((keyword) => [keyword, isPart])),
};

function isText(content: unknown): boolean {
  return typeof content === "string";
}

function isPart(content: unknown): boolean {
  return typeof content === "boolean" || isObject(content);
}

function isKnown(schema: JsonSchema, keyword: string): boolean {
  return Object.hasOwn(schema, keyword) && Object.hasOwn(KNOWN, keyword) && KNOWN[keyword]?.(schema[keyword]) === true;
}

/** An unknown keyword must be identical in both schemas. A reference in it proves nothing, because its target may
 *  differ. */
function unknown(inner: Node, outer: Node, _: Within, path: string): string | undefined {
  const [a, b] = [foreignKeys(inner), foreignKeys(outer)];
  const text = (keys: readonly string[], { schema }: Node) => sortedText(keys.map((key) => [key, schema[key]]));
  const given = text(a, inner);
  if (given === text(b, outer) && !given.includes('"$ref"')) return undefined;
  return at(path, [...b, ...a][0] as string); // if both are empty, the texts are equal
}

function foreignKeys({ schema }: Node): string[] {
  return Object.keys(schema)
    .filter((key) => isForeign(schema, key))
    .sort();
}

function isForeign(schema: JsonSchema, keyword: string): boolean {
  return !isSilent(keyword) && !isKnown(schema, keyword);
}

function types(inner: Node, outer: Node, _: Within, path: string): string | undefined {
  const accepted = declaredTypes(outer.schema);
  return [...typesOf(inner.schema)].every((type) => accepted.has(type)) ? undefined : at(path, "type");
}

const ALL_TYPES = ["null", "boolean", "string", "number", "array", "object"];

/** The types of possible values: a number that is a multiple of 2 is an integer. */
function typesOf(schema: JsonSchema): ReadonlySet<unknown> {
  const declared = declaredTypes(schema);
  if (!Number.isInteger(schema["multipleOf"])) return declared;
  return new Set([...declared].filter((type) => type !== "number"));
}

/** "number" here means non-integers; the JSON Schema type includes integers. */
function declaredTypes(schema: JsonSchema): ReadonlySet<unknown> {
  const known = valuesOf(schema);
  if (known !== undefined) return new Set(known.map(typeOf));
  const { type } = schema;
  const list: readonly unknown[] = typeof type === "string" ? [type] : Array.isArray(type) ? type : ALL_TYPES;
  return new Set(list.includes("number") ? [...list, "integer"] : list);
}

function typeOf(literal: unknown): string {
  if (literal === null) return "null";
  if (Array.isArray(literal)) return "array";
  return Number.isInteger(literal) ? "integer" : typeof literal;
}

function values(inner: Node, outer: Node, _: Within, path: string): string | undefined {
  const accepted = new Set(valuesOf(outer.schema)?.map(sortedText));
  const isWithin = valuesOf(inner.schema)?.every((one) => accepted.has(sortedText(one))) === true;
  return isWithin ? undefined : at(path, "const" in outer.schema ? "const" : "enum");
}

/** A bound of numbers: sign 1 for a lower, -1 for an upper bound. */
function limit(type: string, closed: string, open: string, sign: 1 | -1): Check {
  const boundOf = (schema: JsonSchema) => {
    const known = valuesOf(schema)?.filter((one) => typeof one === "number");
    if (known !== undefined) return { least: least(known.map((one) => one * sign)), isOpen: false };
    const [reached, unreached] = [closed, open].map((keyword) =>
      isKnown(schema, keyword) ? Number(schema[keyword]) * sign : Number.NEGATIVE_INFINITY,
    ) as [number, number]; // as many results as inputs
    return { least: Math.max(reached, unreached), isOpen: unreached >= reached };
  };
  const check: Constraint = (inner, outer, _, path) => {
    const has = typesOf(inner.schema);
    if (!has.has(type) && !has.has("integer")) return undefined;
    const b = boundOf(outer.schema);
    const isWhole = !has.has(type) && valuesOf(inner.schema) === undefined; // above 0 is at least 1
    const a = isWhole ? { least: integerBound(inner.schema, sign), isOpen: false } : boundOf(inner.schema);
    if (a.least > b.least || (a.least === b.least && (a.isOpen || !b.isOpen))) return undefined;
    return at(path, isKnown(outer.schema, open) && b.isOpen ? open : closed);
  };
  return [[closed, open], check];
}

/** Unlike Math.min, accepts any number of arguments. */
function least(numbers: readonly number[]): number {
  return numbers.reduce((found, number) => Math.min(found, number), Number.POSITIVE_INFINITY);
}

/** A bound of lengths. */
function size(type: string, keyword: string, sign: 1 | -1): Check {
  const boundOf = (schema: JsonSchema) => {
    const lengths = valuesOf(schema)?.map((one) => (typeof one === "string" || Array.isArray(one) ? one.length : 0));
    if (lengths !== undefined) return least(lengths.map((length) => length * sign));
    if (isKnown(schema, keyword)) return Number(schema[keyword]) * sign;
    return sign === 1 ? 0 : Number.NEGATIVE_INFINITY;
  };
  const check: Constraint = (inner, outer, _, path) => {
    const isWithin = !typesOf(inner.schema).has(type) || boundOf(inner.schema) >= boundOf(outer.schema);
    return isWithin ? undefined : at(path, keyword);
  };
  return [[keyword], check];
}

function multipleOf(inner: Node, outer: Node, _: Within, path: string): string | undefined {
  const b = Number(outer.schema["multipleOf"]);
  const has = typesOf(inner.schema);
  if (!has.has("number") && !has.has("integer")) return undefined;
  const values = valuesOf(inner.schema);
  if (values !== undefined && Number.isInteger(b)) {
    return values.every((one) => typeof one !== "number" || one % b === 0) ? undefined : at(path, "multipleOf");
  }
  const a = Number(inner.schema["multipleOf"] ?? (has.has("number") ? undefined : 1));
  const isWithin = a === b || (Number.isInteger(a) && Number.isInteger(b) && a % b === 0); // fractions do not divide exactly
  return isWithin ? undefined : at(path, "multipleOf");
}

function same(keyword: string): Check {
  const check: Constraint = (inner, outer, _, path) => {
    const has = typesOf(inner.schema);
    const isWithin = inner.schema[keyword] === outer.schema[keyword] || !SCALARS.some((type) => has.has(type));
    return isWithin ? undefined : at(path, keyword);
  };
  return [[keyword], check];
}

const SCALARS = ["string", "number", "integer"];

function items(inner: Node, outer: Node, within: Within, path: string): string | undefined {
  if (!typesOf(inner.schema).has("array")) return undefined;
  const most = isKnown(inner.schema, "maxItems") ? Number(inner.schema["maxItems"]) : Number.POSITIVE_INFINITY;
  const listed = Math.max(listOf(inner.schema, "prefixItems").length, listOf(outer.schema, "prefixItems").length);
  const item = ({ schema, definitions }: Node, i: number) =>
    toNode(listOf(schema, "prefixItems")[i] ?? schema["items"], definitions);
  for (let i = 0; i < Math.min(listed, most); i++) {
    const reason = within(item(inner, i), item(outer, i), join(path, String(i)));
    if (reason !== undefined) return reason;
  }
  return most <= listed ? undefined : within(item(inner, listed), item(outer, listed), join(path, "[]"));
}

function properties(inner: Node, outer: Node, within: Within, path: string): string | undefined {
  if (!typesOf(inner.schema).has("object")) return undefined;
  if (inner.schema["patternProperties"] !== undefined || outer.schema["patternProperties"] !== undefined) {
    const text = ({ schema: { properties, patternProperties, additionalProperties } }: Node) =>
      sortedText([properties ?? {}, patternProperties ?? {}, additionalProperties ?? {}]);
    const isSame = text(inner) === text(outer) && !text(inner).includes('"$ref"');
    return isSame ? undefined : at(path, "patternProperties");
  }
  const [given, accepted] = [propertiesOf(inner), propertiesOf(outer)];
  const keys = new Set([...given.keys(), ...accepted.keys()]);
  const member = ({ schema, definitions }: Node, named: ReadonlyMap<string, unknown> | undefined, key: string) =>
    toNode(named?.get(key) ?? schema["additionalProperties"], definitions);
  for (const key of keys) {
    const reason = within(member(inner, given, key), member(outer, accepted, key), join(path, key));
    if (reason !== undefined) return reason;
  }
  const [rest, acceptedRest] = [inner, outer].map((node) => member(node, undefined, "")) as [Node, Node]; // as above
  return within(rest, acceptedRest, join(path, "{}"));
}

function propertiesOf({ schema }: Node): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(schema["properties"] ?? {}));
}

function propertyNames(inner: Node, outer: Node, within: Within, path: string): string | undefined {
  const { schema, definitions } = inner;
  if (!typesOf(schema).has("object")) return undefined;
  const isClosed = schema["additionalProperties"] === false && schema["patternProperties"] === undefined;
  const names = isClosed ? { enum: [...propertiesOf(inner).keys()] } : (schema["propertyNames"] ?? TEXT);
  return within(
    toNode(names, definitions),
    toNode(outer.schema["propertyNames"], outer.definitions),
    join(path, "(key)"),
  );
}

const TEXT: JsonSchema = { type: "string" };

function required(inner: Node, outer: Node, _: Within, path: string): string | undefined {
  const present = listOf(inner.schema, "required");
  const isWithin = listOf(outer.schema, "required").every((key) => present.includes(key));
  return isWithin || !typesOf(inner.schema).has("object") ? undefined : at(path, "required");
}

/** Whether it is certain that no value satisfies both schemas. */
export function areDisjoint(a: Node, b: Node): boolean {
  const [first, second] = [typesOf(a.schema), typesOf(b.schema)];
  if (![...first].some((type) => second.has(type))) return true;
  if (a.schema[VALUE_KEYWORD] !== undefined || b.schema[VALUE_KEYWORD] !== undefined) return false;
  if (shareNoValue(a.schema, b.schema)) return true;
  if (first.size > 1 || second.size > 1 || !first.has("object")) return false;
  const property = (node: Node, key: string) => toNode(propertiesOf(node).get(key), node.definitions).schema;
  return listOf(a.schema, "required").some(
    (key) =>
      listOf(b.schema, "required").includes(key) && shareNoValue(property(a, String(key)), property(b, String(key))),
  );
}

function shareNoValue(a: JsonSchema, b: JsonSchema): boolean {
  const texts = new Set(valuesOf(a)?.map(sortedText));
  const others = valuesOf(b)?.map(sortedText);
  return valuesOf(a) !== undefined && others !== undefined && !others.some((text) => texts.has(text));
}

export function at(path: string, reason: string): string {
  return path === "" ? reason : `${path}: ${reason}`;
}
