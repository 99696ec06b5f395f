/**
 * Metadata: short texts that travel with a call besides its parameters, such as a trace context or a tenant. They are
 * part of the conversation token, so only peers with the extension receive them. docs/protocol.md, section 7.
 */
import { digits, failure, type HbiError } from "../../errors.ts";

/** Keys consist of `a-z 0-9 . _ -`, begin with a letter, and have at most 64 characters. Values are any text. */
export type Metadata = Readonly<Record<string, string>>;

/** Without a prototype, like all metadata that a handler sees: `metadata["constructor"]` is undefined. */
export const NO_METADATA: Metadata = Object.freeze(Object.create(null) as Metadata);

const KEY = /^[a-z][a-z0-9._-]{0,63}$/;
/** Characters that are escaped in a value: separators, the escape character, and everything that a token must not
 *  contain. */
const ESCAPED = /[^\x21-\x7e]|[%,;]/u;

/** @throws HbiError invalid_argument unless it is an object with members; a Map is refused, because its entries would be lost */
export function checkMetadata(metadata: unknown): void {
  const isRecord = typeof metadata === "object" && metadata !== null && !(Symbol.iterator in metadata);
  if (!isRecord) throw failure("bad_option", "metadata must be an object of strings");
}

/** The token field, or "" without metadata: `;t=tenant:acme,user:ali`.
 *  @throws HbiError invalid_argument for an invalid key or value, resource_exhausted above `maxBytes` */
export function metadataField(metadata: Metadata | undefined, maxBytes: number): string {
  if (metadata === undefined) return "";
  checkMetadata(metadata);
  let text = "";
  for (const [key, value] of Object.entries(metadata)) {
    if (!KEY.test(key))
      throw failure("bad_option", "metadata: a key must consist of a-z, 0-9, '.', '_' and '-', at most 64 characters");
    if (typeof value !== "string") throw failure("bad_option", `metadata: ${key} is not a string`);
    text += `${text === "" ? "" : ","}${key}:${ESCAPED.test(value) ? escaped(key, value) : value}`;
  }
  if (text.length > maxBytes) throw tooMuch(text.length, maxBytes);
  return text === "" ? "" : `;t=${text}`;
}

export function tooMuch(bytes: number, maxBytes: number): HbiError {
  return failure("metadata_too_big", `${digits(bytes)} bytes, at most ${digits(maxBytes)} (maxMetadataBytes)`);
}

function escaped(key: string, value: string): string {
  try {
    return encodeURIComponent(value);
  } catch (cause) {
    throw failure("bad_option", `metadata: ${key} has an unpaired surrogate`, { cause });
  }
}

/** Parses the value of the field. @throws HbiError bad_token */
export function readMetadata(text: string): Metadata {
  const metadata = Object.create(null) as Record<string, string>;
  for (const pair of text.split(",")) {
    const colon = pair.indexOf(":");
    const key = pair.slice(0, Math.max(colon, 0));
    if (!KEY.test(key) || key in metadata) throw failure("bad_token", "t must contain pairs of key and value");
    metadata[key] = unescaped(pair.slice(colon + 1));
  }
  return Object.freeze(metadata);
}

function unescaped(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch (cause) {
    throw failure("bad_token", "a value of t is not percent-encoded UTF-8", { cause });
  }
}
