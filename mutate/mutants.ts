/**
 * The mutants of a folder: what Stryker's mutators make of its files, without those that the list of equivalent ones names.
 */
import { readFileSync } from "node:fs";
import { Instrumenter } from "@stryker-mutator/instrumenter";

export interface Mutant {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly mutator: string;
  readonly original: string;
  readonly replacement: string;
}

/** Mutants that nobody needs to notice, and why. Paths change: a rule names a file only where its code says too little. */
interface Rule {
  readonly reason: string;
  readonly mutator?: string;
  /** of the end of its path */
  readonly file?: string;
  /** a regular expression for the line of source, or the lines, that it begins in */
  readonly line?: string;
  readonly original?: string;
  /** a regular expression for it */
  readonly like?: string;
  readonly replacement?: string;
}

export interface Mutated {
  /** with all mutants, each behind a switch */
  readonly files: readonly { readonly name: string; readonly content: string }[];
  readonly mutants: readonly Mutant[];
  /** by id, those of them that a rule names, and its reason */
  readonly equivalent: ReadonlyMap<string, string>;
  /** rules that no mutant is an instance of */
  readonly idleRules: readonly Rule[];
}

const QUIET = {
  isTraceEnabled: () => false,
  isDebugEnabled: () => false,
  isInfoEnabled: () => false,
  isWarnEnabled: () => false,
  isErrorEnabled: () => true,
  isFatalEnabled: () => true,
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error: console.error,
  fatal: console.error,
};

/** @param files paths beneath `root` */
export async function mutate(root: string, files: readonly string[], rulesFile: string): Promise<Mutated> {
  const rules = JSON.parse(readFileSync(rulesFile, "utf8")) as Rule[];
  const texts = new Map(files.map((name) => [name, readFileSync(`${root}${name}`, "utf8")]));
  const { files: out, mutants: made } = await new Instrumenter(QUIET).instrument(
    files.map((name) => ({ name, content: texts.get(name) ?? "", mutate: true })),
    { plugins: null, excludedMutations: [], ignorers: [] },
  );
  const mutants: Mutant[] = [];
  const equivalent = new Map<string, string>();
  const used = new Set<Rule>();
  for (const { id, fileName, location, mutatorName, replacement } of made) {
    const lines = (texts.get(fileName) ?? "").split("\n");
    const mutant: Mutant = {
      id,
      file: fileName,
      line: location.start.line + 1,
      column: location.start.column + 1,
      mutator: mutatorName,
      original: between(lines, location),
      replacement,
    };
    const rule = rules.find((rule) => isInstance(mutant, lines[location.start.line] ?? "", rule));
    mutants.push(mutant);
    if (rule === undefined) continue;
    used.add(rule);
    equivalent.set(id, rule.reason);
  }
  return { files: out, mutants, equivalent, idleRules: rules.filter((rule) => !used.has(rule)) };
}

interface Place {
  readonly line: number;
  readonly column: number;
}

function between(lines: readonly string[], { start, end }: { start: Place; end: Place }): string {
  const part = lines.slice(start.line, end.line + 1);
  const last = part.length - 1;
  part[last] = (part[last] ?? "").slice(0, end.column);
  part[0] = (part[0] ?? "").slice(start.column);
  return part.join("\n");
}

function isInstance(mutant: Mutant, line: string, rule: Rule): boolean {
  return (
    (rule.mutator === undefined || rule.mutator === mutant.mutator) &&
    (rule.file === undefined || mutant.file.endsWith(rule.file)) &&
    (rule.original === undefined || rule.original === mutant.original) &&
    (rule.like === undefined || new RegExp(rule.like).test(mutant.original)) &&
    (rule.replacement === undefined || rule.replacement === mutant.replacement) &&
    (rule.line === undefined || new RegExp(rule.line).test(line))
  );
}

/** So many of them, the same for the same seed. */
export function sample(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const left = [...mutants];
  const random = mulberry(seed);
  const taken: Mutant[] = [];
  while (taken.length < count && left.length > 0) {
    const [one] = left.splice(Math.floor(random() * left.length), 1);
    if (one !== undefined) taken.push(one);
  }
  return taken.sort((a, b) => Number(a.id) - Number(b.id));
}

/** 0 to 1. */
function mulberry(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
