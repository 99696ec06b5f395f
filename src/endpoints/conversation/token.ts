/**
 * The conversation token: metadata that rides in the conversation id, which hosts of every implementation treat as opaque
 * text and echo. docs/protocol.md, "the conversation token".
 */
import { failure } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { type Metadata, NO_METADATA, readMetadata } from "./metadata.ts";

export interface Token {
  /** the whole id as sent */
  readonly text: string;
  /** the id proper: everything before the first `;` of a token, else the whole text */
  readonly seq: string;
  /** `x`: the poster speaks the extension */
  readonly isExtended: boolean;
  /** `n`: no raw data follows any packet of the conversation */
  readonly hasNoRawData: boolean;
  /** `b=N`: one script, then exactly N raw bytes */
  readonly rawBytes: number | undefined;
  /** `d=MS`: the poster gives up so long after the host received co_begin */
  readonly deadlineMs: number | undefined;
  /** `a`: the host is to say whether its answer has raw data */
  readonly asksForPromise: boolean;
  /** `m=N`: the poster hosts as many conversations at once */
  readonly mostInFlight: number | undefined;
  /** `p=N`: the poster takes code and objects of as many bytes in a packet */
  readonly mostPacketBytes: number | undefined;
  /** `t=key:value,…`: what travels with the call */
  readonly metadata: Metadata;
  /** how long it is as sent */
  readonly metadataBytes: number;
}

/** The largest id that the reference's counters reach. Above it ids are memory addresses of seed-era posters, which wait
 *  for their answer before they end the conversation. */
const MAX_COUNTER = 9_999_999;
const FIRST_SEQ = 101;
/** The id of the conversation that only introduces a peer: no counter reaches it. */
export const HELLO_SEQ = 100;
const DIGITS = /^\d{1,15}$/;
/** The largest number in it. Whoever waits longer, or takes more, says nothing of it or so many. */
const MOST = 999_999_999_999_999;
/** A key, with a value behind `=` or without. */
const FIELD = /^[a-z]{1,16}(?:=[\x21-\x3a\x3c-\x7e]*)?$/;
/** What may stand behind the number of an answer: the promise of a host of ours, or a token of ours, as other hosts repeat it. */
const ANSWER = /^;(?:n|x(?:;[nabdmp](?:=\d{1,15})?)*)$/;

export interface TokenOptions {
  readonly hasNoRawData?: boolean;
  readonly rawBytes?: number;
  readonly deadlineMs?: number;
  readonly asksForPromise?: boolean;
}

export function formatToken(seq: number, isExtended: boolean, options: TokenOptions): string {
  if (!isExtended) return String(seq);
  let text = `${seq};x`;
  if (options.hasNoRawData === true) text += ";n";
  if (options.rawBytes !== undefined) text += `;b=${options.rawBytes}`;
  if (options.asksForPromise === true) text += ";a";
  if (options.deadlineMs !== undefined && options.deadlineMs <= MOST)
    text += `;d=${Math.max(Math.ceil(options.deadlineMs), 1)}`;
  return text;
}

/** The token of the conversation that introduces this side: what it takes of its peer. */
export function helloToken({ maxInFlight, maxPacketBytes }: Limits): string {
  return `${HELLO_SEQ};x;n;m=${Math.min(maxInFlight, MOST)};p=${maxPacketBytes}`;
}

/** What stands behind the number in the token of a call. */
export function callTokenSuffix(isExtended: boolean, deadlineMs: number, rawBytes: number): string {
  const promise = rawBytes === 0 ? { hasNoRawData: true } : { rawBytes };
  const isBounded = deadlineMs !== Number.POSITIVE_INFINITY;
  return formatToken(0, isExtended, { ...promise, ...(isBounded ? { deadlineMs } : {}) }).slice(1);
}

/** Reads any id. One that does not claim the extension, by a field `x` behind a `;`, is opaque and echoed.
 *  @throws HbiError bad_token for one that does and is malformed: no number in front, a key that is none, twice, or with another value */
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
  const mostInFlight = countOf(keys, "m", 1);
  const mostPacketBytes = countOf(keys, "p", 1);
  const told = keys.get("t");
  const metadata = told === undefined ? NO_METADATA : readMetadata(told);
  const hasNoRawData = isFlagged(fields, keys, "n");
  const asksForPromise = isFlagged(fields, keys, "a");
  if (hasNoRawData && rawBytes !== undefined) throw failure("bad_token", "n and b contradict each other");
  const promises = { hasNoRawData, rawBytes, asksForPromise };
  const most = { mostInFlight, mostPacketBytes };
  return { text, seq, isExtended: true, ...promises, deadlineMs, ...most, metadata, metadataBytes: told?.length ?? 0 };
}

function keyOf(field: string): string {
  const equals = field.indexOf("=");
  return equals < 0 ? field : field.slice(0, equals);
}

/** Reads the ids of one peer. What its tokens say behind their number is mostly what the one before said. */
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
    const { hasNoRawData, rawBytes, deadlineMs, asksForPromise, mostInFlight, mostPacketBytes } = this.#before;
    const { metadata, metadataBytes } = this.#before;
    // Member by member: a spread costs more than all the rest.
    return {
      text,
      seq,
      isExtended: true,
      hasNoRawData,
      rawBytes,
      deadlineMs,
      asksForPromise,
      mostInFlight,
      mostPacketBytes,
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

/** An id that says nothing but itself. */
export function opaqueToken(text: string): Token {
  return {
    text,
    seq: text,
    isExtended: false,
    hasNoRawData: false,
    rawBytes: undefined,
    deadlineMs: undefined,
    asksForPromise: false,
    mostInFlight: undefined,
    mostPacketBytes: undefined,
    metadata: NO_METADATA,
    metadataBytes: 0,
  };
}

/** How many raw bytes the whole conversation has; undefined: it does not say. */
export function promisedBytes({ hasNoRawData, rawBytes }: Token): number | undefined {
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

/** Whether the poster is of the kind that waits for its answer before co_end. */
export function isSeedStyle(token: Token): boolean {
  return !token.isExtended && /^\d{8,}$/.test(token.seq) && Number(token.seq) > MAX_COUNTER;
}

/** How a host of ours begins an answer: by the id alone, or with the promise that no raw data is in it, where it was asked for that or where
 *  the poster may not know how much is behind one of its scripts. */
export function answerId({ seq, asksForPromise }: Token, hasScripts: boolean, hasRawData: boolean): string {
  return (asksForPromise || hasScripts) && !hasRawData ? `${seq};n` : seq;
}

/** Whether an answer begins as only a host of ours begins one. */
export function isAnsweredByOurs(id: string): boolean {
  return !id.includes(";") || hasNoRawAnswer(id);
}

/** Whether the host promises that no raw data is in its answer. */
export function hasNoRawAnswer(id: string): boolean {
  return id.endsWith(";n") && id.indexOf(";") === id.length - 2;
}

/** The id proper of an acknowledgement, which repeats either the whole token or its id.
 *  @throws HbiError bad_token for what no host makes of it */
export function seqOf(text: string): string {
  const end = text.indexOf(";");
  if (end < 0) return text;
  if (!ANSWER.test(text.slice(end))) throw failure("bad_token", "an answer must repeat the id");
  return text.slice(0, end);
}

/** Counts as the reference does: from 101 to 9999999, then again from 101, leaving out what is not free. */
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
