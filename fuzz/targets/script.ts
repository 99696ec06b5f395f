/**
 * script: text into the parser. A value of plain data within the limits, or a refusal that says where and nothing else; what is
 * written of a value is read as the same.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { Assignment, Call, type Limits, parseScript, parseValue, repr, resolveLimits } from "../../src/index.ts";
import { ODD_OBJECT } from "../../src/parser/tree.ts";
import { plain } from "../../test/parser/verdict.ts";
import { recordedScripts } from "../../test/system/fuzz/parser.ts";
import { scripts } from "../../test/system/fuzz/scripts.ts";
import { checkError, checkText } from "../engine/guards.ts";
import { inArray } from "../engine/heap.ts";
import { type Held, must, type Target } from "../engine/target.ts";

const LIMITS = [resolveLimits(), resolveLimits({ preset: "trusted" }), resolveLimits({ maxDepth: 4, maxNodes: 12 })];
const [DEFAULTS = resolveLimits(), TRUSTED = resolveLimits()] = LIMITS;
/** Of what the parser makes: `b'',` is a Uint8Array of 200 bytes, `{9:` an object of 210. */
export const MAX_BYTES_PER_CHAR = 64;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Grammar and the words of every peer: shared by what reads scripts. */
export const scriptInputs = fc
  .oneof({ weight: 9, arbitrary: scripts(recordedScripts()) }, { weight: 1, arbitrary: nested() })
  .map((text) => encoder.encode(text));
export const scriptWords: readonly string[] = [
  ...["$date(", "$map([[", "$set([", "$url("],
  ...[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "=",
    ";",
    "\n",
    ".",
    "-",
    "'",
    '"',
    "\\",
    "#",
    "/*",
    "*/",
    "//",
    "`",
    "=>",
  ],
  ...[
    "None",
    "undefined",
    "True",
    "nil",
    "nil<nil>",
    "NaN",
    "+Inf",
    "0x",
    "1e400",
    "-0",
    "1_0",
    "10n",
    "b'\\xff'",
    "\\u005f",
    "\\U0001f600",
  ],
  ...["__proto__", "constructor", "f(", "a.b(", "new ", "import(", "...", "\u2028", "\ud83d\ude00"],
];

export const script: Target = {
  name: "script",
  about: "text into the parser: plain data within the limits, or a short refusal; what is written is read as the same",
  words: scriptWords,
  baseMs: 50,
  share: 32,
  inputs: scriptInputs,
  readOnce(input) {
    const text = decoder.decode(input);
    readOrRefuse(() => parseScript(text, DEFAULTS), text);
  },
  maxBytesPerChar: MAX_BYTES_PER_CHAR,
  held: (input) => heldValue(inArray(decoder.decode(input)), parseValue),
  run(input) {
    const text = decoder.decode(input);
    for (const limits of LIMITS) {
      const tree = readOrRefuse(() => parseScript(text, limits), text);
      if (tree !== undefined) {
        must(tree.length <= limits.maxStatements, "more statements than allowed");
        checkTree(tree, limits);
      }
      const value = readOrRefuse(() => [parseValue(text, limits)], text);
      if (value !== undefined) {
        checkTree(value, limits);
        checkWritten(value[0], limits);
      }
    }
  },
};

/** Undefined if it is not read. */
export function heldValue(text: string | undefined, read: (text: string, limits: Limits) => unknown): Held | undefined {
  if (text === undefined) return undefined;
  try {
    read(text, TRUSTED);
  } catch {
    return undefined; // `run` has looked at why
  }
  return { chars: text.length, read: () => read(text, TRUSTED) };
}

/** As deep as the limits, or a little deeper. */
function nested(): fc.Arbitrary<string> {
  const pair = fc.constantFrom(["[", "]"], ["(", ",)"], ['{"a":', "}"], ["f(", ")"], ["f(a=", ")"]);
  const depth = fc.oneof(fc.integer({ min: 2, max: 7 }), fc.integer({ min: 30, max: 34 }));
  return depth
    .chain((n) => fc.array(pair, { minLength: n, maxLength: n }))
    .map(
      (pairs) =>
        `${pairs.map(([open]) => open).join("")}1${pairs
          .map(([, close]) => close)
          .reverse()
          .join("")}`,
    );
}

function readOrRefuse<T>(read: () => T, text: string): T | undefined {
  try {
    return read();
  } catch (thrown) {
    checkError(thrown);
    const told = /line \d+, column \d+$/.test(thrown.message) || thrown.code === "resource_exhausted" || text === "";
    must(told, () => `it does not say where: ${thrown.message}`);
    return undefined;
  }
}

/** No deeper, no more, and of no other kinds than the limits and the grammar say. */
function checkTree(tree: readonly unknown[], { maxDepth, maxNodes }: Limits): void {
  let nodes = 0;
  const walk = (value: unknown, depth: number): void => {
    nodes += 1;
    must(depth <= maxDepth, () => `deeper than ${maxDepth}`);
    for (const part of partsOf(value)) walk(part, value instanceof Assignment ? depth : depth + 1);
  };
  for (const value of tree) walk(value, 0);
  must(nodes <= maxNodes + tree.length, () => `${nodes} values, ${maxNodes} are allowed`);
}

function partsOf(value: unknown): readonly unknown[] {
  if (value instanceof Call && value.name === ODD_OBJECT) return oddPartsOf(value.args);
  if (value instanceof Call) return [...value.args, ...(value.named?.values() ?? [])];
  if (value instanceof Assignment) return [value.value];
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  if (Array.isArray(value)) return value;
  if (value instanceof Date || value instanceof URL) return [];
  if (value instanceof Map) return [...value].flat(1);
  if (value instanceof Set) return [...value];
  must(Object.getPrototypeOf(value) === Object.prototype, "an object with another prototype");
  return Object.values(value);
}

/** What an object holds that has a key that none may have. */
function oddPartsOf([what, object, others]: readonly unknown[]): readonly unknown[] {
  must(
    typeof what === "string" && /, line \d+, column \d+$/.test(what),
    () => `it does not say where: ${String(what)}`,
  );
  checkText(what);
  return [...partsOf(object), ...partsOf(others)];
}

function checkWritten(value: unknown, limits: Limits): void {
  if (hasOther(value)) return;
  let written: string;
  try {
    written = repr(value, "json", limits.maxDepth);
  } catch (thrown) {
    checkError(thrown);
    return;
  }
  const again = parseValue(written, TRUSTED);
  must(isDeepStrictEqual(plain(again), plain(value)), () => `${written} is read as another value`);
}

/** Whether `repr` writes a part of it otherwise than it was read: constructors, and what has no JSON form. */
function hasOther(value: unknown): boolean {
  if (value instanceof Call || value instanceof Uint8Array || value === undefined) return true;
  if (typeof value === "number" && !Number.isFinite(value)) return true;
  return partsOf(value).some(hasOther);
}
