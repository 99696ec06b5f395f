/**
 * method() and value(): what may be called by a peer, as data. A definition holds no handler, so it can be published and
 * imported by both sides.
 */
import { z } from "zod";
import { failure } from "../errors.ts";
import type { Call } from "../parser/tree.ts";
import { checkPlainName } from "./names.ts";
import { validate } from "./validate.ts";

/** An ordered record: its order is the order of positional arguments, its names serve keyword arguments and errors. */
export type Params = Readonly<Record<string, z.ZodType>>;
/** What a handler is given. */
export type ParamsOf<P extends Params> = z.output<z.ZodObject<P, z.core.$strict>>;

/** Written as a method, so that a method of any parameters is a `Method`. */
type BodyLength<P extends Params> = { bytes(params: ParamsOf<P>): number }["bytes"];

export interface MethodSpec<P extends Params, R extends z.ZodType | undefined> {
  readonly params: P;
  /** How many raw bytes follow the call; `"manual"` when only the handler can tell. A method without it takes none. */
  readonly body?: "manual" | BodyLength<P>;
  /** What the handler returns, sent back as the object of the call. Without it nothing is sent by itself. */
  readonly result?: R;
  readonly title?: string;
  readonly description?: string;
}

/** The arguments of one call by parameter name, before validation. */
export type Bound = Record<string, unknown>;

class Signature<P extends Params> {
  readonly names: readonly string[];
  readonly #schemas: ReadonlyMap<string, z.ZodType>;
  readonly #object: z.ZodType;

  constructor(params: P) {
    this.names = Object.keys(params);
    this.#schemas = new Map(Object.entries(params));
    for (const [name, schema] of this.#schemas) {
      checkPlainName(name, "parameter");
      if (!isSchema(schema)) throw failure("bad_option", `parameter ${name} has no zod schema`);
      if (/^\d/.test(name)) throw failure("bad_option", `parameter ${name} would change the order of parameters`);
    }
    this.#object = z.strictObject(params);
  }

  /** Gives each argument its parameter's name. @throws HbiError bad_argument */
  bind(call: Call): Bound {
    const bound: Bound = {};
    const { args, named, name } = call;
    if (args.length > this.names.length)
      throw failure("bad_argument", `${name}: at most ${this.names.length} expected`);
    for (let i = 0; i < args.length; i++) bound[this.names[i] as string] = args[i]; // i is below names.length
    if (named === undefined) return bound;
    for (const [parameter, value] of named) {
      if (!this.#schemas.has(parameter)) throw failure("bad_argument", `${name}: no such parameter`);
      if (Object.hasOwn(bound, parameter)) throw failure("bad_argument", `${name}: ${parameter} given twice`);
      bound[parameter] = value;
    }
    return bound;
  }

  /** @throws HbiError bad_argument */
  validate(name: string, bound: Bound): ParamsOf<P> {
    return validate(this.#object, bound, "bad_argument", name) as ParamsOf<P>; // made of these params above
  }

  /** The parameters one by one: reading one that is not valid throws. For the length of a body, which must stay known
   *  when other arguments of the call are refused. */
  probe(bound: Bound, isPending: (value: unknown) => boolean): ParamsOf<P> {
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

/** A method that peers may call: `method({ params: { a: z.int() }, body: ({ a }) => a })`. */
export class Method<P extends Params = Params, R extends z.ZodType | undefined = z.ZodType | undefined> {
  readonly spec: MethodSpec<P, R>;
  readonly signature: Signature<P>;

  constructor(spec: MethodSpec<P, R>) {
    if (typeof spec?.params !== "object" || spec.params === null) throw failure("bad_option", "method without params");
    if (spec.result !== undefined && !isSchema(spec.result)) throw failure("bad_option", "result is not a zod schema");
    if (spec.body !== undefined && spec.body !== "manual" && typeof spec.body !== "function") {
      throw failure("bad_option", 'body must be a function of the parameters or "manual"');
    }
    this.spec = spec;
    this.signature = new Signature(spec.params);
  }

  get takesRawData(): boolean {
    return this.spec.body !== undefined;
  }

  /** How many raw bytes follow; undefined when the declared function can't tell from these parameters. */
  bodyBytes(params: ParamsOf<P>): number | undefined {
    const { body } = this.spec;
    if (body === undefined) return 0;
    if (body === "manual") return undefined;
    try {
      const bytes = body(params);
      return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
    } catch {
      return undefined; // a parameter that it needs is not valid: the caller treats the position as lost
    }
  }
}

export interface ValueSpec<P extends Params, T> {
  readonly params: P;
  /** Pure and synchronous: runs when an object is received, before anybody asked for it. */
  readonly make: (params: ParamsOf<P>) => T;
}

/** A value constructor: what a peer may write where only values are landed, such as `Point(1, 2)`. */
export class ValueConstructor<P extends Params = Params, T = unknown> {
  readonly spec: ValueSpec<P, T>;
  readonly signature: Signature<P>;

  constructor(spec: ValueSpec<P, T>) {
    if (typeof spec?.make !== "function") throw failure("bad_option", "value without make");
    this.spec = spec;
    this.signature = new Signature(spec.params);
  }
}

export function method<P extends Params, R extends z.ZodType | undefined = undefined>(
  spec: MethodSpec<P, R>,
): Method<P, R> {
  return new Method(spec);
}

export function value<P extends Params, T>(spec: ValueSpec<P, T>): ValueConstructor<P, T> {
  return new ValueConstructor(spec);
}

export function isSchema(candidate: unknown): candidate is z.ZodType {
  return typeof candidate === "object" && candidate !== null && "_zod" in candidate;
}
