/**
 * The kinds of values in words, and what to send instead of those that have no textual form.
 */

/** "string", "null", "array", "NaN", "Date": what a value is, without the value. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number" && !Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : "infinity";
  if (typeof value !== "object") return typeof value;
  const name = classOf(value);
  return name === undefined || name === "Object" ? "object" : name;
}

/** What to send instead of an instance of this class. */
export function insteadOf(value: object): string {
  const name = classOf(value);
  if (name === undefined) return "is an object of an unknown class; send a plain object";
  const instead = INSTEAD[name] ?? (ArrayBuffer.isView(value) ? INSTEAD["TypedArray"] : undefined);
  if (instead !== undefined) return `is ${articled(name)}; ${instead}`;
  return `is an instance of ${name === "Object" ? "a class without a name" : name}; send a plain object, or declare the class with value()`;
}

/** What to pass instead of this value, where raw data is taken. */
export function insteadOfBytes(value: unknown): string {
  const kind = kindOf(value);
  const instead = INSTEAD_OF_BYTES[kind] ?? "pass a Uint8Array, a stream or another iterable of them, or a Blob";
  if (value === null || value === undefined) return `is ${kind}; ${instead}`;
  return `is ${articled(kind)}; ${instead}`;
}

/** "an array", "a URL", "a Uint8Array" */
export function articled(kind: string): string {
  return `${/^(?:[aeioAEIO]|[uU](?![rR]|int|ni|s|ti))/.test(kind) ? "an" : "a"} ${kind}`;
}

const INSTEAD_OF_BYTES: Readonly<Record<string, string>> = {
  string: "encode it: new TextEncoder().encode(it), or open its source without an encoding",
  ArrayBuffer: "pass new Uint8Array(it)",
  SharedArrayBuffer: "pass a copy: new Uint8Array(it).slice()",
  Response: "pass its body",
  Request: "pass its body",
  FormData: "pass the body of new Response(it)",
  URLSearchParams: "encode it: new TextEncoder().encode(String(it))",
  Promise: "await it first",
};

const INSTEAD: Readonly<Record<string, string>> = {
  Date: "send toISOString(), or getTime()",
  Map: "send an array of its entries: [...map]",
  Set: "send an array: [...set]",
  WeakMap: "it cannot be sent",
  WeakSet: "it cannot be sent",
  RegExp: "send its source as a string",
  Promise: "await it first",
  Error: "send its message",
  URL: "send its href",
  URLSearchParams: "send toString()",
  ArrayBuffer: "send new Uint8Array(it), or a body",
  SharedArrayBuffer: "send a copy as a Uint8Array, or a body",
  DataView: "send a Uint8Array, or a body",
  TypedArray: "send an array of its numbers: [...it], or a body",
  Blob: "send it as a body",
  File: "send it as a body",
  Response: "send its content as a body",
  Request: "send its content as a body",
  ReadableStream: "send it as a body",
  Readable: "send it as a body",
  FormData: "send an array of its entries: [...it]",
  Headers: "send Object.fromEntries(it)",
  Number: "send the primitive: valueOf()",
  String: "send the primitive: valueOf()",
  Boolean: "send the primitive: valueOf()",
};

/** The name of its class; nothing of the object itself runs. */
function classOf(value: object): string | undefined {
  try {
    for (
      let owner: object | null = Object.getPrototypeOf(value);
      owner !== null;
      owner = Object.getPrototypeOf(owner)
    ) {
      const made: unknown = Object.getOwnPropertyDescriptor(owner, "constructor")?.value;
      if (typeof made !== "function") continue;
      const name: unknown = Object.getOwnPropertyDescriptor(made, "name")?.value;
      if (typeof name === "string" && name !== "") return name.slice(0, 64);
    }
    return undefined;
  } catch {
    return undefined; // a proxy
  }
}
