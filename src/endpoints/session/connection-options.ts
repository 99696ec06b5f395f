/**
 * The options of a connection, and its log.
 */
import type { Clock } from "../../clock.ts";
import { HbiError, indented, oneLine, type Reason, STACK_LINES, textOf, withoutStack } from "../../errors.ts";
import { type LimitOptions, limitOptions } from "../../limits.ts";
import { aBoolean, aClock, aFunction, mustBe, type OptionsOf } from "../../options.ts";
import { isPromise } from "../../registry/promised.ts";
import { ProcessLoad } from "../guard/process-load.ts";
import { type CallEntry, type CallSummary, type LogFields, NO_FIELDS } from "./call-log.ts";

/** A log entry. Each text is one line of at most 512 bytes, without characters that control a terminal. */
export interface LogEntry {
  /** `cause` is the original exception, which must not cross the wire */
  readonly error: HbiError;
  /** the connection: the addresses of both sides */
  readonly netIdent: string;
  /** "conversation 101" */
  readonly where: string;
  /** what the application adds for the peer: `logFields` of `serve` */
  readonly fields?: LogFields;
  /** the call that failed; undefined if the entry is about something else */
  readonly call?: CallSummary | undefined;
}

export interface ConnectionOptions {
  readonly limits?: LimitOptions | undefined;
  /** false: sends plain conversation ids and accepts any id, as the reference does */
  readonly extension?: boolean | undefined;
  /** false: a call with a large or streamed body gets no lane of its own, so that it delays others. Default: true, if
   *  the other side takes lanes as well. docs/lanes.md */
  readonly lanes?: boolean | undefined;
  readonly clock?: Clock | undefined;
  /** What this connection shares with others, within the limits named `maxProcess...`: slots, unsent bytes, the turns
   *  of the event loop.
   *  Default: all connections of the process share one. */
  readonly load?: ProcessLoad | undefined;
  /** What `$hbi.describe` returns, as JSON; without it there is no such method. */
  readonly describe?: (() => string) | undefined;
  /** Nothing can be posted any more, although the socket may stay open for a moment. Has the reason, unless the close
   *  was orderly. */
  readonly onLost?: ((reason: HbiError | undefined) => void) | undefined;
  /** The peer is about to close and accepts no new conversations. */
  readonly onGoAway?: ((reason: string | undefined) => void) | undefined;
  /** Default: unexpected exceptions of handlers, and results that are too big for the peer, go to `console.error`;
   *  nothing else is logged. */
  readonly log?: Log | undefined;
  /** The log of calls: runs once for each call that has ended, of either side, whether it was refused, failed or
   *  answered. Default: there is none, and nothing is counted. */
  readonly onCall?: ((entry: CallEntry) => unknown) | undefined;
}

/** The options of a connection that servers and links have too. */
export type SharedOptions = Omit<ConnectionOptions, "describe" | "onGoAway" | "onLost">;

export const SHARED_OPTIONS: OptionsOf<SharedOptions> = {
  limits: limitOptions,
  extension: aBoolean,
  lanes: aBoolean,
  clock: aClock,
  load: mustBe("a ProcessLoad", (value) => value instanceof ProcessLoad),
  log: aFunction,
  onCall: aFunction,
};
export const CONNECTION_OPTIONS: OptionsOf<ConnectionOptions> = {
  ...SHARED_OPTIONS,
  describe: aFunction,
  onLost: aFunction,
  onGoAway: aFunction,
};

export type Log = (entry: LogEntry) => unknown;

/** Runs a callback of the application. Its exception or later rejection is reported and has no other effect. */
export function heard(run: () => unknown, failed: (thrown: unknown) => void): void {
  try {
    const result = run();
    if (isPromise(result)) result.then(undefined, failed);
  } catch (thrown) {
    failed(thrown);
  }
}

/** Logs an entry whose texts can neither forge a line nor control a terminal, whoever wrote them. */
export function tell(log: Log, { error, netIdent, where, fields = NO_FIELDS, call }: LogEntry): void {
  const entry = { error: printable(error), netIdent: oneLine(netIdent), where: oneLine(where), fields, call };
  heard(
    () => log(entry),
    (thrown) => console.error("hbi: the log failed:", indented(thrown)),
  );
}

/** The error without its details and findings, which are for the calling program. */
export function printable(error: HbiError): HbiError {
  const { details, issues } = error;
  const message = oneLine(error.message);
  const stack = stackOf(error, message);
  const isPlain = details === undefined && issues === undefined;
  if (isPlain && message === error.message && stack === textOf(error)) return error;
  const { code, reason, cause, mayHaveLanded, origin, method, declared } = error;
  const told = withoutStack(
    () => new HbiError(code, message, undefined, { reason, cause, mayHaveLanded, origin, method, declared }),
  );
  told.stack = stack;
  return told;
}

/** Its stack frames, if the engine wrote them: a message or name may contain text that imitates frames. */
function stackOf(error: HbiError, message: string): string {
  const stack = textOf(error);
  for (const name of ["Error", "HbiError"]) {
    const head = error.message === "" ? name : `${name}: ${error.message}`;
    if (stack !== head && !stack.startsWith(`${head}\n`)) continue;
    const [, ...frames] = stack.slice(head.length).split("\n", STACK_LINES);
    const first = message === "" ? name : `${name}: ${message}`;
    return [first, ...frames.map((frame) => `    ${oneLine(frame.trim())}`)].join("\n");
  }
  return `HbiError: ${message}`;
}

/** what an operator must know without a log */
const TOLD: ReadonlySet<unknown> = new Set<Reason>(["result_too_big", "other_definition", "worker_failed"]);

export function logUnexpected({ error, netIdent, where, call }: LogEntry): void {
  if (error.code !== "internal" && !TOLD.has(error.reason)) return;
  console.error(
    `hbi: ${netIdent} ${where}${call === undefined ? "" : `, ${call.method}`}: ${error.message}${error.cause === undefined ? "" : `\n${indented(error.cause)}`}`,
  );
}
