/**
 * Parses a peer's text: `JSON.parse` for long JSON texts, otherwise the grammar with the Scanner's tokens. All ways
 * give the same value or the same refusal. As long as acorn is not loaded, only what `isReadable` may be parsed.
 */
import type { Limits } from "../limits.ts";
import { isFast, parseFast, parseValueFast } from "./fast-path.ts";
import { LandingParser } from "./landing-parser.ts";
import { RARE_TOKENS } from "./rare-tokens.ts";
import { Scanner } from "./scanner.ts";
import { END } from "./tokens.ts";
import type { Tree } from "./tree.ts";

/** Parses a script. @throws HbiError */
export function parseScript(text: string, limits: Limits): Tree {
  return parseFast(text, limits) ?? new LandingParser(text, limits, new Scanner(text, limits)).readScript();
}

/** Parses an object packet. @throws HbiError */
export function parseValue(text: string, limits: Limits): unknown {
  const value = parseValueFast(text, limits);
  return value === undefined ? new LandingParser(text, limits, new Scanner(text, limits)).readObject() : value;
}

/** Whether the text can be parsed now, under these limits and those of any method: acorn is loaded, or no token needs
 *  it. */
export function isReadable(text: string, limits: Limits): boolean {
  if (RARE_TOKENS.part !== undefined || isFast(text, limits)) return true;
  const tokens = new Scanner(text, { ...limits, maxNumberLength: Number.POSITIVE_INFINITY }); // refuses nothing
  try {
    do tokens.next();
    while (tokens.kind !== END);
    return true;
  } catch {
    return false;
  }
}
