/**
 * The words for what cannot be sent, and for what to send instead.
 */
import { describe, expect, it } from "vitest";
import { articled, insteadOf, insteadOfBytes, kindOf } from "../../src/parser/kinds.ts";

class Invoice {}
const nameless = Object.create(Object.create(null)) as object;
const unfathomable = new Proxy(
  {},
  {
    getPrototypeOf() {
      throw new Error("not for the message");
    },
  },
);
/** Of another realm: it is known by the name of its class alone. */
const named = (name: string): object => new (Object.defineProperty(class {}, "name", { value: name }))();

it.each<[unknown, string]>([
  [null, "null"],
  [undefined, "undefined"],
  [[], "array"],
  [Number.NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "infinity"],
  [Number.NEGATIVE_INFINITY, "infinity"],
  [1, "number"],
  ["a", "string"],
  [1n, "bigint"],
  [true, "boolean"],
  [Symbol("s"), "symbol"],
  [() => 1, "function"],
  [{}, "object"],
  [Object.create(null), "object"],
  [unfathomable, "object"],
  [nameless, "object"],
  [new Date(0), "Date"],
  [new Invoice(), "Invoice"],
  [named("x".repeat(80)), "x".repeat(64)],
])("kindOf: %#", (value, kind) => {
  expect(kindOf(value)).toBe(kind);
});

describe("insteadOf", () => {
  it.each<[string, object, string]>([
    [
      "a plain object of another realm",
      named("Object"),
      "is an instance of a class without a name; send a plain object, or declare the class with value()",
    ],
    [
      "its own class",
      new Invoice(),
      "is an instance of Invoice; send a plain object, or declare the class with value()",
    ],
    ["no prototype", nameless, "is an object of an unknown class; send a plain object"],
    ["a proxy", unfathomable, "is an object of an unknown class; send a plain object"],
    [
      "a class without a name",
      new (class {})(),
      "is an instance of a class without a name; send a plain object, or declare the class with value()",
    ],
    ["Date", new Date(0), "is a Date; send toISOString(), or getTime()"],
    ["Map", new Map(), "is a Map; send an array of its entries: [...map]"],
    ["Set", new Set(), "is a Set; send an array: [...set]"],
    ["WeakMap", new WeakMap(), "is a WeakMap; it cannot be sent"],
    ["WeakSet", new WeakSet(), "is a WeakSet; it cannot be sent"],
    ["RegExp", /a/, "is a RegExp; send its source as a string"],
    ["Promise", Promise.resolve(), "is a Promise; await it first"],
    ["Error", new Error("e"), "is an Error; send its message"],
    ["URL", new URL("a:b"), "is a URL; send its href"],
    ["URLSearchParams", new URLSearchParams(), "is a URLSearchParams; send toString()"],
    ["ArrayBuffer", new ArrayBuffer(1), "is an ArrayBuffer; send new Uint8Array(it), or a body"],
    ["SharedArrayBuffer", new SharedArrayBuffer(1), "is a SharedArrayBuffer; send a copy as a Uint8Array, or a body"],
    ["DataView", new DataView(new ArrayBuffer(1)), "is a DataView; send a Uint8Array, or a body"],
    ["Float32Array", new Float32Array(1), "is a Float32Array; send an array of its numbers: [...it], or a body"],
    ["Blob", new Blob([]), "is a Blob; send it as a body"],
    ["File", named("File"), "is a File; send it as a body"],
    ["Response", new Response(), "is a Response; send its content as a body"],
    ["Request", new Request("a:b"), "is a Request; send its content as a body"],
    ["ReadableStream", new ReadableStream(), "is a ReadableStream; send it as a body"],
    ["Readable", named("Readable"), "is a Readable; send it as a body"],
    ["FormData", new FormData(), "is a FormData; send an array of its entries: [...it]"],
    ["Headers", new Headers(), "is a Headers; send Object.fromEntries(it)"],
    ["Number", Object(1), "is a Number; send the primitive: valueOf()"],
    ["String", Object("a"), "is a String; send the primitive: valueOf()"],
    ["Boolean", Object(true), "is a Boolean; send the primitive: valueOf()"],
  ])("$0", (_name, value, words) => {
    expect(insteadOf(value)).toBe(words);
  });
});

it.each<[unknown, string]>([
  ["text", "is a string; encode it: new TextEncoder().encode(it), or open its source without an encoding"],
  [new ArrayBuffer(1), "is an ArrayBuffer; pass new Uint8Array(it)"],
  [new SharedArrayBuffer(1), "is a SharedArrayBuffer; pass a copy: new Uint8Array(it).slice()"],
  [new Response(), "is a Response; pass its body"],
  [new Request("a:b"), "is a Request; pass its body"],
  [new FormData(), "is a FormData; pass the body of new Response(it)"],
  [new URLSearchParams(), "is a URLSearchParams; encode it: new TextEncoder().encode(String(it))"],
  [Promise.resolve(), "is a Promise; await it first"],
  [undefined, "is undefined; pass a Uint8Array, a stream or another iterable of them, or a Blob"],
  [null, "is null; pass a Uint8Array, a stream or another iterable of them, or a Blob"],
  [5, "is a number; pass a Uint8Array, a stream or another iterable of them, or a Blob"],
])("insteadOfBytes: %#", (value, words) => {
  expect(insteadOfBytes(value)).toBe(words);
});

it.each([
  ["array", "an array"],
  ["URL", "a URL"],
  ["Url", "a Url"],
  ["user", "a user"],
  ["Uint8Array", "a Uint8Array"],
  ["Error", "an Error"],
  ["Invoice", "an Invoice"],
  ["object", "an object"],
  ["Map", "a Map"],
  ["Union", "a Union"],
  ["Utility", "a Utility"],
  ["undefined", "an undefined"],
  ["Upload", "an Upload"],
])("articled(%j)", (kind, words) => {
  expect(articled(kind)).toBe(words);
});
