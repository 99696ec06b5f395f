/**
 * What a schema has found, in words: the author's own text if there is one, otherwise what is expected. zod formats
 * nothing, because its texts repeat the peer's input and can be thousands of times larger. No text contains a value.
 */
import type { z } from "zod";
import { type Issue, oneLine } from "../errors.ts";
import { kindOf } from "../parser/kinds.ts";

type Raw = z.core.$ZodRawIssue;
type Found = z.core.$ZodIssue;

const MAX_MESSAGE_BYTES = 256;
const MAX_KEY_BYTES = 128;
/** the text of what an author attaches, as JSON */
const MAX_PARAMS_CHARS = 1_024;
/** how many of the allowed values and of the surplus keys are named */
const MAX_NAMED = 8;
const MAX_NAMED_CHARS = 160;
const MAX_ALTERNATIVES = 3;

/** Puts a finding into words. @param value what was given to the schema that found it
 *  @param path of that value */
export function issueOf(raw: Raw, value: unknown, path: readonly (string | number)[] = []): Issue {
  const inner = plainPath(raw.path);
  const { issue, text } = nearest(raw, value, inner);
  const code = typeof issue.code === "string" ? oneLine(issue.code, 64) : "custom";
  const params = code === "custom" ? plainParams(issue as { readonly params?: unknown }) : undefined; // only these have them
  return {
    path: [...plainPath(path), ...text.path],
    code,
    message: text.message,
    ...(params === undefined ? {} : { params }),
  };
}

/** "rows.1.at", or "" for the value itself. */
export function pathText(path: readonly (string | number)[]): string {
  return path.join(".");
}

interface Worded {
  readonly issue: Raw;
  readonly text: { readonly path: readonly (string | number)[]; readonly message: string };
}

/** Of a union, the finding of the branch that was meant. */
function nearest(raw: Raw, value: unknown, path: readonly (string | number)[]): Worded {
  const given = memberAt(value, path);
  const own = ownText(raw);
  if (own === undefined && raw.code === "invalid_union") {
    const [first] = meantBranch(raw.errors ?? [], given) ?? [];
    if (first !== undefined) return nearest(first as Raw, value, [...path, ...plainPath(first.path)]); // worded like a raw one
  }
  const message = own ?? oneLine(expectation(raw, given), MAX_MESSAGE_BYTES);
  return { issue: raw, text: { path, message } };
}

/** The only branch that fits the kind of the value, its discriminators, or its members. */
function meantBranch(branches: readonly (readonly Found[])[], given: unknown): readonly Found[] | undefined {
  let left = branches;
  for (const speaksAgainst of [isOfAnotherKind, isOfAnotherVariant, (issue: Found) => isMissing(issue, given)]) {
    const fitting = left.filter((issues) => !issues.some(speaksAgainst));
    if (fitting.length > 0) left = fitting;
    else if (speaksAgainst === isOfAnotherKind) return undefined;
    if (left.length === 1) return left[0];
  }
  return undefined;
}

/** The value as a whole is not what the branch describes. */
function isOfAnotherKind({ code, path }: Found): boolean {
  return path.length === 0 && ["invalid_type", "invalid_value", "invalid_format", "invalid_union"].includes(code);
}

/** A literal member has another value, as members that tell variants apart do. */
function isOfAnotherVariant({ code, path }: Found): boolean {
  return code === "invalid_value" && path.length === 1;
}

function isMissing({ path }: Found, given: unknown): boolean {
  return path.length === 1 && memberAt(given, plainPath(path)) === undefined;
}

/** The text that the author wrote: with the finding, or with the rule or schema that found it. */
function ownText(raw: Raw): string | undefined {
  for (const read of [() => raw.message, () => errorOf(raw.inst, raw), () => errorOf(raw.schema, raw)]) {
    try {
      const text: unknown = read();
      const own = typeof text === "object" && text !== null && "message" in text ? text.message : text;
      if (typeof own === "string" && own !== "") return oneLine(own, MAX_MESSAGE_BYTES);
    } catch {
      // a function of the author that fails; the expectation says enough
    }
  }
  return undefined;
}

function errorOf(owner: Raw["inst"], raw: Raw): unknown {
  const error = (owner?._zod.def as { readonly error?: z.core.$ZodErrorMap } | undefined)?.error;
  return error?.(raw as never); // it is the kind of finding that its owner makes
}

function expectation(raw: Raw, given: unknown): string {
  switch (raw.code) {
    case "invalid_type":
      if (given === undefined) return `missing, expected ${nounOf(raw.expected)}`;
      if (String(raw.expected).includes(" ")) return `expected ${raw.expected}`; // our own bound on sparse integer keys
      return `expected ${nounOf(raw.expected)}, got ${kindOf(given)}`;
    case "too_small":
      return sizeText(raw.origin, raw.minimum, raw.exact, raw.inclusive === false ? "above" : "at least");
    case "too_big":
      return sizeText(raw.origin, raw.maximum, raw.exact, raw.inclusive === false ? "below" : "at most");
    case "invalid_format":
      return formatText(raw);
    case "not_multiple_of":
      return `must be a multiple of ${String(raw.divisor)}`;
    case "unrecognized_keys":
      return `unknown ${raw.keys.length === 1 ? "member" : "members"} ${list(raw.keys, keyText)}`;
    case "invalid_union":
      return unionText(raw, given);
    case "invalid_value":
      return `${given === undefined ? "missing, expected" : "expected"} ${valuesText(raw.values)}`;
    case "invalid_key":
      return innerText("the key is not allowed", raw.issues, "");
    case "invalid_element":
      return innerText("the element is not allowed", raw.issues, undefined);
    default:
      return "refused by a rule of the schema";
  }
}

function innerText(text: string, issues: readonly Found[], given: unknown): string {
  const [first] = issues;
  return first === undefined ? text : `${text}: ${nearest(first as Raw, given, []).text.message}`; // worded like a raw one
}

function nounOf(expected: unknown): string {
  switch (expected) {
    case "int":
      return "an integer";
    case "nonoptional":
      return "a value";
    case "never":
      return "nothing here";
    default:
      return String(expected);
  }
}

/** "must be above 0", "must have at most 3 items", "must have exactly 2 characters" */
function sizeText(origin: string, bound: number | bigint, isExact: boolean | undefined, relation: string): string {
  const noun = UNITS[origin];
  const how = isExact === true ? "exactly" : relation;
  const unit = noun === undefined ? "" : ` ${Number(bound) === 1 ? noun[0] : noun[1]}`;
  const verb = noun === undefined ? "be" : "have";
  return `must ${verb} ${how} ${origin === "date" ? new Date(Number(bound)).toISOString() : String(bound)}${unit}`;
}

const UNITS: Readonly<Record<string, readonly [one: string, many: string]>> = {
  string: ["character", "characters"],
  array: ["item", "items"],
  set: ["item", "items"],
  map: ["entry", "entries"],
  object: ["member", "members"],
  record: ["member", "members"],
  file: ["byte", "bytes"],
};

function formatText(raw: Extract<Raw, { readonly code: "invalid_format" }>): string {
  const { format, prefix, suffix, includes, pattern } = raw as Partial<Record<string, unknown>>;
  if (format === "starts_with") return `must start with ${JSON.stringify(prefix)}`;
  if (format === "ends_with") return `must end with ${JSON.stringify(suffix)}`;
  if (format === "includes") return `must contain ${JSON.stringify(includes)}`;
  if (format === "regex") return `must match the pattern ${String(pattern)}`;
  return `expected the format ${String(format)}`;
}

function unionText(raw: Extract<Raw, { readonly code: "invalid_union" }>, given: unknown): string {
  if (Array.isArray(raw.options)) {
    return `${given === undefined ? "missing, expected" : "expected"} ${valuesText(raw.options as readonly unknown[])}`; // as zod lists them
  }
  if (raw.inclusive === false) return "more than one alternative matches";
  const values: unknown[] = [];
  const kinds: string[] = [];
  for (const issues of raw.errors ?? []) {
    const issue = issues.find(isOfAnotherKind);
    if (issue?.code === "invalid_type") kinds.push(nounOf(issue.expected));
    else if (issue?.code === "invalid_value") values.push(...issue.values);
    else if (issue?.code === "invalid_format") kinds.push(`the format ${String(issue.format)}`);
  }
  const known = [...new Set([...kinds, ...(values.length > 0 ? [valuesText(values)] : [])])];
  if (known.length === 0) return alternativesText(raw.errors ?? [], given);
  if (given === undefined) return `missing, expected ${known.slice(0, MAX_NAMED).join(" or ")}`;
  const got = kinds.length === 0 || values.length > 0 ? "" : `, got ${kindOf(given)}`;
  return `expected ${known.slice(0, MAX_NAMED).join(" or ")}${got}`;
}

/** What the first alternatives refuse; they all describe values of this kind. */
function alternativesText(branches: readonly (readonly Found[])[], given: unknown): string {
  const texts = branches.slice(0, MAX_ALTERNATIVES).flatMap(([first]) => {
    if (first === undefined) return [];
    const { path, message } = nearest(first as Raw, given, plainPath(first.path)).text; // worded like a raw one
    return [path.length === 0 ? message : `${pathText(path)}: ${message}`];
  });
  return texts.length === 0 ? "no alternative matches" : `no alternative matches: ${texts.join("; or ")}`;
}

function valuesText(values: readonly unknown[]): string {
  const one = (value: unknown): string =>
    typeof value === "string" ? JSON.stringify(value) : typeof value === "bigint" ? `${value}n` : String(value);
  return values.length === 1 ? list(values, one) : `one of ${list(values, one)}`;
}

/** The first of them, and how many more there are. */
function list<T>(items: readonly T[], textOf: (item: T) => string): string {
  let text = "";
  let named = 0;
  for (const item of items.slice(0, MAX_NAMED)) {
    const next = `${named === 0 ? "" : ", "}${oneLine(textOf(item), 64)}`;
    if (named > 0 && text.length + next.length > MAX_NAMED_CHARS) break;
    text += next;
    named += 1;
  }
  return named === items.length ? text : `${text} and ${items.length - named} more`;
}

/** A peer chooses the keys of a record and surplus members. */
function keyText(key: string): string {
  return JSON.stringify(oneLine(key.slice(0, 64), 64));
}

function plainPath(path: readonly PropertyKey[] | undefined): (string | number)[] {
  return (path ?? []).map((part) =>
    typeof part === "number" ? part : oneLine(String(part).slice(0, MAX_KEY_BYTES), MAX_KEY_BYTES),
  );
}

/** Own data members only: nothing of a caller's object runs. */
function memberAt(value: unknown, path: readonly (string | number)[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.getOwnPropertyDescriptor(at, part)?.value;
  }
  return at;
}

function plainParams({ params }: { readonly params?: unknown }): Issue["params"] {
  return isRecord(params) ? boundedParams(params) : undefined;
}

/** Plain data, if it is short. */
export function boundedParams(params: Readonly<Record<string, unknown>>): Issue["params"] {
  try {
    const text = JSON.stringify(params);
    return text.length <= MAX_PARAMS_CHARS ? (JSON.parse(text) as Issue["params"]) : undefined; // an object, as given
  } catch {
    return undefined; // without a textual form, it cannot cross either
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
