/**
 * Metadata: short texts that travel with a call beside its parameters, such as a trace context or a tenant. They ride in the
 * conversation token, so only peers that speak the extension get them. docs/protocol.md, section 7.
 */
import { failure } from "../../errors.ts";

/** Keys are of `a-z 0-9 . _ -`, begin with a letter and have at most 64 characters. Values are any text. */
export type Metadata = Readonly<Record<string, string>>;

/** Without a prototype, as every other one that a handler sees: `metadata["constructor"]` is undefined. */
export const NO_METADATA: Metadata = Object.freeze(Object.create(null) as Metadata);

const KEY = /^[a-z][a-z0-9._-]{0,63}$/;
/** What a value is not written with as it is: a separator, the escape, and all that a token may not have. */
const ESCAPED = /[^\x21-\x7e]|[%,;]/u;

/** @throws HbiError invalid_argument for what is no object with members, such as a Map: its entries would be lost */
export function checkMetadata(metadata: unknown): void {
  const isRecord = typeof metadata === "object" && metadata !== null && !(Symbol.iterator in metadata);
  if (!isRecord) throw failure("bad_option", "metadata must be an object of texts");
}

/** The field of a token, "" for no metadata: `;t=tenant:acme,user:ali`.
 *  @throws HbiError invalid_argument for a key or a value that is none, resource_exhausted above `maxBytes` */
export function metadataField(metadata: Metadata, maxBytes: number): string {
  checkMetadata(metadata);
  let text = "";
  for (const [key, value] of Object.entries(metadata)) {
    if (!KEY.test(key)) throw failure("bad_option", "metadata: a key is of a-z, 0-9, '.', '_' and '-', 64 at most");
    if (typeof value !== "string") throw failure("bad_option", `metadata: ${key} is no text`);
    text += `${text === "" ? "" : ","}${key}:${ESCAPED.test(value) ? escaped(key, value) : value}`;
  }
  if (text.length > maxBytes) throw failure("metadata_too_big", `${text.length} bytes, at most ${maxBytes}`);
  return text === "" ? "" : `;t=${text}`;
}

function escaped(key: string, value: string): string {
  try {
    return encodeURIComponent(value);
  } catch (cause) {
    throw failure("bad_option", `metadata: ${key} has an unpaired surrogate`, { cause });
  }
}

/** Reads the value of the field. @throws HbiError bad_token */
export function readMetadata(text: string): Metadata {
  const metadata = Object.create(null) as Record<string, string>;
  for (const pair of text.split(",")) {
    const colon = pair.indexOf(":");
    const key = pair.slice(0, Math.max(colon, 0));
    if (!KEY.test(key) || key in metadata) throw failure("bad_token", "t holds pairs of a key and a value");
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
