/**
 * Rich values: `Date`, `Map`, `Set` and `URL`, which are written as `$date(…)` and land as themselves. The names are a
 * closed set of the grammar: no service can declare them, and nothing of a peer is looked up to make the value.
 * docs/landing.md, "Rich values".
 */

/** "map" and "set" have entries, which count as the keys of an object. */
export type RichKind = "date" | "map" | "set" | "url";

const KINDS: ReadonlyMap<string, RichKind> = new Map([
  ["$date", "date"],
  ["$map", "map"],
  ["$set", "set"],
  ["$url", "url"],
]);

/** The kind that a name of a call makes; undefined for every other name. */
export function richKind(name: string): RichKind | undefined {
  return name.charCodeAt(0) === 0x24 ? KINDS.get(name) : undefined; // first, as this runs for every call
}

/** The kind of a value in memory. An instance of a subclass is written as one of the class. */
export function richKindOf(value: unknown): RichKind | undefined {
  if (value instanceof Date) return "date";
  if (value instanceof Map) return "map";
  if (value instanceof Set) return "set";
  return value instanceof URL ? "url" : undefined;
}

/** The most that a Date can be before or after 1970, in milliseconds. */
const MOST_MS = 8.64e15;

/** The entries that the argument of a Map or Set has, which the limit of keys bounds: V8 hashes numbers without a seed,
 *  so a peer can choose keys that collide. */
export function entryCount(kind: RichKind, argument: unknown): number {
  return (kind === "map" || kind === "set") && Array.isArray(argument) ? argument.length : 0;
}

/** The value of a constructor with these arguments, which are plain or rich values; undefined if they are wrong. */
export function makeRich(kind: RichKind, args: readonly unknown[]): object | undefined {
  const [argument] = args;
  if (args.length !== 1) return undefined;
  switch (kind) {
    case "date": {
      const isTime = typeof argument === "number" && Number.isInteger(argument) && Math.abs(argument) <= MOST_MS;
      return isTime ? new Date(argument) : undefined;
    }
    case "map": {
      if (!Array.isArray(argument) || !argument.every(isPair)) return undefined;
      const map = new Map<unknown, unknown>(argument);
      return map.size === argument.length ? map : undefined; // a repeated key would lose an entry
    }
    case "set": {
      if (!Array.isArray(argument)) return undefined;
      const set = new Set<unknown>(argument);
      return set.size === argument.length ? set : undefined;
    }
    case "url":
      return typeof argument === "string" ? urlOf(argument) : undefined;
  }
}

function isPair(candidate: unknown): candidate is [unknown, unknown] {
  return Array.isArray(candidate) && candidate.length === 2;
}

/** Only in the form in which it is written, so that each URL has a single text. */
function urlOf(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return url.href === text ? url : undefined;
  } catch {
    return undefined;
  }
}

/** The argument that makes an equal value; undefined for an invalid date. Own members of the value are not used.
 *  @throws TypeError for what only inherits from one of the classes */
export function richArgument(kind: RichKind, value: object): unknown {
  switch (kind) {
    case "date": {
      const ms = Date.prototype.getTime.call(value);
      return Number.isNaN(ms) ? undefined : ms;
    }
    case "map":
      return [...Map.prototype.entries.call(value)];
    case "set":
      return [...Set.prototype.values.call(value)];
    case "url":
      return HREF?.call(value);
  }
}

const HREF = Object.getOwnPropertyDescriptor(URL.prototype, "href")?.get;
