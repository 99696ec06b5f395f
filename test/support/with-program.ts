/** A file of JavaScript in a folder of the tests. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs with the path of a program that has this text. */
export async function withProgram<T>(text: string, run: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "hbi-program-"));
  const path = join(folder, "program.mjs");
  writeFileSync(path, text);
  try {
    return await run(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
