/**
 * Corpus: stored inputs by target: small initial inputs, and findings to try again.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** This file is compiled into fuzz/.cache/fuzz/engine, or read in place. */
const here = fileURLToPath(new URL(".", import.meta.url));
const root = here.includes(".cache") ? `${here}../../../` : `${here}../`;

export type Kept = "corpus" | "findings";

/** The files of a target, sorted by name. */
export function kept(kind: Kept, target: string): { readonly file: string; readonly input: Uint8Array }[] {
  const folder = folderOf(kind, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((file) => ({ file, input: new Uint8Array(readFileSync(`${folder}/${file}`)) }));
}

/** Stores an input under a name derived from it. Returns its path relative to the project. */
export function keep(kind: Kept, target: string, input: Uint8Array): string {
  const name = createHash("sha256").update(input).digest("hex").slice(0, 16);
  mkdirSync(folderOf(kind, target), { recursive: true });
  writeFileSync(`${folderOf(kind, target)}/${name}`, input);
  return `fuzz/${kind}/${target}/${name}`;
}

export function folderOf(kind: Kept, target: string): string {
  return `${root}${kind}/${target}`;
}
