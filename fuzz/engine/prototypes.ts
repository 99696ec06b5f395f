/**
 * Prototypes: built-in objects must stay unchanged. Nothing may be added, removed or replaced; changes can be undone.
 */
import { Violation } from "./target.ts";

const MADE = [
  ...[Object, Array, Function, String, Number, Boolean, BigInt, Symbol, RegExp, Date, Error, Promise],
  ...[Map, Set, WeakMap, WeakSet, ArrayBuffer, DataView, Uint8Array, TextDecoder, TextEncoder, AbortController],
];
const LOOKED_AT: readonly object[] = [
  ...MADE.flatMap((made) => [made, made.prototype as object]),
  ...[[].values(), new Map().values(), (function* () {})(), (async function* () {})()].map(Object.getPrototypeOf),
  ...[Object.getPrototypeOf(Uint8Array), Object.getPrototypeOf(Uint8Array.prototype), JSON, Math, Reflect],
];

type Key = string | symbol;

interface Kept {
  readonly object: object;
  readonly keys: readonly Key[];
  readonly descriptors: ReadonlyMap<Key, PropertyDescriptor>;
  /** Properties with a value: reading it is cheaper than reading a descriptor. */
  readonly values: readonly (readonly [Key, unknown])[];
  readonly accessors: readonly Key[];
}

/** Not where a test runner or coverage counts calls. */
const IGNORED = new Set<Key>(["stackTraceLimit", "prepareStackTrace", "caller", "arguments"]);
const AS_THEY_ARE: readonly Kept[] = LOOKED_AT.map((object) => {
  const keys = Reflect.ownKeys(object);
  const looked = keys.filter((key) => !IGNORED.has(key));
  const descriptors = new Map(looked.map((key) => [key, Reflect.getOwnPropertyDescriptor(object, key) ?? {}]));
  const values = [...descriptors].filter(([, it]) => "value" in it).map(([key, it]) => [key, it.value] as const);
  const accessors = [...descriptors].filter(([, it]) => !("value" in it)).map(([key]) => key);
  return { object, keys, descriptors, values, accessors };
});

/** @throws Violation */
export function checkPrototypes(): void {
  for (const kept of AS_THEY_ARE) {
    const changed = changedKey(kept);
    if (changed !== undefined) throw new Violation(`${nameOf(kept.object)}: ${String(changed)} was changed`);
  }
  for (const key in {}) throw new Violation(`every object has ${key}`);
}

/** Undoes changes, so that the inputs can be run again one by one to find the cause. */
export function restorePrototypes(): void {
  for (const { object, keys, descriptors } of AS_THEY_ARE) {
    for (const key of Reflect.ownKeys(object)) if (!keys.includes(key)) Reflect.deleteProperty(object, key);
    for (const [key, descriptor] of descriptors) Reflect.defineProperty(object, key, descriptor);
  }
}

function changedKey({ object, keys, descriptors, values, accessors }: Kept): Key | undefined {
  const own = Reflect.ownKeys(object);
  if (own.length !== keys.length) {
    return own.find((key) => !keys.includes(key)) ?? keys.find((key) => !own.includes(key));
  }
  for (const [key, value] of values) {
    if (!Object.is((object as Record<Key, unknown>)[key], value)) return key; // any key may be read
  }
  for (const key of accessors) {
    const now = Reflect.getOwnPropertyDescriptor(object, key);
    const was = descriptors.get(key);
    if (now === undefined || now.get !== was?.get || now.set !== was?.set) return key;
  }
  return undefined;
}

function nameOf(object: object): string {
  if (typeof object === "function") return object.name;
  const made = object.constructor;
  return `${typeof made === "function" ? made.name : ""}.prototype`;
}
