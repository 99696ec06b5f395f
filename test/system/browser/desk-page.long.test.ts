/**
 * The page of examples/browser, used as a person would: by mouse and by keyboard, while its server and its network come and go.
 */
import { createHash, randomBytes } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { describeInBrowser } from "../../support/browser.ts";
import { connected, Desk, dropFiles, dropMade, figure, inPhase, progressOf, row, textOf } from "./desk.ts";

const MB = 1_000_000;
/** For a busy machine. */
const PATIENCE = { timeout: 60_000, interval: 50 };

describeInBrowser("the page of examples/browser", (browser) => {
  let desk: Desk;
  beforeAll(async () => {
    desk = await Desk.start();
  });
  beforeEach(() => desk.startAgain()); // after a test that has failed
  afterAll(() => desk.end());

  /** With a file for each name. */
  async function filesWith(contents: Readonly<Record<string, Uint8Array | string>>): Promise<string[]> {
    const paths = Object.keys(contents).map((name) => join(desk.folder, name));
    for (const [name, content] of Object.entries(contents)) await writeFile(join(desk.folder, name), content);
    return paths;
  }

  /** It has no content: its size is enough. */
  async function tooLarge(): Promise<string> {
    const [path = ""] = await filesWith({ "huge.bin": "" });
    await truncate(path, 2_001 * MB);
    return path;
  }

  /** What is written to the console is a fault, but for what the browser says of a server that is gone. */
  async function opened(options: Parameters<typeof browser.open>[1] = {}): Promise<Page & { readonly said: string[] }> {
    const page = await browser.open("about:blank", options);
    const said: string[] = [];
    page.on("console", (message) => {
      if (!message.text().includes("WebSocket connection to")) said.push(message.text());
    });
    page.on("filechooser", () => undefined); // from now on dialogs are the test's: the first would come too early
    await page.goto(desk.url);
    await connected(page);
    return Object.assign(page, { said });
  }

  const finished = async (page: Page, name: string): Promise<string> => {
    await expect.poll(() => row(page, name).getAttribute("data-phase"), PATIENCE).toBe("done");
    return textOf(row(page, name).locator(".result"));
  };

  describe("by mouse", () => {
    it("files are dropped, progress is seen, and each result is pushed into its row, the newest first", async () => {
      const page = await opened();
      const large = randomBytes(40 * MB);
      await dropFiles(page, await filesWith({ "notes.txt": "one\ntwo\n", "large.bin": large, "none.txt": "" }));
      await progressOf(page, "large.bin").waitFor();
      expect(await finished(page, "large.bin")).toBe(createHash("sha256").update(large).digest("hex"));
      expect(await finished(page, "notes.txt")).toBe(createHash("sha256").update("one\ntwo\n").digest("hex"));
      expect(await finished(page, "none.txt")).toBe(createHash("sha256").digest("hex"));
      expect(await page.getByRole("progressbar").count()).toBe(0); // the work is done
      const names = await page.getByRole("listitem").locator(".name").allInnerTexts();
      expect(names).toEqual(["none.txt", "large.bin", "notes.txt"]);
      await expect.poll(() => figure(page, "rate-highest"), PATIENCE).toMatch(/MB\/s$/);

      await page.getByText("Lines").click();
      await dropFiles(page, await filesWith({ "three.txt": "1\n2\n3\n" }));
      expect(await finished(page, "three.txt")).toBe("3 lines");
      await page.getByRole("button", { name: "Clear finished" }).click();
      expect(await page.getByRole("listitem").count()).toBe(0);
      await page.getByText("Results appear here").waitFor();
      expect(page.said).toEqual([]);
    });

    it("what is cancelled stops at the server, as all pages see, and may be sent again", async () => {
      const page = await opened();
      const other = await opened();
      const before = Number(await figure(other, "cancelled"));
      await page.getByText("Gzip size").click();
      await dropMade(page, "film.mov", 200 * MB);
      await inPhase(page, "film.mov", "sending");
      await page.getByRole("button", { name: "Cancel: film.mov" }).click();
      await inPhase(page, "film.mov", "cancelled");
      await expect.poll(() => figure(other, "cancelled"), PATIENCE).toBe(`${before + 1}`);
      expect(await figure(other, "running")).toBe("0");
      await page.getByRole("button", { name: "Send again: film.mov" }).click();
      await inPhase(page, "film.mov", "sending");
      await page.getByRole("button", { name: "Cancel: film.mov" }).click();
      await expect.poll(() => figure(other, "cancelled"), PATIENCE).toBe(`${before + 2}`);
    });

    it("three are sent at once, and the others wait; one that waits may be cancelled", async () => {
      const page = await opened();
      await page.getByText("Gzip size").click();
      for (const name of ["1.bin", "2.bin", "3.bin", "4.bin"]) await dropMade(page, name, 100 * MB);
      await inPhase(page, "1.bin", "sending");
      await inPhase(page, "4.bin", "waiting");
      await page.getByRole("button", { name: "Cancel: 4.bin" }).click();
      await inPhase(page, "4.bin", "cancelled");
      for (const name of ["1.bin", "2.bin", "3.bin"])
        await page.getByRole("button", { name: `Cancel: ${name}` }).click();
      await expect.poll(() => figure(page, "running"), PATIENCE).toBe("0");
    });
  });

  describe("by keyboard", () => {
    it("everything is reached in order, and the focus is seen and never lost", async () => {
      const page = await opened();
      const text = "to be packed\n".repeat(1_000);
      const paths = await filesWith({ "packed.txt": text });
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("Choose files");
      expect(await outlineOf(page, "label[for=files]")).toMatch(/^solid [1-9]/);
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("SHA-256");
      for (let i = 0; i < 2; i++) await page.keyboard.press("ArrowRight");
      expect(await focused(page)).toBe("Gzip size");
      expect(await outlineOf(page, "input:focus + span")).toMatch(/^solid [1-9]/);
      await page.keyboard.press("Shift+Tab");
      expect(await focused(page)).toBe("Choose files");
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
      expect(chooser.isMultiple()).toBe(true);
      await chooser.setFiles(paths);
      expect(await finished(page, "packed.txt")).toBe(`${gzipSync(text, { level: 6 }).length} bytes`);

      await dropMade(page, "film.mov", 200 * MB);
      await inPhase(page, "film.mov", "sending");
      const order: string[] = [];
      for (let i = 0; i < 4; i++) {
        await page.keyboard.press("Tab");
        order.push(await focused(page));
      }
      expect(order).toEqual(["Gzip size", "Clear finished", "Cancel: film.mov", "Copy: packed.txt"]);
      expect(await outlineOf(page, "button:focus")).toMatch(/^solid [1-9]/);
      await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Enter");
      await inPhase(page, "film.mov", "cancelled");
      expect(await focused(page)).toBe("Send again: film.mov"); // the same button
      await page.keyboard.press("Space");
      await inPhase(page, "film.mov", "sending");
      expect(await focused(page)).toBe("Cancel: film.mov");
      await page.keyboard.press("Enter");
      await inPhase(page, "film.mov", "cancelled");
      await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Enter");
      expect(await page.getByRole("listitem").count()).toBe(0);
      expect(await focused(page)).toBe("Choose files");
      expect(page.said).toEqual([]);
    });

    it("a result is copied", async () => {
      const page = await opened({ permissions: ["clipboard-read", "clipboard-write"] });
      await dropFiles(page, await filesWith({ "a.txt": "a" }));
      const result = await finished(page, "a.txt");
      await page.getByRole("button", { name: "Copy: a.txt" }).focus();
      await page.keyboard.press("Enter");
      await page.getByText("Copied").waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(result);
    });
  });

  describe("for screen readers", () => {
    it("everything has a role and a name, and what ends is told", async () => {
      const page = await opened();
      for (const name of ["Upload", "Small calls", "At the server", "Uploads"])
        await page.getByRole("region", { name, exact: true }).waitFor();
      await page.getByRole("group", { name: "What the service computes" }).waitFor();
      expect(await page.getByRole("radio").count()).toBe(4);
      expect(await textOf(page.getByRole("status"))).toBe("Connected");
      for (const name of [/^Rate of the uploads/, /^Slowest small call/])
        await page.getByRole("img", { name }).waitFor();
      await page.getByText("Gzip size").click();
      await dropMade(page, "film.mov", 100 * MB);
      await inPhase(page, "film.mov", "sending");
      const progress = progressOf(page, "film.mov");
      await expect.poll(async () => Number(await progress.getAttribute("value")), PATIENCE).toBeGreaterThan(0);
      expect(Number(await progress.getAttribute("value"))).toBeLessThanOrEqual(1);
      await page.getByRole("button", { name: "Cancel: film.mov" }).click();
      await expect.poll(() => textOf(page.getByRole("log")), PATIENCE).toContain("film.mov: cancelled");
    });

    it.each(["light", "dark"] as const)("texts differ enough from what is behind them: %s", async (colorScheme) => {
      const page = await opened({ colorScheme });
      await dropFiles(page, await filesWith({ "a.txt": "a" }));
      await finished(page, "a.txt");
      await page.locator("#files").setInputFiles(await tooLarge());
      await inPhase(page, "huge.bin", "failed");
      expect(await lowContrasts(page)).toEqual([]);
    });

    it.each([320, 390, 768, 1_200])("nothing is cut off at a width of %i", async (width) => {
      const page = await opened({ viewport: { width, height: 800 } });
      await dropFiles(page, await filesWith({ [`a-${"very-".repeat(20)}long-name.txt`]: "a" }));
      await finished(page, "long-name.txt");
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    });
  });

  describe("when something fails", () => {
    it("the server is killed in the middle of an upload: seen, survived, and sent again without a hand", async () => {
      const page = await opened();
      await page.getByText("Gzip size").click();
      await dropMade(page, "film.mov", 60 * MB);
      await inPhase(page, "film.mov", "sending");
      await desk.kill();
      await page.getByRole("status").getByText("No connection, trying again").waitFor();
      await inPhase(page, "film.mov", "offline");
      await row(page, "film.mov").getByText("is sent as soon as there is a connection").waitFor();
      await desk.startAgain();
      await page.getByRole("status").getByText("Connected").waitFor();
      expect(await finished(page, "film.mov")).toMatch(/^\d+ bytes$/);
      expect(page.said).toEqual([]);
    });

    it("what is dropped while there is no server waits for it, and can be cancelled", async () => {
      const page = await opened();
      await desk.kill();
      await page.getByRole("status").getByText("No connection, trying again").waitFor();
      await dropFiles(page, await filesWith({ "early.txt": "early", "never.txt": "never" }));
      await page.getByRole("button", { name: "Cancel: never.txt" }).click();
      await inPhase(page, "never.txt", "cancelled");
      expect(await row(page, "early.txt").getAttribute("data-phase")).toBe("offline");
      await desk.startAgain();
      expect(await finished(page, "early.txt")).toBe(createHash("sha256").update("early").digest("hex"));
    });

    it("a server that is told to end waits for the upload that is under way", async () => {
      const page = await opened();
      await dropMade(page, "film.mov", 40 * MB);
      await inPhase(page, "film.mov", "sending");
      const ended = desk.kill("SIGTERM");
      await finished(page, "film.mov");
      await ended;
      await desk.startAgain();
      await connected(page);
    });

    it("the network goes without a word and comes back: seen, and what was dropped meanwhile is sent", async () => {
      const page = await opened();
      await page.context().setOffline(true); // Chromium keeps the connections that there are, or not
      desk.pause();
      await page.getByRole("status").getByText("Offline").waitFor(PATIENCE);
      await dropFiles(page, await filesWith({ "early.txt": "early" }));
      await inPhase(page, "early.txt", "offline");
      desk.goOn();
      await page.context().setOffline(false);
      expect(await finished(page, "early.txt")).toBe(createHash("sha256").update("early").digest("hex"));
      expect(await textOf(page.getByRole("status"))).toBe("Connected");
    });

    it("a file that is too large, and a folder, fail in words, and can be tried again", async () => {
      const page = await opened();
      await page.locator("#files").setInputFiles(await tooLarge());
      await row(page, "huge.bin").getByText("The file is too large.").waitFor();
      await dropFiles(page, [desk.folder]);
      const words = "The file cannot be read: it may have changed, or be a folder.";
      await page.getByRole("listitem").getByText(words).waitFor();
      await page.getByRole("button", { name: "Send again: huge.bin" }).click();
      await row(page, "huge.bin").getByText("The file is too large.").waitFor();
      await dropFiles(page, await filesWith({ "a.txt": "a" })); // the connection is as before
      await finished(page, "a.txt");
    });
  });

  it("small calls are answered while a large file is sent", async () => {
    const page = await opened();
    await dropMade(page, "film.mov", 256 * MB);
    await inPhase(page, "film.mov", "sending");
    const start = performance.now();
    expect(await finished(page, "film.mov")).toMatch(/^[0-9a-f]{64}$/);
    const tookMs = performance.now() - start;
    const [p50, p99] = [await inMs(page, "p50"), await inMs(page, "p99")];
    console.log(`256 MB in ${tookMs.toFixed(0)} ms; small calls meanwhile: p50 ${p50} ms, p99 ${p99} ms`);
    expect(p50).toBeLessThan(tookMs / 10); // a call that waited for the upload would take as long
    expect(p99).toBeLessThan(tookMs / 2);
  });

  describe("what others send", () => {
    it("the name of a file is text", async () => {
      const page = await opened();
      const name = "<img src=x onerror=alert(1)>.txt";
      await dropFiles(page, await filesWith({ [name]: "a" }));
      await finished(page, name);
      expect(await page.locator(".upload img").count()).toBe(0);
      expect(page.said).toEqual([]);
    });

    it("nothing but the page is served, with a policy that lets nothing else run", async () => {
      const answer = await fetch(desk.url);
      expect(answer.headers.get("content-security-policy")).toMatch(/^default-src 'none'; script-src 'self'; /);
      expect(await answer.text()).not.toMatch(/<script(?![^>]* src=)|<style| style=| on[a-z]+=/);
      for (const path of ["..%2fserver.js", "%2e%2e/server.js", "index.html", "desk"])
        expect((await fetch(new URL(path, desk.url))).status).not.toBe(200);
      expect((await fetch(desk.url, { method: "POST", body: "a" })).status).toBe(405);
    });

    it("no other page may connect", async () => {
      const socket = new WebSocket(desk.url.replace("http", "ws").concat("desk"), "hbi", {
        origin: "https://evil.example",
      });
      const refused = await new Promise((resolve) => socket.once("error", resolve));
      expect(String(refused)).toContain("403");
    });
  });
});

/** The accessible name of what has the focus: all of them are labels or texts. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element instanceof HTMLInputElement) return element.labels?.[0]?.textContent?.trim() ?? "";
    return element?.ariaLabel ?? element?.textContent?.trim() ?? "";
  });
}

function outlineOf(page: Page, selector: string): Promise<string> {
  return page.locator(selector).evaluate((element) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return `${outlineStyle} ${outlineWidth}`;
  });
}

async function inMs(page: Page, id: string): Promise<number> {
  const [, value, unit] = /^([\d.]+) (ms|s)$/.exec(await figure(page, id)) ?? [];
  return Number(value) * (unit === "s" ? 1_000 : 1);
}

/** Texts whose contrast is below 4.5, as WCAG wants it for AA. */
function lowContrasts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = (colours: readonly string[]): number => {
      if (context === null) throw new Error("no canvas");
      for (const colour of colours) {
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
      }
      const [r = 0, g = 0, b = 0] = [...context.getImageData(0, 0, 1, 1).data].map((part) => {
        const share = part / 255;
        return share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const backgrounds = (element: Element | null): string[] =>
      element === null ? ["white"] : [...backgrounds(element.parentElement), getComputedStyle(element).backgroundColor];
    const low: string[] = [];
    for (const element of document.querySelectorAll("body *")) {
      const text = [...element.childNodes]
        .filter((node) => node.nodeType === 3)
        .map((node) => node.textContent?.trim());
      if (text.join("") === "" || !element.checkVisibility() || element.closest(".hidden") !== null) continue;
      const behind = backgrounds(element);
      const [light = 0, dark = 0] = [luminance([...behind, getComputedStyle(element).color]), luminance(behind)].sort(
        (a, b) => b - a,
      );
      const contrast = (light + 0.05) / (dark + 0.05);
      if (contrast < 4.5) low.push(`${text.join("")}: ${contrast.toFixed(2)}`);
    }
    return low;
  });
}
