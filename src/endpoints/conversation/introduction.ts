/**
 * Introduction: what a side says of itself in the token of its hello: what it accepts, so that the other side refuses
 * anything larger before it is sent. docs/protocol.md, section 7.
 */
import type { Limits } from "../../limits.ts";

/** The limits that a peer learns, by the key of their token field. */
const LIMITS = {
  m: "maxInFlight",
  p: "maxPacketBytes",
  nodes: "maxNodes",
  depth: "maxDepth",
  keys: "maxObjectKeys",
  args: "maxArguments",
  digits: "maxNumberLength",
  calls: "maxCallsPerScript",
  statements: "maxStatements",
  body: "maxBodyBytes",
  login: "strangerPacketBytes",
} as const satisfies Readonly<Record<string, keyof Limits>>;

type SaidLimit = (typeof LIMITS)[keyof typeof LIMITS];

/** The largest packet of any method, if one permits more than `p`. */
const MOST_PACKET = "most";

/** All keys of an introduction. */
export const INTRODUCTION_KEYS: readonly string[] = [...Object.keys(LIMITS), MOST_PACKET];

/** What a peer has said of itself. An earlier version says less: a limit that it does not name is unknown. */
export interface Introduction {
  readonly limits: { readonly [K in SaidLimit]?: number };
  /** the largest packet that it reads, for a method that permits so much */
  readonly mostPacketBytes: number | undefined;
}

/** The largest number in a field, so that the id stays below 256 bytes. Whoever accepts more says nothing. */
const MOST = 99_999_999_999;

/** The fields of this side's introduction. */
export function introductionFields(limits: Limits, mostPacketBytes: number): string {
  let text = mostPacketBytes > limits.maxPacketBytes ? `;${MOST_PACKET}=${mostPacketBytes}` : "";
  for (const [key, name] of Object.entries(LIMITS)) if (limits[name] <= MOST) text += `;${key}=${limits[name]}`;
  return text;
}

/** @param countOf the number in a field, at least 1; undefined without that field */
export function readIntroduction(countOf: (key: string) => number | undefined): Introduction {
  const limits: { [K in SaidLimit]?: number } = {};
  for (const [key, name] of Object.entries(LIMITS)) {
    const count = countOf(key);
    if (count !== undefined) limits[name] = count;
  }
  return { limits, mostPacketBytes: countOf(MOST_PACKET) ?? limits.maxPacketBytes };
}
