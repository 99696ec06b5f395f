/**
 * What logs tell of a call: its method, peer, duration, size and outcome, and the fields that the application adds for
 * the peer. docs/handlers.md, "Logs".
 */
import { type Code, type HbiError, oneLine } from "../../errors.ts";
import { Call, type Tree } from "../../parser/tree.ts";

/** What an application adds to every entry about a peer, such as its tenant. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** A call, as far as it has come. Each text is one printable line. */
export interface CallSummary {
  /** `in`: made by the peer; `out`: made by this side */
  readonly direction: "in" | "out";
  /** "add"; "add, sub" for a script of several calls; "" for a text that cannot be read */
  readonly method: string;
  /** the number of its conversation on this connection: "101" */
  readonly conversation: string;
  /** the address of the other side: "127.0.0.1:51034" */
  readonly peer: string;
  /** from its arrival, or from when it was made, until now or until its last byte was handed over, streamed data
   *  included */
  readonly durationMs: number;
  /** code, objects and raw data, received and sent; what is sent as text counts by its characters */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A call that has ended. */
export interface CallEntry extends CallSummary {
  readonly code: "ok" | Code;
  /** why it failed; `cause` is the original exception */
  readonly error: HbiError | undefined;
  readonly fields: LogFields;
}

export const NO_FIELDS: LogFields = {};

/** Values may come from a peer, so texts become one line. Anything that is no plain value becomes text. */
export function printableFields(given: unknown): LogFields {
  if (typeof given !== "object" || given === null) return NO_FIELDS;
  const fields: Record<string, LogFields[string]> = {};
  for (const [key, value] of Object.entries(given as Readonly<Record<string, unknown>>)) {
    if (value === undefined) continue;
    const isPlain = typeof value === "number" || typeof value === "boolean" || value === null;
    fields[oneLine(key)] = isPlain ? value : oneLine(String(value));
  }
  return fields;
}

/** The names of a script's statements. */
export function methodsOf(tree: Tree): string {
  const [first] = tree;
  if (tree.length === 1 && first instanceof Call) return first.name;
  return tree.map((statement) => (statement instanceof Call ? statement.name : "-")).join(", ");
}

/** The first name in a script that was refused before it was parsed. */
export function firstMethod(text: string): string {
  return /^[\w.$]{1,128}(?=\()/.exec(text)?.[0] ?? "";
}

/** Whether it is a message of the library, which no log of calls contains. */
export function isOwnMessage(method: string): boolean {
  return method.startsWith("$hbi.");
}
