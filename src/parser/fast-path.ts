/**
 * The fast path for long texts: `JSON.parse` reads one call with JSON arguments, or one JSON value. A scan first proves
 * that `JSON.parse` reads the text exactly as the grammar does; if in doubt, the text is left to the Scanner. The fast
 * path never refuses a text.
 */
import type { Limits } from "../limits.ts";
import {
  CONSTANTS,
  codeAt,
  hexadecimalAt,
  isIdentifierPart,
  isIdentifierStart,
  ownText,
  skipDigits,
} from "./lexicon.ts";
import { richKind } from "./rich.ts";
import { Call, type Tree } from "./tree.ts";

/** The Scanner reads shorter texts as fast. */
const MIN_LENGTH = 256;

/** Integers of 16 digits may be bigints. */
const MAX_INTEGER_DIGITS = 15;
/** An exponent of three digits may yield infinity. */
const MAX_EXPONENT_DIGITS = 2;

/** What may come next in a JSON text, as bits. */
const VALUE = 1;
const KEY = 2;
const CLOSE = 4;
const COMMA = 8;
const COLON = 16;

/** The statements, or undefined if in doubt. */
export function parseFast(text: string, limits: Limits): Tree | undefined {
  if (text.length < MIN_LENGTH) return undefined;
  const start = skipSpace(text, 0);
  if (!isIdentifierStart(codeAt(text, start))) {
    const value = jsonValue(text, start, limits);
    return value === undefined ? undefined : [value];
  }
  const open = endOfName(text, start, limits);
  if (codeAt(text, open) !== 0x28) return undefined;
  const name = ownText(text.slice(start, open), text);
  if (CONSTANTS.has(name) || richKind(name) !== undefined) return undefined;
  const close = endOfJson(text, open, limits, true);
  if (close < 0) return undefined;
  const args: unknown = JSON.parse(`[${text.slice(open + 1, close)}]`);
  return [new Call(name, args as unknown[], undefined, false)]; // the brackets make it an array
}

/** The value of an object packet, or undefined if in doubt. */
export function parseValueFast(text: string, limits: Limits): unknown {
  return text.length < MIN_LENGTH ? undefined : jsonValue(text, skipSpace(text, 0), limits);
}

/** Whether one of the above reads the text. */
export function isFast(text: string, limits: Limits): boolean {
  if (text.length < MIN_LENGTH) return false;
  const start = skipSpace(text, 0);
  const isCall = isIdentifierStart(codeAt(text, start));
  const open = isCall ? endOfName(text, start, limits) : start;
  return (!isCall || codeAt(text, open) === 0x28) && endOfJson(text, open, limits, isCall) >= 0;
}

function jsonValue(text: string, start: number, limits: Limits): unknown {
  return endOfJson(text, start, limits, false) < 0 ? undefined : JSON.parse(text);
}

/** The end of a dotted name within the limits; otherwise the position of a character that is not a parenthesis. */
function endOfName(text: string, start: number, limits: Limits): number {
  let at = start;
  for (let parts = 1; parts <= limits.maxNameParts; parts++) {
    const longest = at + limits.maxNameLength;
    while (at <= longest && isIdentifierPart(codeAt(text, at))) at += 1;
    if (at > longest) return start;
    if (codeAt(text, at) !== 0x2e) return at;
    at += 1;
    if (!isIdentifierStart(codeAt(text, at))) return start;
  }
  return start;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(codeAt(text, at))) at += 1;
  return at;
}

/** JSON white space. */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** Scans the value, or the arguments from `(`, without parsing it. Returns the position of the closing bracket (or the
 *  end of a value without brackets) if only white space follows. Returns -1 if `JSON.parse` would refuse the text or
 *  might read it differently from the grammar, or if a limit is exceeded. Linear, one pass. */
function endOfJson(text: string, start: number, limits: Limits, isCall: boolean): number {
  const closing: number[] = []; // the closing brackets of the open ones
  const counts: number[] = []; // the number of arguments or keys in each
  let nodes = 0;
  let allowed = VALUE;
  for (let at = start; at < text.length; ) {
    const code = text.charCodeAt(at);
    switch (code) {
      case 0x20:
      case 0x0a:
      case 0x0d:
      case 0x09:
        at += 1;
        continue;
      case 0x2c: {
        if ((allowed & COMMA) === 0) return -1;
        const top = closing.length - 1;
        allowed = closing[top] === 0x7d ? KEY : VALUE;
        if (isCall && top === 0 && !isWithin(counts, limits.maxArguments - 1)) return -1;
        at += 1;
        continue;
      }
      case 0x3a:
        if ((allowed & COLON) === 0) return -1;
        allowed = VALUE;
        at += 1;
        continue;
      case 0x29:
      case 0x5d:
      case 0x7d:
        if ((allowed & CLOSE) === 0 || closing.pop() !== code) return -1;
        counts.pop();
        if (closing.length === 0) return skipSpace(text, at + 1) === text.length ? at : -1;
        allowed = COMMA | CLOSE;
        at += 1;
        continue;
    }
    if ((allowed & KEY) !== 0) {
      at = code === 0x22 ? endOfString(text, at + 1, true) : -1;
      if (at < 0 || !isWithin(counts, limits.maxObjectKeys)) return -1;
      allowed = COLON;
      continue;
    }
    if ((allowed & VALUE) === 0) return -1;
    nodes += 1;
    if (nodes > limits.maxNodes) return -1;
    if (code === 0x5b || code === 0x7b || (isCall && at === start)) {
      closing.push(code === 0x28 ? 0x29 : code + 2);
      counts.push(0);
      if (closing.length > limits.maxDepth) return -1;
      allowed = CLOSE | (code === 0x7b ? KEY : VALUE);
      at += 1;
    } else {
      at = endOfLiteral(text, code, at, limits);
      if (at < 0) return -1;
      if (closing.length === 0) return skipSpace(text, at) === text.length ? at : -1;
      allowed = COMMA | CLOSE;
    }
  }
  return -1;
}

/** Counts one more argument or key in the innermost bracket. */
function isWithin(counts: number[], most: number): boolean {
  const count = (counts[counts.length - 1] as number) + 1; // at least one bracket is open
  counts[counts.length - 1] = count;
  return count <= most;
}

function endOfLiteral(text: string, code: number, at: number, limits: Limits): number {
  switch (code) {
    case 0x22:
      return endOfString(text, at + 1, false);
    case 0x74:
      return endOfWord(text, at, "true");
    case 0x66:
      return endOfWord(text, at, "false");
    case 0x6e:
      return endOfWord(text, at, "null");
    default:
      return endOfNumber(text, at, limits.maxNumberLength);
  }
}

function endOfWord(text: string, at: number, word: string): number {
  return text.startsWith(word, at) ? at + word.length : -1; // a comma or a bracket must follow
}

/** The position after the closing quote; -1 for a string that JSON and the grammar might read differently, and for keys
 *  that might be `__proto__`. */
function endOfString(text: string, from: number, isKey: boolean): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return isKey && at - from === 9 && text.startsWith("__proto__", from) ? -1 : at + 1;
    if (code < 0x20) return -1;
    if (code === 0x5c) {
      if (isKey) return -1;
      at += 1;
      const escaped = text.charAt(at);
      if (escaped === "u" && hexadecimalAt(text, at + 1, 4) >= 0) at += 4;
      else if (!'"\\/bfnrt'.includes(escaped)) return -1;
    }
  }
  return -1;
}

/** The position after a number with a short integer part and exponent; -1 for anything else. */
function endOfNumber(text: string, from: number, maxLength: number): number {
  const digits = codeAt(text, from) === 0x2d ? from + 1 : from;
  let at = skipDigits(text, digits);
  const count = at - digits;
  if (count === 0 || count > MAX_INTEGER_DIGITS || (count > 1 && codeAt(text, digits) === 0x30)) return -1;
  if (codeAt(text, at) === 0x2e) {
    const fraction = at + 1;
    at = skipDigits(text, fraction);
    if (at === fraction) return -1;
  }
  if ((codeAt(text, at) | 0x20) === 0x65) {
    const sign = codeAt(text, at + 1);
    const exponent = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
    at = skipDigits(text, exponent);
    if (at === exponent || at - exponent > MAX_EXPONENT_DIGITS) return -1;
  }
  return at - digits > maxLength ? -1 : at; // a comma or a bracket must follow
}
