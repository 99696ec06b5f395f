/**
 * The process of the parse job: calls functions of this library and their components repeatedly.
 */
import { parseScript, parseValue, repr, resolveLimits } from "hbi";
import { z } from "zod";
import type { Requests } from "../harness/child.ts";

const limits = resolveLimits({ preset: "trusted" });

const small = { action: "resize", n: 65536 };
/** about 100 KB as JSON */
const large = Array.from({ length: 2_000 }, (_, i) => ({
  id: i,
  name: `item ${i}`,
  tags: ["a", "b"],
  done: i % 2 === 0,
}));

const SmallParams = z.object({ action: z.string().max(64), n: z.int() });
const LargeParams = z.array(z.object({ id: z.int(), name: z.string(), tags: z.array(z.string()), done: z.boolean() }));

const pythonText = (value: unknown): string => repr(value, "python").replaceAll('"', "'");
const smallArguments = `"${small.action}",${small.n}`;
const largeText = JSON.stringify(large);
const largePythonText = pythonText(large);

/** Each returns a value that proves its work. */
const CASES: Readonly<Record<string, { readonly small: () => unknown; readonly large: () => unknown }>> = {
  "parseScript, JSON style": parsing(`do_job(${smallArguments})`, `do_job(${largeText})`),
  "parseScript, Python style": parsing(`do_job('${small.action}', ${small.n})`, `do_job(${largePythonText})`),
  parseValue: {
    small: () => parseValue('{"action":"resize","n":65536}', limits),
    large: () => parseValue(largeText, limits),
  },
  "parseValue, Python style": {
    small: () => parseValue("{'action': 'resize', 'n': 65536}", limits),
    large: () => parseValue(largePythonText, limits),
  },
  "JSON.parse alone": { small: () => JSON.parse(`[${smallArguments}]`), large: () => JSON.parse(largeText) },
  repr: { small: () => repr(small), large: () => repr(large) },
  "JSON.stringify alone": { small: () => JSON.stringify(small), large: () => JSON.stringify(large) },
  "zod, validation alone": { small: () => SmallParams.parse(small), large: () => LargeParams.parse(large) },
};

function parsing(smallScript: string, largeScript: string) {
  return { small: () => parseScript(smallScript, limits)[0], large: () => parseScript(largeScript, limits)[0] };
}

/** Calls between two readings of the clock. */
const BATCH_MS = 1;

export const requests = {
  rows: (): string[] => Object.keys(CASES),
  largeBytes: (): number => largeText.length,

  /** Microseconds per call. */
  run({ row, size, seconds }: { row: string; size: "small" | "large"; seconds: number }): number {
    const one = CASES[row]?.[size];
    if (one === undefined) throw new Error(`no such case: ${row}`);
    let count = 0;
    let batch = 1;
    const start = performance.now();
    let now = start;
    while (now - start < seconds * 1000) {
      for (let i = 0; i < batch; i++) if (one() === undefined) throw new Error(`${row} gives nothing`);
      count += batch;
      const previous = now;
      now = performance.now();
      if (now - previous < BATCH_MS) batch *= 2;
    }
    return ((now - start) * 1000) / count;
  },
} satisfies Requests;
