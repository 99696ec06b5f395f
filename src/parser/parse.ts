/**
 * Reading text of a peer: the fast path where it is sure, acorn otherwise. Both give the same value or the same refusal.
 */
import type { Limits } from "../limits.ts";
import { parseFast, parseValueFast } from "./fast-path.ts";
import { parseValueWithAcorn, parseWithAcorn } from "./landing-parser.ts";
import type { Tree } from "./tree.ts";

/** Reads a script into its statements; nothing of it is run.
 *  @throws HbiError invalid_argument, resource_exhausted, with the position and without any text of the peer */
export function parseScript(text: string, limits: Limits): Tree {
  return parseFast(text, limits) ?? parseWithAcorn(text, limits);
}

/** Reads an object packet: one value, in which calls stand for value constructors; nothing is null. @throws HbiError */
export function parseValue(text: string, limits: Limits): unknown {
  const value = parseValueFast(text, limits);
  return value === undefined ? parseValueWithAcorn(text, limits) : value;
}
