/**
 * LandingTokenizer: acorn's parser with a tokenizer restricted to what may be landed. Every token passes `readToken`,
 * which decides what a token is. docs/landing.md.
 */
import { Parser, tokTypes as tt } from "acorn";
import type { Reason } from "../errors.ts";
import type { Limits } from "../limits.ts";
import {
  CONSTANTS,
  hexadecimalAt,
  isDigit,
  isIdentifierPart,
  isIdentifierStart,
  ownText,
  SIMPLE_ESCAPES,
} from "./lexicon.ts";
import type { RareTokens } from "./rare-tokens.ts";
import { END, EQUALS, MINUS, NAME, NUMBER, PLUS, PUNCTUATION, refusalIn, STRING } from "./tokens.ts";

/** Members of acorn's parser that its types omit. */
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

const KINDS: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  [tt.eof, END],
  [tt.name, NAME],
  [tt.num, NUMBER],
  [tt.string, STRING],
]);

const LONGEST_CONSTANT = "Infinity".length;

export class LandingTokenizer extends AcornParser implements RareTokens {
  readonly limits: Limits;
  kind = END;
  isAfterNewline = false;
  /** whether the current string is a bytes literal, which has fewer escapes */
  #isBytes = false;

  constructor(text: string, limits: Limits) {
    // Module code is strict: 010 is refused, and there are no HTML-like comments.
    super({ ecmaVersion: 2022, sourceType: "module" }, text);
    this.limits = limits;
  }

  next(): void {
    this.nextToken();
  }

  /** Called by acorn for each token. */
  override finishToken(type: unknown, value?: unknown): void {
    super.finishToken(type, typeof value === "string" ? ownText(value, this.input) : value);
    this.kind = KINDS.get(type) ?? (type as number);
  }

  /** The only tokens of acorn that are accepted. */
  readToken(code: number): void {
    if (isIdentifierStart(code)) this.#word();
    else if (isDigit(code) || (code === 0x2e && isDigit(this.input.charCodeAt(this.pos + 1)))) this.#number(code);
    else if (code === 0x22 || code === 0x27) this.readString(code);
    else this.#punctuation(code);
  }

  #punctuation(code: number): void {
    if (!PUNCTUATION.has(code)) this.refuse("forbidden_syntax", this.pos);
    const next = this.input.charCodeAt(this.pos + 1);
    if ((code === PLUS || code === MINUS) && (next === code || next === 0x3d))
      this.refuse("forbidden_syntax", this.pos);
    if (code === EQUALS && (next === 0x3d || next === 0x3e)) this.refuse("forbidden_syntax", this.pos); // == and =>
    this.pos += 1;
    this.finishToken(code);
  }

  /** A dotted name, a constant, or `b'..'`. */
  #word(): void {
    const { input } = this;
    const { maxNameLength, maxNameParts } = this.limits;
    const start = this.pos;
    let parts = 0;
    for (;;) {
      const partStart = this.pos;
      const longest = partStart + Math.max(maxNameLength, LONGEST_CONSTANT); // a longer name is refused without reading its rest
      while (this.pos <= longest && isIdentifierPart(input.charCodeAt(this.pos))) this.pos += 1;
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
    // The Go reference writes nil as nil<nil>.
    if (word === "nil" && input.startsWith("<nil>", this.pos)) this.pos += 5;
    this.finishToken(tt.name, word);
  }

  #number(code: number): void {
    const start = this.pos;
    const radix = code === 0x30 ? radixOf(this.input.charCodeAt(start + 1)) : 10;
    // Bounded before it is evaluated: the cost of a long number exceeds its length.
    const { maxNumberLength } = this.limits;
    let end = start;
    while (end - start <= maxNumberLength && isNumberPart(this.input.charCodeAt(end))) end += 1;
    if (end - start > maxNumberLength) this.refuse("number_too_long", start);
    if (radix === 10) this.readNumber(code === 0x2e);
    else this.readRadixNumber(radix);
    if (this.pos - start > maxNumberLength) this.refuse("number_too_long", start); // too long with its exponent
    const raw = this.input.slice(start, this.pos);
    if (typeof this.value !== "number" || Number.isSafeInteger(this.value)) return;
    if (radix !== 10 || /^[\d_]+$/.test(raw)) this.value = BigInt(raw.replaceAll("_", ""));
    else if (!Number.isFinite(this.value)) this.refuse("bad_literal", start);
  }

  /** Called by acorn at a backslash. Accepts only escapes that all peers read alike. */
  readEscapedChar(): string {
    const at = this.pos;
    const char = this.input.charAt(at + 1);
    this.pos = at + 2;
    if (this.#isBytes && "uU/".includes(char)) this.refuse("bad_literal", at); // Python encodes each as two or more bytes
    const simple = SIMPLE_ESCAPES.get(char);
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
    const value = hexadecimalAt(this.input, this.pos, digits);
    if (value < 0) this.refuse("bad_literal", at);
    this.pos += digits;
    return value;
  }

  /** `\u{h}`, one to six digits. */
  #codePoint(at: number): string {
    const match = /^\{[0-9A-Fa-f]{1,6}\}/.exec(this.input.slice(this.pos, this.pos + 8));
    if (match === null) return this.refuse("bad_literal", at);
    this.pos += match[0].length;
    return this.#fromCodePoint(at, Number.parseInt(match[0].slice(1, -1), 16));
  }

  #fromCodePoint(at: number, point: number): string {
    return point > 0x10ffff ? this.refuse("bad_literal", at) : String.fromCodePoint(point);
  }

  /** Python's `b'..'`: printable ASCII, and escapes for single bytes. */
  #bytes(quote: number): void {
    const start = this.pos;
    this.#isBytes = true;
    this.readString(quote);
    this.#isBytes = false; // not reset after a refusal, when nothing more is read
    // A non-ASCII character such as é would be one code unit here, but its author may have meant two bytes.
    if (/[^\x20-\x7e]/.test(this.input.slice(start, this.pos))) this.refuse("bad_literal", start);
    const text = this.value as string; // a string token; escapes yield at most \xff
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    this.value = bytes;
  }

  /** Called by acorn before each token: ASCII white space and the comments of all three languages. */
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

  /** acorn keeps a stack of contexts to tell regular expressions from divisions; landing has neither. */
  updateContext(): void {}

  /** acorn's own guard runs regular expressions at the stack limit, where V8 aborts the process. A depth limit replaces
   *  it. */
  catchStackOverflow<T>(run: () => T): T {
    return run();
  }

  /** Called by acorn for every error. */
  raise(at: number): never {
    this.refuse("syntax", at);
  }

  raiseRecoverable(at: number): never {
    this.refuse("syntax", at);
  }

  refuse(reason: Reason, at: number): never {
    throw refusalIn(this.input, reason, at, this.limits);
  }
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

/** Accepts more than a number may contain (digits, letters, `_`, `.`); acorn reports what is wrong. */
function isNumberPart(code: number): boolean {
  return isIdentifierPart(code) || code === 0x2e;
}
