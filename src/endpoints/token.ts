/**
 * The conversation token: metadata that rides in the conversation id, which hosts of every implementation treat as opaque
 * text and echo. docs/protocol.md, "the conversation token".
 */
import { failure } from "../errors.ts";

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
  /** `d=MS`: the poster gives up so long after the host read co_begin */
  readonly deadlineMs: number | undefined;
}

/** The largest id that the reference's counters reach. Above it ids are memory addresses of seed-era posters, which wait
 *  for their answer before they end the conversation. */
const MAX_COUNTER = 9_999_999;
const FIRST_SEQ = 101;
const MAX_DEADLINE_MS = 300_000;
const TOKEN = /^(\d+);([\x21-\x7e]*)$/;
const DIGITS = /^\d{1,15}$/;

export interface TokenOptions {
  readonly hasNoRawData?: boolean;
  readonly rawBytes?: number;
  readonly deadlineMs?: number;
}

export function formatToken(seq: number, isExtended: boolean, options: TokenOptions): string {
  if (!isExtended) return String(seq);
  let text = `${seq};x`;
  if (options.hasNoRawData === true) text += ";n";
  if (options.rawBytes !== undefined) text += `;b=${options.rawBytes}`;
  // One that is longer than a token can say is left out: a host would give up sooner than the poster. It has a limit of its own.
  if (options.deadlineMs !== undefined && options.deadlineMs <= MAX_DEADLINE_MS) {
    text += `;d=${Math.max(Math.ceil(options.deadlineMs), 1)}`;
  }
  return text;
}

/** What stands behind the number in the token of a call. */
export function callTokenSuffix(isExtended: boolean, deadlineMs: number, rawBytes: number): string {
  const promise = rawBytes === 0 ? { hasNoRawData: true } : { rawBytes };
  const isBounded = deadlineMs !== Number.POSITIVE_INFINITY;
  return formatToken(0, isExtended, { ...promise, ...(isBounded ? { deadlineMs } : {}) }).slice(1);
}

/** Reads any id: an unknown form is opaque and echoed. @throws HbiError bad_token for a malformed token with `x` */
export function parseToken(text: string): Token {
  const match = TOKEN.exec(text);
  if (match === null) return opaqueToken(text);
  const [, seq = "", rest = ""] = match;
  const keys = new Map<string, string>();
  for (const field of rest.split(";")) {
    const equals = field.indexOf("=");
    keys.set(equals < 0 ? field : field.slice(0, equals), equals < 0 ? "" : field.slice(equals + 1));
  }
  if (!keys.has("x")) return opaqueToken(text);
  if (keys.has("")) throw failure("bad_token");
  const rawBytes = readCount(keys.get("b"));
  const deadlineMs = readCount(keys.get("d"));
  const hasNoRawData = keys.has("n");
  if (deadlineMs === 0 || (hasNoRawData && rawBytes !== undefined)) throw failure("bad_token");
  return {
    text,
    seq,
    isExtended: true,
    hasNoRawData,
    rawBytes,
    deadlineMs: deadlineMs === undefined ? undefined : Math.min(deadlineMs, MAX_DEADLINE_MS),
  };
}

/** Reads the ids of one peer. What its tokens say behind their number is mostly what the one before said. */
export class TokenReader {
  #suffix = "";
  #before: Token | undefined;

  /** @throws HbiError bad_token */
  read(text: string): Token {
    const end = text.indexOf(";");
    if (end <= 0) return opaqueToken(text);
    const suffix = text.slice(end);
    const seq = text.slice(0, end);
    if (this.#before === undefined || suffix !== this.#suffix || !isNumber(seq)) {
      const token = parseToken(text);
      this.#suffix = suffix;
      this.#before = token.isExtended ? token : undefined;
      return token;
    }
    const { hasNoRawData, rawBytes, deadlineMs } = this.#before;
    return { text, seq, isExtended: true, hasNoRawData, rawBytes, deadlineMs };
  }
}

function isNumber(text: string): boolean {
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
  };
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!DIGITS.test(text)) throw failure("bad_token");
  return Number(text);
}

/** Whether the poster is of the kind that waits for its answer before co_end. */
export function isSeedStyle(token: Token): boolean {
  return !token.isExtended && /^\d{8,}$/.test(token.seq) && Number(token.seq) > MAX_COUNTER;
}

/** The id proper of an acknowledgement, which repeats either the whole token or its id. */
export function seqOf(text: string): string {
  const end = text.indexOf(";");
  return end < 0 ? text : text.slice(0, end);
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
