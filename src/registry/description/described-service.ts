/**
 * describedService: a definition created from a published description, for tools that call services they were not built
 * for. Methods are called by name, with values that are checked as far as JSON Schema permits. docs/integration.md.
 *
 * The description may come from an attacker. References are followed once and within a budget, and patterns never run,
 * so neither reading the description nor checking a value takes long. The service checks everything else.
 */
import { z } from "zod";
import { failure } from "../../errors.ts";
import { checkOptions, isPlainObject, mustBe, type OptionsOf } from "../../options.ts";
import { type BodyKind, Method, type MethodSpec, type Params, ValueConstructor } from "../method.ts";
import { isMethodLimit, type MethodLimits } from "../method-limits.ts";
import { Service } from "../service.ts";
import {
  type LimitsDescription,
  type MethodDescription,
  type ParamDescription,
  readDescription,
  type ServiceDescription,
} from "./description.ts";
import {
  BYTES_KEYWORD,
  type Definitions,
  definitionName,
  hasParts,
  type JsonSchema,
  mapParts,
  VALUE_KEYWORD,
} from "./json-schema.ts";

/** The functions that a description cannot contain. */
export interface DescribedOptions {
  /** The number of raw bytes behind a call of a method whose `body` is "declared". Without it, they are sent by hand
   *  with the option `send`. */
  readonly bodies?: Readonly<Record<string, (params: Readonly<Record<string, unknown>>) => number>> | undefined;
  /** The number of raw bytes behind a result. A method whose `resultBody` is "declared" cannot be called without it. */
  readonly resultBodies?: Readonly<Record<string, (result: unknown) => number>> | undefined;
}

const DESCRIBED_OPTIONS: OptionsOf<DescribedOptions> = {
  bodies: mustBe("an object of functions", isPlainObject),
  resultBodies: mustBe("an object of functions", isPlainObject),
};

export type DescribedMethod = Method<Params, z.ZodUnknown | undefined, BodyKind, BodyKind>;
export type DescribedService = Service<
  Readonly<Record<string, DescribedMethod>>,
  Record<never, never>,
  Readonly<Record<string, ValueConstructor<Params, unknown>>>,
  Params | undefined
>;

/** The definition that the description represents, without reactions: calls of the service on a consumer are refused as
 *  unknown. Results have the type `unknown` and are not checked; declared errors
 *  have their names, and details of any form. A value of the service has its parameters as members;
 *  create one with `service.values["Point"]?.spec.make({ x: 1, y: 2 })`.
 *  @throws HbiError bad_option for an invalid description, and for a function that no method needs; resource_exhausted
 *  for a description that is too large */
export function describedService(description: ServiceDescription, options: DescribedOptions = {}): DescribedService {
  checkOptions(options, "describedService", DESCRIBED_OPTIONS);
  const read = readDescription(description);
  const { bodies = {}, resultBodies = {} } = options;
  checkNamed("bodies", bodies, (name) => declared(read, name)?.body === "declared");
  checkNamed("resultBodies", resultBodies, (name) => declared(read, name)?.resultBody === "declared");
  const { name, version, title, description: text, $defs } = read;
  const methodOf = (method: string, said: MethodDescription): DescribedMethod =>
    described(said, $defs, own(bodies, method), own(resultBodies, method));
  const makerOf = (value: string, params: readonly ParamDescription[]) =>
    new ValueConstructor({
      params: paramsOf(params, $defs),
      make: (members: object) => new DescribedValue(value, members),
      is: (candidate) => DescribedValue.is(value, candidate),
    });
  return new Service({
    ...{ name, version },
    ...(title === undefined ? {} : { title }),
    ...(text === undefined ? {} : { description: text }),
    methods: Object.fromEntries(Object.entries(read.methods).map(([key, said]) => [key, methodOf(key, said)])),
    values: Object.fromEntries(Object.entries(read.values).map(([key, { params }]) => [key, makerOf(key, params)])),
    credentials: read.credentials === undefined ? undefined : paramsOf(read.credentials, $defs),
  });
}

function declared({ methods }: ServiceDescription, name: string): MethodDescription | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}

function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function checkNamed(option: string, functions: object, isNeeded: (name: string) => boolean): void {
  const surplus = Object.keys(functions).find((name) => !isNeeded(name));
  if (surplus !== undefined) throw failure("bad_option", `${option}: ${surplus} declares no such length`);
}

type Length = (given: never) => number;

function described(
  said: MethodDescription,
  definitions: Definitions,
  bodyBytes: Length | undefined,
  resultBytes: Length | undefined,
): DescribedMethod {
  const { title, description, deprecated, result, errors, idempotent, limits } = said;
  const isUnreadable = said.resultBody === "declared" && resultBytes === undefined;
  // Without the length of the raw data behind its result, the answer could not be read, so no call is written.
  const body = isUnreadable ? unknownLength : said.body === "declared" ? (bodyBytes ?? "manual") : said.body;
  const resultBody = said.resultBody === "unknown" ? said.resultBody : (resultBytes ?? unknownLength);
  const spec = {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(deprecated === undefined ? {} : { deprecated }),
    ...(body === "none" ? {} : { body }),
    ...(result === undefined ? {} : { result: z.unknown() }),
    ...(said.yields === undefined ? {} : { yields: z.unknown() }),
    ...(said.yields !== undefined || said.resultBody === "none" || result === undefined ? {} : { resultBody }),
    ...(said.byName === true
      ? { input: z.strictObject(paramsOf(said.params, definitions)) }
      : { params: paramsOf(said.params, definitions) }),
    ...(limits === undefined ? {} : { limits: knownLimits(limits) }),
    ...(errors === undefined
      ? {}
      : { errors: Object.fromEntries(Object.keys(errors).map((key) => [key, ANY_DETAILS])) }),
    idempotent,
  };
  return new Method(spec as MethodSpec<Params, z.ZodUnknown | undefined>); // the length functions accept anything
}

/** Like results, details are not checked. */
const ANY_DETAILS = z.looseObject({});

/** Without limits that this version does not know. */
function knownLimits({ call, result }: LimitsDescription): MethodLimits {
  const known = (numbers: Readonly<Record<string, number>> = {}) =>
    Object.fromEntries(Object.entries(numbers).filter(([name]) => isMethodLimit(name)));
  return {
    ...(call === undefined ? {} : { call: known(call) }),
    ...(result === undefined ? {} : { result: known(result) }),
  };
}

function unknownLength(): number {
  return Number.NaN;
}

function paramsOf(params: readonly ParamDescription[], definitions: Definitions): Params {
  return Object.fromEntries(
    params.map(({ name, schema, isRequired }) => {
      const checked = zodOf(schema, definitions);
      return [name, isRequired ? checked : checked.optional()];
    }),
  );
}

// --- values of the service ---------------------------------------------------------------------------------------------

/** A value of a described service, with its parameters as members. A class, because plain objects are written as
 *  objects. */
class DescribedValue {
  readonly #constructorName: string;

  constructor(constructorName: string, members: object) {
    this.#constructorName = constructorName;
    Object.assign(this, members);
  }

  static is(constructorName: string, candidate: unknown): boolean {
    return candidate instanceof DescribedValue && candidate.#constructorName === constructorName;
  }
}

// --- JSON Schema to zod ------------------------------------------------------------------------------------------------

/** The number of schema parts of one parameter, with references resolved. A larger schema is not checked. */
const MAX_PARTS = 2_000;
/** Deeper values are not checked. */
const MAX_LEVELS = 32;

/** The checked keywords. Ignoring any other keyword makes a schema accept more. */
const CHECKED: ReadonlySet<string> = new Set([
  ...["type", "enum", "const", "default", "anyOf", "allOf"],
  ...["properties", "required", "propertyNames", "minProperties", "maxProperties"],
  ...["items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength"],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
]);

function zodOf(schema: JsonSchema, definitions: Definitions): z.ZodType {
  const { [VALUE_KEYWORD]: value, [BYTES_KEYWORD]: bytes } = targetOf(schema, definitions) ?? schema;
  if (typeof value === "string") return z.custom((candidate) => DescribedValue.is(value, candidate));
  if (bytes === "bytes") return z.instanceof(Uint8Array);
  const checkable = new Checkable(definitions).of(schema);
  if (checkable === undefined) return z.unknown();
  try {
    return z.fromJSONSchema(checkable as z.core.JSONSchema.BaseSchema);
  } catch {
    return z.unknown(); // the service checks it
  }
}

function targetOf({ $ref }: JsonSchema, definitions: Definitions): JsonSchema | undefined {
  const name = typeof $ref === "string" ? definitionName($ref) : undefined;
  return name !== undefined && Object.hasOwn(definitions, name) ? definitions[name] : undefined;
}

/** The checked part of a schema, without references. Contains nothing that was not visited: zod understands more forms
 *  and keywords than are checked here, and patterns among them. */
class Checkable {
  readonly #definitions: Definitions;
  readonly #entered = new Set<JsonSchema>();
  #parts = 0;
  #level = 0;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  /** Undefined if it is too large. */
  of(schema: JsonSchema): JsonSchema | undefined {
    const checkable = this.#of(schema);
    return this.#parts > MAX_PARTS ? undefined : checkable;
  }

  #of(schema: JsonSchema): JsonSchema {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS || this.#level === MAX_LEVELS) return ANYTHING;
    const target = targetOf(schema, this.#definitions);
    // A definition is not checked again inside itself: with a few mutual references, the check could take arbitrarily
    // long.
    if (target !== undefined && this.#entered.has(target)) return ANYTHING;
    if (schema[VALUE_KEYWORD] !== undefined || schema[BYTES_KEYWORD] !== undefined) return ANYTHING;
    this.#level += 1;
    if (target !== undefined) this.#entered.add(target);
    const checkable =
      target === undefined ? mapParts(checkedKeywords(schema), (part) => this.#of(part)) : this.#of(target);
    if (target !== undefined) this.#entered.delete(target);
    this.#level -= 1;
    return checkable;
  }
}

const ANYTHING: JsonSchema = {};

function checkedKeywords(schema: JsonSchema): JsonSchema {
  const { oneOf, additionalProperties, ...others } = Object.fromEntries(
    Object.entries(schema).filter(([keyword, content]) => hasParts(keyword, content)),
  );
  const kept = Object.entries(others).filter(
    ([keyword, content]) => CHECKED.has(keyword) && !isOfObjects(content, keyword),
  );
  return {
    ...Object.fromEntries(
      kept.map(([keyword, content]) => [keyword, keyword === "type" ? distinct(content) : content]),
    ),
    // Its parts accept more here than declared, so several of them may accept a value.
    ...(oneOf === undefined || others["anyOf"] !== undefined ? {} : { anyOf: oneOf }),
    ...(additionalProperties === undefined || others["patternProperties"] !== undefined
      ? {}
      : { additionalProperties }),
  };
}

/** zod compares literals by identity, which is wrong for objects and lists. */
function isOfObjects(content: unknown, keyword: string): boolean {
  const literals = keyword === "const" ? [content] : keyword === "enum" && Array.isArray(content) ? content : [];
  return literals.some((literal) => typeof literal === "object" && literal !== null);
}

/** zod converts the parts once for each type. */
function distinct(type: unknown): unknown {
  return Array.isArray(type) ? [...new Set(type)] : type;
}
