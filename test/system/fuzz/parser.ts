/**
 * Every way of reading a text, against acorn alone: the same value, or the same refusal at the same place.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { type LimitOptions, parseScript, parseValue, resolveLimits } from "../../../src/index.ts";
import { parseValueWithAcorn, parseWithAcorn } from "../../../src/parser/parse.ts";
import { type Verdict, verdict } from "../../parser/verdict.ts";
import { loadTranscripts } from "../conformance/load-transcripts.ts";
import { damaged, scripts } from "./scripts.ts";
import type { Found } from "./target.ts";

/** Scripts that real peers sent. */
export function recordedScripts(): string[] {
  return loadTranscripts().flatMap(({ items }) =>
    items.flatMap((item) =>
      item.kind === "packet" && /^(co_recv|co_send)?$/.test(item.directive) ? [item.payload] : [],
    ),
  );
}

/** Limits so small that generated scripts reach them, beside the usual ones. */
const SETTINGS: readonly LimitOptions[] = [
  {},
  {
    maxDepth: 3,
    maxNodes: 8,
    maxStatements: 2,
    maxCallsPerScript: 2,
    maxArguments: 2,
    maxObjectKeys: 2,
    maxNumberLength: 9,
    maxNameLength: 4,
  },
];
const LIMITS = SETTINGS.map((options) => resolveLimits(options));

/** Behind a text it changes nothing but its length: short ones are the Scanner's, long ones JSON.parse may read. */
const PADDING = " ".repeat(256);

/** The text if two ways differ: strictly, where undefined is not null, -0 not 0, and members have an order. */
export function difference(text: string): string | undefined {
  for (const limits of LIMITS) {
    for (const padded of [text, text + PADDING]) {
      const pairs: [Verdict, Verdict][] = [
        [verdict(() => parseScript(padded, limits)), verdict(() => parseWithAcorn(padded, limits))],
        [verdict(() => parseValue(padded, limits)), verdict(() => parseValueWithAcorn(padded, limits))],
      ];
      for (const [fast, slow] of pairs) if (!isDeepStrictEqual(fast, slow)) return text;
    }
  }
  return undefined;
}

export function isAccepted(text: string): boolean {
  return "tree" in verdict(() => parseScript(text, LIMITS[0] ?? resolveLimits()));
}

/** A run as long as this reads also each recorded script with each single damage. */
const EVERY_DAMAGE_FROM = 100_000;

/** Runs the property, telling how far it is. */
export function fuzzParser(runs: number, onProgress: (done: number) => void): Found {
  const recorded = recordedScripts();
  let accepted = 0;
  let done = 0;
  const check = (text: string): string | undefined => {
    done += 1;
    if (isAccepted(text)) accepted += 1;
    if (done % 10_000 === 0) onProgress(done);
    return difference(text);
  };
  for (const text of runs < EVERY_DAMAGE_FROM ? recorded : [...recorded, ...damaged(recorded)]) {
    const found = check(text);
    if (found !== undefined) return { runs: done, accepted, found };
  }
  const details = fc.check(
    fc.property(scripts(recorded), (text) => check(text) === undefined),
    { numRuns: Math.max(runs - done, 1) },
  );
  return { runs: done, accepted, found: details.failed ? details.counterexample?.[0] : undefined };
}
