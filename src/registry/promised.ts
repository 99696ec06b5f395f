/**
 * Values that may be promises. A promise is created only where something waits.
 */

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** `next` at once, or when the value is there. */
export function following(value: unknown, next: (value: unknown) => unknown): unknown {
  return isPromise(value) ? Promise.resolve(value).then(next) : next(value); // a thenable may settle twice, and its `then` may return nothing
}
