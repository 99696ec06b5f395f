/**
 * Members of plain objects, stored so that the cost of an object follows from its members. V8 reserves thousands of
 * slots for a young object with keys such as 1023 and 2574: 31 KiB for 16 characters of text. If V8 stores the indexes
 * as a dictionary, the object costs 0.2 KiB.
 */

/** The last array index. V8 never reserves slots up to it; after it was set, V8 stores the indexes as a dictionary
 *  permanently. */
const LAST_INDEX = 2 ** 32 - 2;

/** Sets an own member as `JSON.parse` does, even if the prototype has a setter or a frozen method of that name. */
export function setMember(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key in Object.prototype) {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else object[key] = value;
}

/** Whether the key is an array index. JavaScript orders these first in every object, by their value. */
export function isIndex(key: string): boolean {
  return key.charCodeAt(0) < 0x3a && /^(?:0|[1-9]\d{0,9})$/.test(key) && Number(key) <= LAST_INDEX;
}

/** Whether an index is far beyond the members before it. Dense indexes cost only a few slots each. */
function isSparse(index: number, count: number): boolean {
  return index > 2 * count + 1;
}

/** From now on each index of the object has the same cost, however large it is. */
export function makeSparse(object: object): void {
  if (Object.hasOwn(object, LAST_INDEX) || !Object.isExtensible(object)) return;
  const members = object as Record<number, unknown>;
  members[LAST_INDEX] = undefined;
  Reflect.deleteProperty(members, LAST_INDEX);
}

/** The same object, made sparse if its indexes are sparse. For an object that other code has created. */
export function compact<T extends object>(object: T): T {
  let count = 0;
  let last = 0;
  for (const key in object) {
    if (!isIndex(key)) break; // indexes come first
    count += 1;
    last = Number(key);
  }
  if (count > 0 && isSparse(last, count - 1)) makeSparse(object);
  return object;
}

/** A key that cannot be a member, with its description. */
export class OddKey {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** The key that a value stands for: an integer, or an OddKey. Only the value of a float is known: 1.0 is the key 1 in
 *  Python too. */
export function integerKey(value: unknown): bigint | number | OddKey {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return value as bigint | number;
  if (Array.isArray(value)) return new OddKey("a tuple");
  if (value instanceof Uint8Array) return new OddKey("bytes");
  return new OddKey(typeof value === "object" && value !== null ? "an object" : String(value));
}

/** Whether a string may be an integer, judged by its first character. */
export function mayBeInteger(key: string): boolean {
  const code = key === "" ? 0 : key.charCodeAt(0);
  return code >= 0x2d && code <= 0x39;
}

const INTEGER = /^(?:0|-?[1-9]\d*)$/;

/** The keys of an object that has, or may have, integer keys. Integers become strings, as JSON writes them. Integers
 *  beside strings of digits are refused, because they could not be told apart. */
export class IntegerKeys {
  #areTexts: boolean | undefined;
  #isSparse = false;
  /** a description of the first invalid key, and its position */
  wrong: string | undefined;
  wrongAt = 0;
  /** the value of that key and all values after it: they may contain calls */
  values: unknown[] = NO_VALUES;

  /** Returns the key as a string.
   *  @param object has the `count` members before this one */
  take(key: string | number | bigint | OddKey, object: object, count: number, at: number): string {
    if (key instanceof OddKey) return this.#refuse(key.name, at);
    const isText = typeof key === "string";
    if (isText && !INTEGER.test(key)) return key;
    const name = isText ? key : String(key);
    if (this.#areTexts === !isText) return this.#refuse(`${name} among integers and strings of digits`, at);
    this.#areTexts = isText;
    if (!this.#isSparse && isSparse(Number(key), count)) {
      this.#isSparse = true;
      makeSparse(object);
    }
    return name;
  }

  #refuse(wrong: string, at: number): string {
    if (this.wrong !== undefined) return "";
    this.wrong = wrong;
    this.wrongAt = at;
    this.values = [];
    return "";
  }
}

/** never modified: values are added only after `#refuse` has replaced it */
const NO_VALUES: unknown[] = [];
