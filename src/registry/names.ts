/**
 * Names: which identifiers may be exposed, and which belong to the library. A name that the reader of a call would
 * refuse is refused where it is declared, with what to use instead.
 */
import { failure } from "../errors.ts";

const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;
const DOTTED = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$/;

/** Constants in some peer's language; a method with such a name could not be called. Those of `parser/lexicon.ts` are
 *  repeated here, because a bundle of a definition leaves out the parser. */
const CONSTANTS: ReadonlySet<string> = new Set([
  ...["null", "None", "nil", "true", "True", "false", "False"],
  ...["nan", "NaN", "inf", "Inf", "Infinity", "undefined"],
]);

/** The reference calls these hooks on connect and disconnect, and its peers can call them as well. Here, peers
 *  cannot. */
const MAGIC: ReadonlySet<string> = new Set(["__hbi_init__", "__hbi_cleanup__", "__proto__"]);

/** What a reader bounds in a call. */
export interface CallLimits {
  readonly maxNameLength: number;
  readonly maxNameParts: number;
  readonly maxArguments: number;
  readonly maxObjectKeys: number;
}

/** What every reader of this library accepts: the public preset, repeated for the same reason as the constants. */
export const READ_BY_ALL: CallLimits = { maxNameLength: 64, maxNameParts: 8, maxArguments: 64, maxObjectKeys: 1_000 };

/** Of names that no reader of this library meets: that of a service, and methods of another program. */
export const NOT_READ: CallLimits = { ...READ_BY_ALL, maxNameLength: Infinity, maxNameParts: Infinity };

/** Checks that a call of `name` can be read: dotted ASCII identifiers within the limits, not a constant, a hook or a
 *  built-in name (`HbiError`, and names with `$`).
 *  @throws HbiError invalid_argument, with the reason */
export function checkName(name: string, what: string, limits = READ_BY_ALL, form = DOTTED): void {
  if (typeof name !== "string" || name === "") refuse(name, what, "it must be a text of at least one letter");
  if (CONSTANTS.has(name)) refuse(name, what, "it is a constant in JavaScript, Python or Go");
  if (MAGIC.has(name)) refuse(name, what, "it has a meaning of its own in JavaScript or HBI");
  if (name === "HbiError") refuse(name, what, "it is the constructor of errors");
  if (form.test(name)) checkLength(name, what, limits);
  else refuse(name, what, name.includes("$") ? "names with $ belong to the library" : otherwise(name, form));
}

/** Checks the name of a parameter or a slot, which has a single part. An omitted parameter must read as undefined, which
 *  a member that every object has does not. */
export function checkPlainName(name: string, what: string): void {
  checkName(name, what, READ_BY_ALL, PLAIN);
  if (name in Object.prototype) refuse(name, what, "in JavaScript, every object has a member of this name");
}

function otherwise(name: string, form: RegExp): string {
  const words = name.split(/[^A-Za-z0-9_]+/).filter((word) => word !== "");
  const tries = (form === PLAIN ? ["_"] : [".", "_"]).map((by) => words.join(by).replace(/^(?=\d)/, "_"));
  const instead = [...new Set(tries)].filter((text) => form.test(text)).map(quoted);
  const rule = "a name consists of ASCII letters, digits and _, and begins with no digit";
  return instead.length === 0 ? rule : `${rule}; try ${instead.join(" or ")}`;
}

function checkLength(name: string, what: string, { maxNameLength, maxNameParts }: CallLimits): void {
  const parts = name.split(".");
  const longest = Math.max(...parts.map((part) => part.length));
  if (longest > maxNameLength) {
    const where = parts.length === 1 ? "it" : "a part of it";
    refuse(name, what, `${where} has ${longest} characters, and at most ${maxNameLength} are read (maxNameLength)`);
  }
  if (parts.length > maxNameParts) {
    refuse(
      name,
      what,
      `it has ${parts.length} parts between dots, and at most ${maxNameParts} are read (maxNameParts)`,
    );
  }
}

interface Readable {
  readonly signature: { readonly names: readonly string[]; readonly isByName: boolean };
}

/** Checks that calls of the methods are read within the limits of the side that hosts them.
 *  @throws HbiError invalid_argument, naming the limit to raise */
export function checkReadable(methods: Readonly<Record<string, Readable>>, limits: CallLimits): void {
  for (const [name, { signature }] of Object.entries(methods)) {
    const { names, isByName } = signature;
    checkName(name, "method", limits);
    for (const parameter of names) checkLength(parameter, `parameter of ${name}`, limits);
    const limit = isByName ? "maxObjectKeys" : "maxArguments";
    if (names.length <= limits[limit]) continue;
    throw failure(
      "bad_option",
      `${name} has ${names.length} parameters, and at most ${limits[limit]} are read (${limit})`,
    );
  }
}

function refuse(name: unknown, what: string, reason: string): never {
  throw failure("bad_option", `${quoted(name)} cannot be the name of a ${what}: ${reason}`);
}

const MAX_SHOWN = 80;

function quoted(name: unknown): string {
  const text = String(name);
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}
