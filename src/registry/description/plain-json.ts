/**
 * Examples and defaults in documents: the JSON form of what would cross the wire.
 */
import { failure } from "../../errors.ts";
import type { ValueConstructor } from "../method.ts";

/** Bytes become base64, values of the service become their members, and a `toJSON` method is honoured.
 *  @throws HbiError bad_option for data without a JSON form */
export function plainJson(data: unknown, where: string, values: ReadonlyMap<ValueConstructor, string>): unknown {
  if (data === null || typeof data === "string" || typeof data === "boolean") return data;
  if (typeof data === "number" && Number.isFinite(data)) return data;
  if (data instanceof Uint8Array) return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
  if (typeof data !== "object") throw failure("bad_option", `${where}: ${typeof data} has no JSON form`);
  if (Array.isArray(data)) return data.map((item, i) => plainJson(item, `${where}.${i}`, values));
  return plainObject(data, where, values);
}

function plainObject(data: object, where: string, values: ReadonlyMap<ValueConstructor, string>): unknown {
  const members = data as Readonly<Record<string, unknown>>; // read by its own keys, or by those of its value
  const value = [...values.keys()].find(({ spec }) => spec.is?.(data) === true);
  if (value === undefined && typeof members["toJSON"] === "function") {
    return plainJson(members["toJSON"](), where, new Map());
  }
  const isPlain = [Object.prototype, null].includes(Object.getPrototypeOf(data));
  if (value === undefined && !isPlain) throw failure("bad_option", `${where}: such an object has no JSON form`);
  const entries = (value?.signature.names ?? Object.keys(data))
    .filter((key) => members[key] !== undefined)
    .map((key): [string, unknown] => [key, plainJson(members[key], `${where}.${key}`, values)]);
  return Object.fromEntries(entries);
}
