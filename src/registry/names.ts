/**
 * Names: which identifiers may be exposed, and which are the library's own.
 */
import { failure } from "../errors.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;

/** Words that mean a constant in some peer's language: as a name they could never be called. */
const CONSTANTS: ReadonlySet<string> = new Set([
  ...["null", "None", "nil", "true", "True", "false", "False"],
  ...["nan", "NaN", "inf", "Inf", "Infinity", "undefined"],
]);

/** The reference calls these on connect and disconnect; there a peer can call them as well. Here nobody can. */
const MAGIC: ReadonlySet<string> = new Set(["__hbi_init__", "__hbi_cleanup__", "__proto__"]);

/** Throws unless `name` can be exposed: dotted ASCII identifiers, no constant, no magic name, nothing built in (`HbiError`,
 *  and everything with a `$`).
 *  @throws HbiError invalid_argument */
export function checkName(name: string, what: string): void {
  if (!NAME.test(name) || CONSTANTS.has(name) || MAGIC.has(name) || name === "HbiError") {
    throw failure("bad_option", `${JSON.stringify(name)} cannot be the name of a ${what}`);
  }
}

/** A parameter or a slot: a name of one part. */
export function checkPlainName(name: string, what: string): void {
  checkName(name, what);
  if (name.includes(".")) throw failure("bad_option", `${JSON.stringify(name)} cannot be the name of a ${what}`);
}
