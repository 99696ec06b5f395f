/**
 * The parent's side of a process: starts it, pinned to a core if possible, sends requests, and stops it by its handle.
 */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Reply } from "./child.ts";

const START_MS = 30_000;
const STOP_MS = 3_000;

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** The two cores to which servers and clients are pinned; none without `taskset` or a second core. */
export const CORES: { readonly server: number; readonly client: number } | undefined = twoCores();

export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  private constructor(process: ChildProcess, name: string) {
    this.#process = process;
    this.#name = name;
    process.on("message", (reply: Reply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    process.once("exit", (code, signal) => {
      running.delete(process);
      for (const [id, settle] of this.#waiting) settle({ id, error: `ended with ${code ?? signal}` });
      this.#waiting.clear();
    });
  }

  /** Starts the built module below bench/ in a separate process. */
  static async start(module: string, name: string, core: number | undefined): Promise<Child> {
    const path = fileURLToPath(new URL("./child.js", import.meta.url));
    const flags = ["--expose-gc", "--enable-source-maps"];
    const started =
      core === undefined
        ? fork(path, [module], { execArgv: flags })
        : fork(path, [module], { execPath: "taskset", execArgv: ["-c", String(core), process.execPath, ...flags] });
    running.add(started);
    const child = new Child(started, name);
    await child.#reply(0, START_MS);
    return child;
  }

  /** @throws Error if the process reports one, ends, or takes longer than `timeoutMs` */
  async ask<T>(name: string, argument: unknown = undefined, timeoutMs = 60_000): Promise<T> {
    this.#lastId += 1;
    const reply = this.#reply(this.#lastId, timeoutMs);
    this.#process.send({ id: this.#lastId, name, argument });
    return (await reply).value as T; // as the request of that name returns it
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    await exited;
    clearTimeout(timer);
  }

  #reply(id: number, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${this.#name}: no answer for ${timeoutMs / 1000} s`));
      }, timeoutMs);
      this.#waiting.set(id, (reply) => {
        clearTimeout(timer);
        if (reply.error === undefined) resolve(reply);
        else reject(new Error(`${this.#name}: ${reply.error}`));
      });
    });
  }
}

function twoCores(): { server: number; client: number } | undefined {
  if (process.platform !== "linux" || spawnSync("taskset", ["-V"]).error !== undefined) return undefined;
  const [, list = ""] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  const cores = list.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  const [server, client] = [cores[0], cores.at(-1)];
  return server === undefined || client === undefined || server === client ? undefined : { server, client };
}
