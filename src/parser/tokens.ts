/**
 * The grammar's view of a text: one token at a time. The Scanner and acorn's LandingTokenizer both provide it, and the
 * grammar cannot tell them apart.
 */
import { type HbiError, type Reason, refusal } from "../errors.ts";
import type { LimitName, Limits } from "../limits.ts";

/** A one-character token has the code of its character as its kind: `( ) [ ] { } , : ; = + -`. */
export const END: number = 0;
export const NAME: number = 1;
export const NUMBER: number = 2;
export const STRING: number = 3;

export const PAREN_OPEN: number = 0x28;
export const PAREN_CLOSE: number = 0x29;
export const BRACKET_OPEN: number = 0x5b;
export const BRACKET_CLOSE: number = 0x5d;
export const BRACE_OPEN: number = 0x7b;
export const BRACE_CLOSE: number = 0x7d;
export const COMMA: number = 0x2c;
export const COLON: number = 0x3a;
export const SEMICOLON: number = 0x3b;
export const EQUALS: number = 0x3d;
export const PLUS: number = 0x2b;
export const MINUS: number = 0x2d;

/** The codes of all one-character tokens. */
export const PUNCTUATION: ReadonlySet<number> = new Set(Array.from("()[]{},:;=+-", (char) => char.charCodeAt(0)));

export interface Tokens {
  /** the current token, after the first `next` */
  readonly kind: number;
  /** of a name its text, of a number a number or bigint, of a string a string or bytes; otherwise unspecified */
  readonly value: unknown;
  /** the position where the current token begins */
  readonly start: number;
  /** whether a line ended before the current token */
  readonly isAfterNewline: boolean;

  /** @throws HbiError if no permitted token begins there */
  next(): void;
}

const LIMITS_OF: { readonly [R in Reason]?: readonly LimitName[] } = {
  too_deep: ["maxDepth"],
  too_many_nodes: ["maxNodes"],
  too_many_statements: ["maxStatements"],
  too_many_calls: ["maxCallsPerScript"],
  too_many_arguments: ["maxArguments"],
  too_many_keys: ["maxObjectKeys"],
  name_too_long: ["maxNameLength", "maxNameParts"],
  number_too_long: ["maxNumberLength"],
};

/** A refusal with its position, and the limit if it is one, without any of the text. */
export function refusalIn(text: string, reason: Reason, at: number, limits: Limits): HbiError {
  const most = LIMITS_OF[reason]?.map((name) => `${name} is ${limits[name]}`).join(", ");
  return refusal(reason, `${positionIn(text, at)}${most === undefined ? "" : ` (${most})`}`);
}

/** Lines and columns count from 1, columns in characters, as in an editor. */
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
