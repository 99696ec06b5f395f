/**
 * The page of examples/browser as its users have it: built, from its own server, which is a process that can be killed; and what they
 * do and see.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { buildPage } from "../../../scripts/page.mjs";
import { type Running, startProgram } from "../../support/programs.ts";

export class Desk {
  readonly folder: string;
  #running: Running;

  private constructor(folder: string, running: Running) {
    this.folder = folder;
    this.#running = running;
  }

  static async start(): Promise<Desk> {
    const folder = await mkdtemp(join(tmpdir(), "hbi-desk-"));
    await buildPage(join(folder, "page"));
    return new Desk(folder, await serve(folder, 0));
  }

  get url(): string {
    return this.#running.address;
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const { child } = this.#running;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /** It answers nobody, as if the network was gone. */
  pause(): void {
    this.#running.child.kill("SIGSTOP");
  }

  goOn(): void {
    this.#running.child.kill("SIGCONT");
  }

  /** At the same port, if it does not run. */
  async startAgain(): Promise<void> {
    const { exitCode, signalCode } = this.#running.child;
    this.goOn();
    if (exitCode === null && signalCode === null) return;
    this.#running = await serve(this.folder, Number(new URL(this.url).port));
  }

  async end(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true });
  }
}

const serve = (folder: string, port: number) =>
  startProgram("examples/browser/server.ts", [`127.0.0.1:${port}`, join(folder, "page")]);

export const connected = (page: Page) => page.locator("#link[data-state=open]").waitFor();

/** As the mouse does: the browser is told of a drag from outside. */
export async function dropFiles(page: Page, files: string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const)
    await session.send("Input.dispatchDragEvent", { type, x: 200, y: 200, data });
  await session.detach();
}

/** A file that the page has made, which exists nowhere else. The page has the policy that nothing is evaluated. */
export async function dropMade(page: Page, name: string, bytes: number): Promise<void> {
  await page.evaluate(
    ({ name, bytes }) => {
      const part = new Uint8Array(1_000_000);
      for (let at = 0; at < part.length; at += 50_000) crypto.getRandomValues(part.subarray(at, at + 50_000));
      const parts = Array.from({ length: bytes / part.length }, () => part);
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(parts, name));
      const options = { bubbles: true, cancelable: true, dataTransfer };
      document.body.dispatchEvent(new DragEvent("drop", options));
    },
    { name, bytes },
  );
}

export const row = (page: Page, name: string): Locator => page.getByRole("listitem").filter({ hasText: name });

export const progressOf = (page: Page, name: string): Locator => page.getByRole("progressbar", { name });

/** Until it is in this phase. */
export const inPhase = (page: Page, name: string, phase: string) =>
  row(page, name)
    .and(page.locator(`[data-phase=${phase}]`))
    .waitFor();

/** A figure of the server, as the page shows it. */
export const figure = (page: Page, id: string): Promise<string> => textOf(page.locator(`#${id}`));

export const textOf = async (locator: Locator): Promise<string> => (await locator.textContent()) ?? "";
