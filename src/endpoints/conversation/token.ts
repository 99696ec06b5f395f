/**
 * The conversation token: information in the conversation id, which hosts of every implementation echo as opaque text.
 * docs/protocol.md, "The conversation token".
 */
import { failure } from "../../errors.ts";
import { type Limits, TO_THE_END } from "../../limits.ts";
import {
  DEFINITION_FIELD,
  INTRODUCTION_KEYS,
  type Introduction,
  introductionFields,
  readIntroduction,
  type SaidDefinition,
} from "./introduction.ts";
import { type Metadata, NO_METADATA, readMetadata } from "./metadata.ts";

export interface Token {
  /** the whole id as sent */
  readonly text: string;
  /** the id proper: everything before the first `;` of a token, otherwise the whole text */
  readonly seq: string;
  /** `x`: the poster supports the extension */
  readonly isExtended: boolean;
  /** `n`: no raw data follows any packet of the conversation */
  readonly hasNoRawData: boolean;
  /** `b=N`: one script, followed by exactly N raw bytes */
  readonly rawBytes: number | undefined;
  /** `u`: one script, followed by raw bytes up to the end of the lane, instead of co_end */
  readonly isOpenEnded: boolean;
  /** `d=MS`: the poster waits for this long after the host has received co_begin */
  readonly deadlineMs: number | undefined;
  /** `a`: the host should declare whether its answer has raw data */
  readonly asksForPromise: boolean;
  /** `e`: the poster knows the errors that the methods in its script declare */
  readonly hearsErrors: boolean;
  /** `m=N`, `p=N`, …: what the poster says of itself; in a hello */
  readonly introduction: Introduction | undefined;
  /** `t=key:value,…`: the metadata of the call */
  readonly metadata: Metadata;
  /** its length as sent */
  readonly metadataBytes: number;
}

/** The largest id that the reference's counters reach. Larger ids are memory addresses of seed-era posters, which wait
 *  for their answer before they end the conversation. */
const MAX_COUNTER = 9_999_999;
const FIRST_SEQ = 101;
/** The id of the hello; no counter reaches it. */
export const HELLO_SEQ = 100;
const DIGITS = /^\d{1,15}$/;
/** The largest number in a token. A poster that waits longer, or accepts more, omits the field or sends this number. */
const MOST = 999_999_999_999_999;
/** A key, optionally with `=` and a value. */
const FIELD = /^[a-z]{1,16}(?:=[\x21-\x3a\x3c-\x7e]*)?$/;
/** What may follow the number of an answer: the promise of a host of this library, or this side's token, as other hosts
 *  repeat it. */
const NUMBERED = ["[nabdeu]", ...INTRODUCTION_KEYS].join("|");
const ANSWER = new RegExp(`^;(?:n|u|x(?:;(?:(?:${NUMBERED})(?:=\\d{1,15})?|${DEFINITION_FIELD}))*)$`);

export interface TokenOptions {
  readonly hasNoRawData?: boolean;
  /** `TO_THE_END` for raw data up to the end of the lane */
  readonly rawBytes?: number;
  readonly deadlineMs?: number;
  readonly asksForPromise?: boolean;
}

export function formatToken(seq: number, isExtended: boolean, options: TokenOptions): string {
  if (!isExtended) return String(seq);
  let text = `${seq};x`;
  if (options.hasNoRawData === true) text += ";n";
  if (options.rawBytes !== undefined) text += options.rawBytes === TO_THE_END ? ";u" : `;b=${options.rawBytes}`;
  if (options.asksForPromise === true) text += ";a";
  if (options.deadlineMs !== undefined && options.deadlineMs <= MOST)
    text += `;d=${Math.max(Math.ceil(options.deadlineMs), 1)}`;
  return text;
}

/** The token of the hello: this side introduces itself. */
export function helloToken(
  limits: Limits,
  mostPacketBytes = 0,
  definition: SaidDefinition = {},
  offersLanes = false,
): string {
  return `${HELLO_SEQ};x;n${introductionFields(limits, mostPacketBytes, definition, offersLanes)}`;
}

/** The part of a call's token after the number. */
export function callTokenSuffix(isExtended: boolean, deadlineMs: number, rawBytes: number): string {
  const promise = rawBytes === 0 ? { hasNoRawData: true } : { rawBytes };
  const isBounded = deadlineMs !== Number.POSITIVE_INFINITY;
  return formatToken(0, isExtended, { ...promise, ...(isBounded ? { deadlineMs } : {}) }).slice(1);
}

/** Parses any id. An id that does not declare the extension, with a field `x` after a `;`, is opaque.
 *  @throws HbiError bad_token for a malformed token: no leading number, an invalid or repeated key, an invalid value */
export function parseToken(text: string): Token {
  const [seq = "", ...fields] = text.split(";");
  if (!fields.some((field) => keyOf(field) === "x")) return opaqueToken(text);
  const keys = new Map<string, string>();
  for (const field of fields) {
    const key = keyOf(field);
    if (!FIELD.test(field)) throw failure("bad_token", "a key must consist of letters a-z, a value of printable ASCII");
    if (keys.has(key)) throw failure("bad_token", `${key} twice`);
    keys.set(key, field.slice(key.length + 1));
  }
  if (!DIGITS.test(seq)) throw failure("bad_token", "it must begin with a number of at most 15 digits");
  const rawBytes = countOf(keys, "b", 0);
  const deadlineMs = countOf(keys, "d", 1);
  const isIntroduced = keys.has("m") || keys.has("p"); // every version says these
  const introduction = isIntroduced
    ? readIntroduction(
        (key) => countOf(keys, key, 1),
        (key) => keys.get(key),
      )
    : undefined;
  const told = keys.get("t");
  const metadata = told === undefined ? NO_METADATA : readMetadata(told);
  const hasNoRawData = isFlagged(fields, keys, "n");
  const asksForPromise = isFlagged(fields, keys, "a");
  const isOpenEnded = isFlagged(fields, keys, "u");
  if ([hasNoRawData, isOpenEnded, rawBytes !== undefined].filter(Boolean).length > 1) {
    throw failure("bad_token", "n, b and u contradict each other");
  }
  const hearsErrors = isFlagged(fields, keys, "e");
  const promises = { hasNoRawData, rawBytes, isOpenEnded, asksForPromise, hearsErrors };
  const metadataBytes = told?.length ?? 0;
  return { text, seq, isExtended: true, ...promises, deadlineMs, introduction, metadata, metadataBytes };
}

function keyOf(field: string): string {
  const equals = field.indexOf("=");
  return equals < 0 ? field : field.slice(0, equals);
}

/** Parses the ids of one peer. After the number, a token usually repeats the previous one. */
export class TokenReader {
  #suffix = "";
  #before: Token | undefined;

  /** @throws HbiError bad_token */
  read(text: string): Token {
    const end = text.indexOf(";");
    if (end < 0) return opaqueToken(text);
    const suffix = text.slice(end);
    const seq = text.slice(0, end);
    if (this.#before === undefined || suffix !== this.#suffix || !isNumber(seq)) {
      const token = parseToken(text);
      this.#suffix = suffix;
      this.#before = token.isExtended ? token : undefined;
      return token;
    }
    const { hasNoRawData, rawBytes, isOpenEnded, deadlineMs, asksForPromise, introduction } = this.#before;
    const { hearsErrors, metadata, metadataBytes } = this.#before;
    // Member by member, because a spread would cost more than everything else.
    return {
      text,
      seq,
      isExtended: true,
      hasNoRawData,
      rawBytes,
      isOpenEnded,
      deadlineMs,
      asksForPromise,
      hearsErrors,
      introduction,
      metadata,
      metadataBytes,
    };
  }
}

function isNumber(text: string): boolean {
  if (text.length === 0 || text.length > 15) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}

/** An id without further information. */
export function opaqueToken(text: string): Token {
  return {
    text,
    seq: text,
    isExtended: false,
    hasNoRawData: false,
    rawBytes: undefined,
    isOpenEnded: false,
    deadlineMs: undefined,
    asksForPromise: false,
    hearsErrors: false,
    introduction: undefined,
    metadata: NO_METADATA,
    metadataBytes: 0,
  };
}

/** The number of raw bytes in the whole conversation, or `TO_THE_END`; undefined if it is not declared. */
export function promisedBytes({ hasNoRawData, rawBytes, isOpenEnded }: Token): number | undefined {
  if (isOpenEnded) return TO_THE_END;
  return hasNoRawData ? 0 : rawBytes;
}

function countOf(keys: ReadonlyMap<string, string>, key: string, least: number): number | undefined {
  const text = keys.get(key);
  if (text === undefined) return undefined;
  if (!DIGITS.test(text) || Number(text) < least) {
    throw failure("bad_token", `${key} must have a value of at most 15 digits, at least ${least}`);
  }
  return Number(text);
}

function isFlagged(fields: readonly string[], keys: ReadonlyMap<string, string>, key: string): boolean {
  if (!keys.has(key)) return false;
  if (!fields.includes(key)) throw failure("bad_token", `${key} has no value`);
  return true;
}

/** Whether the poster waits for its answer before co_end. */
export function isSeedStyle(token: Token): boolean {
  return !token.isExtended && /^\d{8,}$/.test(token.seq) && Number(token.seq) > MAX_COUNTER;
}

/** How a host of this library begins an answer: with the number alone, or with the promise that the answer has no raw
 *  data, if the poster has asked for it or may not know the raw data behind its scripts. */
export function answerId({ seq, asksForPromise }: Token, hasScripts: boolean, hasRawData: boolean): string {
  return (asksForPromise || hasScripts) && !hasRawData ? `${seq};n` : seq;
}

/** The same for an answer whose raw data ends with the lane. */
export function openAnswerId({ seq }: Token): string {
  return `${seq};u`;
}

/** Whether an answer begins as only a host of this library begins it. */
export function isAnsweredByOurs(id: string): boolean {
  return !id.includes(";") || promisedAnswer(id) !== undefined;
}

/** The raw data of the answer as its host promises it: none, or `TO_THE_END`; undefined without a promise. */
export function promisedAnswer(id: string): number | undefined {
  const at = id.indexOf(";");
  if (at < 0 || at !== id.length - 2) return undefined;
  if (id.endsWith("n")) return 0;
  return id.endsWith("u") ? TO_THE_END : undefined;
}

/** The id proper of an acknowledgement, which repeats either the whole token or its number.
 *  @throws HbiError bad_token for anything else */
export function seqOf(text: string): string {
  const end = text.indexOf(";");
  if (end < 0) return text;
  if (!ANSWER.test(text.slice(end))) throw failure("bad_token", "an answer must repeat the id");
  return text.slice(0, end);
}

/** Counts like the reference: from 101 to 9999999, then again from 101, skipping numbers in use. */
export class SeqCounter {
  #next = FIRST_SEQ;

  take(inFlight: { isFree(seq: number): boolean }): number {
    for (;;) {
      const seq = this.#next;
      this.#next = seq === MAX_COUNTER ? FIRST_SEQ : seq + 1;
      if (inFlight.isFree(seq)) return seq;
    }
  }
}
