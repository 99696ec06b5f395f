/**
 * The recorded conversations in the folder transcripts.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fromFile, type Transcript, type TranscriptFile } from "./transcript.ts";

/** Beside the sources when compiled as well: the data is not compiled. */
const folder = [
  new URL("./transcripts/", import.meta.url),
  new URL("../../../../../test/system/conformance/transcripts/", import.meta.url),
]
  .map((url) => fileURLToPath(url))
  .find((path) => existsFolder(path));

function existsFolder(path: string): boolean {
  try {
    return readdirSync(path).length > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

export function readData(name: string): unknown {
  return JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
}

/** Every transcript of one connection, by name. */
export function loadTranscripts(): Transcript[] {
  const names = readdirSync(folder ?? "").filter((name) => name.endsWith(".json"));
  return names
    .map((name) => readData(name.slice(0, -5)) as TranscriptFile)
    .filter(({ events }) => events !== undefined)
    .map(fromFile)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
