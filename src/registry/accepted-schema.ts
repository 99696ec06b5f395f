/**
 * Which schemas a definition may have: those of zod 4, of any copy, whose values can be sent. Others are refused when
 * they are declared, with the cause and what to use.
 */
import type { z } from "zod";
import { failure, ownError } from "../errors.ts";
import { definition, isSchema, join, type Part, partsNow } from "./schema-walk.ts";

type Schema = z.core.$ZodType;

/** The oldest zod whose schemas stop at the first issue, as `peerDependencies` says. */
const LEAST_MINOR = 6;

/** The member of a record of an author, which may have a getter. @throws HbiError invalid_argument if it fails */
export function memberNow(record: Readonly<Record<string, unknown>>, name: string, what: string): unknown {
  return whenAvailable(() => record[name], what);
}

/** What has to be known while a definition is made. @throws HbiError invalid_argument if a getter of the author fails */
export function whenAvailable<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (thrown) {
    if (ownError(thrown) !== undefined) throw thrown;
    const instead = "declare first what it refers to, or refer to it by z.lazy() in a member";
    throw failure("bad_option", `${what} is not available yet; ${instead}`, { cause: thrown });
  }
}

/** @param what names it, as in "parameter a has no zod schema"
 *  @throws HbiError invalid_argument, with the cause as far as it is known */
export function requireSchema(candidate: unknown, what: string): asserts candidate is Schema {
  try {
    checkSchema(candidate, what);
  } catch (cause) {
    throw ownError(cause) ?? failure("bad_option", `${what} that can be read`, { cause }); // a Proxy
  }
}

function checkSchema(candidate: unknown, what: string): void {
  if (!isSchema(candidate)) {
    const cause = foreignKind(candidate);
    throw failure("bad_option", cause === undefined ? what : `${what}, but ${cause}`);
  }
  const { version = undefined }: { readonly version?: { major: number; minor: number; patch: number } } =
    candidate._zod;
  if (version?.major === 4 && version.minor >= LEAST_MINOR) return;
  const found = version === undefined ? "an unknown version" : `${version.major}.${version.minor}.${version.patch}`;
  const least = `a schema of zod ${found}; 4.${LEAST_MINOR} or later is required, and npm ls zod shows the copies`;
  throw failure("bad_option", `${what} that is supported, but ${least}`);
}

/** @throws HbiError invalid_argument for what was passed instead of a record of schemas */
export function requireRecord(candidate: unknown, what: string): void {
  if (isSchema(candidate)) {
    const instead = `one schema for all of them is declared as input: z.object({ … }), and a record as ${what}: { … }`;
    throw failure("bad_option", `${what} is a schema; ${instead}`);
  }
  const cause = foreignKind(candidate);
  if (cause !== undefined) throw failure("bad_option", `${what} must be a record of zod schemas, but is ${cause}`);
}

/** What a value is that is no schema of zod 4; undefined if it looks like none. */
function foreignKind(candidate: unknown): string | undefined {
  const isObject = typeof candidate === "object" && candidate !== null;
  if (!isObject && typeof candidate !== "function") return undefined;
  const read = (key: string): unknown => (key in candidate ? Reflect.get(candidate, key) : undefined);
  const vendor = (read("~standard") as { readonly vendor?: unknown } | undefined)?.vendor; // of Standard Schema
  if (isObject && "_def" in candidate && (vendor === "zod" || typeof read("safeParse") === "function")) {
    return 'a schema of zod 3; import zod 4.6 or later, and not "zod/v3"';
  }
  if (typeof vendor === "string") return `a schema of ${vendor.slice(0, 32)}; only those of zod are read`;
  if (!isObject) return "a function; call it, as in z.string()";
  const type = read("type");
  const isJsonSchema = [read("$schema"), read("$ref")].some((text) => typeof text === "string");
  if (isJsonSchema || Array.isArray(read("anyOf")) || (typeof type === "string" && JSON_TYPES.has(type))) {
    return "a JSON Schema; z.fromJSONSchema() makes a zod schema of it";
  }
  return undefined;
}

const JSON_TYPES: ReadonlySet<string> = new Set([
  ...["object", "array", "string", "number", "integer", "boolean", "null"],
]);

// --- values that can't be sent -----------------------------------------------------------------------------------------

/** Bounds how many lazy schemas are resolved, because a lazy schema may create new ones endlessly. */
const MAX_LAZY = 100;

/** What the wire carries: of parameters what a schema accepts, of results and of the details of errors also what it
 *  makes of it. */
export type Side = "params" | "result" | "details";

/** The value constructor of a schema, which to zod is only a custom one. */
export const VALUE_OF_SCHEMA: symbol = Symbol.for("hbi.value-of-schema");

/** @param allowsClasses whether instances of the author's classes may be sent, as values
 *  @throws HbiError invalid_argument for a part whose values have no textual form, with its path and what to use */
export function requireSendable(schema: Schema, where: string, side: Side, allowsClasses = true): void {
  let lazy = 0;
  const seen = new Set<Schema>();
  const queue: Part[] = [{ path: "", schema }];
  for (const part of queue) {
    if (seen.has(part.schema)) continue;
    seen.add(part.schema);
    if (definition(part.schema).type === "lazy") lazy += 1;
    if (lazy > MAX_LAZY) return;
    const what = unsendable(part.schema, side, allowsClasses);
    const place = part.path === "" ? where : `${where}: ${part.path}`;
    if (what !== undefined) throw failure("bad_option", `${place}: ${what}`);
    for (const inner of partsOnWire(part.schema, side)) {
      queue.push({ path: join(part.path, inner.path), schema: inner.schema });
    }
  }
}

/** The schemas inside of values that are sent; none if they are not available yet. */
function partsOnWire(schema: Schema, side: Side): Part[] {
  const def = definition(schema);
  return def.type === "pipe" && side === "params" ? [{ path: "", schema: def.in }] : (partsNow(schema) ?? []);
}

function unsendable(schema: Schema, side: Side, allowsClasses: boolean): string | undefined {
  const def = definition(schema);
  switch (def.type) {
    case "date":
      return side === "details" ? "a Date cannot be sent in the details of an error; use z.iso.datetime()" : undefined;
    case "map":
      return side === "details" ? "a Map cannot be sent in the details of an error; use z.record()" : undefined;
    case "set":
      return side === "details" ? "a Set cannot be sent in the details of an error; use z.array()" : undefined;
    case "file":
      return "a File cannot be sent as a value; send its content as a body";
    case "function":
      return "a function cannot be sent; declare a method of the other side, such as a reaction";
    case "symbol":
      return "a symbol cannot be sent; use z.enum() or z.string()";
    case "promise":
      return "a promise cannot be sent; use the schema of its value";
    case "object": {
      const symbol = symbolIn(def);
      return symbol === undefined ? undefined : `a member with the key ${String(symbol)} cannot be sent; use a string`;
    }
    case "custom":
      if (side === "details" && (VALUE_OF_SCHEMA in schema || !isPlainClass(classOf(schema)))) {
        return IN_DETAILS;
      }
      return unsendableClass(classOf(schema), allowsClasses);
    default:
      return undefined;
  }
}

const IN_DETAILS = "an instance cannot be sent in the details of an error; use plain data";

/** The first key that is no string; undefined also if a getter of the author refers to a later definition. */
function symbolIn(def: { readonly shape: object }): symbol | undefined {
  try {
    return Object.getOwnPropertySymbols(def.shape)[0];
  } catch {
    return undefined;
  }
}

/** Classes whose instances land as such. */
const SENT: ReadonlySet<string> = new Set(["Uint8Array", "Object", "Array"]);
/** Those of the runtime whose instances land as such at peers that read rich values. */
const RICH: ReadonlySet<unknown> = new Set<unknown>([Date, Map, Set, URL]);

/** The class of a `z.instanceof`, which leaves this trace. */
function classOf(schema: Schema): unknown {
  return schema._zod.bag["Class"];
}

/** @param made a class, if it is one */
function isPlainClass(made: unknown): boolean {
  return typeof made !== "function" || SENT.has(made.name);
}

/** @param made a class, if it is one */
function unsendableClass(made: unknown, allowsClasses: boolean): string | undefined {
  if (typeof made !== "function" || isPlainClass(made) || RICH.has(made)) return undefined;
  const { name } = made;
  if (name === "Buffer") return "a Buffer lands as a Uint8Array; use z.instanceof(Uint8Array)";
  if (Reflect.get(globalThis, name) === made) return `an instance of ${name} cannot be sent; use plain data or a body`;
  if (allowsClasses) return undefined;
  return `an instance of ${name} cannot be sent; declare the class with value(), and among the values of the service`;
}
