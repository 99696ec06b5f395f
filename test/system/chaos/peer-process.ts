/**
 * PeerProcess: a program that is told things on its standard input and says what it does on its standard output, line by line.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { program } from "../../support/programs.ts";

const FLAGS = ["--disallow-code-generation-from-strings"];

export class PeerProcess {
  readonly name: string;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #errors = "";
  #isOver = false;

  constructor(name: string, path: string, args: readonly string[], flags: readonly string[] = FLAGS) {
    this.name = name;
    this.#child = spawn(process.execPath, ["--enable-source-maps", ...flags, built(path), ...args], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdin.on("error", () => undefined); // it was killed
    this.#child.stderr.on("data", (chunk) => {
      this.#errors += chunk;
    });
    const lines = createInterface(this.#child.stdout);
    lines.on("line", (line) => {
      this.#lines.push(line);
      this.#tell();
    });
    this.exited = once(this.#child, "close").then(([code, signal]) => {
      this.#isOver = true;
      this.#tell();
      return { code, signal };
    });
  }

  get errors(): string {
    return this.#errors;
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Resolves with what follows the words, when a line that begins with them was said, now or before.
   *  @throws Error when it has ended without */
  async heard(words: string): Promise<string> {
    for (;;) {
      const line = this.#lines.find((each) => each === words || each.startsWith(`${words} `));
      if (line !== undefined) return line.slice(words.length + 1);
      if (this.#isOver) throw new Error(`${this.name} ended without "${words}": ${this.#errors.slice(0, 2_000)}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    this.#child.kill(signal);
  }

  /** Lets it end by itself. */
  end(): void {
    this.#child.stdin.end();
  }

  #tell(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** From a test, and from a program that is built itself. */
function built(path: string): string {
  if (import.meta.url.endsWith(".ts")) return program(path);
  return fileURLToPath(new URL(`../../../${path.replace(/\.ts$/, ".js")}`, import.meta.url));
}
