/**
 * Options of public functions. Each function has a table of its options and what they must be. Everything else is
 * refused: if a misspelt `authorize` were ignored, the server would permit every call. Must not know any option.
 * docs/errors.md, "Wrong options".
 */
import { failure, type HbiError, ownError } from "./errors.ts";

/** Checks one option. `name` is its path, such as "reconnect.jitter"; `owner` is the function.
 *  @throws HbiError invalid_argument */
export interface OptionCheck {
  (value: unknown, name: string, owner: string): void;
  /** of an option that is an object of options */
  readonly table?: OptionTable;
}
export type OptionTable = Readonly<Record<string, OptionCheck>>;

/** The table of an options type: it must contain every option, and no other. */
export type OptionsOf<T> = Readonly<Record<keyof T & string, OptionCheck>>;

/** Refuses what is no plain object, and every member that the table does not know. A member that is undefined counts as
 *  absent. Calls pass here: nothing is allocated for known options.
 *  @throws HbiError invalid_argument */
export function checkOptions(options: unknown, owner: string, table: OptionTable, path = ""): void {
  if (options === undefined) return;
  let at = path.slice(0, -1);
  try {
    if (!isPlainObject(options)) {
      const what = path === "" ? `the options of ${owner}` : at;
      throw failure("bad_option", `${what} must be a plain object, not ${inWords(options)}`);
    }
    for (const key in options) {
      at = path + key;
      const value = options[key];
      if (value === undefined) continue;
      if (!Object.hasOwn(table, key)) throw unknownOption(key, owner, table, path);
      table[key]?.(value, at, owner);
    }
  } catch (thrown) {
    throw unreadable(thrown, at === "" ? `the options of ${owner}` : at);
  }
}

/** What reading an object of the application has thrown: its getters and Proxies are code of the application. An
 *  HbiError is kept, anything else becomes the cause of one that names the member. Its text may reach a peer, so it
 *  says nothing else of the cause. */
export function unreadable(thrown: unknown, what: string): HbiError {
  const why = `${what} cannot be read: its getter or Proxy has thrown`;
  return ownError(thrown) ?? failure("bad_option", why, { cause: thrown });
}

/** Reads something of the application. @throws HbiError invalid_argument, naming it, if its own code throws */
export function reading<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (thrown) {
    throw unreadable(thrown, what);
  }
}

/** The own members of a record of the application, each read once. @throws HbiError as `reading` */
export function membersOf(record: object, what: string): [name: string, member: unknown][] {
  const names = reading(() => Object.keys(record), what);
  return names.map((name) => [name, reading(() => Reflect.get(record, name), `${what}.${name}`)]);
}

/** Refuses a map by name, such as `concurrency` by method, that names something unknown or has an invalid member.
 *  @throws HbiError invalid_argument */
export function checkMap(map: unknown, option: string, known: object, check: OptionCheck): void {
  if (map === undefined) return;
  if (!reading(() => isPlainObject(map), option)) {
    throw failure("bad_option", `${option} must be a plain object, not ${inWords(map)}`);
  }
  for (const [name, value] of membersOf(map as object, option)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(known, name)) {
      throw failure("bad_option", `${option}: ${name} is not declared${didYouMean(name, Object.keys(known))}`);
    }
    check(value, `${option}.${name}`, option);
  }
}

/** The members of a class instance may be inherited, and would not be seen. Objects of another realm are accepted. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: object | null = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function unknownOption(key: string, owner: string, table: OptionTable, path: string): HbiError {
  const names = Object.keys(table);
  const inner = names.flatMap((name) => Object.keys(table[name]?.table ?? {}).map((member) => `${name}.${member}`));
  const hint = didYouMean(key, names, path) || didYouMean(key, inner, path) || known(names, path);
  return failure("bad_option", `unknown option "${path}${key}" of ${owner}${hint}`);
}

const MAX_LISTED = 24;

function known(names: readonly string[], path: string): string {
  if (names.length === 0 || names.length > MAX_LISTED) return "";
  return `; known: ${names.map((name) => path + name).join(", ")}`;
}

/** `; did you mean "authorize"?` if one of the names is similar, otherwise "". Of a path, the last part is compared. */
export function didYouMean(given: string, names: Iterable<string>, path = ""): string {
  const wanted = given.slice(0, MAX_COMPARED).toLowerCase();
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const last = name
      .slice(name.lastIndexOf(".") + 1)
      .slice(0, MAX_COMPARED)
      .toLowerCase();
    const distance = editDistance(wanted, last);
    const isSimilar =
      distance <= Math.ceil(wanted.length / 4) || isBeginning(wanted, last) || isBeginning(last, wanted);
    if (!isSimilar || distance >= least) continue;
    nearest = name;
    least = distance;
  }
  return nearest === undefined ? "" : `; did you mean "${path}${nearest}"?`;
}

const MAX_COMPARED = 64;
const LEAST_BEGINNING = 3;

/** "timeout" is the beginning of "timeoutms"; so is "retry" of "retries", except for its last letter. */
function isBeginning(short: string, long: string): boolean {
  return short.length > LEAST_BEGINNING && long.startsWith(short.slice(0, Math.max(short.length - 1, LEAST_BEGINNING)));
}

/** Levenshtein's; two exchanged neighbours count as one. */
function editDistance(a: string, b: string): number {
  let above: readonly number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const exchanged = isExchanged ? (above[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, exchanged, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    above = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

const MAX_SHOWN = 24;

/** What was given, for a message: `"5"`, null, an array, an instance of Foo. */
function inWords(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}...` : value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? "an array" : isPlainObject(value) ? "an object" : "a class instance";
    default:
      return String(value);
  }
}

// --- what an option must be ------------------------------------------------------------------------------------------

/** @param words what it must be: "a function" */
export function mustBe(words: string, accepts: (value: unknown) => boolean): OptionCheck {
  return (value, name) => {
    if (!accepts(value)) throw failure("bad_option", `${name} must be ${words}, not ${inWords(value)}`);
  };
}

/** An object of options. */
export function nested<T>(table: OptionsOf<T>): OptionCheck {
  const check = (value: unknown, name: string, owner: string): void => checkOptions(value, owner, table, `${name}.`);
  return Object.assign(check, { table });
}

export const aFunction = mustBe("a function", (value) => typeof value === "function");
export const aBoolean = mustBe("true or false", (value) => typeof value === "boolean");
export const aString = mustBe("a string", (value) => typeof value === "string");
export const anObject = mustBe("an object", (value) => typeof value === "object" && value !== null);
/** What its user checks itself. */
export const anything: OptionCheck = () => undefined;
export const functions = mustBe(
  "a list of functions",
  (value) => Array.isArray(value) && value.every((each) => typeof each === "function"),
);
export const aTime = mustBe("a positive number of milliseconds", (value) => typeof value === "number" && value > 0);
export const aFiniteTime = mustBe(
  "a positive, finite number of milliseconds",
  (value) => typeof value === "number" && value > 0 && Number.isFinite(value),
);
export const aPositiveInteger = mustBe(
  "a positive integer",
  (value) => Number.isSafeInteger(value) && Number(value) >= 1,
);
export const aCount = mustBe("a non-negative integer", (value) => Number.isSafeInteger(value) && Number(value) >= 0);
/** Of any realm or library. */
export const aSignal = mustBe(
  "an AbortSignal",
  (value) => isObject(value) && typeof value.aborted === "boolean" && typeof value.addEventListener === "function",
);
export const aClock = mustBe(
  "a clock, with now, after, soon and endOfTurn",
  (value) =>
    isObject(value) && ["now", "after", "soon", "endOfTurn"].every((name) => typeof value[name] === "function"),
);

export function oneOf(...words: readonly unknown[]): OptionCheck {
  const named = words.map((word) => JSON.stringify(word)).join(" or ");
  return mustBe(named, (value) => words.includes(value));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
