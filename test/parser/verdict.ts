/**
 * The result of a text: its tree, or why it was refused; comparable, distinguishing all kinds of numbers.
 */
import { Assignment, Call, HbiError } from "../../src/index.ts";

export type Verdict = { readonly tree: unknown } | { readonly reason: string; readonly message: string };

export function verdict(read: () => unknown): Verdict {
  try {
    return { tree: plain(read()) };
  } catch (thrown) {
    if (!(thrown instanceof HbiError)) throw thrown;
    return { reason: String(thrown.reason), message: thrown.message };
  }
}

/** Plain data, with -0, NaN and infinities visible to any comparison. */
export function plain(value: unknown): unknown {
  if (typeof value === "number")
    return Object.is(value, -0) ? "number -0" : Number.isFinite(value) ? value : `number ${value}`;
  if (typeof value === "bigint") return `bigint ${value}`;
  if (typeof value === "string") return `"${value}`;
  if (value === undefined) return "undefined"; // in JSON it would look like null
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (value instanceof Call) {
    const named = value.named === undefined ? undefined : [...value.named].map(([key, item]) => [key, plain(item)]);
    return { call: value.name, args: value.args.map(plain), named, hasNestedCall: value.hasNestedCall };
  }
  if (value instanceof Assignment) {
    return { slot: value.name, value: plain(value.value), hasNestedCall: value.hasNestedCall };
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return { date: value.getTime() };
  if (value instanceof URL) return { url: value.href };
  if (value instanceof Map) return { map: Array.from(value, plain) };
  if (value instanceof Set) return { set: Array.from(value, plain) };
  if (Object.getPrototypeOf(value) !== Object.prototype) return "an object with another prototype";
  return { members: Object.entries(value).map(([key, item]) => [key, plain(item)]) };
}
