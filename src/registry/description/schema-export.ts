/**
 * zod schemas as JSON Schema. zod converts them. This file refuses, with its place, everything that the conversion
 * would weaken, and adds what only HBI knows: bytes, and values of a service.
 */
import { z } from "zod";
import { failure, HbiError } from "../../errors.ts";
import { aBoolean, aFunction, type OptionsOf } from "../../options.ts";
import { whileHeard } from "../asynchronous.ts";
import { type Params, type ValueConstructor, valueOfSchema } from "../method.ts";
import { definition, join, type Part, partsOf } from "../schema-walk.ts";
import {
  BYTES_KEYWORD,
  DEFAULT_KEYWORD,
  definitionName,
  type JsonSchema,
  mapReferences,
  referencesOf,
  referenceTo,
  UNSAID_KEYWORD,
} from "./json-schema.ts";
import { plainJson } from "./plain-json.ts";

export type SchemaPart = "params" | "input" | "result" | "errors" | "credentials" | "values";

/** The place of a schema in a service. */
export interface SchemaSite {
  /** the method, reaction or value; "" for credentials */
  readonly member: string;
  readonly part: SchemaPart;
  /** "when.[].from", beginning with the name of the parameter or error; "" for a whole result or input */
  readonly path: string;
  readonly schema: z.ZodType;
}

export interface DescribeOptions {
  /** Called for every schema, from the outside to the inside, once for each schema object. Its result replaces the
   *  schema and everything inside; undefined leaves it to the library. */
  readonly override?: ((at: SchemaSite) => JsonSchema | undefined) | undefined;
  /** Refuses what JSON Schema cannot say, and no override maps, instead of describing it as `x-hbi-unsaid`. */
  readonly strict?: boolean | undefined;
}

export const DESCRIBE_OPTIONS: OptionsOf<DescribeOptions> = { override: aFunction, strict: aBoolean };

export interface ExportContext {
  readonly member: string;
  readonly part: SchemaPart;
  /** the names of the service's values */
  readonly values: ReadonlyMap<ValueConstructor, string>;
  readonly override: DescribeOptions["override"];
  readonly isStrict: boolean;
  /** prefix for names of definitions that have no name of their own */
  readonly prefix: string;
}

export interface Exported {
  readonly properties: ReadonlyMap<string, JsonSchema>;
  readonly required: ReadonlySet<string>;
  readonly definitions: ReadonlyMap<string, JsonSchema>;
}

/** Converts the schemas of a record together, so that they share definitions: results and errors by their output,
 *  everything else by its input. The record of a result or an input has a single key, which is omitted from paths.
 *  @throws HbiError bad_option, with the place, for schemas without a JSON Schema */
export function exportSchemas(schemas: Params, context: ExportContext): Exported {
  const io = isAnswered(context.part) ? "output" : "input";
  const replaced = new Map<object, JsonSchema>();
  const places = new Map<object, string>();
  const isWhole = context.part === "result" || context.part === "input";
  try {
    for (const [name, schema] of Object.entries(schemas)) {
      check({ path: isWhole ? "" : name, schema }, context, replaced, places);
    }
  } catch (thrown) {
    throw thrown instanceof RangeError ? withoutSchema(thrown, context) : thrown; // an endless schema exhausts the stack
  }
  const adjust = (at: { zodSchema: z.core.$ZodType; jsonSchema: z.core.JSONSchema.BaseSchema }) => {
    const replacement = replaced.get(at.zodSchema);
    if (replacement !== undefined) replace(at.jsonSchema, replacement);
    else complete(at.jsonSchema, at.zodSchema, io, context, places.get(at.zodSchema) ?? "");
  };
  const json = whileConverting(places.keys(), () => convert(schemas, io, adjust, context));
  return named(json, context);
}

/** Whether the values come from the side that is called. */
export function isAnswered(part: SchemaPart): boolean {
  return part === "result" || part === "errors";
}

function convert(
  schemas: Params,
  io: "input" | "output",
  override: NonNullable<z.core.ToJSONSchemaParams["override"]>,
  context: ExportContext,
): z.core.JSONSchema.BaseSchema {
  try {
    // `check` has already replaced what zod cannot represent.
    return whileHeard(() =>
      z.toJSONSchema(z.object(schemas), {
        target: "draft-2020-12",
        io,
        unrepresentable: "any",
        cycles: "ref",
        reused: "inline",
        override,
      }),
    );
  } catch (thrown) {
    throw thrown instanceof HbiError ? thrown : withoutSchema(thrown, context);
  }
}

function withoutSchema(thrown: unknown, context: ExportContext): HbiError {
  const reason = thrown instanceof Error ? `: ${thrown.message}` : "";
  return failure("bad_option", `${where(context, "")}: has no JSON Schema${reason}`, { cause: thrown });
}

const KEPT = ["title", "description", "examples", "deprecated", "default", DEFAULT_KEYWORD];

/** Keeps the author's annotations unless the replacement has its own. */
function replace(json: Record<string, unknown>, replacement: JsonSchema): void {
  for (const keyword of Object.keys(json)) if (!KEPT.includes(keyword)) delete json[keyword];
  Object.assign(json, replacement);
}

/** Corrects the conversion where zod's meaning differs from that of the wire. */
function complete(
  json: Record<string, unknown>,
  schema: z.core.$ZodType,
  io: "input" | "output",
  context: ExportContext,
  path: string,
): void {
  const def = definition(schema);
  delete json["readOnly"]; // to zod a frozen object, to JSON Schema a property that must not be sent
  // The output has no additional members, but a receiver must not rely on that; strictObject declares it explicitly.
  if (io === "output" && def.type === "object" && def.catchall === undefined) delete json["additionalProperties"];
  if (io === "output") {
    delete json["default"]; // filled in before it is sent
    return;
  }
  if (def.type !== "default" && def.type !== "prefault") return;
  if (isMade(def)) {
    delete json["default"]; // another one each time
    json[DEFAULT_KEYWORD] = "made";
    return;
  }
  json["default"] = plainJson(
    def.defaultValue,
    where(context, join(path, "default")),
    context.values,
    context.isStrict,
  );
}

const READS = 4;
const DAY_MS = 86_400_000;

/** Whether a function makes the default, as `z.string().default(() => crypto.randomUUID())` does. zod calls it in a
 *  getter, so it shows only in what it makes: something else each time, or the present time. */
function isMade(def: { readonly defaultValue: unknown }): boolean {
  const made = Array.from({ length: READS }, () => def.defaultValue);
  let hasPresent = false;
  const leaf = (_: string, value: unknown) => {
    hasPresent ||= isPresentTime(value);
    return typeof value === "bigint" ? `${value}n` : value;
  };
  const [first, ...others] = made.map((value) => JSON.stringify(value, leaf));
  return hasPresent || others.some((text) => text !== first);
}

function isPresentTime(value: unknown): boolean {
  const at = typeof value === "string" && /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : value;
  return typeof at === "number" && [1, 1_000].some((unit) => Math.abs(at * unit - Date.now()) < DAY_MS);
}

/** Traverses the schema before zod converts it, notes where each part is, and refuses or replaces what the conversion
 *  would lose. */
function check(at: Part, context: ExportContext, replaced: Map<object, JsonSchema>, places: Map<object, string>): void {
  const { path, schema } = at;
  if (places.has(schema)) return;
  places.set(schema, path);
  const { member, part } = context;
  const replacement =
    context.override?.({ member, part, path, schema: schema as z.ZodType }) ?? ownSchema(schema, context, path);
  if (replacement !== undefined) {
    replaced.set(schema, replacement);
    return;
  }
  const reason = refusal(schema, part);
  if (reason !== undefined && context.isStrict) {
    throw failure("bad_option", `${where(context, path)}: ${reason} has no JSON Schema; map it by an override`);
  }
  if (reason !== undefined) {
    replaced.set(schema, unsaid(schema, reason));
    return;
  }
  for (const inner of convertedParts(schema, part)) {
    check({ path: join(path, inner.path), schema: inner.schema }, context, replaced, places);
  }
}

function convertedParts(schema: z.core.$ZodType, part: SchemaPart): Part[] {
  const def = definition(schema);
  return def.type === "pipe" ? [{ path: "", schema: part === "result" ? def.out : def.in }] : partsOf(schema);
}

/** Values of the service, and bytes. zod copies a schema that gets a title or a check, hence the search through
 *  parents. */
function ownSchema(schema: z.core.$ZodType, context: ExportContext, path: string): JsonSchema | undefined {
  for (let origin: z.core.$ZodType | undefined = schema; origin !== undefined; origin = origin._zod.parent) {
    const value = valueOfSchema(origin);
    if (value !== undefined) {
      const name = context.values.get(value);
      if (name === undefined)
        throw failure("bad_option", `${where(context, path)}: a value that the service does not declare`);
      return { $ref: referenceTo(name) };
    }
    // The trace of z.instanceof; without it, the schema is an ordinary custom one.
    const { Class: made } = origin._zod.bag as { Class?: unknown };
    if (made === Uint8Array) return { type: "string", contentEncoding: "base64", [BYTES_KEYWORD]: "bytes" };
    const kind = RICH.get(made);
    if (kind !== undefined) return { [BYTES_KEYWORD]: kind };
  }
  const def = definition(schema);
  return def.type === "date" && def.coerce !== true ? dateSchema(schema, context, path) : undefined;
}

/** What is written as `$date(…)` and the like. These have no `type`, because they are no value of JSON. */
const RICH: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [Date, "date"],
  [Map, "map"],
  [Set, "set"],
  [URL, "url"],
]);

/** @throws HbiError bad_option for bounds, in a strict description */
function dateSchema(schema: z.core.$ZodType, context: ExportContext, path: string): JsonSchema {
  const bounds: string[] = [];
  for (const { _zod } of definition(schema).checks ?? []) {
    const { check, value, inclusive } = _zod.def as Checked;
    if (value instanceof Date) bounds.push(`${check}${inclusive === true ? " or equal" : ""} ${value.toISOString()}`);
  }
  if (bounds.length === 0) return { [BYTES_KEYWORD]: "date" };
  if (context.isStrict) {
    throw failure(
      "bad_option",
      `${where(context, path)}: a Date with bounds has no JSON Schema; map it by an override`,
    );
  }
  return { [BYTES_KEYWORD]: "date", [UNSAID_KEYWORD]: bounds.join(", ") };
}

type Convert = NonNullable<z.core.$ZodTypeInternals["processJSONSchema"]>;

/** How zod converts a Map or a Set, for which it has no conversion: `items` are pairs of key and value, or the values. */
function converterOf(schema: z.core.$ZodType): Convert | undefined {
  const def = definition(schema);
  if (def.type !== "map" && def.type !== "set") return undefined;
  return (context, json, params) => {
    const made = json as Record<string, unknown>;
    const inside = (part: z.core.$ZodType, ...path: (string | number)[]) =>
      z.core.process(part, context, { ...params, path: [...params.path, "items", ...path] });
    made[BYTES_KEYWORD] = def.type;
    made["items"] =
      def.type === "set"
        ? inside(def.valueType)
        : { prefixItems: [inside(def.keyType, "prefixItems", 0), inside(def.valueType, "prefixItems", 1)] };
    for (const { _zod } of def.checks ?? []) {
      const { minimum, maximum, size } = _zod.def as { minimum?: number; maximum?: number; size?: number };
      const [least, most] = [minimum ?? size, maximum ?? size];
      if (least !== undefined) made["minItems"] = Math.max(least, (made["minItems"] as number | undefined) ?? 0);
      if (most !== undefined) made["maxItems"] = Math.min(most, (made["maxItems"] as number | undefined) ?? most);
    }
  };
}

/** Lets zod convert Maps and Sets while `run` runs. Other users of the same schemas are not affected. */
function whileConverting<T>(schemas: Iterable<object>, run: () => T): T {
  const changed: [z.core.$ZodTypeInternals, PropertyDescriptor | undefined][] = [];
  try {
    for (const schema of schemas) {
      const { _zod } = schema as z.core.$ZodType; // as `check` has visited them
      const convert = converterOf(schema as z.core.$ZodType);
      if (convert === undefined) continue;
      changed.push([_zod, Object.getOwnPropertyDescriptor(_zod, "processJSONSchema")]);
      _zod.processJSONSchema = convert;
    }
    return run();
  } finally {
    for (const [internals, before] of changed) {
      if (before === undefined) delete internals.processJSONSchema;
      else Object.defineProperty(internals, "processJSONSchema", before);
    }
  }
}

const UNSAYABLE: Readonly<Partial<Record<z.core.$ZodTypeDef["type"], string>>> = {
  bigint: "a bigint",
  catch: "a catch, which accepts anything,",
  custom: "a custom schema",
  date: "a date",
  file: "a file",
  function: "a function",
  nan: "NaN",
  promise: "a promise",
  success: "a success",
  symbol: "a symbol",
  transform: "a transform of anything",
  undefined: "undefined",
  void: "void",
};

/** Why zod's JSON Schema would be incomplete; undefined if it is complete. */
function refusal(schema: z.core.$ZodType, part: SchemaPart): string | undefined {
  const def = definition(schema);
  if ("coerce" in def && def.coerce === true) return "a coercion, which accepts more than its type,";
  if (def.type === "literal") return def.values.every(isJson) ? undefined : "such a literal";
  if (def.type === "enum") return Object.values(def.entries).every(isJson) ? undefined : "such an enum";
  if (def.type === "pipe" && part !== "result" && definition(def.in).type === "transform")
    return "a transform of anything";
  if (def.type === "object" && Object.getOwnPropertySymbols(def.shape).length > 0) return "a symbol as a key";
  return (
    UNSAYABLE[def.type] ?? [schema, ...(def.checks ?? [])].map(checkRefusal).find((reason) => reason !== undefined)
  );
}

/** What is known in words, so that the place is visible in the document, and so is a change of it. */
function unsaid(schema: z.core.$ZodType, reason: string): JsonSchema {
  const def = definition(schema);
  const words = [reason.replace(/,$/, "")];
  if ("coerce" in def && def.coerce === true) words.push(def.type);
  if (def.type === "literal") words.push(def.values.map(asText).join(" | "));
  if (def.type === "enum") words.push(Object.values(def.entries).map(asText).join(" | "));
  for (const { _zod } of [schema, ...(def.checks ?? [])]) {
    const { check, value, inclusive, ...checked } = _zod.def as Checked;
    if (hasFlags(checked)) words.push(String(checked.pattern));
    if (def.type === "bigint" && value !== undefined)
      words.push(`${check}${inclusive === true ? " or equal" : ""} ${asText(value)}`);
  }
  const isTyped = (def.type === "string" || def.type === "number") && !("coerce" in def && def.coerce === true);
  return { ...(isTyped ? { type: def.type } : {}), [UNSAID_KEYWORD]: words.join(", ") };
}

/** What the checks of zod may have. */
interface Checked {
  readonly check?: string;
  readonly value?: unknown;
  readonly inclusive?: boolean;
  readonly pattern?: unknown;
}

function asText(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : String(value);
}

function hasFlags(def: { readonly pattern?: unknown }): def is { readonly pattern: RegExp } {
  return def.pattern instanceof RegExp && /[imsy]/.test(def.pattern.flags);
}

function isJson(literal: unknown): boolean {
  return ["string", "boolean"].includes(typeof literal) || literal === null || Number.isFinite(literal);
}

function checkRefusal(check: z.core.$ZodType | z.core.$ZodCheck): string | undefined {
  const def = check._zod.def as { pattern?: unknown; value?: unknown };
  if (hasFlags(def)) return "a pattern with flags";
  return typeof def.value === "number" && !Number.isFinite(def.value) ? "a bound that is not a number" : undefined;
}

const NAMELESS = /^__schema\d+$/;
const DEFINITION_NAME = /^[A-Za-z0-9._-]+$/;

/** Renames the definitions that zod numbered, so that names do not depend on what else was converted, and drops unused
 *  ones. */
function named(json: z.core.JSONSchema.BaseSchema, context: ExportContext): Exported {
  const local = new Map(Object.entries(json.$defs ?? {}) as [string, JsonSchema][]);
  const names = new Map<string, string>();
  for (const name of local.keys()) {
    if (!NAMELESS.test(name) && !DEFINITION_NAME.test(name)) {
      throw failure(
        "bad_option",
        `${where(context, "")}: the id ${JSON.stringify(name)} is more than letters, digits, . _ -`,
      );
    }
    names.set(name, NAMELESS.test(name) ? `${context.prefix}.${names.size}` : name);
  }
  const rename = (schema: JsonSchema) =>
    mapReferences(schema, (reference) => {
      const name = names.get(definitionName(reference) ?? "");
      return name === undefined ? reference : referenceTo(name);
    });
  const members = Object.entries(json.properties as Record<string, JsonSchema>); // it is an object schema, and no part is a boolean
  const required = new Set(json.required ?? []);
  if (local.size === 0) return { properties: new Map(members), required, definitions: local };
  const properties = new Map(members.map(([name, schema]) => [name, rename(schema)]));
  const definitions = new Map<string, JsonSchema>();
  const use = (schema: JsonSchema) => {
    for (const reference of referencesOf(schema)) {
      const name = definitionName(reference) ?? "";
      const origin = [...names].find(([, given]) => given === name)?.[0];
      const body = origin === undefined ? undefined : local.get(origin);
      if (body === undefined || definitions.has(name)) continue;
      const given = rename(body);
      definitions.set(name, given);
      use(given);
    }
  };
  for (const schema of properties.values()) use(schema);
  return { properties, required, definitions };
}

function where({ member, part }: ExportContext, path: string): string {
  const begin = part === "values" ? `values.${member}` : member === "" ? part : `${member}.${part}`;
  return join(begin, path);
}
