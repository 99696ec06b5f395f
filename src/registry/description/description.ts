/**
 * ServiceDescription: a service as plain JSON, to publish and compare; and a reader for published descriptions.
 * docs/schema-export.md.
 */
import { z } from "zod";
import { failure, isErrorName } from "../../errors.ts";
import type { BodyKind } from "../method.ts";
import { checkName, checkPlainName, NOT_READ } from "../names.ts";
import { prepareLate } from "../prepared-schema.ts";
import { validate } from "../validate.ts";
import {
  type Definitions,
  isObject,
  type JsonSchema,
  MAX_NESTING,
  referencesOf,
  resolveReference,
} from "./json-schema.ts";

const DOCUMENT = "the description of a service";

/** The version of this document format; a reader refuses others. */
export const FORMAT = 1;

export interface ParamDescription {
  readonly name: string;
  /** of what a caller passes */
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
}

type LimitNumbers = Readonly<Record<string, number>>;

/** Limits that the method sets for its calls and results, by name. */
export interface LimitsDescription {
  readonly call?: LimitNumbers;
  readonly result?: LimitNumbers;
}

export interface MethodDescription {
  readonly title?: string;
  readonly description?: string;
  readonly deprecated?: string;
  /** in the order of positional arguments; of an `input` its members, none of which is passed by position */
  readonly params: readonly ParamDescription[];
  /** the method has an `input`: all arguments are passed by name */
  readonly byName?: true;
  /** of an `input` the whole schema, if it says more than the list of its members */
  readonly input?: JsonSchema;
  /** whether raw data follows the call, with a length that a function of the parameters declares, only the handler
   *  knows, or nobody before its end */
  readonly body: BodyKind;
  /** of what is sent back; absent if there is no result */
  readonly result?: JsonSchema;
  readonly resultBody: Exclude<BodyKind, "manual">;
  /** of the items of a stream of values, whose last one is the result; absent if it streams none */
  readonly yields?: JsonSchema;
  /** the objects of the details of its declared errors; absent if there are none */
  readonly errors?: Readonly<Record<string, JsonSchema>>;
  readonly idempotent: boolean;
  readonly limits?: LimitsDescription;
  /** parameters of example calls, by name */
  readonly examples?: readonly unknown[];
}

export interface ValueDescription {
  readonly params: readonly ParamDescription[];
}

/** References in its schemas resolve to its own `$defs`. */
export interface ServiceDescription {
  readonly format: typeof FORMAT;
  readonly name: string;
  readonly version: string;
  readonly title?: string;
  readonly description?: string;
  /** SHA-256 of everything that decides whether two peers understand each other; excludes texts and the version */
  readonly hash: string;
  readonly methods: Readonly<Record<string, MethodDescription>>;
  readonly reactions: Readonly<Record<string, MethodDescription>>;
  readonly values: Readonly<Record<string, ValueDescription>>;
  readonly credentials?: readonly ParamDescription[];
  readonly $defs: Definitions;
}

/** An object of exactly these parameters. */
export function objectOf(params: readonly ParamDescription[]): JsonSchema {
  return {
    type: "object",
    properties: Object.fromEntries(params.map((param) => [param.name, param.schema])),
    required: params.filter((param) => param.isRequired).map((param) => param.name),
    additionalProperties: false,
  };
}

const schema = z.custom<JsonSchema>(isObject);
const params = z
  .array(z.looseObject({ name: z.string(), schema, isRequired: z.boolean() }))
  .refine((list) => new Set(list.map((param) => param.name)).size === list.length);
const text = z.string().optional();
const limitNumbers = z.record(z.string(), z.int().min(1)).optional();
const methods = z.record(
  z.string(),
  z.looseObject({
    title: text,
    description: text,
    deprecated: text,
    params,
    byName: z.literal(true).optional(),
    input: schema.optional(),
    body: z.enum(["none", "declared", "manual", "unknown"]),
    result: schema.optional(),
    resultBody: z.enum(["none", "declared", "unknown"]),
    yields: schema.optional(),
    errors: z.record(z.string().refine(isErrorName), schema).optional(),
    idempotent: z.boolean(),
    limits: z.looseObject({ call: limitNumbers, result: limitNumbers }).optional(),
    examples: z.array(z.unknown()).optional(),
  }),
);
const document = z.looseObject({
  format: z.literal(FORMAT),
  name: z.string(),
  version: z.string(),
  title: text,
  description: text,
  hash: z.string(),
  methods,
  reactions: methods,
  values: z.record(z.string(), z.looseObject({ params })),
  credentials: params.optional(),
  $defs: z.record(z.string(), schema),
});

/** Bounds of a foreign document: the number of its values, the characters of its strings and keys, and its depth. */
const MAX_VALUES = 500_000;
const MAX_CHARACTERS = 8 * 1024 * 1024;

/** Validates a published document, including every reference. It may come from an attacker.
 *  @throws HbiError bad_option; resource_exhausted if it is too large or nested too deeply */
export function readDescription(candidate: unknown): ServiceDescription {
  measure(candidate);
  prepareLate(document);
  const checked = validate(document, candidate, "bad_option", DOCUMENT);
  const description = checked as ServiceDescription; // has the form of the schema; JSON contains no undefined
  checkNames(description);
  checkReferences(description);
  return description;
}

/** Runs before anything recursive: iterates level by level, and also terminates for cyclic data. */
function measure(candidate: unknown): void {
  let values = 0;
  let characters = 0;
  let level: unknown[] = [candidate];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_NESTING) throw failure("too_deep", `${DOCUMENT}: at most ${MAX_NESTING} levels`);
    const next: unknown[] = [];
    for (const value of level) {
      values += 1;
      if (typeof value === "string") characters += value.length;
      if (typeof value !== "object" || value === null) continue;
      const isList = Array.isArray(value);
      for (const [key, member] of Object.entries(value)) {
        if (!isList) characters += key.length;
        next.push(member);
      }
      if (values + next.length > MAX_VALUES)
        throw failure("too_many_nodes", `${DOCUMENT}: at most ${MAX_VALUES} values`);
    }
    if (characters > MAX_CHARACTERS) {
      throw failure("too_many_nodes", `${DOCUMENT}: at most ${MAX_CHARACTERS} characters`);
    }
    level = next;
  }
}

/** Tools print these names. */
function checkNames({ name, methods, reactions, values, credentials = [] }: ServiceDescription): void {
  checkName(name, "service", NOT_READ);
  const members: Readonly<Record<string, ValueDescription>> = { ...methods, ...reactions, ...values };
  for (const [member, { params }] of Object.entries(members)) {
    checkName(member, "member");
    for (const param of params) checkPlainName(param.name, "parameter");
  }
  for (const param of credentials) checkPlainName(param.name, "credential");
}

/** The schemas of a method besides those of its parameters. */
export function wholesOf({ input, result, yields, errors = {} }: MethodDescription): JsonSchema[] {
  return [input, result, yields, ...Object.values(errors)].filter((whole) => whole !== undefined);
}

function checkReferences({ methods, reactions, values, credentials = [], $defs }: ServiceDescription): void {
  const callables = [...Object.values(methods), ...Object.values(reactions)];
  const params = [...callables, ...Object.values(values)].flatMap((member) => member.params);
  const wholes = callables.flatMap(wholesOf);
  const schemas = [...params, ...credentials].map((param) => param.schema);
  for (const part of [...schemas, ...wholes, ...Object.values($defs)]) {
    for (const reference of referencesOf(part)) resolveReference(reference, $defs);
  }
}
