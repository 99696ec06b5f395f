/**
 * History: what happened in a world, a line for each event. Two runs of one seed give the same text.
 */
import { createHash } from "node:crypto";

export class History {
  readonly #lines: string[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(where: string, what: string): void {
    this.#lines.push(`${String(this.#now()).padStart(7)} ${where.padEnd(7)} ${what}`);
  }

  get text(): string {
    return this.#lines.join("\n");
  }

  get digest(): string {
    return createHash("sha256").update(this.text).digest("hex");
  }
}
