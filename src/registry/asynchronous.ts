/**
 * Schemas run synchronously. zod drops the promise that an asynchronous refinement or transform returns, and its
 * unhandled rejection would end the process. Each function of a schema is therefore wrapped: while this library runs
 * the schema, a returned promise is silenced and becomes an error at once. Other users of the same schema are not
 * affected.
 */
import type { z } from "zod";
import { failure, type HbiError } from "../errors.ts";
import { join } from "./schema-walk.ts";

type Fn = (...args: unknown[]) => unknown;
/** The common members of schemas and checks. */
interface Unit {
  readonly _zod: { readonly def: object; readonly traits?: ReadonlySet<string>; check?: unknown };
}

/** The functions in zod's definitions that an author provides, with their names for messages. */
const FUNCTIONS: ReadonlyMap<string, string> = new Map([
  ["fn", "refinement"],
  ["when", "condition of a refinement"],
  ["transform", "transform"],
  ["reverseTransform", "encoding"],
  ["tx", "transform"],
  ["catchValue", "catch"],
  ["error", "message"],
]);
/** Bounds how many lazy schemas are resolved before a schema runs, because a lazy schema may create new ones
 *  endlessly. */
const MAX_LAZY = 100;

/** for each wrapped function, its name if it is visibly asynchronous */
const wrapped = new WeakMap<object, string | undefined>();
/** schemas of which a part was not available, with what is to run when it is */
const unfinished = new WeakMap<object, (() => void) | undefined>();
/** Whether this library is running a schema, and not one of the schema's functions. */
let isRunning = false;

/** A function of a schema has returned a promise. */
class ReturnedPromise extends Error {
  readonly unit: Unit;
  readonly what: string;

  constructor(unit: Unit, what: string) {
    super(`the ${what} returned a promise`);
    this.unit = unit;
    this.what = what;
  }
}

/** Runs a prepared schema. What was not available when it was prepared is prepared now. @throws HbiError invalid_argument if it is asynchronous; whatever its functions throw */
export function runSynchronously(
  schema: z.core.$ZodType,
  value: unknown,
  context: z.core.ParseContextInternal,
  where: string,
): z.core.ParsePayload {
  if (unfinished.has(schema)) finish(schema);
  const outer = isRunning;
  isRunning = true;
  try {
    const result = schema._zod.run({ value, issues: [] }, context);
    if (!(result instanceof Promise)) return result;
    silence(result);
    throw asynchronous(where, "", "schema");
  } catch (thrown) {
    if (thrown instanceof ReturnedPromise) throw asynchronous(where, pathOf(schema, thrown.unit), thrown.what);
    throw thrown;
  } finally {
    isRunning = outer;
  }
}

/** Runs what calls functions of prepared schemas outside of a validation, such as defaults for a description.
 *  @throws Error if one of them returns a promise, which is silenced; whatever `run` throws */
export function whileHeard<T>(run: () => T): T {
  const outer = isRunning;
  isRunning = true;
  try {
    return run();
  } finally {
    isRunning = outer;
  }
}

/** Wraps the functions of a schema. Those of parts that are not available yet, such as the schema behind a lazy one, are
 *  wrapped when they are, before the schema runs; `whenWhole` runs then. */
export function hear(schema: z.core.$ZodType, whenWhole?: () => void): Hearing {
  const hearing = walk(schema);
  if (!hearing.isWhole) unfinished.set(schema, whenWhole ?? unfinished.get(schema));
  return hearing;
}

/** Prepares what is available by now of a schema whose parts run on their own. */
export function finish(schema: z.core.$ZodType): void {
  if (!unfinished.has(schema) || !walk(schema).isWhole) return;
  unfinished.get(schema)?.(); // if it throws, it does so again next time
  unfinished.delete(schema);
}

/** @throws HbiError invalid_argument if a function of the schema `where` is visibly asynchronous */
export function checkSynchronous({ found }: Hearing, where: string): void {
  if (found !== undefined) throw asynchronous(where, found.path, found.what);
}

/** The result of a definition's function. @throws HbiError internal if it is a promise, which is a mistake of the
 *  author */
export function synchronous<T>(result: T, where: string): T {
  if (!isThenable(result)) return result;
  silence(result);
  const cause = asynchronous(where, "", "function");
  throw failure("handler", "an asynchronous function is not supported", { of: where, cause });
}

/** @throws HbiError invalid_argument if the function is visibly asynchronous */
export function checkFunction(fn: unknown, where: string): void {
  if (typeof fn === "function" && isAsyncFunction(fn)) throw asynchronous(where, "", "function");
}

function asynchronous(where: string, path: string, what: string): HbiError {
  const place = path === "" ? where : `${where}: ${path}`;
  return failure("bad_option", `${place}: an asynchronous ${what} is not supported`);
}

interface Hearing {
  /** whether all parts are available */
  readonly isWhole: boolean;
  /** the first function that is visibly asynchronous */
  readonly found: Found | undefined;
}

interface Found {
  readonly path: string;
  readonly what: string;
}

function walk(schema: z.core.$ZodType, mostLazy = MAX_LAZY): Hearing {
  let isWhole = true;
  let found: Found | undefined;
  for (const [unit, path, parts] of unitsOf(schema, mostLazy)) {
    const what = wrapFunctions(unit);
    if (what !== undefined) found ??= { path, what };
    isWhole &&= parts !== undefined;
  }
  return { isWhole, found };
}

function pathOf(schema: z.core.$ZodType, wanted: Unit): string {
  for (const [unit, path] of unitsOf(schema, MAX_LAZY)) if (unit === wanted) return path;
  return "";
}

type Part = readonly [path: string, unit: Unit];

/** Every schema and check inside, each once, with its path and its parts; parts are undefined if they are not available
 *  yet. */
function* unitsOf(
  schema: z.core.$ZodType,
  mostLazy: number,
): Generator<readonly [Unit, string, readonly Part[] | undefined]> {
  let lazy = 0;
  const seen = new Set<Unit>();
  const queue: Part[] = [["", schema as Unit]];
  for (const [path, unit] of queue) {
    if (seen.has(unit)) continue;
    seen.add(unit);
    const isLazy = "getter" in unit._zod.def;
    if (isLazy) lazy += 1;
    const parts = isLazy && lazy > mostLazy ? [] : partsOf(unit);
    yield [unit, path, parts];
    for (const [inner, part] of parts ?? []) queue.push([join(path, inner), part]);
  }
}

/** Found by the structure of zod's definitions instead of by their kinds, so that future kinds are covered. */
function partsOf({ _zod: { def } }: Unit): Part[] | undefined {
  const parts: Part[] = [];
  try {
    for (const key of Object.keys(def)) {
      if (key === "shape" || key === "defaultValue") continue; // the latter is made by a function of the author's
      const member: unknown = key === "getter" ? innerOfLazy(def) : Reflect.get(def, key);
      for (const part of Array.isArray(member) ? member : [member]) if (isUnit(part)) parts.push(["", part]);
    }
    const { shape = {} }: { readonly shape?: object } = def;
    for (const [name, part] of Object.entries(shape)) if (isUnit(part)) parts.push([name, part]);
  } catch {
    return undefined; // a getter of the author that refers to a later definition
  }
  return parts;
}

function innerOfLazy(def: { readonly _cachedInner?: unknown; readonly getter?: Fn }): unknown {
  return def._cachedInner ?? def.getter?.(); // zod's own access never calls the getter again after it has thrown
}

function isUnit(candidate: unknown): candidate is Unit {
  return typeof candidate === "object" && candidate !== null && "_zod" in candidate;
}

// --- functions -------------------------------------------------------------------------------------------------------

/** Returns the name of the first function that is visibly asynchronous. */
function wrapFunctions(unit: Unit): string | undefined {
  const { _zod: internals } = unit;
  const def = internals.def as Record<string, unknown>;
  if (wrapped.has(unit)) return wrapped.get(unit);
  let found = def["type"] === "promise" ? "type" : undefined;
  const replace = (target: object, key: string, what: string): void => {
    const own = Object.getOwnPropertyDescriptor(target, key);
    const original: unknown = own?.get ?? own?.value;
    if (own === undefined || typeof original !== "function") return;
    if (isAsyncFunction(original)) found ??= what;
    if (own.configurable !== true) return;
    const heard = key === "getter" ? preparing(original as Fn) : hearing(original as Fn, unit, what);
    Object.defineProperty(target, key, own.get === undefined ? { ...own, value: heard } : { ...own, get: heard });
  };
  for (const [key, what] of FUNCTIONS) replace(def, key, what);
  if (def["type"] === "default" || def["type"] === "prefault") replace(def, "defaultValue", "default");
  if (def["type"] === "lazy") replace(def, "getter", "lazy schema");
  // Created by .check() or superRefine, unlike zod's own checks.
  if (def["fn"] === undefined && (internals.traits?.size ?? 0) < 2) replace(internals, "check", "refinement");
  wrapped.set(unit, found);
  return found;
}

/** The same function; a promise that it returns while this library runs the schema is an error. */
function hearing(original: Fn, unit: Unit, what: string): Fn {
  function heard(this: unknown, ...args: unknown[]): unknown {
    if (!isRunning) return original.apply(this, args);
    isRunning = false; // schemas that the function runs itself are not checked
    let result: unknown;
    try {
      result = original.apply(this, args);
    } finally {
      isRunning = true;
    }
    if (!isThenable(result)) return result;
    silence(result);
    throw new ReturnedPromise(unit, what);
  }
  // zod marks some of its functions and looks for the mark
  return Object.defineProperties(heard, Object.getOwnPropertyDescriptors(original)) as Fn;
}

/** Wraps what a lazy schema's getter returns, each time it is called. */
function preparing(getter: Fn): Fn {
  return () => {
    const schema = getter();
    if (isUnit(schema)) walk(schema as unknown as z.core.$ZodType, 0);
    return schema;
  };
}

function isAsyncFunction(fn: object): boolean {
  return Object.prototype.toString.call(fn) === "[object AsyncFunction]";
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function silence(promise: PromiseLike<unknown>): void {
  Promise.resolve(promise).then(undefined, () => undefined);
}
