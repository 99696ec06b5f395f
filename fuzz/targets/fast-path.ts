/**
 * fast-path: text into every way of reading it. None can be told apart from the parser with acorn's tokens.
 */
import { Assignment, Call, HbiError, type Limits, parseScript, parseValue, resolveLimits } from "../../src/index.ts";
import { parseValueWithAcorn, parseWithAcorn } from "../../src/parser/parse.ts";
import { difference } from "../../test/system/fuzz/parser.ts";
import { inArray } from "../engine/heap.ts";
import { must, type Target, Violation } from "../engine/target.ts";
import { heldValue, MAX_BYTES_PER_CHAR, scriptInputs, scriptWords } from "./script.ts";

const decoder = new TextDecoder();
const DEFAULTS = resolveLimits();
/** The usual ones, and so small that generated scripts reach them. */
const LIMITS = [
  DEFAULTS,
  resolveLimits({
    ...{ maxDepth: 3, maxNodes: 8, maxStatements: 2, maxCallsPerScript: 2 },
    ...{ maxArguments: 2, maxObjectKeys: 2, maxNumberLength: 9, maxNameLength: 4 },
  }),
];
/** Behind a text it changes nothing but its length: short ones are the Scanner's, long ones JSON.parse may read. */
const PADDING = " ".repeat(256);

export const fastPath: Target = {
  name: "fast-path",
  about: "text into every way of reading it: the same value or the same refusal at the same place as with acorn",
  words: scriptWords,
  baseMs: 50,
  share: 16,
  inputs: scriptInputs,
  readOnce: (input) => void readOrRefusal(parseValue, decoder.decode(input), DEFAULTS),
  maxBytesPerChar: MAX_BYTES_PER_CHAR,
  held(input) {
    const text = inArray(decoder.decode(input));
    return heldValue(text, isJson(text) ? parseValue : parseValueWithAcorn);
  },
  run(input) {
    const text = decoder.decode(input);
    for (const limits of LIMITS) {
      for (const padded of [text, text + PADDING]) {
        compare(padded, limits, parseScript, parseWithAcorn);
        compare(padded, limits, parseValue, parseValueWithAcorn);
      }
    }
  },
};

/** What JSON.parse reads of a peer; the rest is read by every token of acorn's. */
function isJson(text: string | undefined): boolean {
  try {
    JSON.parse(text ?? "");
    return true;
  } catch {
    return false;
  }
}

type Read = (text: string, limits: Limits) => unknown;

function compare(text: string, limits: Limits, fast: Read, slow: Read): void {
  if (isSame(readOrRefusal(fast, text, limits), readOrRefusal(slow, text, limits))) return;
  const how = difference(text) === undefined ? "in a way that no plain value shows" : "";
  throw new Violation(`the ways differ ${how} for ${JSON.stringify(text)}`);
}

function readOrRefusal(read: Read, text: string, limits: Limits): unknown {
  try {
    return read(text, limits);
  } catch (thrown) {
    must(thrown instanceof HbiError, () => `no HbiError: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    return thrown;
  }
}

/** Strictly: undefined is not null, -0 not 0, members have an order, and a refusal has a place. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return Object.is(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof HbiError && b instanceof HbiError) return a.reason === b.reason && a.message === b.message;
  if (Array.isArray(a) && Array.isArray(b)) return isEachSame(a, b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return isEachSame(a, b);
  if (a instanceof Call && b instanceof Call) {
    const isNamedSame = isEachSame([...(a.named ?? [])].flat(), [...(b.named ?? [])].flat());
    const isOtherwiseSame = a.hasNestedCall === b.hasNestedCall && (a.named === undefined) === (b.named === undefined);
    return a.name === b.name && isEachSame(a.args, b.args) && isNamedSame && isOtherwiseSame;
  }
  if (a instanceof Assignment && b instanceof Assignment) {
    return a.name === b.name && a.hasNestedCall === b.hasNestedCall && isSame(a.value, b.value);
  }
  return isEachSame(Reflect.ownKeys(a), Reflect.ownKeys(b)) && isEachSame(Object.values(a), Object.values(b));
}

function isEachSame(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!isSame(a[i], b[i])) return false;
  return true;
}
