/**
 * Parsing at any time, also of rare tokens: what imports this file has acorn from the beginning.
 */
import type { Limits } from "../limits.ts";
import { LandingParser } from "./landing-parser.ts";
import * as landing from "./landing-reader.ts";
import { LandingTokenizer } from "./landing-tokenizer.ts";
import { RARE_TOKENS } from "./rare-tokens.ts";
import type { Tree } from "./tree.ts";

RARE_TOKENS.provide(LandingTokenizer); // a bundler keeps this only with something of this file

/** Parses a script into its statements without running anything.
 *  @throws HbiError invalid_argument, resource_exhausted, with the position and without text of the peer */
export function parseScript(text: string, limits: Limits): Tree {
  return landing.parseScript(text, limits);
}

/** Parses an object packet: one value, in which calls stand for value constructors. An empty text is null. @throws
 *  HbiError */
export function parseValue(text: string, limits: Limits): unknown {
  return landing.parseValue(text, limits);
}

/** Like parseScript, with acorn reading every token. Slower; the reference for the other ways. @throws HbiError */
export function parseWithAcorn(text: string, limits: Limits): Tree {
  return new LandingParser(text, limits, new LandingTokenizer(text, limits)).readScript();
}

/** Like parseValue, with acorn reading every token. @throws HbiError */
export function parseValueWithAcorn(text: string, limits: Limits): unknown {
  return new LandingParser(text, limits, new LandingTokenizer(text, limits)).readObject();
}
