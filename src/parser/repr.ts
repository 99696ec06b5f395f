/**
 * repr: values to text that lands back as equal values, here and at the Python and Go peers. docs/landing.md, "repr".
 */
import { failure } from "../errors.ts";
import { PRESETS } from "../limits.ts";

/** `json`: null true false. `python`: None True False, which every Python peer knows. `go`: nil true false. */
export type Dialect = "json" | "python" | "go";

interface Writing {
  readonly dialect: Dialect;
  readonly none: string;
  readonly true: string;
  readonly false: string;
  readonly writer: InstanceWriter | undefined;
}

const WORDS: Readonly<Record<Dialect, Writing>> = {
  json: { dialect: "json", none: "null", true: "true", false: "false", writer: undefined },
  python: { dialect: "python", none: "None", true: "True", false: "False", writer: undefined },
  go: { dialect: "go", none: "nil", true: "true", false: "false", writer: undefined },
};

/** An object with this method writes its own constructor call. */
export const REPR = Symbol.for("hbi.repr");

/** Control characters without a short escape: every peer takes them as they are, and only some know an escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
const CONTROLS = /[\x00-\x07\x0b\x0e-\x1f]/;

/** Name and arguments of the constructor call that makes an equal instance; undefined for a class that is not known. */
export type InstanceWriter = (instance: object) => readonly [name: string, args: readonly unknown[]] | undefined;

/** The text of a value: null, booleans, numbers, bigints, strings, `Uint8Array`, arrays, plain objects, and objects with a
 *  `[Symbol.for("hbi.repr")](dialect)` method. Members that are `undefined` are left out.
 *  @throws HbiError invalid_argument for anything else, cycles and nesting beyond `maxDepth` */
export function repr(
  value: unknown,
  dialect: Dialect = "json",
  maxDepth: number = PRESETS.public.maxDepth,
  writer?: InstanceWriter,
): string {
  const words = WORDS[dialect];
  return write(value, writer === undefined ? words : { ...words, writer }, maxDepth, "value");
}

function write(value: unknown, words: Writing, depthLeft: number, path: string): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      return number(value);
    case "boolean":
      return value ? words.true : words.false;
    case "bigint":
      return words.dialect === "json" && BigInt.asIntN(54, value) === value ? `${value}n` : String(value); // small digits land as a number
    case "object":
      if (value === null) return words.none;
      return container(value, words, depthLeft, path);
    default:
      throw failure("not_representable", `${path} is ${typeof value}`);
  }
}

function container(value: object, words: Writing, depthLeft: number, path: string): string {
  if (value instanceof Uint8Array) return bytes(value);
  if (depthLeft === 0) throw failure("not_representable", "nested too deeply, or in a cycle");
  if (Array.isArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length; i++) {
      if (i > 0) text += ",";
      text += write(value[i], words, depthLeft - 1, path);
    }
    return `${text}]`;
  }
  const own: unknown = REPR in value ? value[REPR] : undefined;
  if (typeof own === "function") return String(own.call(value, words.dialect));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const made = words.writer?.(value);
    if (made !== undefined) {
      return `${made[0]}(${made[1].map((arg) => write(arg, words, depthLeft - 1, path)).join(",")})`;
    }
    throw failure("not_representable", `${path} is an instance of a class without [Symbol.for("hbi.repr")]`);
  }
  let text = "";
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    if (key === "__proto__") throw failure("not_representable", `${path} has a member __proto__`);
    text += `${text === "" ? "" : ","}${quote(key)}:${write(member, words, depthLeft - 1, key.slice(0, 64))}`;
  }
  return `{${text}}`;
}

function number(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0.0" : String(value);
  if (Number.isFinite(value)) {
    const text = String(value);
    return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text; // bare digits would land as a bigint
  }
  if (Number.isNaN(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

/** Up to here a string is looked at by hand, which is faster than what begins for each. */
const SHORT_CHARS = 64;

function quote(text: string): string {
  if (text.length <= SHORT_CHARS && isPlain(text)) return `"${text}"`;
  if (!CONTROLS.test(text)) return JSON.stringify(text); // short escapes, the rest raw, lone surrogates as \ud800
  let quoted = "";
  for (const char of text) {
    if (char === "\0")
      quoted += "\\x00"; // raw it breaks a Python script
    else quoted += CONTROLS.test(char) ? char : JSON.stringify(char).slice(1, -1);
  }
  return `"${quoted}"`;
}

/** Printable ASCII that needs no escape. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

function bytes(value: Uint8Array): string {
  let text = "b'";
  for (const byte of value) {
    if (byte === 0x27 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `${text}'`;
}
