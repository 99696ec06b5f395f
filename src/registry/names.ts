/**
 * Names: which identifiers may be exposed, and which belong to the library.
 */
import { failure } from "../errors.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;

/** Constants in some peer's language; a method with such a name could not be called. Those of `parser/lexicon.ts` are
 *  repeated here, because a bundle of a definition leaves out the parser. */
const CONSTANTS: ReadonlySet<string> = new Set([
  ...["null", "None", "nil", "true", "True", "false", "False"],
  ...["nan", "NaN", "inf", "Inf", "Infinity", "undefined"],
]);

/** The reference calls these hooks on connect and disconnect, and its peers can call them as well. Here, peers
 *  cannot. */
const MAGIC: ReadonlySet<string> = new Set(["__hbi_init__", "__hbi_cleanup__", "__proto__"]);

/** Checks that `name` can be exposed: dotted ASCII identifiers, not a constant, a hook or a built-in name (`HbiError`,
 *  and names with `$`).
 *  @throws HbiError invalid_argument */
export function checkName(name: string, what: string): void {
  if (!NAME.test(name) || CONSTANTS.has(name) || MAGIC.has(name) || name === "HbiError") {
    throw failure("bad_option", `${JSON.stringify(name)} cannot be the name of a ${what}`);
  }
}

/** Checks the name of a parameter or a slot, which has a single part. */
export function checkPlainName(name: string, what: string): void {
  checkName(name, what);
  if (name.includes(".")) throw failure("bad_option", `${JSON.stringify(name)} cannot be the name of a ${what}`);
}
