/**
 * Scanner: a hand-written reader for the tokens of which nearly all texts consist. Any other token (a comment, a rare
 * escape, a hexadecimal number, bytes, an error) is read by acorn, starting where it begins. It refuses only numbers of
 * too many characters, so that which texts need acorn does not depend on the limits that a method may set.
 */
import type { Limits } from "../limits.ts";
import {
  codeAt,
  hexadecimalAt,
  isDigit,
  isIdentifierPart,
  isIdentifierStart,
  ownText,
  SIMPLE_ESCAPES,
  skipDigits,
} from "./lexicon.ts";
import { type RareTokens, rareTokens } from "./rare-tokens.ts";
import { END, MINUS, NAME, NUMBER, PLUS, PUNCTUATION, refusalIn, STRING, type Tokens } from "./tokens.ts";

/** An integer with more digits may be a bigint. */
const MAX_PLAIN_DIGITS = 15;

/** The kinds of tokens by their first ASCII character. */
const DOUBT = 0;
const WORD = 1;
const DIGIT = 2;
const QUOTE = 3;
const SIGN = 4;
const MARK = 5;
const BEGINS = Uint8Array.from({ length: 128 }, (_, code) => {
  if (isIdentifierStart(code)) return WORD;
  if (isDigit(code)) return DIGIT;
  if (code === 0x22 || code === 0x27) return QUOTE;
  if (code === PLUS || code === MINUS || code === 0x3d) return SIGN;
  return PUNCTUATION.has(code) ? MARK : DOUBT;
});

export class Scanner implements Tokens {
  kind = END;
  value: unknown;
  start = 0;
  isAfterNewline = false;
  readonly #text: string;
  readonly #limits: Limits;
  /** the end of the current token */
  #end = 0;
  #acorn: RareTokens | undefined;

  constructor(text: string, limits: Limits) {
    this.#text = text;
    this.#limits = limits;
  }

  next(): void {
    const text = this.#text;
    let at = this.#end;
    let code = codeAt(text, at);
    this.isAfterNewline = false;
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      if (code === 0x0a || code === 0x0d) this.isAfterNewline = true;
      at += 1;
      code = codeAt(text, at);
    }
    this.start = at;
    if (!this.#isPlain(code, at)) this.#askAcorn();
  }

  #isPlain(code: number, at: number): boolean {
    switch (BEGINS[code]) {
      case WORD:
        return this.#word(at);
      case DIGIT:
        return this.#number(code, at);
      case QUOTE:
        return this.#string(code, at);
      case SIGN: {
        const next = codeAt(this.#text, at + 1);
        if (next === code || next === 0x3d || next === 0x3e) return false; // --, +=, ==, =>
        return this.#finish(code, undefined, at + 1);
      }
      case MARK:
        return this.#finish(code, undefined, at + 1);
      default:
        return at >= this.#text.length && this.#finish(END, undefined, at);
    }
  }

  #finish(kind: number, value: unknown, end: number): true {
    this.kind = kind;
    this.value = value;
    this.#end = end;
    return true;
  }

  /** From the beginning of the current token; acorn has not seen the tokens before it. */
  #askAcorn(): void {
    this.#acorn ??= rareTokens(this.#text, this.#limits);
    const acorn = this.#acorn;
    acorn.pos = this.start;
    acorn.next();
    this.start = acorn.start; // acorn may have skipped comments
    this.isAfterNewline ||= acorn.isAfterNewline;
    this.#finish(acorn.kind, acorn.value, acorn.pos);
  }

  /** A dotted name or a constant. */
  #word(start: number): boolean {
    const text = this.#text;
    const { maxNameLength, maxNameParts } = this.#limits;
    let at = start;
    let code: number;
    for (let parts = 1; ; parts++) {
      const partStart = at;
      do {
        at += 1;
        code = codeAt(text, at);
      } while (isIdentifierPart(code) && at - partStart <= maxNameLength);
      if (at - partStart > maxNameLength || parts > maxNameParts) return false;
      if (code !== 0x2e) break;
      at += 1;
      if (!isIdentifierStart(codeAt(text, at))) return false;
    }
    // b'..', nil<nil>, f\u0065, naïve
    if (code === 0x22 || code === 0x27 || code === 0x3c || code === 0x5c || code >= 0x80) return false;
    return this.#finish(NAME, ownText(text.slice(start, at), text), at);
  }

  /** Decimal digits, optionally with a fraction and an exponent. */
  #number(first: number, start: number): boolean {
    const text = this.#text;
    let at = start;
    let code = first;
    let value = 0;
    while (isDigit(code) && at - start <= MAX_PLAIN_DIGITS) {
      value = value * 10 + (code - 0x30); // exact, because there are few digits
      at += 1;
      code = codeAt(text, at);
    }
    if (at - start > MAX_PLAIN_DIGITS || (first === 0x30 && at > start + 1)) return false;
    const endOfInteger = at;
    if (code === 0x2e) {
      at = skipDigits(text, at + 1);
      code = codeAt(text, at);
    }
    if (code === 0x65 || code === 0x45) {
      const sign = codeAt(text, at + 1);
      const digits = sign === PLUS || sign === MINUS ? at + 2 : at + 1;
      at = skipDigits(text, digits);
      if (at === digits) return false;
      code = codeAt(text, at);
    }
    // 0x1f, 1_000, 10n, 1.2.3, 1a, 1é
    if (isIdentifierPart(code) || code === 0x2e || code === 0x5c || code >= 0x80) return false;
    if (at - start > this.#limits.maxNumberLength) throw refusalIn(text, "number_too_long", start, this.#limits);
    if (at > endOfInteger) {
      value = Number(text.slice(start, at));
      if (value === Number.POSITIVE_INFINITY) return false;
    }
    return this.#finish(NUMBER, value, at);
  }

  #string(quote: number, start: number): boolean {
    const text = this.#text;
    let value = "";
    let from = start + 1;
    for (let at = from; at < text.length; at++) {
      const code = codeAt(text, at);
      if (code === quote) return this.#finish(STRING, ownText(value + text.slice(from, at), text), at + 1);
      if (code === 0x0a || code === 0x0d) return false;
      if (code !== 0x5c) continue;
      value += text.slice(from, at);
      at += 1;
      const escaped = text.charAt(at);
      const digits = escaped === "u" ? 4 : escaped === "x" ? 2 : 0;
      if (digits === 0) {
        const simple = SIMPLE_ESCAPES.get(escaped);
        if (simple === undefined) return false;
        value += simple;
      } else {
        const unit = hexadecimalAt(text, at + 1, digits);
        if (unit < 0) return false;
        value += String.fromCharCode(unit);
        at += digits;
      }
      from = at + 1;
    }
    return false;
  }
}
