/**
 * What a connection can be told, and what it tells its operator.
 */
import type { Clock } from "../clock.ts";
import { type HbiError, oneLine } from "../errors.ts";
import type { LimitOptions } from "../limits.ts";

/** What the library tells an operator. `error.cause` has what must not cross the wire. */
export interface LogEntry {
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
  /** What `$hbi.describe` answers, as JSON; without it nothing is told. */
  readonly describe?: (() => string) | undefined;
  /** Nothing can be posted any more, though the socket may live on for a moment; the reason if it did not end in peace. */
  readonly onLost?: ((reason: HbiError | undefined) => void) | undefined;
  /** The peer is about to close and takes no new conversations. */
  readonly onGoAway?: ((reason: string | undefined) => void) | undefined;
  /** Default: what a handler threw unexpectedly goes to `console.error`; nothing else does. */
  readonly log?: Log;
}

type Log = (entry: LogEntry) => void;

/** What a log throws must not keep what it is told of from happening. */
export function tell(log: Log, entry: LogEntry): void {
  try {
    log(entry);
  } catch (thrown) {
    console.error("hbi: the log failed:", thrown);
  }
}

export function logUnexpected({ error, netIdent, where }: LogEntry): void {
  if (error.code === "internal") console.error(`hbi: ${netIdent} ${where}: ${oneLine(error.message)}`, error.cause);
}
