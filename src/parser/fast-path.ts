/**
 * The fast path: a script that is one call with JSON arguments, or one JSON value, read by JSON.parse. One scan decides
 * first whether JSON.parse reads it exactly as the grammar does; on any doubt it is acorn's. It never refuses by itself.
 */
import type { Limits } from "../limits.ts";
import { CONSTANTS, isIdentifierPart, isIdentifierStart, isReserved } from "./lexicon.ts";
import { Call, type Tree } from "./tree.ts";

/** The values of what is not a JSON value for the grammar. */
const NO = Symbol("not on the fast path");

/** Integers of 16 digits may be bigints. */
const MAX_INTEGER_DIGITS = 15;

/** The statements, or undefined when it is not sure. */
export function parseFast(text: string, limits: Limits): Tree | undefined {
  const start = skipSpace(text, 0);
  if (!isIdentifierStart(text.charCodeAt(start))) {
    const value = jsonValue(text, start, limits);
    return value === NO ? undefined : [value];
  }
  const open = endOfName(text, start, limits);
  if (text.charCodeAt(open) !== 0x28) return undefined;
  const name = text.slice(start, open);
  if (CONSTANTS.has(name) || isReserved(name)) return undefined;
  const close = scan(text, open, limits, 1);
  if (close < 0) return undefined;
  const args = parseJson(`[${text.slice(open + 1, close)}]`);
  return Array.isArray(args) && args.length <= limits.maxArguments
    ? [new Call(name, args, undefined, false)]
    : undefined;
}

/** The value of an object packet, or `undefined` when it is not sure. */
export function parseValueFast(text: string, limits: Limits): unknown {
  const value = jsonValue(text, skipSpace(text, 0), limits);
  return value === NO ? undefined : value;
}

function jsonValue(text: string, start: number, limits: Limits): unknown {
  const end = scan(text, start, limits, 0);
  return end < 0 ? NO : parseJson(text.slice(start));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return NO; // acorn says what is wrong, if anything is
    throw thrown;
  }
}

/** Behind a dotted name within the limits, else at a character that is no parenthesis. */
function endOfName(text: string, start: number, limits: Limits): number {
  let at = start;
  for (let parts = 1; parts <= limits.maxNameParts; parts++) {
    const partStart = at;
    while (isIdentifierPart(text.charCodeAt(at))) at += 1;
    if (at - partStart > limits.maxNameLength) return start;
    if (text.charCodeAt(at) !== 0x2e) return at;
    at += 1;
    if (!isIdentifierStart(text.charCodeAt(at))) return start;
  }
  return start;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at += 1;
  }
}

/** Walks the value, or the arguments from `(`, without reading them. Gives the position of its last bracket, or of its
 *  last character; -1 when JSON.parse might read anything otherwise than the grammar, or a limit might be exceeded.
 *  `calls` is 1 when it starts at the parenthesis of a call. Cost: linear, one pass. */
function scan(text: string, start: number, limits: Limits, calls: number): number {
  const { maxDepth, maxNodes, maxNumberLength, maxObjectKeys } = limits;
  let depth = 0;
  let nodes = calls;
  let keys = 0; // of all objects together: at most what one may have, or acorn counts
  let end = -1;
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    switch (code) {
      case 0x20:
      case 0x0a:
      case 0x0d:
      case 0x09:
        at += 1;
        continue;
    }
    if (end >= 0) return -1; // something behind the end
    switch (code) {
      case 0x22:
        at = endOfString(text, at + 1);
        if (at < 0) return -1;
        nodes += 1;
        break;
      case 0x28:
        if (at !== start || calls === 0) return -1;
        depth += 1;
        at += 1;
        break;
      case 0x5b:
      case 0x7b:
        depth += 1;
        if (depth > maxDepth) return -1;
        nodes += 1;
        at += 1;
        break;
      case 0x29:
        if (depth !== 1 || calls === 0) return -1;
        end = at;
        depth = 0;
        at += 1;
        break;
      case 0x5d:
      case 0x7d:
        depth -= 1;
        if (depth < calls) return -1;
        at += 1;
        break;
      case 0x3a:
        keys += 1;
        if (keys > maxObjectKeys) return -1;
        at += 1;
        break;
      case 0x2c:
        if (depth === 0) return -1;
        at += 1;
        break;
      case 0x74: // true
      case 0x6e: // null
        if (!text.startsWith(code === 0x74 ? "true" : "null", at)) return -1;
        at += 4;
        nodes += 1;
        break;
      case 0x66: // false
        if (!text.startsWith("false", at)) return -1;
        at += 5;
        nodes += 1;
        break;
      default:
        at = endOfNumber(text, at, maxNumberLength);
        if (at < 0) return -1;
        nodes += 1;
    }
    if (nodes > maxNodes) return -1;
    if (depth === 0 && end < 0) end = at;
  }
  return depth === 0 ? end : -1;
}

/** Behind the closing quote; -1 for what JSON and the grammar might read differently. */
function endOfString(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return isProto(text, from, at) ? -1 : at + 1;
    if (code < 0x20) return -1;
    if (code === 0x5c) {
      at += 1;
      const escaped = text.charCodeAt(at);
      if (escaped === 0x75 || '"\\/bfnrt'.indexOf(String.fromCharCode(escaped)) < 0) return -1;
    }
  }
  return -1;
}

function isProto(text: string, from: number, to: number): boolean {
  return to - from === 9 && text.startsWith("__proto__", from);
}

/** Behind a number without an exponent whose integer part is short; -1 for anything else. */
function endOfNumber(text: string, from: number, maxLength: number): number {
  let at = from;
  if (text.charCodeAt(at) === 0x2d) at += 1;
  const digits = at;
  at = skipDigits(text, at);
  if (at === digits || at - digits > MAX_INTEGER_DIGITS) return -1;
  if (text.charCodeAt(at) === 0x2e) {
    const fraction = at + 1;
    at = skipDigits(text, fraction);
    if (at === fraction) return -1;
  }
  return at - digits > maxLength || isIdentifierPart(text.charCodeAt(at)) ? -1 : at;
}

function skipDigits(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (!(code >= 0x30 && code <= 0x39)) return at;
    at += 1;
  }
}
