/**
 * Examples and defaults in documents: the JSON form of what would cross the wire.
 */
import { failure } from "../../errors.ts";
import type { ValueConstructor } from "../method.ts";
import { UNSAID_KEYWORD } from "./json-schema.ts";

/** Bytes become base64, values of the service become their members, and a `toJSON` method is honoured.
 *  Data without a JSON form is named in words.
 *  @throws HbiError bad_option for data without a JSON form, if that is strict */
export function plainJson(
  data: unknown,
  where: string,
  values: ReadonlyMap<ValueConstructor, string>,
  isStrict: boolean,
): unknown {
  if (data === null || typeof data === "string" || typeof data === "boolean") return data;
  if (typeof data === "number" && Number.isFinite(data)) return data;
  if (data instanceof Uint8Array) return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
  if (typeof data !== "object") {
    if (isStrict) throw failure("bad_option", `${where}: ${typeof data} has no JSON form`);
    return { [UNSAID_KEYWORD]: typeof data === "bigint" ? `${data}n` : String(data) };
  }
  if (Array.isArray(data)) return data.map((item, i) => plainJson(item, `${where}.${i}`, values, isStrict));
  return plainObject(data, where, values, isStrict);
}

function plainObject(
  data: object,
  where: string,
  values: ReadonlyMap<ValueConstructor, string>,
  isStrict: boolean,
): unknown {
  const members = data as Readonly<Record<string, unknown>>; // read by its own keys, or by those of its value
  const value = [...values.keys()].find(({ spec }) => spec.is?.(data) === true);
  if (value === undefined && typeof members["toJSON"] === "function") {
    return plainJson(members["toJSON"](), where, new Map(), isStrict);
  }
  const isPlain = [Object.prototype, null].includes(Object.getPrototypeOf(data));
  if (value === undefined && !isPlain) {
    if (isStrict) throw failure("bad_option", `${where}: such an object has no JSON form`);
    return { [UNSAID_KEYWORD]: Object.prototype.toString.call(data).slice(8, -1) };
  }
  const entries = (value?.signature.names ?? Object.keys(data))
    .filter((key) => members[key] !== undefined)
    .map((key): [string, unknown] => [key, plainJson(members[key], `${where}.${key}`, values, isStrict)]);
  return Object.fromEntries(entries);
}
