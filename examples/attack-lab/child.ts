/**
 * Child: a program of this folder as a process that is asked things, and tells what it logs. `answer` is its other end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

// Landed code is never evaluated: the programs run where the engine refuses to.
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

  /** @param program the built form of one */
  constructor(program: string) {
    this.#child = spawn(process.execPath, [...FLAGS, program], { stdio: ["ignore", "inherit", "pipe", "ipc"] });
    this.#child.setMaxListeners(0); // several questions may be under way
    this.#gone = once(this.#child, "exit").then(() => {
      const [why = ""] = /^\w*Error: .*/m.exec(this.#errors) ?? [];
      throw new Error(`a process has ended: ${why}`);
    });
    this.#gone.catch(() => undefined); // whoever asks is told
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#child.on("message", (message) => this.#take(message as Message)); // of `answer` below
  }

  /** What it has written to standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** What nobody has caught there since the last look: it would have ended the process. */
  takeUnheard(): readonly string[] {
    return this.#unheard.splice(0);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What a command of this name gives. */
  async ask<T>(name: string, argument: unknown = null): Promise<T> {
    const id = this.#asked++;
    const answered = new Promise<unknown>((resolve) => this.#waiting.set(id, resolve));
    if (this.#child.connected) this.#child.send({ id, name, argument } satisfies Question);
    return (await Promise.race([answered, this.#gone])) as T; // as the command gives it
  }

  /** Forgets what was logged, and has it measure from now on. */
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

/** Answers what the parent asks, until the parent is gone. */
export function answer(commands: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on("message", async ({ id, name, argument }: Question) => {
    process.send?.({ id, answer: await commands[name]?.(argument as never) }); // both sides are of this folder
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

/** What was told counts no more. */
export function tellAgain(): void {
  told.clear();
}

/** Tells the parent of a failure: the first ones of each reason, as there may be very many. */
export function tell(reason: string): void {
  const count = (told.get(reason) ?? 0) + 1;
  told.set(reason, count);
  if (count <= MOST_TOLD) process.send?.({ logged: reason } satisfies Message);
}
