/**
 * Talk with a program: a line to its standard input, a line of JSON back.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { program } from "../../support/programs.ts";

export class Talk<Answer> {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error("its standard output goes elsewhere");
    this.#child = child;
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  /** Starts a program, and waits until it says that it is ready. */
  static async start<Answer>(path: string, args: readonly string[]): Promise<Talk<Answer>> {
    const child = spawn(process.execPath, ["--expose-gc", "--enable-source-maps", program(path), ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const talk = new Talk<Answer>(child);
    await talk.#line();
    return talk;
  }

  async ask(question: string): Promise<Answer> {
    this.#child.stdin?.write(`${question}\n`);
    return JSON.parse(await this.#line()) as Answer; // the programs write what they are typed to
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the program has ended");
    return value;
  }
}
