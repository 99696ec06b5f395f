/**
 * History: what happened in a world, a line for each event. Two runs of one seed give the same text.
 */
import { createHash } from "node:crypto";

export class History {
  readonly #lines: string[] = [];
  readonly #now: () => number;
  readonly #most: number;

  /** @param most lines at the end of it that are kept for certain */
  constructor(now: () => number, most = Number.POSITIVE_INFINITY) {
    this.#now = now;
    this.#most = most;
  }

  add(where: string, what: string): void {
    if (this.#lines.length > 2 * this.#most) this.#lines.splice(0, this.#most);
    this.#lines.push(`${String(this.#now()).padStart(7)} ${where.padEnd(7)} ${what}`);
  }

  get text(): string {
    return this.#lines.join("\n");
  }

  get digest(): string {
    return createHash("sha256").update(this.text).digest("hex");
  }
}
