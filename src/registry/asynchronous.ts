/**
 * Schemas are run synchronously. zod finds out too late: it throws away the promise that a refinement or a transform has returned,
 * and a rejection that nobody hears ends the process. So each function of a schema is wrapped: while this library runs the schema, a
 * promise is heard and is an error at once. For others who use the same schema nothing changes.
 */
import type { z } from "zod";
import { failure, type HbiError } from "../errors.ts";
import { join } from "./schema-walk.ts";

type Fn = (...args: unknown[]) => unknown;
/** What a schema and a check have in common. */
interface Unit {
  readonly _zod: { readonly def: object; readonly traits?: ReadonlySet<string>; check?: unknown };
}

/** The functions of zod's definitions that an author writes, in words. */
const FUNCTIONS: ReadonlyMap<string, string> = new Map([
  ["fn", "refinement"],
  ["when", "condition of a refinement"],
  ["transform", "transform"],
  ["reverseTransform", "encoding"],
  ["tx", "transform"],
  ["catchValue", "catch"],
  ["error", "message"],
]);
/** So many lazy schemas are asked what they mean before they are run: one may make new ones without end. */
const MAX_LAZY = 100;

/** what is asynchronous in it by its looks */
const wrapped = new WeakMap<object, string | undefined>();
/** Whether a schema runs for this library now, and none of its functions does. */
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

/** Runs a prepared schema. @throws HbiError invalid_argument where it is asynchronous; what a function of it throws */
export function runSynchronously(
  schema: z.core.$ZodType,
  value: unknown,
  context: z.core.ParseContextInternal,
  where: string,
): z.core.ParsePayload {
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

/** Prepares a schema to be run. */
export function hear(schema: z.core.$ZodType): Hearing {
  return walk(schema);
}

/** @throws HbiError invalid_argument for what is asynchronous by its looks, in a schema called `where` */
export function checkSynchronous({ found }: Hearing, where: string): void {
  if (found !== undefined) throw asynchronous(where, found.path, found.what);
}

/** What a function of a definition gives, where it is no promise. @throws HbiError internal where it is: its author's concern alone */
export function synchronous<T>(result: T, where: string): T {
  if (!isThenable(result)) return result;
  silence(result);
  throw failure("handler", undefined, { cause: asynchronous(where, "", "function") });
}

/** @throws HbiError invalid_argument for what is asynchronous by its looks */
export function checkFunction(fn: unknown, where: string): void {
  if (typeof fn === "function" && isAsyncFunction(fn)) throw asynchronous(where, "", "function");
}

function asynchronous(where: string, path: string, what: string): HbiError {
  const place = path === "" ? where : `${where}: ${path}`;
  return failure("bad_option", `${place}: an asynchronous ${what}, which can't be awaited here`);
}

export interface Hearing {
  /** False: a part of it is not there yet, such as what a lazy schema means: again before it is run. */
  readonly isWhole: boolean;
  /** what is asynchronous by its looks */
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

/** Every schema and check inside, each once, with its path and what is directly inside it; undefined where that is not there yet. */
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

/** By the form of zod's definitions, not by their kinds: nothing is left out that a kind to come may have. */
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
    return undefined; // a getter of the author's that speaks of what is defined further below
  }
  return parts;
}

function innerOfLazy(def: { readonly _cachedInner?: unknown; readonly getter?: Fn }): unknown {
  return def._cachedInner ?? def.getter?.(); // not zod's own way to it, which never asks again where the getter has thrown
}

function isUnit(candidate: unknown): candidate is Unit {
  return typeof candidate === "object" && candidate !== null && "_zod" in candidate;
}

// --- functions -------------------------------------------------------------------------------------------------------

/** Gives the first that is asynchronous by its looks. */
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
  // Made by .check() and superRefine, unlike the checks of zod's own.
  if (def["fn"] === undefined && (internals.traits?.size ?? 0) < 2) replace(internals, "check", "refinement");
  wrapped.set(unit, found);
  return found;
}

/** The same function, which is heard out while this library runs the schema. */
function hearing(original: Fn, unit: Unit, what: string): Fn {
  function heard(this: unknown, ...args: unknown[]): unknown {
    if (!isRunning) return original.apply(this, args);
    isRunning = false; // what it calls itself is its own concern
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
  // zod marks some of its own, and looks for the mark.
  return Object.defineProperties(heard, Object.getOwnPropertyDescriptors(original)) as Fn;
}

/** What it means is prepared whenever it is made, also when it is another one each time. */
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
