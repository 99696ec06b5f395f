/**
 * Lands a received object, in which calls stand for value constructors.
 */
import { failure } from "../errors.ts";
import { compact } from "../parser/members.ts";
import { Call } from "../parser/tree.ts";
import type { HostingEnv } from "./hosting-env.ts";

/** Lands a received object: values and value constructors only, so receiving never runs a method.
 *  @throws HbiError not_a_value, unknown_name, bad_argument */
export function landValue(tree: unknown, env: HostingEnv): unknown {
  return mapCalls(tree, (call, args) => {
    const entry = env.lookup(call.name);
    if (entry === undefined) throw failure("unknown_name", call.name);
    if (entry.kind !== "value") throw failure("not_a_value", call.name);
    return entry.maker.make(call.name, args);
  });
}

function mapCalls(value: unknown, make: (call: Call, args: Call) => unknown): unknown {
  if (typeof value !== "object" || value === null || !hasCall(value)) return value;
  if (value instanceof Call) {
    const args = value.args.map((arg) => mapCalls(arg, make));
    const named = value.named && new Map([...value.named].map(([key, arg]) => [key, mapCalls(arg, make)]));
    return make(value, new Call(value.name, args, named, false));
  }
  if (Array.isArray(value)) return value.map((item) => mapCalls(item, make));
  return compact(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapCalls(item, make)])));
}

export function hasCall(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Call) return true;
  if (Array.isArray(value)) return value.some(hasCall);
  if (Object.getPrototypeOf(value) !== Object.prototype) return false; // bytes and rich values contain no calls
  for (const key in value) if (hasCall(value[key as never])) return true; // plain objects, as the parser creates them
  return false;
}
