/**
 * Members of plain objects, made so that an object costs what its members do. For keys such as 1023 and 2574 V8 reserves thousands of
 * slots in an object that is young, 31 KiB for 16 characters of text; one whose indexes it keeps as a dictionary costs 0.2 KiB.
 */

/** The last array index. So far behind all others none is reserved, and from then on V8 keeps the indexes as a dictionary for good. */
const LAST_INDEX = 2 ** 32 - 2;

/** Makes a member as JSON.parse does: its own, whatever the prototype has under that name (a setter, a frozen method). */
export function setMember(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key in Object.prototype) {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else object[key] = value;
}

/** Whether an object of so many members should be made sparse before it has this key as well. Dense indexes may stay as V8 keeps them:
 *  they cost a few slots each. */
export function isSparseKey(key: string, count: number): boolean {
  return isIndex(key) && Number(key) > 2 * count;
}

/** Whether JavaScript takes the key for an array index: those come first in every object, by their size. */
export function isIndex(key: string): boolean {
  return key.charCodeAt(0) < 0x3a && /^(?:0|[1-9]\d{0,9})$/.test(key) && Number(key) <= LAST_INDEX;
}

/** From now on each index of the object costs the same, however large it is. */
export function makeSparse(object: object): void {
  if (Object.hasOwn(object, LAST_INDEX) || !Object.isExtensible(object)) return;
  const members = object as Record<number, unknown>;
  members[LAST_INDEX] = undefined;
  Reflect.deleteProperty(members, LAST_INDEX);
}

/** The same object, made sparse if its indexes are. For one that somebody else has made. */
export function compact<T extends object>(object: T): T {
  let count = 0;
  let last = 0;
  for (const key in object) {
    if (!isIndex(key)) break; // they come first
    count += 1;
    last = Number(key);
  }
  if (last > 2 * count) makeSparse(object);
  return object;
}

/** A key that names no member here, in words. */
export class OddKey {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** The key that a value is: an integer, else an odd one. Of a float only the value is known: 1.0 is the key 1 to Python as well. */
export function integerKey(value: unknown): bigint | number | OddKey {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return value as bigint | number;
  if (Array.isArray(value)) return new OddKey("a tuple");
  if (value instanceof Uint8Array) return new OddKey("bytes");
  return new OddKey(typeof value === "object" && value !== null ? "an object" : String(value));
}

/** The keys of an object one of which is no text. Integers become text, as JSON writes them, and must not meet the same text. */
export class OddKeys {
  readonly #integers = new Set<string>();
  /** the first that can't be a member, in words, and where it stands */
  wrong: string | undefined;
  wrongAt = 0;
  /** of that key and all behind it: calls may stand in them */
  readonly values: unknown[] = [];

  /** @param object has the members of the keys so far */
  add(key: string | number | bigint | OddKey, object: object, at: number): void {
    if (this.wrong !== undefined) return;
    this.wrong = this.#wrongWith(key, object);
    if (this.wrong !== undefined) this.wrongAt = at;
  }

  #wrongWith(key: string | number | bigint | OddKey, object: object): string | undefined {
    if (key instanceof OddKey) return key.name;
    const name = String(key);
    const isInteger = typeof key !== "string";
    const isClash = this.#integers.has(name) ? !isInteger : isInteger && Object.hasOwn(object, name);
    if (isInteger) this.#integers.add(name);
    return isClash ? `${name} as a number and as a text` : undefined;
  }
}
