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

/** Whether JavaScript takes the key for an array index: those come first in every object, by their size. */
export function isIndex(key: string): boolean {
  return key.charCodeAt(0) < 0x3a && /^(?:0|[1-9]\d{0,9})$/.test(key) && Number(key) <= LAST_INDEX;
}

/** Whether an index is far from the members before it. Dense ones may stay as V8 keeps them: they cost a few slots each. */
function isSparse(index: number, count: number): boolean {
  return index > 2 * count + 1;
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
  if (count > 0 && isSparse(last, count - 1)) makeSparse(object);
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

/** Whether a text may be that of an integer, by its first character. */
export function mayBeInteger(key: string): boolean {
  const code = key === "" ? 0 : key.charCodeAt(0);
  return code >= 0x2d && code <= 0x39;
}

const INTEGER = /^(?:0|-?[1-9]\d*)$/;

/** The keys of an object some of which are integers, or may be. They become texts, as JSON writes them; beside texts that look the same
 *  nobody could tell which were which. */
export class IntegerKeys {
  #areTexts: boolean | undefined;
  #isSparse = false;
  /** the first key that can't be a member, in words, and where it stands */
  wrong: string | undefined;
  wrongAt = 0;
  /** of that key and all behind it: calls may stand in them */
  values: unknown[] = NO_VALUES;

  /** Gives the key as a text.
   *  @param object has the `count` members before this one */
  take(key: string | number | bigint | OddKey, object: object, count: number, at: number): string {
    if (key instanceof OddKey) return this.#refuse(key.name, at);
    const isText = typeof key === "string";
    if (isText && !INTEGER.test(key)) return key;
    const name = isText ? key : String(key);
    if (this.#areTexts === !isText) return this.#refuse(`${name} among integers and texts that look like some`, at);
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

/** Never written to: there is something wrong before there are values. */
const NO_VALUES: unknown[] = [];
