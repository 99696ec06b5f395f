/**
 * Which functions of an object are handlers: its own, and those of its class. Nothing that every object has counts, so
 * a method named `toString` needs a handler as well.
 */
import { failure } from "../errors.ts";
import { reading } from "../options.ts";

/** Requires one handler for each method. An object literal must not contain other functions; an object of a class may,
 *  because they may be its own helpers.
 *  @param what "handlers" or "reactions"
 *  @throws HbiError invalid_argument, naming the first missing or extra one */
export function checkHandlers(methods: Readonly<Record<string, unknown>>, handlers: unknown, what = "handlers"): void {
  if (typeof handlers !== "object" || handlers === null) {
    throw failure("bad_option", `${what} must be an object with a function for each of them, not ${kindOf(handlers)}`);
  }
  reading(() => checkMembers(methods, handlers, what), what);
}

function checkMembers(methods: Readonly<Record<string, unknown>>, handlers: object, what: string): void {
  if (handlers instanceof Promise) throw failure("bad_option", `${what} must be an object, not a promise of one`);
  const isFunction = (name: string) =>
    typeof reading(() => Reflect.get(handlers, name), `${what}.${name}`) === "function";
  if (isLiteral(handlers)) {
    const surplus = Object.keys(handlers).find((name) => !Object.hasOwn(methods, name) && isFunction(name));
    if (surplus !== undefined) throw failure("bad_option", `${surplus} has a handler but is not declared`);
  }
  for (const name of Object.keys(methods)) {
    if (!isMember(handlers, name) || !isFunction(name)) {
      throw failure("bad_option", `${name} has no handler`);
    }
  }
}

function isLiteral(handlers: object): boolean {
  const above: unknown = Object.getPrototypeOf(handlers);
  return above === null || isObjectPrototype(above as object);
}

/** Whether it has the member, itself or by its class. The `constructor` of a class is none. */
function isMember(handlers: object, name: string): boolean {
  if (Object.hasOwn(handlers, name)) return true;
  if (name === "constructor") return false;
  for (let owner = above(handlers); owner !== null; owner = above(owner)) {
    if (Object.hasOwn(owner, name)) return !isObjectPrototype(owner);
  }
  return false;
}

function above(object: object): object | null {
  return Object.getPrototypeOf(object) as object | null;
}

/** Also that of another realm. */
function isObjectPrototype(object: object): boolean {
  return object === Object.prototype || (above(object) === null && Object.hasOwn(object, "hasOwnProperty"));
}

function kindOf(value: unknown): string {
  return typeof value === "function" ? "a function" : String(value === null ? value : typeof value);
}
