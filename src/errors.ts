/**
 * HbiError, the only error class, and FAILURES, the table of everything that can go wrong: its code, who is at fault,
 * what it ends, and the only text about it that a peer sees (docs/errors-and-limits.md).
 */

/** The canonical codes, as in gRPC. Callers switch on these, never on text. */
export type Code =
  | "cancelled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

export const CODES: ReadonlySet<string> = new Set<Code>([
  "cancelled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
]);

/** What a failure ends. `script`: the conversation, or the connection if the byte position is uncertain or the peer
 *  cannot be told otherwise. `nothing`: only the local operation that failed. */
export type Ends = "nothing" | "script" | "connection";

interface Failure {
  readonly code: Code;
  /** `version`: two honest sides with different versions or limits can cause it, so it never costs a connection */
  readonly fault: "peer" | "version" | "local" | "network";
  readonly ends: Ends;
  readonly text: string;
}

export const FAILURES = {
  // parsing a script
  syntax: { code: "invalid_argument", fault: "peer", ends: "script", text: "syntax error" },
  forbidden_syntax: { code: "invalid_argument", fault: "peer", ends: "script", text: "forbidden syntax" },
  bad_literal: { code: "invalid_argument", fault: "peer", ends: "script", text: "unsupported literal" },
  too_deep: { code: "resource_exhausted", fault: "version", ends: "script", text: "nested too deeply" },
  too_many_nodes: { code: "resource_exhausted", fault: "version", ends: "script", text: "too many values" },
  too_many_statements: { code: "resource_exhausted", fault: "version", ends: "script", text: "too many statements" },
  too_many_calls: { code: "resource_exhausted", fault: "version", ends: "script", text: "too many calls" },
  too_many_arguments: { code: "resource_exhausted", fault: "version", ends: "script", text: "too many arguments" },
  too_many_keys: { code: "resource_exhausted", fault: "version", ends: "script", text: "too many keys in an object" },
  name_too_long: { code: "resource_exhausted", fault: "version", ends: "script", text: "name too long" },
  number_too_long: { code: "resource_exhausted", fault: "version", ends: "script", text: "number too long" },
  /** the text is well-formed, so the length of the raw data behind it is known */
  bad_key: {
    code: "invalid_argument",
    fault: "version",
    ends: "script",
    text: "an object key that is neither a string nor an integer",
  },
  // checking a script against the hosting environment
  unknown_name: { code: "unimplemented", fault: "version", ends: "script", text: "no such name" },
  bad_argument: { code: "invalid_argument", fault: "version", ends: "script", text: "argument refused" },
  not_a_value: { code: "invalid_argument", fault: "peer", ends: "script", text: "a value is needed here" },
  metadata_too_big: { code: "resource_exhausted", fault: "version", ends: "script", text: "metadata too big" },
  body_too_big: { code: "resource_exhausted", fault: "version", ends: "script", text: "raw data too big" },
  unauthenticated: { code: "unauthenticated", fault: "peer", ends: "script", text: "authenticate first" },
  body_mismatch: {
    code: "invalid_argument",
    fault: "version",
    ends: "script",
    text: "the raw data does not have the declared length",
  },
  // running a script
  handler: { code: "internal", fault: "local", ends: "script", text: "internal error" },
  bad_result: { code: "internal", fault: "local", ends: "script", text: "internal error" },
  result_too_big: { code: "resource_exhausted", fault: "version", ends: "script", text: "the result is too big" },
  details_lost: { code: "internal", fault: "local", ends: "nothing", text: "the details of an error did not cross" },
  handler_timeout: { code: "deadline_exceeded", fault: "local", ends: "script", text: "the deadline has passed" },
  overloaded: { code: "resource_exhausted", fault: "local", ends: "script", text: "too many calls are waiting" },
  draining: { code: "unavailable", fault: "local", ends: "script", text: "no new conversations, closing" },
  // bytes on the wire
  bad_frame: { code: "invalid_argument", fault: "peer", ends: "connection", text: "malformed packet header" },
  packet_too_big: { code: "resource_exhausted", fault: "peer", ends: "connection", text: "packet too big" },
  bad_utf8: { code: "invalid_argument", fault: "peer", ends: "connection", text: "payload is not UTF-8" },
  truncated: { code: "data_loss", fault: "network", ends: "connection", text: "the stream ended inside a packet" },
  bad_state: { code: "failed_precondition", fault: "peer", ends: "connection", text: "unexpected packet" },
  bad_token: { code: "invalid_argument", fault: "peer", ends: "connection", text: "malformed conversation id" },
  position_lost: {
    code: "failed_precondition",
    fault: "peer",
    ends: "connection",
    text: "raw data of unknown length follows",
  },
  drain_too_big: { code: "resource_exhausted", fault: "peer", ends: "connection", text: "too much raw data to skip" },
  too_many_answers: { code: "resource_exhausted", fault: "peer", ends: "connection", text: "too many queued answers" },
  too_many_errors: {
    code: "resource_exhausted",
    fault: "peer",
    ends: "connection",
    text: "too many refused scripts",
  },
  rate_exceeded: { code: "resource_exhausted", fault: "peer", ends: "connection", text: "too often" },
  data_too_slow: { code: "deadline_exceeded", fault: "peer", ends: "connection", text: "raw data arrives too slowly" },
  read_timeout: { code: "deadline_exceeded", fault: "peer", ends: "connection", text: "the peer stopped sending" },
  buffer_full: {
    code: "resource_exhausted",
    fault: "peer",
    ends: "connection",
    text: "the receive buffer is full",
  },
  slow_reader: { code: "resource_exhausted", fault: "peer", ends: "connection", text: "the peer reads too slowly" },
  init_failed: { code: "internal", fault: "local", ends: "connection", text: "init failed" },
  // the connection, as seen by a waiting caller
  disconnected: { code: "unavailable", fault: "network", ends: "connection", text: "the connection is closed" },
  peer_error: { code: "aborted", fault: "peer", ends: "connection", text: "peer error" },
  unresponsive: { code: "unavailable", fault: "network", ends: "connection", text: "the peer does not answer" },
  connect_failed: { code: "unavailable", fault: "network", ends: "nothing", text: "could not connect" },
  listen_failed: { code: "unavailable", fault: "local", ends: "nothing", text: "cannot listen" },
  worker_failed: { code: "unavailable", fault: "local", ends: "nothing", text: "a worker process has failed" },
  too_many_connections: {
    code: "resource_exhausted",
    fault: "peer",
    ends: "nothing",
    text: "too many connections",
  },
  origin_refused: {
    code: "permission_denied",
    fault: "peer",
    ends: "nothing",
    text: "a page of this origin may not connect",
  },
  // local operations
  not_loaded: {
    code: "unavailable",
    fault: "local",
    ends: "nothing",
    text: "a part of the library could not be loaded",
  },
  cancelled: { code: "cancelled", fault: "local", ends: "nothing", text: "cancelled" },
  timeout: { code: "deadline_exceeded", fault: "local", ends: "nothing", text: "the deadline has passed" },
  body_unread: {
    code: "failed_precondition",
    fault: "local",
    ends: "nothing",
    text: "read or discard the earlier body first: the awaited data is behind it",
  },
  lane_reset: { code: "unavailable", fault: "network", ends: "script", text: "the peer has ended the lane" },
  no_lanes: {
    code: "unimplemented",
    fault: "version",
    ends: "script",
    text: "a body of unknown length needs a lane",
  },
  too_many_lanes: { code: "resource_exhausted", fault: "peer", ends: "connection", text: "too many lanes" },
  turn_held: { code: "deadline_exceeded", fault: "local", ends: "nothing", text: "waited too long for the send turn" },
  body_failed: {
    code: "aborted",
    fault: "local",
    ends: "nothing",
    text: "the body could not be read to its end",
  },
  wrong_stage: { code: "failed_precondition", fault: "local", ends: "nothing", text: "not possible in this stage" },
  too_many_waiting: {
    code: "resource_exhausted",
    fault: "local",
    ends: "nothing",
    text: "too many conversations are waiting to be sent",
  },
  not_representable: {
    code: "invalid_argument",
    fault: "local",
    ends: "nothing",
    text: "the value has no textual form",
  },
  bad_option: { code: "invalid_argument", fault: "local", ends: "nothing", text: "bad option" },
  bad_answer: {
    code: "internal",
    fault: "peer",
    ends: "nothing",
    text: "the answer does not fit the declared result",
  },
  no_answer: {
    code: "failed_precondition",
    fault: "peer",
    ends: "nothing",
    text: "the peer ended the conversation without this object",
  },
  other_definition: {
    code: "failed_precondition",
    fault: "version",
    ends: "nothing",
    text: "the definition of the service differs, and calls may fail",
  },
} as const satisfies Record<string, Failure>;

export type Reason = keyof typeof FAILURES;

/** Plain data that may accompany an error: what `repr` can write, without constructors. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** One finding of a schema. It never contains the value itself. */
export interface Issue {
  /** of the value, from the parameters or the result inwards: `["rows", 1, "at"]` */
  readonly path: readonly (string | number)[];
  /** zod's code of the finding, such as `too_small`; `custom` for a rule of the schema's author */
  readonly code: string;
  /** the author's own text if there is one; otherwise what the schema expects */
  readonly message: string;
  /** what the author attached to a `custom` finding, as plain data */
  readonly params?: Readonly<Record<string, unknown>>;
}

/** Which side raised an error: this one, or the peer. */
export type Origin = "local" | "peer";

/** Details as they are given: an object of any type, also of an interface, but no list, Map or Set. */
export type DetailsGiven = ErrorDetails | (object & { readonly [Symbol.iterator]?: never });

export interface HbiErrorOptions {
  readonly reason?: Reason | undefined;
  readonly cause?: unknown;
  readonly mayHaveLanded?: boolean | undefined;
  readonly origin?: Origin | undefined;
  readonly method?: string | undefined;
  readonly issues?: readonly Issue[] | undefined;
  /** the name under which the method that fails declares the error; a handler creates such an error with `call.error` */
  readonly declared?: string | undefined;
}

const ERROR = Symbol.for("hbi.error");
let isMade: (thrown: object) => thrown is HbiError;

/** The only error class of this library. A handler throws it to refuse a call with a code of its own.
 *
 *  If the library raised the error, `reason` is its row in `FAILURES`. If a lost connection ended a wait,
 *  `mayHaveLanded` says whether the peer may have landed what was sent. `origin` says which side raised it. */
export class HbiError extends Error {
  /** Absent in a proxy, and in an object that only inherits from this class. */
  readonly #isMade = true;
  readonly code: Code;
  readonly reason: Reason | undefined;
  readonly details: ErrorDetails | undefined;
  readonly mayHaveLanded: boolean | undefined;
  readonly origin: Origin;
  /** the method whose call failed */
  declare readonly method?: string;
  /** If a schema refused a value, what it found: at most `MAX_ISSUES`. */
  declare readonly issues?: readonly Issue[];
  /** If the method declares the error, its name there: "quota_exceeded". `isServiceError` types the details. */
  declare readonly declared?: string;

  constructor(code: Code, message: string, details?: DetailsGiven | undefined, options: HbiErrorOptions = {}) {
    checkErrorOptions(options);
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HbiError";
    this.code = code;
    this.reason = options.reason;
    this.details = details as ErrorDetails | undefined; // read by name, whatever its type was
    this.mayHaveLanded = options.mayHaveLanded;
    this.origin = options.origin ?? "local";
    if (options.method !== undefined) this.method = options.method;
    if (options.issues !== undefined) this.issues = options.issues;
    if (options.declared !== undefined) this.declared = options.declared;
  }

  /** Also an error of another installed copy of this library. */
  static override [Symbol.hasInstance](thrown: unknown): boolean {
    if (typeof thrown !== "object" || thrown === null) return false;
    // biome-ignore lint/complexity/noThisInStatic: a subclass inherits this function
    return this === HbiError ? ERROR in thrown : Function.prototype[Symbol.hasInstance].call(this, thrown);
  }

  static {
    Object.defineProperty(HbiError.prototype, ERROR, { value: true });
    isMade = (thrown): thrown is HbiError => #isMade in thrown;
  }
}

const ERROR_NAME = /^[a-z][a-z0-9_]{0,47}$/;

/** Whether a method may declare an error of this name. */
export function isErrorName(name: unknown): boolean {
  return typeof name === "string" && ERROR_NAME.test(name);
}

type Accepts = readonly [words: string, accepts: (value: unknown) => boolean];

/** Here and not with the other options, whose file needs this one. */
const ERROR_OPTIONS: Readonly<Record<keyof HbiErrorOptions, Accepts>> = {
  reason: ["a key of FAILURES", isReason],
  cause: ["anything", () => true],
  mayHaveLanded: ["true or false", (value) => typeof value === "boolean"],
  origin: ['"local" or "peer"', (value) => value === "local" || value === "peer"],
  method: ["a string", (value) => typeof value === "string"],
  issues: ["a list", Array.isArray],
  declared: ["the name of an error", isErrorName],
};

/** A misspelt `mayHaveLanded` would be lost unseen. @throws HbiError invalid_argument */
function checkErrorOptions(options: HbiErrorOptions): void {
  if (typeof options !== "object" || options === null) {
    throw failure("bad_option", "the options of HbiError must be a plain object");
  }
  let given: [string, unknown][] = [];
  try {
    given = Object.entries(options);
  } catch (cause) {
    const why = "the options of HbiError cannot be read: a getter or Proxy has thrown";
    throw ownError(cause) ?? failure("bad_option", why, { cause });
  }
  for (const [key, value] of given) {
    if (value === undefined) continue;
    if (!Object.hasOwn(ERROR_OPTIONS, key)) {
      const known = Object.keys(ERROR_OPTIONS).join(", ");
      throw failure("bad_option", `unknown option "${key}" of HbiError; known: ${known}`);
    }
    const [words, accepts] = ERROR_OPTIONS[key as keyof HbiErrorOptions];
    if (!accepts(value)) throw failure("bad_option", `${key} of HbiError must be ${words}`);
  }
}

/** The most findings that accompany an error. */
export const MAX_ISSUES = 16;

const MEMBERS = [
  "code",
  "reason",
  "details",
  "message",
  "mayHaveLanded",
  "origin",
  "method",
  "issues",
  "declared",
  "cause",
];

export function isCode(text: unknown): text is Code {
  return CODES.has(text as string);
}

export function isReason(text: unknown): text is Reason {
  return typeof text === "string" && Object.hasOwn(FAILURES, text);
}

export interface FailureOptions extends Omit<HbiErrorOptions, "reason"> {
  /** what failed, such as a method: the message begins with it */
  readonly of?: string | undefined;
}

/** Creates the error of a row of `FAILURES`; `where` is appended to its text, as one line of at most 512 bytes. */
export function failure(reason: Reason, where?: string, options: FailureOptions = {}): HbiError {
  const { code, text } = FAILURES[reason];
  const start = options.of === undefined ? text : `${options.of}: ${text}`;
  const message = where === undefined ? start : oneLine(`${start}: ${where}`);
  const { of: _, ...others } = options;
  return new HbiError(code, message, undefined, { ...others, reason });
}

/** Like `failure`, for errors that a peer caused: without a stack, which would only show the library's own functions
 *  and is the most expensive part of a refusal. */
export function refusal(reason: Reason, where?: string, options: FailureOptions = {}): HbiError {
  return withoutStack(() => failure(reason, where, options));
}

/** The same error with other members, and without a stack. Errors may be shared by many calls, so none is changed. */
export function changed(
  error: HbiError,
  to: HbiErrorOptions & { readonly message?: string; readonly details?: ErrorDetails | undefined },
): HbiError {
  const { code, reason, cause, mayHaveLanded, origin, method, issues, declared } = error;
  const { message = error.message, details = error.details, ...others } = to;
  const options = { reason, cause, mayHaveLanded, origin, method, issues, declared, ...others };
  return withoutStack(() => new HbiError(code, message, details, options));
}

/** "30,000", for messages. */
export function digits(amount: number): string {
  return String(Math.round(amount)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Raw data above the limit. */
export function bodyTooBig(bytes: number, most: number, of?: string): HbiError {
  return failure("body_too_big", `${digits(bytes)} bytes, at most ${digits(most)} (maxBodyBytes)`, { of });
}

/** Raw data of unknown length that has grown above the limit. */
export function moreThan(most: number, of?: string): HbiError {
  return failure("body_too_big", `more than ${digits(most)} bytes (maxBodyBytes)`, { of });
}

/** The error as one of a call of this method. The library's own texts begin with the name; what a handler has thrown
 *  arrives as it was written. */
export function ofCall(error: HbiError, method: string): HbiError {
  const { reason, message, origin, declared } = error; // a declared error has the method that declares it
  if (reason === undefined) return origin === "peer" && declared === undefined ? changed(error, { method }) : error;
  return changed(error, { method, message: namesCall(message, method, FAILURES[reason].text) });
}

/** Begins with the name; a text that has it further behind is rearranged. */
function namesCall(message: string, method: string, text: string): string {
  if (message.startsWith(`${method}: `)) return message;
  const named = `${text}: ${method}`;
  const rest = message.slice(named.length);
  const isNamed = message.startsWith(named) && (rest === "" || rest.startsWith(": "));
  return oneLine(isNamed ? `${method}: ${text}${rest}` : `${method}: ${message}`);
}

/** For an error that may be created many times at once. */
export function withoutStack(make: () => HbiError): HbiError {
  const { stackTraceLimit } = Error as { stackTraceLimit?: unknown }; // some engines lack it, so it is not in the type
  if (typeof stackTraceLimit !== "number") return make();
  Reflect.set(Error, "stackTraceLimit", 0); // unlike an assignment, does not throw if Error is frozen
  const error = make();
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return error;
}

const MAX_TEXT_BYTES = 512;
const PRINTABLE = /^[\x20-\x7e]*$/;
/** Control characters, line separators, halves of a pair, and what reorders or hides the text around it. */
const HARMFUL =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0001}]/u;

/** One line of at most 512 bytes. Characters that could forge a log line or control a terminal are escaped; all others
 *  remain as they were written. */
export function oneLine(text: string, maxBytes = MAX_TEXT_BYTES): string {
  if (text.length <= maxBytes && PRINTABLE.test(text)) return text; // the usual case
  let line = "";
  let bytes = 0;
  let fitting = 0; // the length of what leaves room for the dots
  for (const char of text.slice(0, maxBytes + 1)) {
    const point = char.codePointAt(0) ?? 0;
    const shown = !HARMFUL.test(char) ? char : point === 0x0a ? "\\n" : `\\u{${point.toString(16)}}`;
    bytes += shown !== char || point < 0x80 ? shown.length : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > maxBytes) return `${line.slice(0, fitting)}...`;
    line += shown;
    if (bytes <= maxBytes - 3) fitting = line.length;
  }
  return line;
}

/** Converts anything thrown into an HbiError that may be sent to a peer. Any other exception is an unexpected failure
 *  of a handler: `internal`, with the original as `cause` and nothing of it in the text. */
export function asHbiError(thrown: unknown): HbiError {
  const own = ownError(thrown);
  if (own !== undefined) return own;
  return failure("handler", reference(), { cause: thrown });
}

/** What joins the log of this side with that of the peer, which learns nothing else of the cause. */
function reference(): string {
  return `reference ${Math.random().toString(36).slice(2, 10).padEnd(8, "0")}`;
}

/** An init hook has thrown. The text of an HbiError is meant for the peer, as that of a handler's is. */
export function initFailed(thrown: unknown): HbiError {
  return failure("init_failed", ownError(thrown)?.message ?? reference(), { cause: thrown });
}

/** A thrown value with its stack, for a terminal. Further lines are indented, so that none can pose as a log entry. */
export function indented(thrown: unknown): string {
  return textOf(thrown)
    .split("\n", STACK_LINES)
    .map((line) => `    ${oneLine(line)}`)
    .join("\n");
}

/** the lines of a stack in a log */
export const STACK_LINES = 50;

/** A thrown value as text, with its stack if it has one. */
export function textOf(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return String(thrown);
    const { stack }: { readonly stack?: unknown } = thrown;
    return typeof stack === "string" ? stack : `${thrown.name}: ${thrown.message}`;
  } catch {
    return "something that can't be written";
  }
}

/** The HbiError that was thrown; undefined for anything else. Members of a thrown HbiError may be unreadable or
 *  invalid; such an error is rebuilt from what can be read. */
export function ownError(thrown: unknown): HbiError | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  try {
    if (isSound(thrown)) return thrown;
    return thrown instanceof HbiError ? madeSound(thrown) : undefined;
  } catch {
    return undefined; // a proxy that hides its prototype
  }
}

function isSound(thrown: object): thrown is HbiError {
  if (!isMade(thrown) || !MEMBERS.every((key) => isPlain(thrown, key))) return false;
  const { code, reason, details, message, issues, declared } = thrown;
  return (
    isCode(code) &&
    (reason === undefined || isReason(reason)) &&
    isDetails(details) &&
    typeof message === "string" &&
    (issues === undefined || Array.isArray(issues)) &&
    (declared === undefined || isErrorName(declared))
  );
}

/** Whether reading the member runs no code. */
function isPlain(thrown: object, key: string): boolean {
  for (let owner: object | null = thrown; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const member = Object.getOwnPropertyDescriptor(owner, key);
    if (member !== undefined) return "value" in member;
  }
  return true;
}

/** The members are checked when the details are written. */
function isDetails(details: unknown): details is ErrorDetails | undefined {
  return details === undefined || (typeof details === "object" && details !== null);
}

function madeSound(error: HbiError): HbiError {
  const [code, reason, details, message, mayHaveLanded, origin] = MEMBERS.map((key) => readMember(error, key));
  return new HbiError(
    isCode(code) ? code : "unknown",
    typeof message === "string" ? message : "",
    isDetails(details) ? details : undefined,
    {
      ...(isReason(reason) ? { reason } : {}),
      ...(typeof mayHaveLanded === "boolean" ? { mayHaveLanded } : {}),
      ...(origin === "peer" ? { origin } : {}),
      cause: error,
    },
  );
}

function readMember(error: object, key: string): unknown {
  try {
    return Reflect.get(error, key);
  } catch {
    return undefined;
  }
}
