/**
 * The words and characters of the landing grammar, shared by every way of reading it. docs/landing.md.
 */

/** The constants of three languages, by name; `undefined` is written by peers of this library only. */
export const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["null", null],
  ["None", null],
  ["nil", null],
  ["undefined", undefined],
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["nan", Number.NaN],
  ["NaN", Number.NaN],
  ["inf", Number.POSITIVE_INFINITY],
  ["Inf", Number.POSITIVE_INFINITY],
  ["Infinity", Number.POSITIVE_INFINITY],
]);

export function isNumericConstant(name: string): boolean {
  return typeof CONSTANTS.get(name) === "number";
}

/** JavaScript's reserved words, and keywords of Python and Go. They are names where they are called or assigned to;
 *  anywhere else they are refused as syntax, not as unknown names. */
export const KEYWORDS: ReadonlySet<string> = new Set(
  (
    "arguments as assert async await break case catch class const continue debugger def default defer del delete do elif " +
    "else enum eval except export extends finally for from func function go goto if implements import in instanceof " +
    "interface is lambda let new nonlocal not or and package pass private protected public raise return select static " +
    "struct super switch this throw try typeof var void while with yield"
  ).split(" "),
);

/** Before a dot, each of these is JavaScript syntax and not the first part of a name: this.x, new.target. */
const HEADS: ReadonlySet<string> = new Set(["this", "super", "new", "import"]);

/** Whether a name that is neither called nor assigned to is syntax of another language. */
export function isReserved(name: string): boolean {
  return KEYWORDS.has(name) || (name.includes(".") && HEADS.has(name.slice(0, name.indexOf("."))));
}

/** Escapes of one character behind a backslash. */
export const SIMPLE_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\\", "\\"],
  ["'", "'"],
  ['"', '"'],
  ["/", "/"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["b", "\b"],
  ["f", "\f"],
  ["v", "\v"],
  ["a", "\u0007"],
]);

const START = new Uint8Array(128);
const PART = new Uint8Array(128);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$") {
  START[char.charCodeAt(0)] = 1;
  PART[char.charCodeAt(0)] = 1;
}
for (const char of "0123456789") PART[char.charCodeAt(0)] = 1;

/** The character code at `at`, or NUL behind the end, which no token contains. `charCodeAt` would return NaN there,
 *  after which V8 takes a slow path for all further characters. */
export function codeAt(text: string, at: number): number {
  return at < text.length ? text.charCodeAt(at) : 0;
}

/** ASCII letters, `_` and `$`. */
export function isIdentifierStart(code: number): boolean {
  return code < 128 && START[code] === 1;
}

export function isIdentifierPart(code: number): boolean {
  return code < 128 && PART[code] === 1;
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The position after the digits that begin at `from`. */
export function skipDigits(text: string, from: number): number {
  let at = from;
  while (isDigit(codeAt(text, at))) at += 1;
  return at;
}

/** The value of `digits` hexadecimal digits; -1 if there are fewer. */
export function hexadecimalAt(text: string, from: number, digits: number): number {
  let value = 0;
  for (let at = from; at < from + digits; at++) {
    const code = codeAt(text, at);
    const letter = code | 0x20;
    if (isDigit(code)) value = value * 16 + (code - 0x30);
    else if (letter >= 0x61 && letter <= 0x66) value = value * 16 + (letter - 0x57);
    else return -1;
  }
  return value;
}

/** V8 copies shorter substrings; longer ones are views that retain the whole text. */
const MIN_VIEW_CHARS = 13;
/** A view may retain a text of up to this length. */
const MAX_KEPT_CHARS = 256;
const MAX_KEPT_RATIO = 4;

/** A substring that may outlive its text: copied if it would retain a much longer text. */
export function ownText(part: string, whole: string): string {
  if (part.length < MIN_VIEW_CHARS || whole.length <= MAX_KEPT_CHARS) return part;
  if (part.length * MAX_KEPT_RATIO >= whole.length) return part;
  return ` ${part}`.slice(1); // a concatenation must be flattened before it is sliced; no other way to copy is cheaper
}
