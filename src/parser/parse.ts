/**
 * Parses a peer's text: `JSON.parse` for long JSON texts, otherwise the grammar with the Scanner's tokens. All ways
 * give the same value or the same refusal.
 */
import type { Limits } from "../limits.ts";
import { parseFast, parseValueFast } from "./fast-path.ts";
import { LandingParser } from "./landing-parser.ts";
import { LandingTokenizer } from "./landing-tokenizer.ts";
import { Scanner } from "./scanner.ts";
import type { Tree } from "./tree.ts";

/** Parses a script into its statements without running anything.
 *  @throws HbiError invalid_argument, resource_exhausted, with the position and without text of the peer */
export function parseScript(text: string, limits: Limits): Tree {
  return parseFast(text, limits) ?? new LandingParser(text, limits, new Scanner(text, limits)).readScript();
}

/** Parses an object packet: one value, in which calls stand for value constructors. An empty text is null. @throws
 *  HbiError */
export function parseValue(text: string, limits: Limits): unknown {
  const value = parseValueFast(text, limits);
  return value === undefined ? new LandingParser(text, limits, new Scanner(text, limits)).readObject() : value;
}

/** Like parseScript, with acorn reading every token. Slower; the reference for the other ways. @throws HbiError */
export function parseWithAcorn(text: string, limits: Limits): Tree {
  return new LandingParser(text, limits, new LandingTokenizer(text, limits)).readScript();
}

/** Like parseValue, with acorn reading every token. @throws HbiError */
export function parseValueWithAcorn(text: string, limits: Limits): unknown {
  return new LandingParser(text, limits, new LandingTokenizer(text, limits)).readObject();
}
