/**
 * What a command line asks of the benchmark.
 */
import { parseArgs } from "node:util";
import type { Effort } from "./job.ts";

export interface Comparison {
  /** the older commit; the last release if omitted */
  readonly ref?: string;
  /** the run fails where the older build needs less than this share of the present one's CPU */
  readonly gate?: number;
  readonly tries: number;
}

export interface Asked {
  readonly jobs: readonly string[];
  readonly isSmoke: boolean;
  readonly effort: Effort;
  readonly comparison?: Comparison;
}

/** A job takes less than two minutes, all jobs about twenty. */
const PART: Effort = { rounds: 3, seconds: 0.7, warmupSeconds: 2 };
const WHOLE: Effort = { rounds: 5, seconds: 1.5, warmupSeconds: 4 };
/** Many short slices: the two of a round are measured within a quarter of a second. */
const SLICES: Effort = { rounds: 40, seconds: 0.1, warmupSeconds: 2 };

const MAX_ROUNDS = 100;
const DEFAULT_TRIES = 3;
const MAX_TRIES = 10;

export function usageText(names: readonly string[]): string {
  return [
    `usage: npm run bench -- [${names.join("|")} ...] [--rounds N] [--only ROW,ROW] [--smoke]`,
    "       npm run bench -- --compare REF [JOB ...] [--rounds N] [--only ROW,ROW] [--gate SHARE [--tries N]]",
    "       npm run bench -- --gate SHARE [--tries N] [JOB ...]   compares with the last release",
  ].join("\n");
}

/**
 * @param names of all jobs
 * @param comparable those which two builds can be compared by
 * @throws Error that says what is wrong with the arguments
 */
export function readArguments(args: readonly string[], names: readonly string[], comparable: readonly string[]): Asked {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      smoke: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string" },
      compare: { type: "string" },
      gate: { type: "string" },
      tries: { type: "string" },
    },
  });
  const { smoke: isSmoke, compare: ref } = values;
  const rounds = count("--rounds", values.rounds, MAX_ROUNDS);
  const tries = count("--tries", values.tries, MAX_TRIES);
  const gate = share(values.gate);
  const isComparison = ref !== undefined || gate !== undefined;
  if (ref === "") throw new Error("--compare: a commit, a branch or a tag");
  if (tries !== undefined && gate === undefined) throw new Error("--tries belongs to --gate");
  if (isSmoke && isComparison) throw new Error("--smoke measures nothing, so it compares nothing");
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`no such job: ${unknown}`);
  const other = positionals.find((name) => isComparison && !comparable.includes(name));
  if (other !== undefined) throw new Error(`${other} cannot be compared, only ${comparable.join(", ")}`);
  const all = isComparison ? comparable : names;
  const jobs = positionals.length === 0 ? all : all.filter((name) => positionals.includes(name));
  const usual = isComparison ? SLICES : positionals.length === 0 ? WHOLE : PART;
  const only = values.only === undefined ? {} : { only: values.only.split(",") };
  const effort = { ...usual, ...(rounds === undefined ? {} : { rounds }), ...only };
  if (!isComparison) return { jobs, isSmoke, effort };
  const comparison = {
    ...(ref === undefined ? {} : { ref }),
    ...(gate === undefined ? {} : { gate }),
    tries: tries ?? DEFAULT_TRIES,
  };
  return { jobs, isSmoke, effort, comparison };
}

function count(option: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`${option}: 1 to ${most}`);
}

function share(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new Error("--gate: more than 0, at most 1");
}
