/**
 * PeerLimits: what the peer accepts, as its hello says, and the refusal of what is larger, before it is sent. Until the
 * peer has introduced itself, and for peers that never do, only packets are bounded. docs/protocol.md, section 7.
 */
import { FAILURES, HbiError, oneLine, type Reason } from "../../errors.ts";
import { type Limits, MAX_DEPTH, PRESETS } from "../../limits.ts";
import { parseScript, parseValue } from "../../parser/landing-reader.ts";
import { sizeOf, type TextSize } from "../../parser/text-size.ts";
import type { Method } from "../../registry/method.ts";
import { limited, type OwnLimits } from "../../registry/method-limits.ts";
import { utf8Length } from "../../wire/packet.ts";
import type { Introduction } from "../conversation/introduction.ts";

/** The limits of a text that a peer may have. */
type TextLimit =
  | "maxPacketBytes"
  | "maxNodes"
  | "maxDepth"
  | "maxStatements"
  | "maxCallsPerScript"
  | "maxArguments"
  | "maxObjectKeys"
  | "maxNumberLength";
type Accepted = { readonly [K in TextLimit]: number };

/** Whether a text is landed as a script, or as the value of an object packet. */
export type TextKind = "script" | "object";

interface Excess {
  readonly limit: TextLimit;
  readonly actual: number;
  readonly allowed: number;
}

interface Wording {
  readonly reason: Reason;
  /** what is counted; for bytes, which are counted without reading the text, nothing */
  readonly of: (size: TextSize) => number;
  readonly unit: string;
  readonly instead: string;
}

const WORDINGS: Readonly<Record<TextLimit, Wording>> = {
  maxPacketBytes: {
    reason: "packet_too_big",
    of: () => 0,
    unit: " bytes",
    instead: "send less at a time, or a body",
  },
  maxNodes: {
    reason: "too_many_nodes",
    of: (size) => size.nodes,
    unit: " values",
    instead: "send less at a time, or a body",
  },
  maxObjectKeys: {
    reason: "too_many_keys",
    of: (size) => size.keys,
    unit: "",
    instead: "send a list of pairs",
  },
  maxDepth: {
    reason: "too_deep",
    of: (size) => size.depth,
    unit: " levels",
    instead: "flatten them",
  },
  maxNumberLength: {
    reason: "number_too_long",
    of: (size) => size.digits,
    unit: " characters",
    instead: "send a string",
  },
  maxArguments: {
    reason: "too_many_arguments",
    of: (size) => size.arguments,
    unit: "",
    instead: "send one object",
  },
  maxCallsPerScript: {
    reason: "too_many_calls",
    of: (size) => size.calls,
    unit: "",
    instead: "send fewer at a time",
  },
  maxStatements: {
    reason: "too_many_statements",
    of: (size) => size.statements,
    unit: "",
    instead: "send fewer at a time",
  },
};

/** Shorter texts are left to the peer, which refuses them alone: they are the small calls, whose speed matters. */
const MIN_CHARS = 64;
/** A peer that has said nothing of a limit decides itself. */
const UNKNOWN = Object.fromEntries(Object.keys(WORDINGS).map((limit) => [limit, Number.POSITIVE_INFINITY])) as Accepted;

export class PeerLimits {
  /** the peer in messages */
  readonly #peer: "service" | "client";
  #accepted: Accepted;
  /** a shorter text is within all limits, or left to the peer */
  #minChars: number;
  /** the largest packet that it reads, for a method that permits so much */
  #mostPacketBytes: number;
  #bodyBytes: number;
  #readsRich = false;
  #loginBytes = Number.POSITIVE_INFINITY;

  constructor(own: Limits, peer: "service" | "client") {
    this.#peer = peer;
    const maxPacketBytes = Math.max(own.maxPacketBytes, PRESETS.client.maxPacketBytes);
    this.#accepted = { ...UNKNOWN, maxPacketBytes };
    this.#minChars = minCharsOf(this.#accepted);
    this.#mostPacketBytes = Number.POSITIVE_INFINITY;
    this.#bodyBytes = own.maxBodyBytes;
  }

  /** The peer has introduced itself. Its numbers are only compared. */
  heed({ limits, mostPacketBytes = Number.POSITIVE_INFINITY, readsRich }: Introduction): void {
    this.#readsRich = readsRich;
    const { maxInFlight, maxBodyBytes, strangerPacketBytes, ...texts } = limits;
    this.#accepted = { ...UNKNOWN, ...texts };
    this.#minChars = minCharsOf(this.#accepted);
    this.#mostPacketBytes = mostPacketBytes;
    this.#bodyBytes = maxBodyBytes ?? Number.POSITIVE_INFINITY;
    this.#loginBytes = strangerPacketBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Whether the peer has said that it reads `Date`, `Map`, `Set` and `URL`. */
  get readsRich(): boolean {
    return this.#readsRich;
  }

  /** @throws HbiError resource_exhausted for a script or object that the peer would refuse
   *  @param name of the call, for the message */
  check(text: string, kind: TextKind, name: string, method?: Method): void {
    const own = method?.spec.limits?.call;
    if (own === undefined && text.length < this.#minChars) return;
    const size = sizeOf(text);
    const excess = this.#excessOf(text, kind, size, own);
    if (excess === undefined) return;
    const { reason, unit, instead } = WORDINGS[excess.limit];
    throw this.#refusal(reason, name, `${counted(excess.actual)}${unit}${heaviestOf(size, method)}`, excess, instead);
  }

  /** @throws HbiError resource_exhausted for a result that the peer would refuse */
  checkResult(text: string, name: string, method?: Method): void {
    const own = method?.spec.limits?.result;
    if (own === undefined && text.length < this.#minChars) return;
    const excess = this.#excessOf(text, "object", sizeOf(text), own);
    if (excess === undefined) return;
    const { reason, unit, instead } = WORDINGS[excess.limit];
    const what = `${FAILURES[reason].text}, ${counted(excess.actual)}${unit}`;
    throw this.#refusal("result_too_big", name, what, excess, instead);
  }

  /** @param isGrowing so much was given of a body of unknown length, whose call may have run
   *  @throws HbiError resource_exhausted for raw data that the peer would refuse, of a call or behind a result */
  checkBody(bytes: number, name: string, part: "call" | "result", method?: Method, isGrowing = false): void {
    const allowed = method?.spec.limits?.[part]?.maxBodyBytes ?? this.#bodyBytes;
    if (bytes <= allowed) return;
    const reason = part === "call" ? "body_too_big" : "result_too_big";
    const excess = { limit: "maxBodyBytes", actual: bytes, allowed } as const;
    const size = `a body of ${isGrowing ? "at least " : ""}${counted(bytes)} bytes`;
    throw this.#refusal(reason, name, size, excess, "send it in parts", isGrowing);
  }

  /** @throws HbiError resource_exhausted for credentials that the peer would not read */
  checkCredentials(text: string): void {
    const actual = utf8Length(text);
    if (actual <= this.#loginBytes) return;
    const excess = { limit: "strangerPacketBytes", actual, allowed: this.#loginBytes } as const;
    throw this.#refusal("packet_too_big", "credentials", `${counted(actual)} bytes`, excess, "send less");
  }

  #refusal(
    reason: Reason,
    name: string,
    what: string,
    { limit, actual, allowed }: Omit<Excess, "limit"> & { readonly limit: keyof Limits },
    instead: string,
    mayHaveLanded = false,
  ): HbiError {
    const most = `the ${this.#peer} accepts ${counted(allowed)} (${limit})`;
    const { code, text } = FAILURES[reason];
    const message = oneLine(`${name}: ${text}: ${what}; ${most}. Instead, ${instead}, or raise ${limit} there`);
    return new HbiError(code, message, { limit, actual, allowed }, { reason, mayHaveLanded });
  }

  #excessOf(text: string, kind: TextKind, size: TextSize, own: OwnLimits | undefined): Excess | undefined {
    const accepted = limited(this.#accepted, own);
    for (const [name, { of, reason }] of Object.entries(WORDINGS)) {
      const limit = name as TextLimit; // a key of the table
      const allowed = limit === "maxPacketBytes" ? Math.min(accepted[limit], this.#mostPacketBytes) : accepted[limit];
      const actual = limit === "maxPacketBytes" ? bytesBeyond(text, allowed) : of(size);
      if (actual <= allowed) continue;
      if (limit === "maxPacketBytes" || isRefused(text, kind, limit, allowed, reason))
        return { limit, actual, allowed };
    }
    return undefined;
  }
}

/** The length in UTF-8 if that may be above `most`. */
function bytesBeyond(text: string, most: number): number {
  return text.length * 3 <= most ? 0 : utf8Length(text);
}

/** The shortest text that may exceed one of the limits. */
function minCharsOf(accepted: Accepted): number {
  const { maxPacketBytes, maxNodes, maxObjectKeys, maxDepth, maxNumberLength, maxArguments } = accepted;
  const { maxCallsPerScript, maxStatements } = accepted;
  const counts = Math.min(maxNodes * 2, maxObjectKeys * 5, maxDepth * 2, maxArguments * 2, maxCallsPerScript * 3);
  return Math.min(maxPacketBytes / 3, Math.max(MIN_CHARS, Math.min(counts, maxStatements * 2, maxNumberLength)));
}

/** Whether the parser of the peer would refuse it. It decides in doubt, because sizes are counted quickly. What cannot be
 *  parsed here, because acorn is not loaded, is left to the peer. */
function isRefused(text: string, kind: TextKind, limit: TextLimit, allowed: number, reason: Reason): boolean {
  const limits = { ...PRESETS.trusted, ...UNKNOWN, ...PARSED, [limit]: allowed };
  try {
    if (kind === "script") parseScript(text, limits);
    else parseValue(text, limits);
    return false;
  } catch (thrown) {
    return thrown instanceof HbiError && thrown.reason === reason;
  }
}

/** What must be bounded in any case: the stack, and the time for a long number. */
const PARSED = { maxDepth: MAX_DEPTH, maxNumberLength: PRESETS.trusted.maxNumberLength };

/** The argument with most of the values, as in ", most of them in rows (3,400 items)". */
function heaviestOf({ nodes, heaviest }: TextSize, method: Method | undefined): string {
  if (heaviest === undefined || heaviest.nodes * 2 < nodes) return "";
  const name = heaviest.name ?? method?.signature.names[heaviest.index] ?? `argument ${heaviest.index + 1}`;
  return `, most of it in ${name} (${counted(heaviest.items)} ${heaviest.items === 1 ? "item" : "items"})`;
}

function counted(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}
