/**
 * The command: mutate/README.md.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Mutant, mutate, sample } from "./mutants.ts";
import { Sandbox } from "./sandbox.ts";
import { Trial, type Verdict } from "./trial.ts";
import { refusedByCompiler } from "./types.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cache = `${root}mutate/.cache/`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    tests: { type: "string" },
    slow: { type: "string", default: "500" },
    untyped: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const [folder = ""] = positionals;
const files = typescriptIn("src", folder);
if (folder === "" || positionals.length > 1 || files.length === 0) {
  console.error(
    "usage: npm run mutate -- FOLDER [--sample N] [--seed S] [--tests FOLDER,...] [--slow MS] [--untyped] [--again] [--list]",
  );
  process.exit(2);
}

/** A folder, or one file, and all beneath it. */
function typescriptIn(base: string, path: string): string[] {
  const whole = `${root}${base}/${path}`;
  if (!existsSync(whole)) return [];
  if (statSync(whole).isFile()) return [`${base}/${path}`];
  return readdirSync(whole, { recursive: true })
    .map((name) => `${base}/${path}/${String(name)}`)
    .filter((name) => name.endsWith(".ts"))
    .sort();
}

const began = Date.now();
const minutes = () => ((Date.now() - began) / 60_000).toFixed(1);
const say = (line: string): void => console.log(`[${minutes()} min] ${line}`);

const {
  files: mutated,
  mutants: all,
  equivalent,
  idleRules,
} = await mutate(root, files, `${root}mutate/equivalent.json`);
/** Drawn from all, so that a new rule does not make another sample. */
const drawn = values.sample === undefined ? all : sample(all, Number(values.sample), Number(values.seed));
const chosen = drawn.filter(({ id }) => !equivalent.has(id));
const [room = ""] = folder.split("/");
/** Where tests are not beneath the same name. */
const ELSEWHERE: Readonly<Record<string, string>> = { wire: "wire,endpoints/session/application-callbacks.test.ts" };
const testFiles = (values.tests ?? ELSEWHERE[room] ?? room)
  .split(",")
  .flatMap((path) => typescriptIn("test", path))
  .filter((name) => name.endsWith(".test.ts") && !/\.long\.test\.ts$|\/memory\.test\.ts$/.test(name));
say(
  `${all.length} mutants of ${files.length} files, ${equivalent.size} of them equivalent; ${chosen.length} tried with ${testFiles.length} files of tests`,
);

if (values.list) {
  for (const mutant of chosen) console.log(line(mutant));
  process.exit(0);
}

const name = [folder.replaceAll("/", "-"), values.sample, values.sample && values.seed].filter(Boolean).join("-");
const report = `${cache}${name}.json`;
/** Ids are numbers in an order that changes: this is the same where the code is. */
const identities = new Map(chosen.map((mutant) => [mutant.id, identityOf(mutant)]));
const sandbox = new Sandbox(root, `${cache}sandbox-${name}/`, mutated);
await sandbox.open();
const trial: Trial = new Trial(sandbox, chosen, Number(values.slow), say, keep);
await trial.run(testFiles, values.again ? earlier() : new Map());
await sandbox.close();

const verdicts = [...trial.verdicts.values()];
const survivors = verdicts.filter(({ state }) => state === "survived" || state === "not reached");
const refused = values.untyped
  ? new Set<Mutant>()
  : refusedByCompiler(
      root,
      `${cache}types/`,
      survivors.map(({ mutant }) => mutant),
      say,
    );
const left = survivors.filter(({ mutant }) => !refused.has(mutant));

for (const verdict of left) console.log(`${verdict.state}: ${line(verdict.mutant)}`);
table();
if (trial.failedTests.length > 0)
  console.log(`\nleft out, since they fail without a mutant:\n${trial.failedTests.join("\n")}`);
for (const { reason, ...rule } of idleRules)
  if (isMeant(rule)) console.log(`matches nothing: ${JSON.stringify(rule)} (${reason})`);
keep();
process.exit(0);

interface Kept extends Pick<Verdict, "state" | "by"> {
  readonly identity: string;
}

/** The verdicts so far, for --again. */
function keep(): void {
  mkdirSync(cache, { recursive: true });
  const kept: Kept[] = [...trial.verdicts.values()].map(({ mutant, state, by }) => ({
    identity: identities.get(mutant.id) ?? "",
    state,
    by,
  }));
  writeFileSync(report, JSON.stringify(kept, null, 1));
}

function earlier(): Map<string, Kept> {
  if (!existsSync(report)) return new Map();
  const kept = new Map((JSON.parse(readFileSync(report, "utf8")) as Kept[]).map((one) => [one.identity, one]));
  const known = new Map<string, Kept>();
  for (const [id, identity] of identities) {
    const one = kept.get(identity);
    if (one !== undefined) known.set(id, one);
  }
  return known;
}

function identityOf({ file, line, column, mutator, replacement }: Mutant): string {
  return [file, line, column, mutator, replacement].join(" ");
}

function isMeant({ file }: { readonly file?: string }): boolean {
  return file === undefined ? false : files.some((path) => path.endsWith(file));
}

function line({ file, line, column, mutator, original, replacement }: Mutant): string {
  const short = (text: string) => {
    const flat = text.replace(/\s+/g, " ");
    return flat.length > 110 ? `${flat.slice(0, 60)} ... ${flat.slice(-40)}` : flat;
  };
  return `${file}:${line}:${column} ${mutator}\n    ${short(original)}  =>  ${short(replacement)}`;
}

function table(): void {
  const row = (title: string, part: readonly Verdict[]): string => {
    const count = (state: Verdict["state"]) =>
      part.filter((it) => it.state === state && !refused.has(it.mutant)).length;
    const typed = part.filter(({ mutant }) => refused.has(mutant)).length;
    const noticed = count("killed") + count("stuck") + typed;
    const score = part.length === 0 ? "" : `${((100 * noticed) / part.length).toFixed(1)} %`;
    const cells = [part.length, count("killed"), count("stuck"), typed, count("survived"), count("not reached"), score];
    return [title.padEnd(52), ...cells.map((cell) => String(cell).padStart(9))].join("");
  };
  const heads = ["mutants", "failed", "stuck", "types", "survived", "unreached", "score"];
  console.log(`\n${"".padEnd(52)}${heads.map((head) => head.padStart(9)).join("")}`);
  for (const file of files) {
    const part = verdicts.filter(({ mutant }) => mutant.file === file);
    if (part.length > 0) console.log(row(file, part));
  }
  const kind =
    values.sample === undefined ? "whole" : `sample of ${drawn.length} of ${all.length}, seed ${values.seed}`;
  console.log(row(`${folder} (${kind})`, verdicts));
  console.log(
    `${drawn.length - chosen.length} more are equivalent, ${trial.slowTests} slow tests left out; ${minutes()} minutes`,
  );
}
