/**
 * LandingTokenizer: acorn's parser with its tokenizer narrowed to what may be landed. Every token passes `readToken`, which
 * knows no other. docs/landing.md.
 */
import { Parser, tokTypes as tt } from "acorn";
import { failure, type Reason } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { CONSTANTS, isIdentifierPart, isIdentifierStart } from "./lexicon.ts";

/** What acorn has and its types leave out. */
interface Tokenizer {
  input: string;
  pos: number;
  start: number;
  end: number;
  lastTokEnd: number;
  type: unknown;
  value: unknown;
  nextToken(): void;
  finishToken(type: unknown, value?: unknown): void;
  readNumber(startsWithDot: boolean): void;
  readRadixNumber(radix: number): void;
  readString(quote: number): void;
}
const AcornParser = Parser as unknown as new (options: object, input: string) => Tokenizer;

const PUNCTUATION: ReadonlyMap<number, unknown> = new Map<number, unknown>([
  [0x28, tt.parenL],
  [0x29, tt.parenR],
  [0x5b, tt.bracketL],
  [0x5d, tt.bracketR],
  [0x7b, tt.braceL],
  [0x7d, tt.braceR],
  [0x2c, tt.comma],
  [0x3a, tt.colon],
  [0x3b, tt.semi],
  [0x2b, tt.plusMin],
  [0x2d, tt.plusMin],
]);

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  "/": "/",
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\u0007",
};

export class LandingTokenizer extends AcornParser {
  readonly limits: Limits;
  /** whether a line ended before the present token */
  isAfterNewline = false;
  /** whether the string that is read is one of bytes, in which fewer escapes mean something */
  #isBytes = false;

  constructor(text: string, limits: Limits) {
    // Module code: strict, so that 010 is refused, and without HTML-like comments.
    super({ ecmaVersion: 2022, sourceType: "module" }, text);
    this.limits = limits;
  }

  /** acorn's tokens, and no others. */
  readToken(code: number): void {
    if (isIdentifierStart(code)) this.#word();
    else if (isDigit(code) || (code === 0x2e && isDigit(this.input.charCodeAt(this.pos + 1)))) this.#number(code);
    else if (code === 0x22 || code === 0x27) this.readString(code);
    else if (code === 0x3d) this.#equals();
    else this.#punctuation(code);
  }

  #punctuation(code: number): void {
    const type = PUNCTUATION.get(code);
    if (type === undefined) this.refuse("forbidden_syntax", this.pos);
    const next = this.input.charCodeAt(this.pos + 1);
    if (type === tt.plusMin && (next === code || next === 0x3d)) this.refuse("forbidden_syntax", this.pos);
    this.pos += 1;
    this.finishToken(type, String.fromCharCode(code));
  }

  #equals(): void {
    const next = this.input.charCodeAt(this.pos + 1);
    if (next === 0x3d || next === 0x3e) this.refuse("forbidden_syntax", this.pos); // == and =>
    this.pos += 1;
    this.finishToken(tt.eq, "=");
  }

  /** A dotted name, a constant, or `b'..'`. */
  #word(): void {
    const { input } = this;
    const { maxNameLength, maxNameParts } = this.limits;
    const start = this.pos;
    let parts = 0;
    for (;;) {
      const partStart = this.pos;
      while (isIdentifierPart(input.charCodeAt(this.pos))) this.pos += 1;
      parts += 1;
      const isTooLong = this.pos - partStart > maxNameLength || parts > maxNameParts;
      if (isTooLong && !CONSTANTS.has(input.slice(start, this.pos))) this.refuse("name_too_long", start);
      if (input.charCodeAt(this.pos) !== 0x2e) break;
      this.pos += 1;
      if (!isIdentifierStart(input.charCodeAt(this.pos))) this.refuse("forbidden_syntax", this.pos - 1);
    }
    const word = input.slice(start, this.pos);
    const next = input.charCodeAt(this.pos);
    if (next === 0x22 || next === 0x27) {
      if (word !== "b") this.refuse("bad_literal", start); // r'..', f"..", np.str_'..'
      this.#bytes(next);
      return;
    }
    if (next === 0x5c || next >= 0x80) this.refuse("forbidden_syntax", this.pos); // \u0065val, évaluer
    // The Go reference writes nothing as nil<nil>.
    if (word === "nil" && input.startsWith("<nil>", this.pos)) this.pos += 5;
    this.finishToken(tt.name, word);
  }

  #number(code: number): void {
    const start = this.pos;
    const radix = code === 0x30 ? radixOf(this.input.charCodeAt(start + 1)) : 10;
    // Bounded before it is read: the value of a long number costs more than its length.
    const { maxNumberLength } = this.limits;
    let end = start;
    while (end - start <= maxNumberLength && isNumberPart(this.input.charCodeAt(end))) end += 1;
    if (end - start > maxNumberLength) this.refuse("number_too_long", start);
    if (radix === 10) this.readNumber(code === 0x2e);
    else this.readRadixNumber(radix);
    if (this.pos - start > maxNumberLength) this.refuse("number_too_long", start); // by its exponent
    const raw = this.input.slice(start, this.pos);
    if (typeof this.value !== "number" || Number.isSafeInteger(this.value)) return;
    if (radix !== 10 || /^[\d_]+$/.test(raw)) this.value = BigInt(raw.replaceAll("_", ""));
    else if (!Number.isFinite(this.value)) this.refuse("bad_literal", start);
  }

  /** Called by acorn at a backslash. Only the escapes whose meaning every peer agrees on: none is guessed. */
  readEscapedChar(): string {
    const at = this.pos;
    const char = this.input.charAt(at + 1);
    this.pos = at + 2;
    if (this.#isBytes && "uU/".includes(char)) this.refuse("bad_literal", at); // two or more bytes each to Python
    const simple = Object.hasOwn(SIMPLE_ESCAPES, char) ? SIMPLE_ESCAPES[char] : undefined;
    if (simple !== undefined) return simple;
    switch (char) {
      case "x":
        return String.fromCharCode(this.#hex(at, 2));
      case "u":
        return this.input.charAt(this.pos) === "{" ? this.#codePoint(at) : String.fromCharCode(this.#hex(at, 4));
      case "U":
        return this.#fromCodePoint(at, this.#hex(at, 8));
      case "0":
        if (!isDigit(this.input.charCodeAt(this.pos))) return "\0";
        break; // a legacy octal escape
    }
    return this.refuse("bad_literal", at);
  }

  #hex(at: number, digits: number): number {
    const text = this.input.slice(this.pos, this.pos + digits);
    if (text.length !== digits || !/^[0-9A-Fa-f]+$/.test(text)) this.refuse("bad_literal", at);
    this.pos += digits;
    return Number.parseInt(text, 16);
  }

  /** `\u{h}`, one to six digits. */
  #codePoint(at: number): string {
    const match = /^\{([0-9A-Fa-f]{1,6})\}/.exec(this.input.slice(this.pos, this.pos + 8));
    if (match === null) return this.refuse("bad_literal", at);
    this.pos += match[0].length;
    return this.#fromCodePoint(at, Number.parseInt(match[1] ?? "", 16));
  }

  #fromCodePoint(at: number, point: number): string {
    return point > 0x10ffff ? this.refuse("bad_literal", at) : String.fromCodePoint(point);
  }

  /** Python's `b'..'`: printable ASCII, and the escapes that stand for one byte. */
  #bytes(quote: number): void {
    const start = this.pos;
    this.#isBytes = true;
    this.readString(quote);
    this.#isBytes = false; // after a refusal nothing is read any more
    // é in the source is one code unit as well, and two bytes in the mind of its writer.
    if (/[^\x20-\x7e]/.test(this.input.slice(start, this.pos))) this.refuse("bad_literal", start);
    const text = this.value as string; // of a string token; \xff is the highest that an escape gave
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    this.value = bytes;
  }

  /** Called by acorn before each token: ASCII white space, and comments of all three languages. */
  skipSpace(): void {
    const { input } = this;
    this.isAfterNewline = false;
    for (;;) {
      const code = input.charCodeAt(this.pos);
      if (code === 0x0a || code === 0x0d) {
        this.isAfterNewline = true;
        this.pos += 1;
      } else if (code === 0x20 || code === 0x09 || code === 0x0b || code === 0x0c) this.pos += 1;
      else if (code === 0x23) this.#lineComment();
      else if (code !== 0x2f) return;
      else if (input.charCodeAt(this.pos + 1) === 0x2f) this.#lineComment();
      else if (input.charCodeAt(this.pos + 1) === 0x2a) this.#blockComment();
      else return;
    }
  }

  #lineComment(): void {
    const { input } = this;
    while (this.pos < input.length) {
      const code = input.charCodeAt(this.pos);
      if (code === 0x0a || code === 0x0d) return;
      this.pos += 1;
    }
  }

  #blockComment(): void {
    const end = this.input.indexOf("*/", this.pos + 2);
    if (end < 0) this.refuse("syntax", this.pos);
    for (; this.pos < end; this.pos++) {
      const code = this.input.charCodeAt(this.pos);
      if (code === 0x0a || code === 0x0d) this.isAfterNewline = true;
    }
    this.pos = end + 2;
  }

  /** acorn keeps a stack of contexts to tell a regular expression from a division; there is neither. */
  updateContext(): void {}

  /** acorn's own runs regular expressions at the stack limit, where V8 aborts the process. Depth is counted instead. */
  catchStackOverflow<T>(run: () => T): T {
    return run();
  }

  refuse(reason: Reason, at = this.start): never {
    throw failure(reason, positionIn(this.input, at));
  }
}

/** Lines and columns from 1, columns in characters, as an editor shows them. */
export function positionIn(text: string, at: number): string {
  let line = 1;
  let column = 1;
  for (let i = 0; i < at; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x0a || (code === 0x0d && text.charCodeAt(i + 1) !== 0x0a)) {
      line += 1;
      column = 1;
    } else if (!(isLow(code) && isHigh(text.charCodeAt(i - 1)))) column += 1;
  }
  return `line ${line}, column ${column}`;
}

function isHigh(code: number): boolean {
  return code >= 0xd800 && code < 0xdc00;
}

function isLow(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000;
}

function radixOf(code: number): 2 | 8 | 10 | 16 {
  switch (code | 0x20) {
    case 0x78:
      return 16;
    case 0x6f:
      return 8;
    case 0x62:
      return 2;
    default:
      return 10;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Generously: digits, letters, `_` and `.`; what is wrong with them acorn says. */
function isNumberPart(code: number): boolean {
  return isIdentifierPart(code) || code === 0x2e;
}
