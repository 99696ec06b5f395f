/**
 * Corpus: inputs that are kept, by target: interesting ones, small, to begin from; and what was found, to be tried again.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** This file is compiled into fuzz/.cache/fuzz/engine, or read where it is. */
const here = fileURLToPath(new URL(".", import.meta.url));
const root = here.includes(".cache") ? `${here}../../../` : `${here}../`;

export type Kept = "corpus" | "findings";

/** Files of a target, in the order of their names. */
export function kept(kind: Kept, target: string): { readonly file: string; readonly input: Uint8Array }[] {
  const folder = folderOf(kind, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((file) => ({ file, input: new Uint8Array(readFileSync(`${folder}/${file}`)) }));
}

/** Keeps an input under a name that follows from it. Gives the path from the project's folder. */
export function keep(kind: Kept, target: string, input: Uint8Array): string {
  const name = createHash("sha256").update(input).digest("hex").slice(0, 16);
  mkdirSync(folderOf(kind, target), { recursive: true });
  writeFileSync(`${folderOf(kind, target)}/${name}`, input);
  return `fuzz/${kind}/${target}/${name}`;
}

export function folderOf(kind: Kept, target: string): string {
  return `${root}${kind}/${target}`;
}
