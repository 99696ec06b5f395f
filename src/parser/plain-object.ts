/**
 * Plain data, also that of another realm: an object of a vm context or of a test environment has the prototypes of that
 * realm, so `instanceof` and a comparison with `Object.prototype` do not recognise it.
 */

/** Whether it is an object as a literal or `JSON.parse` makes it, of any realm. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/** Whether it is a Uint8Array of any realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]";
}
