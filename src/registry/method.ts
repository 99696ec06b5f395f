/**
 * method() and value(): declarations of what a peer may call, as data. A definition contains no handlers, so it can be
 * published and imported by both sides.
 */
import { z } from "zod";
import { failure, refusal } from "../errors.ts";
import type { Call } from "../parser/tree.ts";
import { checkFunction, synchronous } from "./asynchronous.ts";
import { checkMethodLimits, type MethodLimits } from "./method-limits.ts";
import { checkPlainName, READ_BY_ALL } from "./names.ts";
import { prepare, prepareLate } from "./prepared-schema.ts";
import { findTransform, isSchema } from "./schema-walk.ts";
import { type Refuse, validate } from "./validate.ts";

/** An ordered record: its order is the order of positional arguments; its names serve keyword arguments and errors. */
export type Params = Readonly<Record<string, z.core.$ZodType>>;
/** What a handler receives. */
export type ParamsOf<P extends Params> = z.output<z.ZodObject<P, z.core.$strict>>;

/** What a caller passes: parameters that are optional or have a default may be omitted. */
export type ArgumentsOf<P extends Params> = z.input<z.ZodObject<P, z.core.$strict>>;

/** Method syntax makes these bivariant, so that every method is a `Method` and every value a `ValueConstructor`. */
type BodyLength<P extends Params> = { bytes(params: ParamsOf<P>): number }["bytes"];
type ResultLength<R> = R extends z.core.$ZodType ? { bytes(result: z.output<R>): number }["bytes"] : never;

/** How the length of raw data is known: there is none, it is declared, or only the handler knows it. */
export type BodyKind = "none" | "declared" | "manual";

export interface MethodSpec<P extends Params, R extends z.core.$ZodType | undefined> {
  readonly params: P;
  /** The number of raw bytes behind the call, or `"manual"` if only the handler knows it. Without it, there is no raw
   *  data. */
  readonly body?: "manual" | BodyLength<P> | undefined;
  /** The schema of what the handler returns, which is sent back as an object. Without it, nothing is sent
   *  automatically. */
  readonly result?: R | undefined;
  /** The number of raw bytes behind the result. The handler sends both itself (HBI layer), or returns
   *  `{ result, body }` (typed layer). */
  readonly resultBody?: ResultLength<R> | undefined;
  /** Limits of its own, instead of those of the side that reads, for calls of it and for its results. A method with
   *  `limits.call` must be the only call of a script. */
  readonly limits?: MethodLimits | undefined;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  /** Running the method twice does no harm, so a call may be sent again after its connection was lost. */
  readonly idempotent?: boolean | undefined;
  /** Why the method should no longer be called, and what to use instead. */
  readonly deprecated?: string | undefined;
  /** Parameters of example calls, for documentation. */
  readonly examples?: readonly ArgumentsOf<P>[] | undefined;
}

type KindOf<Spec, Key extends string> = Spec extends { readonly [K in Key]: infer Length }
  ? Length extends "manual"
    ? "manual"
    : [Length] extends [undefined]
      ? "none"
      : "declared"
  : "none";
/** Not inferred as a type parameter, because the absence of a result would go unnoticed in an inline declaration. */
type DeclaredResult<Spec> = Spec extends { readonly result: infer R extends z.core.$ZodType } ? R : undefined;
/** Keys that a method does not have. */
type Surplus<Spec> = { readonly [K in Exclude<keyof Spec, keyof MethodSpec<Params, z.core.$ZodType>>]: never };

const SPEC_KEYS: Readonly<Record<keyof MethodSpec<Params, z.core.$ZodType>, true>> = {
  params: true,
  body: true,
  result: true,
  resultBody: true,
  limits: true,
  title: true,
  description: true,
  idempotent: true,
  deprecated: true,
  examples: true,
};

/** The arguments of one call by parameter name, before validation. */
export type Bound = Record<string, unknown>;

export class Signature<P extends Params> {
  readonly names: readonly string[];
  readonly #schemas: ReadonlyMap<string, z.core.$ZodType>;
  readonly #object: z.core.$ZodType;
  #isPrepared: boolean;

  constructor(params: P) {
    this.names = Object.keys(params);
    if (this.names.length > READ_BY_ALL.maxArguments) throw failure("bad_option", tooMany(this.names.length));
    this.#schemas = new Map(Object.entries(params));
    for (const [name, schema] of this.#schemas) {
      checkPlainName(name, "parameter");
      if (!isSchema(schema)) throw failure("bad_option", `parameter ${name} has no zod schema`);
    }
    this.#object = z.strictObject(params);
    this.#isPrepared = prepare(this.#object, "params");
  }

  /** Assigns the arguments to parameter names. @throws HbiError bad_argument */
  bind(call: Call): Bound {
    const bound: Bound = {};
    const { args, named, name } = call;
    if (args.length > this.names.length)
      throw refusal("bad_argument", `at most ${this.names.length} expected, got ${args.length}`, { of: name });
    for (let i = 0; i < args.length; i++) bound[this.names[i] as string] = args[i]; // i is below names.length
    if (named === undefined) return bound;
    for (const [parameter, value] of named) {
      if (!this.#schemas.has(parameter))
        throw refusal("bad_argument", `no parameter ${parameter.slice(0, 64)}`, { of: name });
      if (Object.hasOwn(bound, parameter)) throw refusal("bad_argument", `${parameter} given twice`, { of: name });
      bound[parameter] = value;
    }
    return bound;
  }

  /** @throws HbiError bad_argument */
  validate(name: string, bound: Bound, make: Refuse = failure): ParamsOf<P> {
    if (!this.#isPrepared) this.#isPrepared = prepareLate(this.#object);
    return validate(this.#object, bound, "bad_argument", name, make) as ParamsOf<P>; // created from these params above
  }

  /** Checks the arguments that do not depend on nested calls, before those run. @throws HbiError bad_argument */
  checkEach(name: string, given: Bound, isPending: (value: unknown) => boolean): void {
    if (!this.#isPrepared) this.#isPrepared = prepareLate(this.#object);
    const unknown = Object.keys(given).find((key) => !this.#schemas.has(key));
    if (unknown !== undefined) throw failure("bad_argument", `no parameter ${unknown.slice(0, 64)}`, { of: name });
    for (const [parameter, schema] of this.#schemas) {
      const value = Object.hasOwn(given, parameter) ? given[parameter] : undefined;
      if (!isPending(value)) validate(schema, value, "bad_argument", name, failure, [parameter]);
    }
  }

  /** The parameters one by one; reading an invalid one throws. Used for the length of a body, which must stay known
   *  even if other arguments of the call are refused. */
  probe(bound: Bound, isPending: (value: unknown) => boolean): ParamsOf<P> {
    if (!this.#isPrepared) this.#isPrepared = prepareLate(this.#object);
    const probe = {};
    for (const [name, schema] of this.#schemas) {
      const get = () => {
        const value = bound[name];
        if (isPending(value)) throw failure("bad_argument", name);
        return validate(schema, value, "bad_argument", name);
      };
      Object.defineProperty(probe, name, { get, enumerable: true });
    }
    return probe as ParamsOf<P>; // each property has its own type or throws
  }
}

function tooMany(count: number): string {
  return `${count} parameters, and a peer reads ${READ_BY_ALL.maxArguments} (maxArguments); put some into an object`;
}

/** A method that peers may call: `method({ params: { a: z.int() }, body: ({ a }) => a })`. */
export class Method<
  P extends Params = Params,
  R extends z.core.$ZodType | undefined = z.core.$ZodType | undefined,
  B extends BodyKind = BodyKind,
  S extends BodyKind = BodyKind,
> {
  readonly spec: MethodSpec<P, R>;
  readonly signature: Signature<P>;
  /** the schemas of the answer's objects: one or none */
  readonly results: readonly z.core.$ZodType[];
  /** exists for types only, not at run time */
  declare readonly bodies: { readonly call: B; readonly result: S };

  constructor(spec: MethodSpec<P, R>) {
    if (typeof spec?.params !== "object" || spec.params === null) throw failure("bad_option", "method without params");
    const unknown = Object.keys(spec).find((key) => !Object.hasOwn(SPEC_KEYS, key));
    if (unknown !== undefined) throw failure("bad_option", `${unknown} is not an option of a method`);
    if (spec.result !== undefined) checkResultSchema(spec.result);
    if (spec.body !== undefined && spec.body !== "manual" && typeof spec.body !== "function") {
      throw failure("bad_option", 'body must be a function of the parameters or "manual"');
    }
    if (spec.resultBody !== undefined && (typeof spec.resultBody !== "function" || spec.result === undefined)) {
      throw failure("bad_option", "resultBody must be a function of the declared result");
    }
    if (spec.limits !== undefined) checkMethodLimits(spec.limits, spec.result !== undefined);
    checkFunction(spec.body, "body");
    checkFunction(spec.resultBody, "resultBody");
    this.spec = spec;
    this.signature = new Signature(spec.params);
    this.results = spec.result === undefined ? [] : [spec.result];
  }

  get takesRawData(): boolean {
    return this.spec.body !== undefined;
  }

  /** Whether the handler's return value is sent back as an object automatically. */
  get answers(): boolean {
    return this.spec.result !== undefined && this.spec.resultBody === undefined;
  }

  /** The number of raw bytes behind the call; undefined if the declared function cannot compute it from these
   *  parameters. */
  bodyBytes(params: ParamsOf<P>): number | undefined {
    const { body } = this.spec;
    if (body === undefined) return 0;
    if (body === "manual") return undefined;
    return count(() => synchronous(body(params), "body")); // reading an invalid parameter throws
  }

  /** The number of raw bytes behind the result; undefined if the declared function cannot compute it from this
   *  result. */
  resultBytes(result: unknown): number | undefined {
    const bytes: ((result: never) => number) | undefined = this.spec.resultBody;
    return bytes === undefined ? 0 : count(() => synchronous(bytes(result as never), "resultBody")); // validated by the schema that types it
  }
}

function count(bytes: () => number): number | undefined {
  try {
    const length = bytes();
    return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
  } catch {
    return undefined; // callers treat undefined as an unknown length
  }
}

/** Both sides validate a result, so the schema must accept its own output. */
function checkResultSchema(schema: z.core.$ZodType): void {
  if (!isSchema(schema)) throw failure("bad_option", "result is not a zod schema");
  const path = findTransform(schema);
  if (path !== undefined) throw failure("bad_option", `the result has a transform at "${path}", which would run twice`);
  prepare(schema, "result");
}

export interface ValueSpec<P extends Params, T> {
  readonly params: P;
  /** Pure and synchronous: runs when an object arrives, before it is requested. */
  readonly make: { of(params: ParamsOf<P>): T }["of"];
  /** Recognises values to be written as constructor calls; their members have the names of the parameters. */
  readonly is?: ((value: unknown) => boolean) | undefined;
}

/** A value constructor, such as `Point(1, 2)`: a peer may write it even where only values are landed. */
export class ValueConstructor<P extends Params = Params, T = unknown> {
  readonly spec: ValueSpec<P, T>;
  readonly signature: Signature<P>;

  #schema: z.ZodType<T, T> | undefined;

  constructor(spec: ValueSpec<P, T>) {
    if (typeof spec?.make !== "function") throw failure("bad_option", "value without make");
    checkFunction(spec.make, "make");
    checkFunction(spec.is, "is");
    this.spec = spec;
    this.signature = new Signature(spec.params);
  }

  /** The value of a constructor call. @throws HbiError bad_argument */
  make(name: string, args: Call): T {
    const params = this.signature.validate(name, this.signature.bind(args));
    return synchronous(this.spec.make(params), name);
  }

  /** The schema of such a value in a parameter or result. @throws HbiError invalid_argument without `is` */
  get schema(): z.ZodType<T, T> {
    if (this.#schema === undefined) {
      const { is } = this.spec;
      if (is === undefined) throw failure("bad_option", "a value without `is` has no schema");
      this.#schema = z.custom<T>((value) => is(value));
      VALUE_OF_SCHEMA.set(this.#schema, this as never); // the map holds values of every type
    }
    return this.#schema;
  }
}

/** The value constructor of a schema; to zod, the schema is only a custom one. */
const VALUE_OF_SCHEMA = new WeakMap<object, ValueConstructor>();

export function valueOfSchema(schema: object): ValueConstructor | undefined {
  return VALUE_OF_SCHEMA.get(schema);
}

/** Declares a method. Without `body` it takes no raw data; without `result` it is a notification.
 *  @throws HbiError invalid_argument for a missing schema, a name that cannot be called, an unknown key */
export function method<P extends Params, R extends z.core.$ZodType | undefined = undefined, const Spec = unknown>(
  spec: MethodSpec<P, R> & Spec & Surplus<Spec>,
): Method<P, DeclaredResult<Spec>, KindOf<Spec, "body">, KindOf<Spec, "resultBody">> {
  return new Method(spec) as never; // R is the result that Spec declares
}

export function value<P extends Params, T>(spec: ValueSpec<P, T>): ValueConstructor<P, T> {
  return new ValueConstructor(spec);
}
