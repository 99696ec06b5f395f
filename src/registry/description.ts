/**
 * ServiceDescription: a service as plain JSON, to publish and to compare; and the reading of one that was published.
 * docs/schema-export.md.
 */
import { z } from "zod";
import { failure } from "../errors.ts";
import { type Definitions, isObject, type JsonSchema, referencesOf, resolveReference } from "./json-schema.ts";
import { validate } from "./validate.ts";

/** Of this form of documents; a reader refuses another. */
export const FORMAT = 1;

export interface ParamDescription {
  readonly name: string;
  /** of what a caller gives */
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
}

export interface MethodDescription {
  readonly title?: string;
  readonly description?: string;
  readonly deprecated?: string;
  /** in the order of positional arguments */
  readonly params: readonly ParamDescription[];
  /** whether raw data follows the call: by a function of the parameters, or as only the handler knows */
  readonly body: "none" | "declared" | "manual";
  /** of what is sent back; absent when nothing is */
  readonly result?: JsonSchema;
  readonly resultBody: "none" | "declared";
  readonly idempotent: boolean;
  /** parameters of good calls, by name */
  readonly examples?: readonly unknown[];
}

export interface ValueDescription {
  readonly params: readonly ParamDescription[];
}

/** References in its schemas lead to its own `$defs`. */
export interface ServiceDescription {
  readonly format: typeof FORMAT;
  readonly name: string;
  readonly version: string;
  readonly title?: string;
  readonly description?: string;
  /** SHA-256 of all that decides whether two peers understand each other: no texts, no version */
  readonly hash: string;
  readonly methods: Readonly<Record<string, MethodDescription>>;
  readonly reactions: Readonly<Record<string, MethodDescription>>;
  readonly values: Readonly<Record<string, ValueDescription>>;
  readonly credentials?: readonly ParamDescription[];
  readonly $defs: Definitions;
}

const schema = z.custom<JsonSchema>(isObject);
const params = z
  .array(z.looseObject({ name: z.string(), schema, isRequired: z.boolean() }))
  .refine((list) => new Set(list.map((param) => param.name)).size === list.length);
const text = z.string().optional();
const methods = z.record(
  z.string(),
  z.looseObject({
    title: text,
    description: text,
    deprecated: text,
    params,
    body: z.enum(["none", "declared", "manual"]),
    result: schema.optional(),
    resultBody: z.enum(["none", "declared"]),
    idempotent: z.boolean(),
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

/** Checks a document that was published, to its last reference.
 *  @throws HbiError bad_option */
export function readDescription(candidate: unknown): ServiceDescription {
  checkDepth(candidate, MOST_DEPTH);
  const checked = validate(document, candidate, "bad_option", "the description of a service");
  const description = checked as ServiceDescription; // as the schema has it, and JSON holds nothing that is undefined
  checkReferences(description);
  return description;
}

/** More than a description needs, and less than what walks over one can go down: a schema refers to itself by its name. */
const MOST_DEPTH = 512;

function checkDepth(part: unknown, left: number): void {
  if (typeof part !== "object" || part === null) return;
  if (left === 0) throw failure("bad_option", "the description of a service: nested too deeply");
  for (const inner of Object.values(part)) checkDepth(inner, left - 1);
}

function checkReferences({ methods, reactions, values, credentials = [], $defs }: ServiceDescription): void {
  const callables = [...Object.values(methods), ...Object.values(reactions)];
  const params = [...callables, ...Object.values(values)].flatMap((member) => member.params);
  const results = callables.flatMap(({ result }) => (result === undefined ? [] : [result]));
  const schemas = [...params, ...credentials].map((param) => param.schema);
  for (const part of [...schemas, ...results, ...Object.values($defs)]) {
    for (const reference of referencesOf(part)) resolveReference(reference, $defs);
  }
}
