/**
 * preload: what a bundle loads on demand, ahead of time. docs/performance.md, "What a client loads".
 */
import { STREAMING } from "./endpoints/service/outgoing.ts";
import { CONVERSING } from "./endpoints/session/conversing.ts";
import { LANES } from "./endpoints/session/lane-supply.ts";
import { RARE_TOKENS } from "./parser/rare-tokens.ts";

/** Loads every part that a call or a text may need, so that none is missing later, when the server of the page cannot be
 *  reached. Resolves at once where all are there, as they are without a bundler. What compares definitions, and reads
 *  descriptions, is not among them.
 *  @throws HbiError not_loaded, with the cause; another attempt may succeed */
export async function preload(): Promise<void> {
  await Promise.all(
    [RARE_TOKENS, CONVERSING, STREAMING, LANES].map((part: { load(): Promise<unknown> }) => part.load()),
  );
}
