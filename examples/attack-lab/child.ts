/**
 * Child: a program of this folder as a process that receives requests, and reports its log. `answer` is its other end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

// Landed code is never evaluated, so the programs run with evaluation disabled.
const MOST_TOLD = 20;
const FLAGS = ["--disallow-code-generation-from-strings", "--enable-source-maps"];

interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

export type Message =
  | { readonly id: number; readonly answer: unknown }
  | { readonly logged: string }
  | { readonly unheard: string };

export class Child {
  /** how often each reason was logged */
  readonly logged = new Map<string, number>();
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  readonly #gone: Promise<never>;
  #unheard: string[] = [];
  #errors = "";
  #watchers: (() => void)[] = [];
  #asked = 0;

  /** @param program the built form of a program */
  constructor(program: string) {
    this.#child = spawn(process.execPath, [...FLAGS, program], { stdio: ["ignore", "inherit", "pipe", "ipc"] });
    this.#child.setMaxListeners(0); // several requests may be pending
    this.#gone = once(this.#child, "exit").then(() => {
      const [why = ""] = /^\w*Error: .*/m.exec(this.#errors) ?? [];
      throw new Error(`a process has ended: ${why}`);
    });
    this.#gone.catch(() => undefined); // every request fails with it
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#child.on("message", (message) => this.#take(message as Message)); // sent by `answer` below
  }

  /** Its output on standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** Unhandled errors there since the last call; each would have ended the process. */
  takeUnheard(): readonly string[] {
    return this.#unheard.splice(0);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The result of the command of this name. */
  async ask<T>(name: string, argument: unknown = null): Promise<T> {
    const id = this.#asked++;
    const answered = new Promise<unknown>((resolve) => this.#waiting.set(id, resolve));
    if (this.#child.connected) this.#child.send({ id, name, argument } satisfies Question);
    return (await Promise.race([answered, this.#gone])) as T; // the result of that command
  }

  /** Clears the log, and starts measuring. */
  async begin(): Promise<void> {
    await this.ask("begin");
    this.logged.clear();
    this.#errors = "";
  }

  /** Resolves when one of these reasons has been logged since `begin`. */
  async hasLogged(reasons: readonly string[], over: AbortSignal): Promise<void> {
    while (!over.aborted && !reasons.some((reason) => this.logged.has(reason))) {
      await new Promise<void>((resolve) => {
        this.#watchers.push(resolve);
        over.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.#child, "exit");
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }

  #take(message: Message): void {
    if ("id" in message) {
      this.#waiting.get(message.id)?.(message.answer);
      this.#waiting.delete(message.id);
      return;
    }
    if ("unheard" in message) {
      if (this.#unheard.length < MOST_TOLD) this.#unheard.push(message.unheard);
      return;
    }
    this.logged.set(message.logged, (this.logged.get(message.logged) ?? 0) + 1);
    for (const wake of this.#watchers.splice(0)) wake();
  }
}

/** Answers the requests of the parent until the parent ends. */
export function answer(commands: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on("message", async ({ id, name, argument }: Question) => {
    process.send?.({ id, answer: await commands[name]?.(argument as never) }); // both sides belong to this folder
  });
  process.once("disconnect", () => process.exit());
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(event, (thrown: unknown) => {
      process.send?.({
        unheard: `${event}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`,
      } satisfies Message);
    });
  }
}

const told = new Map<string, number>();

/** What was reported before no longer counts. */
export function tellAgain(): void {
  told.clear();
}

/** Reports a failure to the parent: only the first ones of each reason, because there may be very many. */
export function tell(reason: string): void {
  const count = (told.get(reason) ?? 0) + 1;
  told.set(reason, count);
  if (count <= MOST_TOLD) process.send?.({ logged: reason } satisfies Message);
}
