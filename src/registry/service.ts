/**
 * defineService: what a service offers and what it may call back, as data that both sides import. It contains no
 * handlers and touches no network. docs/services.md.
 */
import { failure } from "../errors.ts";
import { aBoolean, anything, aString, checkOptions, membersOf, mustBe, type OptionsOf, reading } from "../options.ts";
import { memberNow, requireSchema, requireSendable } from "./accepted-schema.ts";
import { isMarked, mark } from "./copies.ts";
import type { Method, Params, ValueConstructor } from "./method.ts";
import { type CallLimits, checkName, checkPlainName, NOT_READ, READ_BY_ALL } from "./names.ts";
import { prepare } from "./prepared-schema.ts";

export type Methods = Readonly<Record<string, Method>>;
export type Values = Readonly<Record<string, ValueConstructor>>;

export interface ServiceSpec<
  M extends Methods,
  R extends Methods | undefined,
  V extends Values | undefined,
  C extends Params | undefined,
> {
  /** a dotted name: "jobs" */
  readonly name: string;
  /** version of the definition, as in semver: "1.0.0" */
  readonly version: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  /** The service is a program of another library, such as a Python host: names of its methods may have any length. A
   *  server of this library refuses those that it does not read. */
  readonly foreign?: boolean | undefined;
  /** what a consumer may call on the service */
  readonly methods: M;
  /** what the service may call back on a consumer */
  readonly reactions?: R | undefined;
  /** values that either side may write as constructor calls, such as `Point(1, 2)` */
  readonly values?: V | undefined;
  /** what a consumer must present before it may call anything: the parameters of the server's `authenticate` */
  readonly credentials?: C | undefined;
}

const record = mustBe("an object", (value) => typeof value === "object" && value !== null && !Array.isArray(value));
const SERVICE_OPTIONS: OptionsOf<ServiceSpec<Methods, Methods, Values, Params>> = {
  name: aString,
  version: aString,
  title: aString,
  description: aString,
  foreign: aBoolean,
  methods: anything, // checked member by member
  reactions: record,
  values: record,
  credentials: record,
};
/** https://semver.org, except its rule against leading zeros. */
const VERSION = /^\d{1,9}\.\d{1,9}\.\d{1,9}(?:[-+][0-9A-Za-z.+-]{1,64})?$/;

/** A checked definition. Its records keep their order, which is the order in documents. */
export class Service<
  M extends Methods = Methods,
  R extends Methods = Methods,
  V extends Values = Values,
  C extends Params | undefined = Params | undefined,
> {
  readonly name: string;
  readonly version: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly methods: M;
  readonly reactions: R;
  readonly values: V;
  readonly credentials: C;
  /** the definitions that it combines; none for an ordinary definition */
  readonly parts: readonly Service[];

  static {
    mark(Service, "service");
  }

  constructor(spec: ServiceSpec<M, R, V, C>, parts: readonly Service[] = []) {
    checkOptions(spec, "defineService", SERVICE_OPTIONS);
    checkName(spec.name, "service", NOT_READ);
    if (!VERSION.test(spec.version))
      throw failure("bad_option", `the version of ${spec.name} must have the form 1.0.0`);
    const values = valuesOf(spec.values ?? {}) as V; // V has no keys if there are no values
    const methods = methodsOf(spec.methods, "method", values, spec.foreign === true ? NOT_READ : READ_BY_ALL) as M;
    const reactions = methodsOf(spec.reactions ?? {}, "reaction", values, READ_BY_ALL) as R;
    if (Object.keys(values).length === 0) for (const all of [methods, reactions]) checkClasses(all);
    const credentials = spec.credentials && credentialsOf(spec.credentials);
    this.name = spec.name;
    this.version = spec.version;
    this.title = spec.title;
    this.description = spec.description;
    this.methods = methods;
    this.reactions = reactions;
    this.values = values;
    this.credentials = credentials as C; // C is undefined if there are no credentials
    this.parts = parts;
  }
}

export function isService(candidate: unknown): candidate is Service {
  return isMarked(candidate, "service", "the service");
}

/** Without values, an instance of a class would be refused by every call. */
function checkClasses(methods: Methods): void {
  for (const [name, { signature, spec, streams }] of Object.entries(methods)) {
    requireSendable(signature.schema, `${name}: params`, "params", false);
    const { yields, result } = streams ?? { yields: undefined, result: spec.result };
    if (yields !== undefined) requireSendable(yields, `${name}: yields`, "result", false);
    if (result !== undefined) requireSendable(result, `${name}: result`, "result", false);
  }
}

/** The same members, without the getters of the author: each is read once, and cannot change later. */
function methodsOf(methods: object, what: string, values: Values, limits: CallLimits): object {
  if (typeof methods !== "object" || methods === null) throw failure("bad_option", `no ${what}s`);
  const members = membersOf(methods, `${what}s`);
  for (const [name, method] of members) {
    checkName(name, what, limits);
    if (!isMarked(method, "method", `${what}s.${name}`))
      throw failure("bad_option", `${what} ${name} is not a method()`);
    if (Object.hasOwn(values, name)) throw failure("bad_option", `${name} is a ${what} and a value`);
    if (what === "reaction" && (method as Method).streams !== undefined)
      throw failure("bad_option", `reaction ${name} yields values: only methods of the service may`);
  }
  return Object.fromEntries(members);
}

function valuesOf(values: object): object {
  const members = membersOf(values, "values");
  for (const [name, value] of members) {
    checkName(name, "value");
    if (!isMarked(value, "value", `values.${name}`)) throw failure("bad_option", `${name} is not a value()`);
  }
  return Object.fromEntries(members);
}

function credentialsOf(credentials: Params): Params {
  const names = reading(() => Object.keys(credentials), "credentials");
  const { maxArguments } = READ_BY_ALL;
  if (names.length > maxArguments)
    throw failure("bad_option", `${names.length} credentials, and at most ${maxArguments} are read (maxArguments)`);
  const members = names.map((name) => {
    checkPlainName(name, "credential");
    const schema = memberNow(credentials, name, `credential ${name}`);
    requireSchema(schema, `credential ${name} has no zod schema`);
    prepare(schema, `credential ${name}`);
    return [name, schema] as const;
  });
  return Object.fromEntries(members);
}

/** Declares a service: methods for its consumers to call, reactions for it to call back, and values for both.
 *  @throws HbiError invalid_argument for names that cannot be called, a missing schema, a malformed version, unknown
 *  keys */
export function defineService<
  M extends Methods,
  R extends Methods | undefined = undefined,
  V extends Values | undefined = undefined,
  C extends Params | undefined = undefined,
>(spec: ServiceSpec<M, R, V, C>): Service<M, Declared<R>, Declared<V>, C> {
  return new Service(spec as never) as never; // absent members become empty ones
}

/** No members, if none are declared or `undefined` is written in their place. The declaration file of a consumer has
 *  what it resolves to. */
type Declared<T> = [T] extends [undefined] ? Record<never, never> : NonNullable<T>;
