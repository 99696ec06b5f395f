/**
 * Limits: every bound of the library in one object, its two presets, and the only place that resolves options.
 * docs/errors-and-limits.md says which attack each one stops.
 */
import { failure } from "./errors.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** The preset for peers that nobody vouches for, and the default. Times in milliseconds, sizes in bytes. */
const PUBLIC = {
  /** payload of a code or object packet */
  maxPacketBytes: 256 * KIB,
  /** nesting of values and calls, when landing and in `repr` */
  maxDepth: 32,
  /** values and calls of one script */
  maxNodes: 10_000,
  maxStatements: 64,
  maxCallsPerScript: 64,
  /** arguments of one call */
  maxArguments: 64,
  maxObjectKeys: 1_000,
  /** characters of one part of a dotted name, or of a parameter */
  maxNameLength: 64,
  maxNameParts: 8,
  /** characters of one number */
  maxNumberLength: 40,
  /** raw data of one call */
  maxBodyBytes: 64 * MIB,
  /** raw data skipped after a refusal, per conversation */
  maxDrainBytes: MIB,
  /** hosted conversations whose handler has not ended; beyond it scripts wait for a place */
  maxInFlight: 100,
  /** text of their scripts */
  maxInFlightBytes: 16 * MIB,
  /** begun conversations that wait for a place, while this side waits for answers and must read on; their text and raw data is bounded by
   *  `maxBufferedBytes`. Beyond it they are refused; while no answer is awaited reading stops instead */
  maxHostedWaiting: 1_000,
  /** posted conversations that the peer has not answered; more wait locally */
  maxPostedInFlight: 100,
  maxPostedWaiting: 100_000,
  /** text of those that wait to be sent */
  maxPostedWaitingBytes: 64 * MIB,
  /** answers of one hosted conversation that wait for its co_end and the send turn */
  maxQueuedAnswers: 1_000,
  maxQueuedAnswerBytes: MIB,
  /** received bytes that nobody has asked for; reading pauses above */
  maxBufferedBytes: 256 * KIB,
  /** a send waits above this */
  sendHighWaterBytes: MIB,
  /** the connection is cut above this */
  maxSendBufferBytes: 16 * MIB,
  /** unsent bytes of all connections that a server has of one address, and of all connections of the process: whoever has most is cut */
  maxAddressUnsentBytes: 64 * MIB,
  maxProcessUnsentBytes: 1_024 * MIB,
  /** the connection is cut when unsent bytes made no progress for so long */
  sendStallTimeoutMs: 30_000,
  /** a begun header must be complete after so long */
  headerTimeoutMs: 5_000,
  /** a begun payload: this plus a second per 16 KiB */
  payloadTimeoutMs: 10_000,
  /** silence of the peer inside a bracket that it opened */
  gapTimeoutMs: 30_000,
  /** a handler, unless the peer asks for less */
  handlerTimeoutMs: 60_000,
  /** every wait of our side */
  callTimeoutMs: 30_000,
  connectTimeoutMs: 10_000,
  /** from FIN to destroying the socket */
  closeTimeoutMs: 5_000,
  /** no conversation for so long: drain and close */
  idleTimeoutMs: Number.POSITIVE_INFINITY,
  /** silence after which a peer that speaks the extension is asked whether it is still there */
  keepaliveMs: 30_000,
  /** its answer, or anything else of it, must come within so long; else the connection is lost */
  keepaliveTimeoutMs: 20_000,
  /** of raw data that a handler asks for, over `dataRateWindowMs` */
  minDataBytesPerSecond: 4 * KIB,
  dataRateWindowMs: 10_000,
  /** malformed scripts at once, and forgiven each second; the connection is cut above */
  maxFailures: 50,
  failuresPerSecond: 5,
  /** calls of a peer, also nested ones, and conversations without any; more wait to be read */
  callsPerSecond: Number.POSITIVE_INFINITY,
  /** bytes of a peer; more wait to be read */
  receivedBytesPerSecond: Number.POSITIVE_INFINITY,
  /** hosted conversations of all connections of the process, and the text of their scripts; beyond it scripts wait for a place */
  maxProcessInFlight: 10_000,
  maxProcessInFlightBytes: 128 * MIB,
  /** of a peer that has not authenticated, where it must: a packet, refused scripts in all, bytes sent to it in all */
  strangerPacketBytes: 4 * KIB,
  strangerFailures: 3,
  strangerSentBytes: 64 * KIB,
  /** open connections of a server; of one address (IPv6: one /64 network); accepted each second */
  maxConnections: 10_000,
  maxConnectionsPerAddress: 100,
  acceptsPerSecond: 200,
  /** work on one connection before the others have their turn */
  maxTurnPackets: 64,
  maxTurnBytes: 256 * KIB,
  maxTurnMs: 5,
};

export type Limits = { readonly [K in keyof typeof PUBLIC]: number };
export type LimitName = keyof Limits;
export type Preset = "public" | "trusted";

const TRUSTED: Limits = {
  ...PUBLIC,
  maxPacketBytes: 16 * MIB,
  maxNodes: 1_000_000,
  maxStatements: 1_000,
  maxCallsPerScript: 1_000,
  maxObjectKeys: 100_000,
  maxBodyBytes: 1024 * MIB,
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

export const PRESETS: Readonly<Record<Preset, Limits>> = { public: PUBLIC, trusted: TRUSTED };

/** Limits for which `Infinity` is a meaning; every other one is finite. */
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

/** The largest value that a limit may have: some are bound by the wire or by the engine's stack. */
const CEILINGS: Partial<Limits> = {
  maxPacketBytes: 256 * MIB, // a JavaScript string holds 2^29 - 24 characters
  maxDepth: 512, // the parser and repr recurse
  maxNumberLength: 1_000, // reading a bigint is quadratic in its digits
};

export type LimitOptions = { readonly preset?: Preset } & { readonly [K in LimitName]?: number };

/** Fills in the preset and checks each override. Nothing is coerced: an unknown name, `NaN`, zero, a negative, fractional
 *  or too large number throws, since a limit that is silently off is worse than none.
 *  @throws HbiError invalid_argument */
export function resolveLimits(options: LimitOptions = {}): Limits {
  const { preset = "public", ...overrides } = options;
  const base = PRESETS[preset];
  if (RESOLVED.has(options)) return options as Limits; // one object for all connections of a server
  if (base === undefined || !Object.hasOwn(PRESETS, preset)) throw failure("bad_option", "limits.preset");
  const limits: Record<string, number> = { ...base };
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    if (!isLimitName(name)) throw failure("bad_option", `limits.${name} is not a limit`);
    limits[name] = checkedLimit(name, value);
  }
  RESOLVED.add(limits);
  return Object.freeze(limits) as Limits; // every key of the preset is there, and no other
}

/** What this function has made: frozen, so it need not be checked again. */
const RESOLVED = new WeakSet<object>();

function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(PUBLIC, name);
}

function checkedLimit(name: LimitName, value: unknown): number {
  if (value === Number.POSITIVE_INFINITY && MAY_BE_INFINITE.has(name)) return value;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw failure("bad_option", `limits.${name} must be a positive integer`);
  }
  const ceiling = CEILINGS[name];
  if (ceiling !== undefined && value > ceiling) throw failure("bad_option", `limits.${name} is above ${ceiling}`);
  return value;
}
