/**
 * Reading text of a peer: JSON.parse where it is long and JSON, otherwise the grammar, on the Scanner's tokens. All give the same
 * value or the same refusal.
 */
import type { Limits } from "../limits.ts";
import { parseFast, parseValueFast } from "./fast-path.ts";
import { LandingParser } from "./landing-parser.ts";
import { LandingTokenizer } from "./landing-tokenizer.ts";
import { Scanner } from "./scanner.ts";
import type { Tree } from "./tree.ts";

/** Reads a script into its statements; nothing of it is run.
 *  @throws HbiError invalid_argument, resource_exhausted, with the position and without any text of the peer */
export function parseScript(text: string, limits: Limits): Tree {
  return parseFast(text, limits) ?? new LandingParser(text, limits, new Scanner(text, limits)).readScript();
}

/** Reads an object packet: one value, in which calls stand for value constructors; nothing is null. @throws HbiError */
export function parseValue(text: string, limits: Limits): unknown {
  const value = parseValueFast(text, limits);
  return value === undefined ? new LandingParser(text, limits, new Scanner(text, limits)).readObject() : value;
}

/** As parseScript, with every token by acorn: slower, and what the other ways are compared with. @throws HbiError */
export function parseWithAcorn(text: string, limits: Limits): Tree {
  return new LandingParser(text, limits, new LandingTokenizer(text, limits)).readScript();
}

/** As parseValue, with every token by acorn. @throws HbiError */
export function parseValueWithAcorn(text: string, limits: Limits): unknown {
  return new LandingParser(text, limits, new LandingTokenizer(text, limits)).readObject();
}
