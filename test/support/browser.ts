/**
 * A real browser: Chromium, headless, driven by playwright-core. Tests that need one are skipped where there is none, and say so; with
 * HBI_REQUIRE_BROWSER=1 they fail instead.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect } from "vitest";
import { type Bundle, bundle } from "../../scripts/bundle.mjs";
import { findChromium } from "../../scripts/chromium.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { path: executablePath, why } = findChromium();
const isRequired = process.env["HBI_REQUIRE_BROWSER"] === "1";

export interface TestBrowser {
  /** A page in a context of its own: nothing is shared with other pages. It is closed after the test, which fails if the page has thrown
   *  or rejected something that nobody caught. */
  open(url: string, options?: BrowserContextOptions): Promise<Page>;
  readonly browser: Browser;
}

/** Tests that share one browser, which is closed after them. */
export function describeInBrowser(name: string, tests: (browser: TestBrowser) => void): void {
  const isSkipped = executablePath === undefined && !isRequired;
  if (isSkipped) console.warn(`Skipped, "${name}" in a browser: ${why}`);
  describe.skipIf(isSkipped)(name, () => {
    const running = new RunningBrowser();
    beforeAll(() => running.start());
    afterEach(() => running.closePages());
    afterAll(() => running.stop());
    tests(running);
  });
}

/** The renderer shares a machine with other tests, in containers without a sandbox and with a small /dev/shm. */
const FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];

class RunningBrowser implements TestBrowser {
  #browser: Browser | undefined;
  readonly #contexts: BrowserContext[] = [];
  readonly #thrown: unknown[] = [];

  get browser(): Browser {
    if (this.#browser === undefined) throw new Error("the browser runs during tests only");
    return this.#browser;
  }

  async start(): Promise<void> {
    if (executablePath === undefined) throw new Error(why);
    const { chromium } = await import("playwright-core");
    this.#browser = await chromium.launch({ executablePath, args: FLAGS });
  }

  async open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext(options);
    this.#contexts.push(context);
    context.on("weberror", (error) => void this.#thrown.push(error.error()));
    const page = await context.newPage();
    await page.goto(url);
    return page;
  }

  async closePages(): Promise<void> {
    const thrown = this.#thrown.splice(0);
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
    expect(thrown).toEqual([]);
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    this.#browser = undefined;
  }
}

/** A bundle in a page, from a server on 127.0.0.1. */
export interface Site {
  /** of the page */
  readonly url: string;
  readonly origin: string;
  /** to which services may be attached */
  readonly server: Server;
  readonly bundle: Bundle;
  close(): Promise<void>;
}

/** Nothing may be evaluated in the page, and nothing loaded from elsewhere. */
const POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src *; style-src 'unsafe-inline'";

/** Bundles a program as a build for production does, and serves it in an empty page. What it exports can be called by `inPage`.
 *  @param program file:// URL of a TypeScript file */
export async function serveProgram(program: URL): Promise<Site> {
  const path = `./${relative(root, fileURLToPath(program)).replaceAll("\\", "/")}`;
  const built = await bundle(`import * as program from ${JSON.stringify(path)}; globalThis.program = program;`, {
    external: [],
  });
  const page = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>test</title><script type="module" src="/${built.entry}"></script>`;
  const files = new Map(built.chunks.map(({ fileName, code }) => [`/${fileName}`, code]));
  const server = createServer(({ url = "/" }, response) => {
    const code = files.get(url);
    if (code === undefined && url !== "/") return void response.writeHead(404).end();
    const type = code === undefined ? "text/html" : "text/javascript";
    response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(code ?? page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/`,
    origin,
    server,
    bundle: built,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The functions of a program in a page: arguments and results are copied. */
export type InPage<P> = {
  readonly [K in keyof P]: P[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** @typeParam P `typeof import("./program.ts")` */
export function inPage<P extends object>(page: Page): InPage<P> {
  const call = (name: string, args: unknown[]) =>
    page.evaluate(
      ({ name, args }) =>
        (globalThis as unknown as { program: Record<string, (...args: unknown[]) => unknown> }).program[name]?.(
          ...args,
        ),
      { name, args },
    );
  return new Proxy({} as InPage<P>, {
    get: (_, name) => (name === "then" ? undefined : (...args: unknown[]) => call(String(name), args)),
  });
}
