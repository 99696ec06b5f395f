/**
 * Limits: all bounds of the library in one object, its presets, and the only place that resolves options. The limits of
 * texts and bodies bound what a side accepts; what it sends is bounded by what the other side accepts.
 * docs/errors-and-limits.md explains each limit.
 */
import { failure } from "./errors.ts";
import { didYouMean, isPlainObject, membersOf, type OptionCheck, reading } from "./options.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** The default of a server, for untrusted peers. Times in milliseconds, sizes in bytes. */
const PUBLIC = {
  /** the payload of a code or object packet */
  maxPacketBytes: 256 * KIB,
  /** nesting of values and calls, when landing and in `repr` */
  maxDepth: 32,
  /** values and calls of a script */
  maxNodes: 10_000,
  maxStatements: 64,
  maxCallsPerScript: 64,
  /** arguments of a call, by position */
  maxArguments: 64,
  /** of an object; and arguments of a call by name */
  maxObjectKeys: 1_000,
  /** characters of one part of a dotted name, or of a parameter */
  maxNameLength: 64,
  maxNameParts: 8,
  /** characters of a number */
  maxNumberLength: 40,
  /** metadata of a call, as it is written in the conversation token */
  maxMetadataBytes: 192,
  /** raw data of a call */
  maxBodyBytes: 64 * MIB,
  /** raw data skipped after a refusal, per conversation */
  maxDrainBytes: MIB,
  /** hosted conversations whose handler has not ended; beyond it, scripts wait for a slot */
  maxInFlight: 100,
  /** text of their scripts */
  maxInFlightBytes: 16 * MIB,
  /** conversations that wait for a slot while this side waits for answers and must continue to read; `maxBufferedBytes`
   *  bounds their text and raw data. Further ones are refused. While no answer is awaited, reading stops instead */
  maxHostedWaiting: 1_000,
  /** posted conversations that the peer has not answered; further ones wait locally */
  maxPostedInFlight: 100,
  maxPostedWaiting: 100_000,
  /** text of those that wait to be sent */
  maxPostedWaitingBytes: 64 * MIB,
  /** answers of a hosted conversation that wait for its co_end and the send turn */
  maxQueuedAnswers: 1_000,
  maxQueuedAnswerBytes: MIB,
  /** lanes beside lane 0 that the peer may have open */
  maxLanes: 32,
  /** bytes that the peer may send on a lane before they are consumed */
  laneWindowBytes: 512 * KIB,
  /** received bytes that nobody has requested; reading pauses above it */
  maxBufferedBytes: 256 * KIB,
  /** sending waits above it */
  sendHighWaterBytes: MIB,
  /** the connection is cut above it */
  maxSendBufferBytes: 16 * MIB,
  /** unsent bytes of all connections of one address to a server, and of all connections of the process; beyond it, the
   *  largest is cut */
  maxAddressUnsentBytes: 64 * MIB,
  maxProcessUnsentBytes: 1_024 * MIB,
  /** the connection is cut if its unsent bytes make no progress for this time */
  sendStallTimeoutMs: 30_000,
  /** the time to complete a header */
  headerTimeoutMs: 5_000,
  /** the time to complete a payload, plus a second per 16 KiB */
  payloadTimeoutMs: 10_000,
  /** silence of the peer inside a bracket that it has opened */
  gapTimeoutMs: 30_000,
  /** the time of a handler, unless the peer asks for less */
  handlerTimeoutMs: 60_000,
  /** every wait on this side */
  callTimeoutMs: 30_000,
  connectTimeoutMs: 10_000,
  /** from FIN to the destruction of the socket */
  closeTimeoutMs: 5_000,
  /** the time without a conversation before the connection drains and closes */
  idleTimeoutMs: Number.POSITIVE_INFINITY,
  /** silence after which a peer that supports the extension is pinged */
  keepaliveMs: 30_000,
  /** the time for its answer, or any other byte; then the connection is lost */
  keepaliveTimeoutMs: 20_000,
  /** the least rate of raw data that a handler requests, over `dataRateWindowMs` */
  minDataBytesPerSecond: 4 * KIB,
  dataRateWindowMs: 10_000,
  /** malformed scripts: the burst, and the number forgiven per second; the connection is cut beyond it */
  maxFailures: 50,
  failuresPerSecond: 5,
  /** calls of a peer, including nested ones, and conversations without calls; reading slows down beyond it */
  callsPerSecond: Number.POSITIVE_INFINITY,
  /** bytes of a peer; reading slows down beyond it */
  receivedBytesPerSecond: Number.POSITIVE_INFINITY,
  /** hosted conversations of all connections of the process, and the text of their scripts; beyond it, scripts wait for
   *  a slot */
  maxProcessInFlight: 10_000,
  maxProcessInFlightBytes: 128 * MIB,
  /** a peer that has not authenticated: a packet, refused scripts in total, bytes sent to it in total */
  strangerPacketBytes: 4 * KIB,
  strangerFailures: 3,
  strangerSentBytes: 64 * KIB,
  /** open connections of a server; of one address (for IPv6, a /64 network); accepted per second */
  maxConnections: 10_000,
  maxConnectionsPerAddress: 100,
  acceptsPerSecond: 200,
  /** work on one connection before the others get their turn */
  maxTurnPackets: 64,
  maxTurnBytes: 256 * KIB,
  maxTurnMs: 5,
};

export type Limits = { readonly [K in keyof typeof PUBLIC]: number };
export type LimitName = keyof Limits;
export type Preset = "public" | "client" | "trusted";

/** What is accepted in one text from a service that this side has chosen, or from a trusted peer. */
const GENEROUS = {
  maxPacketBytes: 16 * MIB,
  maxDepth: 128,
  maxNodes: 1_000_000,
  maxCallsPerScript: 100_000, // each value of the definition in a result is one
  maxArguments: 1_000,
  maxObjectKeys: 100_000,
  maxNumberLength: 1_000,
  maxBodyBytes: 1024 * MIB, // streamed, never held
};

/** The default of a client: generous in what it accepts from the service that it has chosen, otherwise `public`. */
const CLIENT: Limits = { ...PUBLIC, ...GENEROUS, maxInFlightBytes: 64 * MIB };

const TRUSTED: Limits = {
  ...PUBLIC,
  ...GENEROUS,
  maxStatements: 1_000,
  maxDrainBytes: 64 * MIB,
  maxBufferedBytes: 4 * MIB,
  headerTimeoutMs: 30_000,
  payloadTimeoutMs: 60_000,
  gapTimeoutMs: 300_000,
  sendStallTimeoutMs: 120_000,
  handlerTimeoutMs: 600_000,
  callTimeoutMs: 300_000,
  minDataBytesPerSecond: 1,
  dataRateWindowMs: 60_000,
  maxFailures: 10_000,
  failuresPerSecond: 1_000,
  maxInFlightBytes: 1_024 * MIB,
  maxProcessInFlight: 1_000_000,
  maxProcessInFlightBytes: 4_096 * MIB,
  maxProcessUnsentBytes: 4_096 * MIB,
  maxAddressUnsentBytes: 4_096 * MIB,
  maxConnections: 100_000,
  maxConnectionsPerAddress: 100_000,
  acceptsPerSecond: 10_000,
};

export const PRESETS: Readonly<Record<Preset, Limits>> = {
  public: PUBLIC,
  client: CLIENT,
  trusted: TRUSTED,
};

/** Limits that may be `Infinity`; all others are finite. */
const MAY_BE_INFINITE: ReadonlySet<LimitName> = new Set<LimitName>([
  "idleTimeoutMs",
  "keepaliveMs",
  "handlerTimeoutMs",
  "callTimeoutMs",
  "gapTimeoutMs",
  "maxBodyBytes",
  "callsPerSecond",
  "receivedBytesPerSecond",
  "maxProcessUnsentBytes",
  "maxAddressUnsentBytes",
  "maxConnections",
  "maxConnectionsPerAddress",
  "acceptsPerSecond",
]);

/** The length of raw data that ends with its lane. */
export const TO_THE_END = Number.POSITIVE_INFINITY;

/** The deepest nesting that may be permitted, because the parser and repr recurse. */
export const MAX_DEPTH = 512;

/** The largest permitted values: the wire or the engine's stack bounds some limits. */
const CEILINGS: Partial<Limits> = {
  maxPacketBytes: 256 * MIB, // a JavaScript string holds 2^29 - 24 characters
  maxDepth: MAX_DEPTH,
  maxMetadataBytes: 192, // an id then has up to 256 bytes, which every peer accepts
  maxNumberLength: 1_000, // parsing a bigint is quadratic in its digits
};

export type LimitOptions = { readonly preset?: Preset | undefined } & {
  readonly [K in LimitName]?: number | undefined;
};

/** Fills in the preset and checks every override. Nothing is coerced: an unknown name, `NaN`, zero, and a negative,
 *  fractional or too large number throw, because a limit that is silently off is worse than none.
 *  @param usual the preset where the options name none
 *  @throws HbiError invalid_argument */
export function resolveLimits(options: LimitOptions = {}, usual: Preset = "public"): Limits {
  if (!reading(() => isPlainObject(options), "limits")) throw failure("bad_option", "limits must be a plain object");
  if (RESOLVED.has(options)) return options as Limits; // one object for all connections of a server
  const { preset = usual, ...overrides } = Object.fromEntries(membersOf(options, "limits")) as LimitOptions; // checked below
  const base = PRESETS[preset];
  if (base === undefined || !Object.hasOwn(PRESETS, preset)) {
    throw failure("bad_option", `limits.preset must be ${Object.keys(PRESETS).join(" or ")}`);
  }
  const limits: Record<string, number> = { ...base };
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    if (!isLimitName(name)) {
      const hint = didYouMean(name, ["preset", ...Object.keys(PUBLIC)], "limits.");
      throw failure("bad_option", `limits.${name} is not a limit${hint}`);
    }
    limits[name] = checkedLimit(name, value);
  }
  RESOLVED.add(limits);
  return Object.freeze(limits) as Limits; // every key of the preset, and no other
}

/** Its names are a table for suggestions; values are checked by `resolveLimits`. */
export const limitOptions: OptionCheck = Object.assign(
  (value: unknown): void => void resolveLimits(value as LimitOptions), // checked there
  { table: Object.fromEntries(Object.keys(PUBLIC).map((name) => [name, () => undefined])) },
);

/** Results of this function: frozen, so they need no further check. */
const RESOLVED = new WeakSet<object>();

function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(PUBLIC, name);
}

/** @throws HbiError bad_option, naming the limit as a member of `where` */
export function checkedLimit(name: LimitName, value: unknown, where = "limits"): number {
  if (value === Number.POSITIVE_INFINITY && MAY_BE_INFINITE.has(name)) return value;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw failure("bad_option", `${where}.${name} must be a positive integer`);
  }
  const ceiling = CEILINGS[name];
  if (ceiling !== undefined && value > ceiling) throw failure("bad_option", `${where}.${name} is above ${ceiling}`);
  return value;
}
