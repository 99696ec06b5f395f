/**
 * What reads the rare tokens: acorn, with the LandingTokenizer, on demand. `parse.ts` provides it, which every program
 * without a bundler loads.
 */
import type { Limits } from "../limits.ts";
import { OnDemand } from "../on-demand.ts";
import type { Tokens } from "./tokens.ts";

/** Reads the token that begins at `pos`. */
export interface RareTokens extends Tokens {
  pos: number;
}

type Reader = new (text: string, limits: Limits) => RareTokens;

export const RARE_TOKENS: OnDemand<Reader> = new OnDemand(
  "acorn",
  async () => (await import("./landing-tokenizer.ts")).LandingTokenizer,
);

/** @throws Error if they cannot be read yet */
export function rareTokens(text: string, limits: Limits): RareTokens {
  const { part } = RARE_TOKENS;
  if (part === undefined) throw new Error("acorn is not loaded");
  return new part(text, limits);
}
