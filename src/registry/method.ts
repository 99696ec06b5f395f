/**
 * method() and value(): declarations of what a peer may call, as data. A definition contains no handlers, so it can be
 * published and imported by both sides.
 */

import { z } from "zod";
import { failure } from "../errors.ts";
import { TO_THE_END } from "../limits.ts";
import { aBoolean, anything, aString, checkOptions, mustBe, type OptionsOf, reading } from "../options.ts";
import type { Call } from "../parser/tree.ts";
import { requireRecord, requireSchema, VALUE_OF_SCHEMA } from "./accepted-schema.ts";
import { checkFunction, synchronous } from "./asynchronous.ts";
import { mark } from "./copies.ts";
import { checkedErrors, type Errors, type NoErrors } from "./declared-errors.ts";
import { checkedMethodLimits, type MethodLimits } from "./method-limits.ts";
import { prepare } from "./prepared-schema.ts";
import { Signature } from "./signature.ts";

/** An ordered record: its order is the order of positional arguments; its names serve keyword arguments and errors. */
export type Params = Readonly<Record<string, z.core.$ZodType>>;
/** Parameters, or the one schema of an `input`. */
export type Given = Params | z.core.$ZodType;
/** What a handler receives. */
export type ParamsOf<P extends Given> = P extends z.core.$ZodType
  ? z.output<P>
  : P extends Params
    ? z.output<z.ZodObject<P, z.core.$strict>>
    : never;

/** What a caller passes: parameters that are optional or have a default may be omitted. */
export type ArgumentsOf<P extends Given> = P extends z.core.$ZodType
  ? z.input<P>
  : P extends Params
    ? z.input<z.ZodObject<P, z.core.$strict>>
    : never;

/** Method syntax makes these bivariant, so that every method is a `Method` and every value a `ValueConstructor`. */
type BodyLength<P extends Given> = { bytes(params: ParamsOf<P>): number }["bytes"];
type ResultLength<R> = R extends z.core.$ZodType ? { bytes(result: z.output<R>): number }["bytes"] : never;

/** How the length of raw data is known: there is none, it is declared, only the handler knows it, or nobody does before
 *  its end. */
export type BodyKind = "none" | "declared" | "manual" | "unknown";

export type MethodSpec<P extends Given, R extends z.core.$ZodType | undefined> = DeclaredInput<P> &
  MethodDeclaration<P, R>;

export type DeclaredInput<P extends Given> = P extends z.core.$ZodType
  ? { readonly input: P; readonly params?: undefined }
  : { readonly params: P; readonly input?: undefined };

export interface MethodDeclaration<P extends Given, R extends z.core.$ZodType | undefined> {
  /** The number of raw bytes behind the call; `"unknown"` if the caller need not know it, which requires lanes; `"manual"`
   *  if only the handler knows it. Without it, there is no raw data. */
  readonly body?: "manual" | "unknown" | BodyLength<P> | undefined;
  /** The schema of what the handler returns, which is sent back as an object. Without it, nothing is sent
   *  automatically. */
  readonly result?: R | undefined;
  /** The number of raw bytes behind the result, or `"unknown"`, which requires lanes. The handler sends both itself (HBI
   *  layer), or returns `{ result, body }` (typed layer). */
  readonly resultBody?: "unknown" | ResultLength<R> | undefined;
  /** The schema of the items of a stream of values: its handler returns an async iterable of them, whose return value is
   *  the result. Requires lanes. A method of a service only, without raw data. */
  readonly yields?: z.core.$ZodType | undefined;
  /** The errors that its callers tell apart, by name, each with the object of its details. The handler throws them with
   *  `call.error`; `isServiceError` and `link.try` recognise them. */
  readonly errors?: Errors | undefined;
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
  ? Length extends "manual" | "unknown"
    ? Length
    : [Length] extends [undefined]
      ? "none"
      : "declared"
  : "none";
/** Not inferred as a type parameter, because the absence of a result would go unnoticed in an inline declaration. */
type DeclaredResult<Spec> = Spec extends { readonly result: infer R extends z.core.$ZodType } ? R : undefined;
type DeclaredYields<Spec> = Spec extends { readonly yields: infer Y extends z.core.$ZodType } ? Y : undefined;
type DeclaredErrors<Spec> = Spec extends { readonly errors: infer E extends Errors } ? E : NoErrors;
/** `params` or `input`, and not both. The compiler tries an unknown Spec before it looks at functions. */
type OneOf<Spec> = unknown extends Spec
  ? unknown
  : Spec extends { readonly input: object }
    ? { readonly params?: undefined; readonly input: z.core.$ZodType }
    : { readonly params: Params };
type SpecKey = keyof MethodSpec<Params, z.core.$ZodType>;
/** Keys that a method does not have. */
type Surplus<Spec> = {
  readonly [K in Exclude<keyof Spec, SpecKey>]: `${K & string} is no option of a method`; // the compiler's message
};

const METHOD_OPTIONS: OptionsOf<MethodSpec<Params, z.core.$ZodType>> = {
  params: anything, // the schemas and functions are checked by the constructor
  input: anything,
  body: anything,
  result: anything,
  resultBody: anything,
  yields: anything,
  errors: anything,
  limits: anything,
  title: aString,
  description: aString,
  idempotent: aBoolean,
  deprecated: aString,
  examples: mustBe("a list", Array.isArray),
};

/** The arguments of one call by parameter name, before validation. */
export type Bound = Record<string, unknown>;

/** A method that peers may call: `method({ params: { a: z.int() }, body: ({ a }) => a })`. */
export class Method<
  // biome-ignore lint/suspicious/noExplicitAny: TypeScript 5 and 6 find the class invariant in P, so only this is any method there
  P extends Given = any,
  R extends z.core.$ZodType | undefined = z.core.$ZodType | undefined,
  B extends BodyKind = BodyKind,
  S extends BodyKind = BodyKind,
  E extends Errors = Errors,
  Y extends z.core.$ZodType | undefined = z.core.$ZodType | undefined,
> {
  /** as declared; with `yields`, as its answer is sent: the head of the stream, and its frames as raw data */
  readonly spec: MethodSpec<P, R>;
  /** not of P, in which old compilers would find it invariant */
  readonly signature: Signature;
  /** the schemas of the answer's objects: one or none */
  readonly results: readonly z.core.$ZodType[];
  /** the schemas of the details of its declared errors; none if it declares no errors */
  readonly errors: E;
  /** what it streams and ends with; undefined for a method without `yields` */
  readonly streams: Streams | undefined;
  /** exists for types only, not at run time */
  declare readonly bodies: { readonly call: B; readonly result: S; readonly yields: Y };

  static {
    mark(Method, "method");
  }

  constructor(spec: MethodSpec<P, R>) {
    checkOptions(spec, "method()", METHOD_OPTIONS);
    const { params, input } = spec;
    if (input !== undefined) requireSchema(input, "input is not a zod schema");
    reading(() => requireRecord(params, "params"), "params");
    if (typeof (params ?? input) !== "object") {
      throw failure("bad_option", "method without params: declare params: { … }, or params: {} if it has none");
    }
    if (params !== undefined && input !== undefined) throw failure("bad_option", "method with both params and input");
    if (spec.result !== undefined) {
      requireSchema(spec.result, "result is not a zod schema");
      prepare(spec.result, "result", "result");
    }
    const { body, resultBody } = spec;
    if (body !== undefined && body !== "manual" && body !== "unknown" && typeof body !== "function") {
      throw failure("bad_option", 'body must be a function of the parameters, "unknown" or "manual"');
    }
    const isLength = typeof resultBody === "function" || resultBody === "unknown";
    if (resultBody !== undefined && (!isLength || spec.result === undefined)) {
      throw failure("bad_option", 'resultBody must be a function of the declared result, or "unknown" with a result');
    }
    const limits =
      spec.limits === undefined
        ? undefined
        : checkedMethodLimits(spec.limits, (spec.result ?? spec.yields) !== undefined);
    checkFunction(body, "body");
    checkFunction(resultBody, "resultBody");
    this.streams = streamsOf(spec as MethodDeclaration<Params, z.core.$ZodType | undefined>);
    const own = spec.limits === limits ? spec : { ...spec, limits };
    this.spec =
      this.streams === undefined ? own : ({ ...own, result: HEAD, resultBody: "unknown" } as unknown as typeof own); // R is not the head
    this.signature =
      input === undefined
        ? Signature.ofParams(params as Params) // P are these params
        : Signature.ofInput(input, body !== undefined); // P is this schema
    this.results = this.spec.result === undefined ? [] : [this.spec.result];
    this.errors = checkedErrors(spec.errors) as E; // E are these errors
  }

  /** Whether a call of it needs a lane, because raw data ends with it. */
  get needsLane(): boolean {
    return this.spec.body === "unknown" || this.spec.resultBody === "unknown";
  }

  get takesRawData(): boolean {
    return this.spec.body !== undefined;
  }

  /** Whether the handler's return value is sent back as an object automatically. */
  get answers(): boolean {
    return this.spec.result !== undefined && this.spec.resultBody === undefined;
  }

  /** The number of raw bytes behind the call, or `TO_THE_END`; undefined if the declared function cannot compute it from
   *  these parameters, or if they are not known. */
  bodyBytes(params: ParamsOf<P> | undefined): number | undefined {
    const { body } = this.spec;
    if (body === undefined) return 0;
    if (body === "unknown") return TO_THE_END;
    if (body === "manual" || params === undefined) return undefined;
    return count(() => synchronous(body(params), "body")); // reading an invalid parameter throws
  }

  /** The number of raw bytes behind the result, or `TO_THE_END`; undefined if the declared function cannot compute it
   *  from this result. */
  resultBytes(result: unknown): number | undefined {
    const bytes: "unknown" | ((result: never) => number) | undefined = this.spec.resultBody;
    if (bytes === "unknown") return TO_THE_END;
    return bytes === undefined ? 0 : count(() => synchronous(bytes(result as never), "resultBody")); // validated by the schema that types it
  }
}

/** What the handler of a method with `yields` gives. */
export interface Streams {
  readonly yields: z.core.$ZodType;
  /** of its return value; undefined if that is not sent */
  readonly result: z.core.$ZodType | undefined;
}

/** The object before the frames of a stream: their version. */
export const STREAM_HEAD = "stream/1";
const HEAD = z.literal(STREAM_HEAD);

/** @throws HbiError bad_option */
function streamsOf({
  yields,
  result,
  body,
  resultBody,
}: MethodDeclaration<Params, z.core.$ZodType | undefined>): Streams | undefined {
  if (yields === undefined) return undefined;
  requireSchema(yields, "yields is not a zod schema");
  if (body !== undefined || resultBody !== undefined)
    throw failure("bad_option", "a method that yields values has no raw data: no body and no resultBody");
  prepare(yields, "yields", "result");
  return { yields, result };
}

function count(bytes: () => number): number | undefined {
  try {
    const length = bytes();
    return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
  } catch {
    return undefined; // callers treat undefined as an unknown length
  }
}

export interface ValueSpec<P extends Params, T> {
  readonly params: P;
  /** Pure and synchronous: runs when an object arrives, before it is requested. */
  readonly make: { of(params: ParamsOf<P>): T }["of"];
  /** Recognises values to be written as constructor calls; their members have the names of the parameters. */
  readonly is?: ((value: unknown) => boolean) | undefined;
}

const VALUE_OPTIONS: OptionsOf<ValueSpec<Params, unknown>> = {
  params: mustBe("an object of zod schemas", (value) => typeof value === "object" && value !== null),
  make: anything, // checked by the constructor
  is: mustBe("a function", (value) => typeof value === "function"),
};

/** A value constructor, such as `Point(1, 2)`: a peer may write it even where only values are landed. */
export class ValueConstructor<
  // biome-ignore lint/suspicious/noExplicitAny: as for Method
  P extends Params = any,
  T = unknown,
> {
  readonly spec: ValueSpec<P, T>;
  readonly signature: Signature<P>;

  #schema: z.ZodType<T, T> | undefined;

  static {
    mark(ValueConstructor, "value");
  }

  constructor(spec: ValueSpec<P, T>) {
    if (reading(() => typeof spec?.make !== "function", "make")) throw failure("bad_option", "value without make");
    checkOptions(spec, "value()", VALUE_OPTIONS);
    checkFunction(spec.make, "make");
    checkFunction(spec.is, "is");
    this.spec = spec;
    this.signature = Signature.ofParams(spec.params);
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
      Object.defineProperty(this.#schema, VALUE_OF_SCHEMA, { value: this });
    }
    return this.#schema;
  }
}

export function valueOfSchema(schema: object): ValueConstructor | undefined {
  return Reflect.get(schema, VALUE_OF_SCHEMA) as ValueConstructor | undefined; // set above, by any copy of this library
}

/** Declares a method. Without `body` it takes no raw data; without `result` it is a notification.
 *  @throws HbiError invalid_argument for a missing schema, a name that cannot be called, an unknown key */
export function method<P extends Given, R extends z.core.$ZodType | undefined = undefined, const Spec = unknown>(
  spec: { readonly params?: P | undefined; readonly input?: P | undefined } & MethodDeclaration<P, R> &
    Spec &
    Surplus<Spec> &
    OneOf<Spec>,
): Method<
  P,
  DeclaredResult<Spec>,
  KindOf<Spec, "body">,
  KindOf<Spec, "resultBody">,
  DeclaredErrors<Spec>,
  DeclaredYields<Spec>
> {
  return new Method(spec as never) as never; // R is the result that Spec declares
}

export function value<P extends Params, T>(spec: ValueSpec<P, T>): ValueConstructor<P, T> {
  return new ValueConstructor(spec);
}
