/**
 * Signature: the arguments of a call, by the parameters of a method or value, or by the one schema of `input`.
 */
import { z } from "zod";
import { failure, refusal } from "../errors.ts";
import { reading } from "../options.ts";
import { setMember } from "../parser/members.ts";
import type { Call } from "../parser/tree.ts";
import { memberNow, requireSchema, whenAvailable } from "./accepted-schema.ts";
import { finish } from "./asynchronous.ts";
import type { Bound, Given, Params, ParamsOf } from "./method.ts";
import { checkPlainName, READ_BY_ALL } from "./names.ts";
import { prepare, prepareLate } from "./prepared-schema.ts";
import { definition } from "./schema-walk.ts";
import { type Refuse, validate } from "./validate.ts";
import { formOf, isChanging } from "./wire-form.ts";

export class Signature<P extends Given = Given> {
  /** of parameters in the order of positional arguments; of an `input` all that it may have */
  readonly names: readonly string[];
  /** of all arguments together, as an object */
  readonly schema: z.core.$ZodType;
  /** whether all arguments are written by name: those of an `input` are, because its members may be many, and have no
   *  order */
  readonly isByName: boolean;
  /** one by one; undefined if the schema of an `input` is more than an object of its members */
  readonly #schemas: ReadonlyMap<string, z.core.$ZodType> | undefined;
  /** An argument that is not declared might be the one that determines the length of raw data. */
  readonly #isExact: boolean;
  readonly #known: ReadonlySet<string>;
  #isChanging: boolean | undefined;

  private constructor(
    schema: z.core.$ZodType,
    names: readonly string[],
    members: Params | undefined,
    isByName: boolean,
    isExact: boolean,
  ) {
    for (const name of names) checkPlainName(name, "parameter");
    this.names = names;
    this.schema = schema;
    this.isByName = isByName;
    this.#known = new Set(names);
    this.#schemas = members && new Map(Object.entries(members));
    this.#isExact = isExact;
    prepare(schema, isByName ? "input" : "params");
  }

  /** @throws HbiError invalid_argument for a missing schema, a name that cannot be written, too many parameters */
  static ofParams<P extends Params>(params: P): Signature<P> {
    const names = reading(() => Object.keys(params), "params");
    for (const name of names) {
      checkPlainName(name, "parameter");
      requireSchema(memberNow(params, name, `parameter ${name}`), `parameter ${name} has no zod schema`);
    }
    const { maxArguments } = READ_BY_ALL;
    if (names.length > maxArguments) {
      const instead = "declare one schema for all of them: input: z.object({ … })";
      throw failure(
        "bad_option",
        `${names.length} parameters, and at most ${maxArguments} are read (maxArguments); ${instead}`,
      );
    }
    return new Signature<P>(z.strictObject(params), names, params, false, true);
  }

  /** @throws HbiError invalid_argument for a schema that is no object with declared members */
  static ofInput<S extends z.core.$ZodType>(input: S, takesRawData: boolean): Signature<S> {
    const names = [...new Set(whenAvailable(() => membersOf(input, new Set()), "input"))];
    const { maxObjectKeys } = READ_BY_ALL;
    if (names.length > maxObjectKeys) {
      throw failure(
        "bad_option",
        `${names.length} members of input, and at most ${maxObjectKeys} are read (maxObjectKeys)`,
      );
    }
    const def = definition(input);
    const isPlain = def.type === "object" && (def.checks ?? []).every(({ _zod }) => _zod.def.check === "custom");
    return new Signature<S>(input, names, isPlain ? (def.shape as Params) : undefined, true, takesRawData);
  }

  /** Assigns the arguments to parameter names. @throws HbiError bad_argument */
  bind(call: Call): Bound {
    const bound: Bound = {};
    const { args, named, name } = call;
    const { names } = this;
    if (args.length > 0 && this.isByName) throw refusal("bad_argument", "takes its arguments by name", { of: name });
    if (args.length > names.length) {
      throw refusal("bad_argument", `at most ${names.length} expected, got ${args.length}`, { of: name });
    }
    for (let i = 0; i < args.length; i++) bound[names[i] as string] = args[i]; // i is below names.length
    if (named === undefined) return bound;
    for (const [parameter, value] of named) {
      if (this.#known.has(parameter)) {
        if (Object.hasOwn(bound, parameter)) throw refusal("bad_argument", `${parameter} given twice`, { of: name });
        bound[parameter] = value;
      } else if (this.#isExact || parameter === "__proto__") {
        throw refusal("bad_argument", `no parameter ${parameter.slice(0, 64)}`, { of: name });
      } else setMember(bound, parameter, value); // its schema drops or refuses it
    }
    return bound;
  }

  /** @throws HbiError bad_argument */
  validate(name: string, bound: Bound, make: Refuse = failure): ParamsOf<P> {
    return validate(this.schema, bound, "bad_argument", name, make) as ParamsOf<P>; // declared with this schema
  }

  /** Validates what a caller gave. Returns the parameters as the host sees them, and what is sent of them: what was
   *  validated, in the form that the schema accepts again. @throws HbiError bad_argument */
  send(name: string, given: Bound): { readonly params: ParamsOf<P>; readonly sent: Bound } {
    finish(this.schema);
    this.#isChanging ??= isChanging(this.schema);
    const input = this.#isChanging ? (formOf(this.schema, given) as Bound) : given; // if it is no record, it is refused
    const params = this.validate(name, input);
    return { params, sent: this.#isChanging ? input : (params as Bound) }; // the output of an object's schema
  }

  /** The same for arguments of which some depend on nested calls; those are sent as given.
   *  @throws HbiError bad_argument */
  sendEach(name: string, given: Bound, isPending: (value: unknown) => boolean): Bound {
    if (!Object.values(given).some(isPending)) return this.send(name, given).sent;
    const unknown = Object.keys(given).find((key) => !this.#known.has(key));
    if (unknown !== undefined && !this.isByName)
      throw failure("bad_argument", `no parameter ${unknown.slice(0, 64)}`, { of: name });
    const sent: Bound = {};
    for (const parameter of this.names) {
      const value = Object.hasOwn(given, parameter) ? given[parameter] : undefined;
      const schema = this.#schemas?.get(parameter);
      const isSentAsGiven = schema === undefined || isPending(value);
      sent[parameter] = isSentAsGiven ? value : sendAlone(schema, value, name, parameter);
    }
    return sent;
  }

  /** The parameters one by one; reading an invalid one throws. Used for the length of a body, which must stay known
   *  even if other arguments of the call are refused. Undefined if they are known only together. */
  probe(bound: Bound, isPending: (value: unknown) => boolean): ParamsOf<P> | undefined {
    if (this.#schemas === undefined) return undefined;
    finish(this.schema);
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

function sendAlone(schema: z.core.$ZodType, given: unknown, name: string, parameter: string): unknown {
  prepareLate(schema);
  const isSentAsInput = isChanging(schema);
  const input = isSentAsInput ? formOf(schema, given) : given;
  const output = validate(schema, input, "bad_argument", name, failure, [parameter]);
  return isSentAsInput ? input : output;
}

/** The names of all members that a value of the schema may have. They become names of arguments, so each must be
 *  declared.
 *  @throws HbiError invalid_argument for anything else */
function membersOf(schema: z.core.$ZodType, within: Set<z.core.$ZodType>): string[] {
  requireSchema(schema, "input is not a zod schema");
  if (within.has(schema)) return [];
  within.add(schema);
  const def = definition(schema);
  const inside = (part: z.core.$ZodType) => membersOf(part, within);
  switch (def.type) {
    case "object":
      if (def.catchall === undefined || definition(def.catchall).type === "never") return Object.keys(def.shape);
      throw failure("bad_option", "input has undeclared members; put them into a record that is one of its members");
    case "union":
      return def.options.flatMap(inside);
    case "intersection":
      return [def.left, def.right].flatMap(inside);
    case "pipe":
      return inside(definition(def.in).type === "transform" ? def.out : def.in);
    case "readonly":
    case "nonoptional":
    case "catch":
      return inside(def.innerType);
    case "lazy":
      return inside((schema as z.core.$ZodLazy)._zod.innerType); // called for lazy schemas only
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
      throw failure("bad_option", `input is ${def.type}; let its members be that instead`);
    default:
      throw failure("bad_option", `input is of the kind ${def.type}, not an object; declare params: { value: … }`);
  }
}
