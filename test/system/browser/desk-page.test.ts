/**
 * The page of examples/browser, in short: it loads under its policy, and a file becomes a result. desk-page.long.test.ts has the rest.
 */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInBrowser } from "../../support/browser.ts";
import { connected, Desk, dropFiles, inPhase, row, textOf } from "./desk.ts";

describeInBrowser("the page of examples/browser", (browser) => {
  let desk: Desk;
  beforeAll(async () => {
    desk = await Desk.start();
  });
  afterAll(() => desk.end());

  it("a file is dropped, and its result is pushed; nothing is said to the console", async () => {
    const page = await browser.open("about:blank");
    const said: string[] = [];
    page.on("console", (message) => void said.push(message.text()));
    await page.goto(desk.url);
    await connected(page);
    await writeFile(join(desk.folder, "a.txt"), "one\ntwo\n");
    await dropFiles(page, [join(desk.folder, "a.txt")]);
    await inPhase(page, "a.txt", "done");
    const result = await textOf(row(page, "a.txt").locator(".result"));
    expect(result).toBe(createHash("sha256").update("one\ntwo\n").digest("hex"));
    expect(said).toEqual([]);
  });
});
