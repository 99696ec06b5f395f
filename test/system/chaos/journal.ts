/**
 * Journal: what one process did, line by line, in a file that outlives it: a line is with the system before the next step is taken.
 */
import { openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** `call`: an attempt is about to be made. `begin`: a handler was called. `land`: it did what it is for. `ack`: the answer was there and
 *  right. `sent`: a post that nobody waits for was handed over. `fail`: code, mayHaveLanded, reason. `bad`: what must never be seen. */
export type Event = "call" | "begin" | "land" | "ack" | "sent" | "fail" | "bad";

export interface Entry {
  /** which process: "client-3" */
  readonly by: string;
  readonly event: Event;
  readonly id: string;
  readonly words: readonly string[];
}

export class Journal {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  write(event: Event, id: string, ...words: readonly string[]): void {
    writeSync(this.#file, `${[event, id, ...words].join("\t").replaceAll("\n", " ")}\n`);
  }
}

export function readJournals(folder: string): Entry[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .flatMap((name) =>
      readFileSync(join(folder, name), "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => {
          const [event = "bad", id = "", ...words] = line.split("\t");
          return { by: name.slice(0, -".log".length), event: event as Event, id, words }; // as it was written above
        }),
    );
}
