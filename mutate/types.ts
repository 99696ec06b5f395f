/**
 * Survivors that would not compile: `npm test` checks types before anything runs.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { Mutant } from "./mutants.ts";

export function refusedByCompiler(
  root: string,
  path: string,
  mutants: readonly Mutant[],
  say: (line: string) => void,
): Set<Mutant> {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  cpSync(`${root}src`, `${path}src`, { recursive: true });
  symlinkSync(`${root}node_modules`, `${path}node_modules`, "dir");
  writeFileSync(`${path}tsconfig.json`, JSON.stringify({ extends: `${root}tsconfig.json`, include: ["src"] }));
  const compiles = () =>
    spawnSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, "-p", `${path}tsconfig.json`]).status === 0;
  const refused = new Set<Mutant>();
  if (!compiles()) throw new Error("the source does not compile without a mutant");
  for (const mutant of mutants) {
    const file = `${path}${mutant.file}`;
    const text = readFileSync(file, "utf8");
    writeFileSync(file, withMutant(text, mutant));
    if (!compiles()) refused.add(mutant);
    writeFileSync(file, text);
  }
  say(`types: ${refused.size} of ${mutants.length} would not compile`);
  return refused;
}

function withMutant(text: string, { line, column, original, replacement }: Mutant): string {
  const lines = text.split("\n");
  const at = lines.slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0) + column - 1;
  return text.slice(0, at) + replacement + text.slice(at + original.length);
}
