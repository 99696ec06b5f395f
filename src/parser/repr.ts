/**
 * repr: writes a value as text that lands as an equal value, here and at Python and Go peers. docs/landing.md, "repr".
 */
import { failure } from "../errors.ts";
import { PRESETS } from "../limits.ts";
import { oneOf } from "../options.ts";
import { articled, insteadOf } from "./kinds.ts";
import { isBytes, isPlainObject } from "./plain-object.ts";
import { type RichKind, richArgument, richKindOf } from "./rich.ts";

/** `json`: null, true, false. `python`: None, True, False, which every Python peer knows. `go`: nil, true, false. */
export type Dialect = "json" | "python" | "go";

/** Records whether a text has a form that only peers of this library can read. */
export interface OnlyOurs {
  /** the first such place and its content, as in "note[3] is infinite"; undefined if every peer can read the text */
  what: string | undefined;
}

interface Words {
  readonly none: string;
  readonly true: string;
  readonly false: string;
}

/** How values are written for a peer. */
export interface How {
  readonly dialect: Dialect;
  readonly maxDepth: number;
  readonly writer: InstanceWriter | undefined;
  /** receives the first form that only peers of this library can read */
  readonly onlyOurs: OnlyOurs | undefined;
  /** false for a peer that is known to read no `Date`, `Map`, `Set` and `URL` */
  readonly hasRich?: boolean;
}

/** The state of writing one value. A class, because object spreads are slow. */
class Writing {
  readonly dialect: Dialect;
  readonly none: string;
  readonly true: string;
  readonly false: string;
  readonly writer: InstanceWriter | undefined;
  readonly onlyOurs: OnlyOurs | undefined;
  readonly maxDepth: number;
  readonly hasRich: boolean;
  readonly name: string;
  /** inside of a Map or Set, in which only values land that the grammar makes itself */
  isInRich = false;
  /** the keys from the outermost value to the current one; its length is the depth */
  readonly path: (string | number)[] = [];

  constructor({ dialect, maxDepth, writer, onlyOurs, hasRich = true }: How, name: string) {
    const words = WORDS[dialect];
    this.dialect = dialect;
    this.none = words.none;
    this.true = words.true;
    this.false = words.false;
    this.writer = writer;
    this.onlyOurs = onlyOurs;
    this.maxDepth = maxDepth;
    this.hasRich = hasRich;
    this.name = name;
  }
}

const WORDS: Readonly<Record<Dialect, Words>> = {
  json: { none: "null", true: "true", false: "false" },
  python: { none: "None", true: "True", false: "False" },
  go: { none: "nil", true: "true", false: "false" },
};

export const dialectOption = oneOf(...Object.keys(WORDS));

/** An object with this method writes its own constructor call. */
export const REPR = Symbol.for("hbi.repr");

/** Control characters without a short escape. All peers accept them unescaped, and only some know their escapes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
const CONTROLS = /[\x00-\x07\x0b\x0e-\x1f]/;

/** Name and arguments of the constructor call that creates an equal instance. With the names of the parameters,
 *  arguments that are undefined are omitted, and those after them are named. */
export type WrittenInstance = readonly [name: string, args: readonly unknown[], names?: readonly string[]];

/** Returns undefined for an unknown class. */
export type InstanceWriter = (instance: object) => WrittenInstance | undefined;

/** The text of a value: undefined, null, booleans, numbers, bigints, strings, `Uint8Array`, arrays, plain objects, and
 *  objects with a `[Symbol.for("hbi.repr")](dialect)` method; in the dialect `json` also `Date`, `Map`, `Set` and `URL`.
 *  Members that are `undefined` are omitted.
 *  @param hasRich false for a peer that reads none of those four
 *  @throws HbiError invalid_argument, with the path, for anything else, for cycles, for nesting beyond `maxDepth`, and
 *  for a value that no peer of the dialect can read */
export function repr(
  value: unknown,
  dialect: Dialect = "json",
  maxDepth: number = PRESETS.public.maxDepth,
  writer?: InstanceWriter,
  hasRich = true,
): string {
  return reprOf(value, { dialect, maxDepth, writer, onlyOurs: undefined, hasRich }, "value");
}

/** Like `repr`; `name` names the value in errors. */
export function reprOf(value: unknown, how: How, name: string): string {
  switch (typeof value) {
    case "boolean":
      return value ? WORDS[how.dialect].true : WORDS[how.dialect].false;
    case "number":
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
      break;
    case "string":
      if (value.length <= SHORT_CHARS && isPlain(value)) return `"${value}"`;
  }
  return write(value, new Writing(how, name), 0);
}

function write(value: unknown, words: Writing, depth: number): string {
  switch (typeof value) {
    case "string":
      return quote(value, words, depth);
    case "number":
      return number(value, words, depth);
    case "boolean":
      return value ? words.true : words.false;
    case "bigint":
      return bigint(value, words, depth);
    case "object":
      if (value === null) return words.none;
      return container(value, words, depth);
    case "undefined":
      if (words.dialect !== "json") return words.none; // those peers have a single word for nothing
      readByOurs(words, depth, "is undefined");
      return "undefined";
    default:
      throw unrepresentable(words, depth, `is ${articled(typeof value)}, which cannot be sent`);
  }
}

function container(value: object, words: Writing, depth: number): string {
  if (value instanceof Uint8Array) return bytes(value, words, depth);
  if (depth === words.maxDepth) throw unrepresentable(words, depth, "is nested too deeply, or in a cycle");
  const { path } = words;
  if (Array.isArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length; i++) {
      if (i > 0) text += ",";
      path[depth] = i;
      text += write(value[i], words, depth + 1);
    }
    return `${text}]`;
  }
  const own: unknown = REPR in value ? value[REPR] : undefined;
  if (typeof own === "function") {
    if (words.isInRich) throw unrepresentable(words, depth, IN_RICH);
    return String(own.call(value, words.dialect));
  }
  if (!isPlainObject(value)) {
    if (isBytes(value)) return bytes(value, words, depth);
    const made = words.writer?.(value);
    if (made !== undefined) return instance(made, words, depth);
    const kind = richKindOf(value);
    if (kind === undefined) throw unrepresentable(words, depth, insteadOf(value));
    return rich(kind, value, words, depth);
  }
  let text = "";
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    if (key === "__proto__") throw unrepresentable(words, depth, "has a member __proto__");
    path[depth] = key;
    text += `${text === "" ? "" : ","}${quote(key, words, depth + 1)}:${write(member, words, depth + 1)}`;
  }
  return `{${text}}`;
}

const IN_RICH = "is an instance inside of a Map or Set; use a plain object there, or an array instead of these";

function instance([name, args, names]: WrittenInstance, words: Writing, depth: number): string {
  if (words.isInRich) throw unrepresentable(words, depth, IN_RICH);
  let text = "";
  let isNamed = false;
  for (const [i, arg] of args.entries()) {
    if (arg === undefined && names !== undefined) {
      isNamed = true;
      continue;
    }
    words.path[depth] = i;
    text += `${text === "" ? "" : ","}${isNamed ? `${names?.[i]}=` : ""}${write(arg, words, depth + 1)}`;
  }
  return `${name}(${text})`;
}

/** How the place of a rich value ends, which tells it from what every peer of this library reads. */
const NEEDS_RICH = ", or use a peer that reads rich values";

/** Whether the place that `OnlyOurs` records is that of a `Date`, `Map`, `Set` or `URL`, which not every peer of this
 *  library reads. */
export function needsRich(what: string): boolean {
  return what.endsWith(NEEDS_RICH);
}

function rich(kind: RichKind, value: object, words: Writing, depth: number): string {
  const { onlyOurs } = words;
  if (words.dialect !== "json" || !words.hasRich) throw unrepresentable(words, depth, insteadOf(value));
  // It asks more of the peer than what was found before.
  if (onlyOurs !== undefined && !(onlyOurs.what !== undefined && needsRich(onlyOurs.what))) {
    onlyOurs.what = placeOf(words, depth, `${insteadOf(value)}${NEEDS_RICH}`);
  }
  let argument: unknown;
  try {
    argument = richArgument(kind, value);
  } catch {
    throw unrepresentable(words, depth, insteadOf(value)); // it only inherits from the class
  }
  if (argument === undefined) throw unrepresentable(words, depth, "is an invalid Date");
  const outer = words.isInRich;
  words.isInRich = true;
  words.path[depth] = `$${kind}`;
  const text = write(argument, words, depth + 1);
  words.isInRich = outer;
  return `$${kind}(${text})`;
}

function number(value: number, words: Writing, depth: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0.0" : String(value);
  if (Number.isFinite(value)) {
    const text = String(value);
    return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text; // bare digits would land as a bigint
  }
  if (Number.isNaN(value)) {
    if (words.dialect === "python") throw unrepresentable(words, depth, "is NaN, for which Python has no literal");
    return "nan"; // which peers of the reference know that know `null`
  }
  readByOurs(words, depth, "is infinite, for which the peer has no literal");
  return value > 0 ? "inf" : "-inf";
}

/** The longest integer that Python 3.11 reads. */
const MAX_PYTHON_DIGITS = 4_300;

function bigint(value: bigint, words: Writing, depth: number): string {
  const { dialect } = words;
  if (dialect !== "python" && BigInt.asIntN(64, value) !== value) {
    readByOurs(words, depth, "is an integer of more than 64 bits");
  }
  if (dialect !== "json" || BigInt.asIntN(54, value) !== value) {
    const digits = String(value);
    if (dialect === "python" && digits.length > MAX_PYTHON_DIGITS) {
      throw unrepresentable(words, depth, `has more than ${MAX_PYTHON_DIGITS} digits`);
    }
    return digits;
  }
  readByOurs(words, depth, "is a small bigint"); // the digits alone would land as a number
  return `${value}n`;
}

/** The text has a form that only peers of this library can read. Peers of the other dialects are never of this library,
 *  so it is refused there. */
function readByOurs(words: Writing, depth: number, why: string): void {
  if (words.dialect !== "json") throw unrepresentable(words, depth, why);
  if (words.onlyOurs !== undefined) words.onlyOurs.what ??= placeOf(words, depth, why);
}

function unrepresentable(words: Writing, depth: number, why: string): Error {
  return failure("not_representable", placeOf(words, depth, why));
}

function placeOf({ name, path }: Writing, depth: number, why: string): string {
  const keys = path.slice(0, depth).map((key) => (typeof key === "number" ? `[${key}]` : `.${key.slice(0, 64)}`));
  return `${name}${keys.length > 6 ? "..." : ""}${keys.slice(-6).join("")} ${why}`;
}

/** Shorter strings are checked by hand, which is faster than calling a regular expression. */
const SHORT_CHARS = 64;

function quote(text: string, words: Writing, depth: number): string {
  if (text.length <= SHORT_CHARS && isPlain(text)) return `"${text}"`;
  // Go knows no escape for a surrogate, and neither peer can represent an unpaired one.
  if (words.dialect !== "python" && !isWellFormed(text)) readByOurs(words, depth, "has an unpaired surrogate");
  if (!CONTROLS.test(text)) return JSON.stringify(text); // short escapes, all else unescaped, lone surrogates as \ud800
  let quoted = "";
  for (const char of text) {
    if (char === "\0" && words.dialect !== "go") {
      if (words.dialect === "json") readByOurs(words, depth, "has a NUL character");
      quoted += "\\x00"; // an unescaped NUL breaks a Python script
    } else quoted += CONTROLS.test(char) ? char : JSON.stringify(char).slice(1, -1);
  }
  return `"${quoted}"`;
}

/** Whether every surrogate is part of a pair. */
function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed(); // ES2024, newer than the compiler's library
}

/** Printable ASCII without characters that need an escape. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

function bytes(value: Uint8Array, words: Writing, depth: number): string {
  if (words.dialect !== "python") readByOurs(words, depth, "is bytes");
  let text = "b'";
  for (const byte of value) {
    if (byte === 0x27 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `${text}'`;
}
