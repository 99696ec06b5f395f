/**
 * Services in a worker, in a shared worker and in a frame of Chromium, for a page.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInBrowser, inPage, type Site, serveProgram } from "../../support/browser.ts";

describeInBrowser("message ports of a page", (browser) => {
  let site: Site;
  beforeAll(async () => {
    site = await serveProgram(new URL("port-program.ts", import.meta.url));
  });
  afterAll(() => site.close());
  const opened = async () => inPage<typeof import("./port-program.ts")>(await browser.open(site.url));
  const SIZE = 5_000_000;

  it.each([
    ["worker", "a worker"],
    ["shared worker", "a shared worker"],
    ["frame", "a frame"],
  ])("a service in a %s is called and calls, and bodies go both ways", async (place, kind) => {
    const program = await opened();
    const answer = [`${kind}, 1 connected`, `from ${kind}`, SIZE, SIZE];
    expect(await program.uses(place, SIZE)).toEqual(answer);
    expect(await program.uses(place, SIZE)).toEqual(answer);
  });

  it("an upload that a worker does not read waits at its source", async () => {
    const size = 64 * 1024 * 1024;
    const [pulled, stored] = await (await opened()).stopped(size);
    expect(pulled).toBeLessThan(4 * 1024 * 1024);
    expect(stored).toBe(size);
  });

  it("a worker that was terminated is missed", async () => {
    expect(await (await opened()).terminated()).toBe("unresponsive");
  });

  it("a worker without a script is a clear error", async () => {
    expect(await (await opened()).missing()).toBe(
      "could not connect: the worker has failed: its script cannot be loaded, or has thrown",
    );
  });
});
