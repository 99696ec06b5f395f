/**
 * describeService: a service definition as plain JSON. Pure: the same definition yields the same bytes.
 */
import { failure } from "../../errors.ts";
import { checkOptions } from "../../options.ts";
import type { Method, Params, Streams } from "../method.ts";
import type { Methods, Service } from "../service.ts";
import {
  FORMAT,
  type LimitsDescription,
  type MethodDescription,
  objectOf,
  type ParamDescription,
  type ServiceDescription,
  type ValueDescription,
} from "./description.ts";
import { inputMembers, isListed } from "./input-members.ts";
import {
  canonical,
  definitionName,
  type JsonSchema,
  mapReferences,
  referencesOf,
  referenceTo,
  sortedText,
  VALUE_KEYWORD,
} from "./json-schema.ts";
import { plainJson } from "./plain-json.ts";
import {
  DESCRIBE_OPTIONS,
  type DescribeOptions,
  type Exported,
  exportSchemas,
  isAnswered,
  type SchemaPart,
} from "./schema-export.ts";
import { sha256 } from "./sha256.ts";

/** Describes the service for documents, tools and comparison.
 *
 *  Schemas are JSON Schema 2020-12: inputs for parameters, credentials and values, outputs for results. What only code
 *  can express is left out: refinements, transforms of inputs, the functions of `body` and `resultBody`. A schema without
 *  a JSON Schema and an override is described in words, as `x-hbi-unsaid`.
 *  @throws HbiError bad_option, with the place, for such a schema with `strict` */
export function describeService(service: Service, options: DescribeOptions = {}): ServiceDescription {
  checkOptions(options, "describeService", DESCRIBE_OPTIONS);
  const steps = describing(service, options);
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
}

/** The same in steps of about one method, because a large definition takes seconds. */
export function* describing(service: Service, options: DescribeOptions = {}): Generator<void, ServiceDescription> {
  const definitions = new Definitions();
  const isStrict = options.strict === true;
  const values = new Map(Object.entries(service.values).map(([name, value]) => [value, name]));
  const convert = (member: string, part: SchemaPart, schemas: Params, prefix: string): Exported => {
    const exported = exportSchemas(schemas, { member, part, values, override: options.override, isStrict, prefix });
    definitions.add(isAnswered(part) ? "output" : "input", exported.definitions);
    return exported;
  };
  const paramsOf = (exported: Exported): ParamDescription[] =>
    [...exported.properties].map(([name, schema]) => ({ name, schema, isRequired: exported.required.has(name) }));

  const argumentsOf = (name: string, { input, params }: Method["spec"], prefix: string) => {
    if (input === undefined) return { params: paramsOf(convert(name, "params", params, `${prefix}.params`)) };
    const exported = convert(name, "input", { input }, `${prefix}.input`);
    const whole = exported.properties.get("input") ?? {};
    const members = inputMembers(whole, Object.fromEntries(exported.definitions));
    return { params: members, byName: true as const, input: isListed(whole) ? undefined : whole };
  };
  const errorsOf = (name: string, { errors }: Method, prefix: string) =>
    Object.keys(errors).length === 0
      ? undefined
      : Object.fromEntries(convert(name, "errors", errors, `${prefix}.errors`).properties);
  const describeMethod = (section: string, name: string, method: Method): MethodDescription => {
    const { spec, streams } = method;
    const { title, description, deprecated, body, resultBody, limits, examples } = spec;
    const prefix = `${section}.${name}`;
    const whole = (part: string, schema: Streams["result"]) =>
      schema && convert(name, "result", { result: schema }, `${prefix}.${part}`).properties.get("result");
    const result = whole("result", streams === undefined ? spec.result : streams.result);
    return present({
      title,
      description,
      deprecated,
      ...argumentsOf(name, spec, prefix),
      body: kindOf(body),
      result,
      resultBody: kindOf<"unknown">(streams === undefined ? resultBody : undefined),
      yields: whole("yields", streams?.yields),
      errors: errorsOf(name, method, prefix),
      idempotent: spec.idempotent === true,
      limits: limits as LimitsDescription | undefined, // those that are set
      examples: examples?.map((example, i) => plainJson(example, `${name}.examples.${i}`, values, isStrict)),
    });
  };
  const describeMethods = (section: string, methods: Methods) =>
    mapInSteps(methods, (method, name) => describeMethod(section, name, method));

  const methods = yield* describeMethods("methods", service.methods);
  const reactions = yield* describeMethods("reactions", service.reactions);
  const described = mapRecord(service.values, (value, name): ValueDescription => {
    const params = paramsOf(convert(name, "values", value.spec.params, `values.${name}`));
    definitions.add("input", new Map([[name, valueSchema(name, params)]]));
    return { params };
  });
  const { credentials } = service;
  const shown =
    credentials === undefined ? undefined : paramsOf(convert("", "credentials", credentials, "credentials"));
  const { outputNames, all } = definitions.finish();
  const asSent = (method: MethodDescription): MethodDescription => {
    const { result, yields, errors } = method;
    if (outputNames.size === 0) return method;
    return {
      ...method,
      ...(result === undefined ? {} : { result: renamed(result, outputNames) }),
      ...(yields === undefined ? {} : { yields: renamed(yields, outputNames) }),
      ...(errors === undefined ? {} : { errors: mapRecord(errors, (details) => renamed(details, outputNames)) }),
    };
  };
  const content = {
    methods: mapRecord(methods, asSent),
    reactions: mapRecord(reactions, asSent),
    values: described,
    ...present({ credentials: shown }),
    $defs: all,
  };
  const { name, version, title, description } = service;
  const hash = yield* contentHash({ name, ...content });
  return { format: FORMAT, name, version, ...present({ title, description }), hash, ...content };
}

function kindOf<K extends "manual" | "unknown">(
  length: K | ((of: never) => number) | undefined,
): K | "none" | "declared" {
  if (length === undefined) return "none";
  return typeof length === "function" ? "declared" : length;
}

/** A value as an object of its members. On the wire it is a constructor call. */
function valueSchema(name: string, params: readonly ParamDescription[]): JsonSchema {
  return { ...objectOf(params), [VALUE_KEYWORD]: name };
}

type Side = "input" | "output";

/** The definitions of all schemas. One id may need two definitions if output and input differ (a default). */
class Definitions {
  readonly #sides: Readonly<Record<Side, Map<string, JsonSchema>>> = { input: new Map(), output: new Map() };

  /** @throws HbiError bad_option if another schema has the name */
  add(side: Side, definitions: ReadonlyMap<string, JsonSchema>): void {
    for (const [name, schema] of definitions) {
      const taken = this.#sides[side].get(name);
      if (taken !== undefined && sortedText(taken) !== sortedText(schema)) throw twice(name);
      this.#sides[side].set(name, schema);
    }
  }

  /** All definitions sorted by name, and the names of those that results refer to. */
  finish(): { readonly outputNames: ReadonlyMap<string, string>; readonly all: Readonly<Record<string, JsonSchema>> } {
    const { input, output } = this.#sides;
    const differing = new Set<string>();
    for (let before = -1; before < differing.size; ) {
      before = differing.size; // repeat until no further definition differs through its references
      for (const [name, schema] of output) if (differs(name, schema, input, differing)) differing.add(name);
    }
    const outputNames = new Map([...differing].map((name) => [name, `${name}.output`]));
    const all = new Map(input);
    for (const [name, schema] of output) {
      const given = outputNames.get(name) ?? name;
      if (given !== name && all.has(given)) throw twice(given);
      all.set(given, renamed(schema, outputNames));
    }
    return { outputNames, all: Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1))) };
  }
}

function differs(
  name: string,
  schema: JsonSchema,
  input: ReadonlyMap<string, JsonSchema>,
  differing: ReadonlySet<string>,
): boolean {
  const other = input.get(name);
  if (other === undefined) return false;
  if (sortedText(other) !== sortedText(schema)) return true;
  return [...referencesOf(schema)].some((reference) => differing.has(definitionName(reference) ?? ""));
}

function twice(name: string) {
  return failure("bad_option", `two schemas have the id ${name}`);
}

function renamed(schema: JsonSchema, names: ReadonlyMap<string, string>): JsonSchema {
  return mapReferences(schema, (reference) => {
    const name = names.get(definitionName(reference) ?? "");
    return name === undefined ? reference : referenceTo(name);
  });
}

/** Depends on the meaning of definitions, but not on their names, on texts, or on the order of members. */
function* contentHash(content: Omit<ServiceDescription, "format" | "version" | "hash">): Generator<void, string> {
  const accepted = (schema: JsonSchema) => canonical(schema, content.$defs);
  const params = (list: readonly ParamDescription[]) =>
    list.map(({ name, schema, isRequired }) => [name, isRequired, accepted(schema)]);
  const methodText = (method: MethodDescription) => {
    const { body, resultBody, idempotent, byName, input, limits, result, yields, errors } = method;
    return sortedText({
      body,
      resultBody,
      idempotent,
      params: params(byName === true ? sortedByName(method.params) : method.params),
      ...present({ limits }),
      ...(byName === undefined ? {} : { byName }),
      ...(input === undefined ? {} : { input: accepted(input) }),
      ...(result === undefined ? {} : { result: accepted(result) }),
      ...(yields === undefined ? {} : { yields: accepted(yields) }),
      ...(errors === undefined ? {} : { errors: mapRecord(errors, accepted) }),
    });
  };
  const texts = {
    name: JSON.stringify(content.name),
    methods: textOfRecord(yield* mapInSteps(content.methods, methodText)),
    reactions: textOfRecord(yield* mapInSteps(content.reactions, methodText)),
    values: sortedText(mapRecord(content.values, (value) => params(value.params))),
    ...(content.credentials === undefined ? {} : { credentials: sortedText(params(content.credentials)) }),
  };
  return sha256(textOfRecord(texts));
}

/** The sorted text of a record whose members have theirs. */
function textOfRecord(texts: Readonly<Record<string, string>>): string {
  const members = Object.keys(texts).sort((a, b) => (a < b ? -1 : 1));
  return `{${members.map((name) => `${JSON.stringify(name)}:${texts[name]}`).join(",")}}`;
}

function sortedByName(params: readonly ParamDescription[]): ParamDescription[] {
  return params.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function mapRecord<T, U>(record: Readonly<Record<string, T>>, map: (item: T, name: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, item]) => [name, map(item, name)]));
}

function* mapInSteps<T, U>(
  record: Readonly<Record<string, T>>,
  map: (item: T, name: string) => U,
): Generator<void, Record<string, U>> {
  const mapped: [string, U][] = [];
  for (const [name, item] of Object.entries(record)) {
    mapped.push([name, map(item, name)]);
    yield;
  }
  return Object.fromEntries(mapped);
}

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without undefined members, which JSON lacks. */
function present<const T extends object>(members: T): Present<T> {
  return Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined)) as Present<T>;
}
