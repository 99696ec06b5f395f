/**
 * What a connection can be told, and what it tells its operator.
 */
import type { Clock } from "../../clock.ts";
import { HbiError, indented, oneLine, STACK_LINES, textOf, withoutStack } from "../../errors.ts";
import type { LimitOptions } from "../../limits.ts";
import { isPromise } from "../../registry/invoke.ts";
import type { ProcessLoad } from "../guard/process-load.ts";

/** What the library tells an operator. Each text is one line of printable ASCII of at most 512 characters. */
export interface LogEntry {
  /** `cause` has what must not cross the wire: what was thrown, as it was */
  readonly error: HbiError;
  /** the connection: addresses of both sides */
  readonly netIdent: string;
  /** "conversation 101" */
  readonly where: string;
}

export interface ConnectionOptions {
  readonly limits?: LimitOptions;
  /** false: sends plain conversation ids and takes any as one, as the reference does */
  readonly extension?: boolean;
  readonly clock?: Clock;
  /** What this connection shares with others, within the limits named `maxProcess...`: places, unsent bytes, the turns of the event loop.
   *  Default: all connections of the process share one. */
  readonly load?: ProcessLoad;
  /** What `$hbi.describe` answers, as JSON; without it nothing is told. */
  readonly describe?: (() => string) | undefined;
  /** Nothing can be posted any more, though the socket may live on for a moment; the reason if it did not end in peace. */
  readonly onLost?: ((reason: HbiError | undefined) => void) | undefined;
  /** The peer is about to close and takes no new conversations. */
  readonly onGoAway?: ((reason: string | undefined) => void) | undefined;
  /** Default: what a handler threw unexpectedly goes to `console.error`; nothing else does. */
  readonly log?: Log;
}

type Log = (entry: LogEntry) => unknown;

/** Runs what an application has given. What it throws, or rejects with later, is told and keeps nothing from happening. */
export function heard(run: () => unknown, failed: (thrown: unknown) => void): void {
  try {
    const result = run();
    if (isPromise(result)) result.then(undefined, failed);
  } catch (thrown) {
    failed(thrown);
  }
}

/** Tells the operator, in texts that can neither forge a line nor drive a terminal, whoever wrote them. */
export function tell(log: Log, { error, netIdent, where }: LogEntry): void {
  const entry = { error: printable(error), netIdent: oneLine(netIdent), where: oneLine(where) };
  heard(
    () => log(entry),
    (thrown) => console.error("hbi: the log failed:", indented(thrown)),
  );
}

/** The error without its details, which are for the caller's program. */
function printable(error: HbiError): HbiError {
  const { code, details, reason, cause, mayHaveLanded } = error;
  const message = oneLine(error.message);
  const stack = stackOf(error, message);
  if (details === undefined && message === error.message && stack === textOf(error)) return error;
  const told = withoutStack(
    () =>
      new HbiError(code, message, undefined, {
        ...(reason === undefined ? {} : { reason }),
        ...(mayHaveLanded === undefined ? {} : { mayHaveLanded }),
        cause,
      }),
  );
  told.stack = stack;
  return told;
}

/** Its frames, where they are the engine's: a message, or a name, may hold what looks like some. */
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

export function logUnexpected({ error, netIdent, where }: LogEntry): void {
  if (error.code !== "internal") return;
  console.error(
    `hbi: ${netIdent} ${where}: ${error.message}${error.cause === undefined ? "" : `\n${indented(error.cause)}`}`,
  );
}
