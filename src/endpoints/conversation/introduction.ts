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
  lanes: "maxLanes",
  window: "laneWindowBytes",
} as const satisfies Readonly<Record<string, keyof Limits>>;

type SaidLimit = (typeof LIMITS)[keyof typeof LIMITS];

/** Said only by a side that takes lanes. */
const OF_LANES: ReadonlySet<SaidLimit> = new Set<SaidLimit>(["maxLanes", "laneWindowBytes"]);

/** The largest packet of any method, if one permits more than `p`. */
const MOST_PACKET = "most";
/** The version of the rich values that it reads. */
const RICH = "rich";
const RICH_VERSION = 1;
/** The name of a client's definition, and the hashes of a server's definitions. */
const DEFINITION = "def";
const HASHES = "hash";
const NAME = /^[\w.]{1,64}$/;
const HASH_LIST = /^[0-9a-f]{8}(?:\.[0-9a-f]{8}){0,7}$/;

/** All keys of an introduction that have numbers. */
export const INTRODUCTION_KEYS: readonly string[] = [...Object.keys(LIMITS), MOST_PACKET, RICH];
/** Its other fields, as a regular expression. */
export const DEFINITION_FIELD = `${DEFINITION}=[\\w.]{1,64}|${HASHES}=[0-9a-f.]{8,80}`;

/** What a side says of its definition. */
export interface SaidDefinition {
  readonly name?: string | undefined;
  readonly hashes?: readonly string[] | undefined;
}

/** What a peer has said of itself. An earlier version says less: a limit that it does not name is unknown. */
export interface Introduction {
  readonly limits: { readonly [K in SaidLimit]?: number };
  /** the name of the client's definition */
  readonly definition?: string | undefined;
  /** the beginnings of the hashes of the server's definitions */
  readonly hashes?: readonly string[] | undefined;
  /** the largest packet that it reads, for a method that permits so much */
  readonly mostPacketBytes: number | undefined;
  /** whether it reads `Date`, `Map`, `Set` and `URL` */
  readonly readsRich: boolean;
}

/** The largest number in a field, so that the id stays below 256 bytes. Whoever accepts more says nothing. */
const MOST = 99_999_999_999;

/** The longest introduction; an id has at most 256 bytes. What does not fit of what follows the limits is not said. */
const MOST_CHARS = 240;

/** The fields of this side's introduction. */
export function introductionFields(
  limits: Limits,
  mostPacketBytes: number,
  { name, hashes }: SaidDefinition = {},
  offersLanes = false,
): string {
  let text = mostPacketBytes > limits.maxPacketBytes ? `;${MOST_PACKET}=${mostPacketBytes}` : "";
  for (const [key, limit] of Object.entries(LIMITS)) {
    if (limits[limit] <= MOST && (offersLanes || !OF_LANES.has(limit))) text += `;${key}=${limits[limit]}`;
  }
  text = within(text, `;${RICH}=${RICH_VERSION}`);
  if (name !== undefined && NAME.test(name)) text = within(text, `;${DEFINITION}=${name}`);
  return hashes === undefined ? text : within(text, `;${HASHES}=${hashes.join(".")}`);
}

function within(text: string, more: string): string {
  return text.length + more.length > MOST_CHARS ? text : text + more;
}

/** @param countOf the number in a field, at least 1; undefined without that field
 *  @param textOf the text of a field; what has another form than this version knows is ignored */
export function readIntroduction(
  countOf: (key: string) => number | undefined,
  textOf: (key: string) => string | undefined,
): Introduction {
  const limits: { [K in SaidLimit]?: number } = {};
  for (const [key, name] of Object.entries(LIMITS)) {
    const count = countOf(key);
    if (count !== undefined) limits[name] = count;
  }
  const name = textOf(DEFINITION);
  const hashes = textOf(HASHES);
  return {
    limits,
    mostPacketBytes: countOf(MOST_PACKET) ?? limits.maxPacketBytes,
    readsRich: countOf(RICH) !== undefined, // a later version reads these as well
    definition: name !== undefined && NAME.test(name) ? name : undefined,
    hashes: hashes !== undefined && HASH_LIST.test(hashes) ? hashes.split(".") : undefined,
  };
}
