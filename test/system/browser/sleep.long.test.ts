/**
 * The process of a page stands still, as while the machine sleeps, and its connection is lost meanwhile without a word.
 */
import { expect, it, vi } from "vitest";
import { describeInBrowser } from "../../support/browser.ts";
import { depotServer } from "./depot-server.ts";

/** Longer than what a clock takes for a busy process. */
const SLEEP_MS = 6_000;

describeInBrowser("a page that sleeps", (browser) => {
  const { overNetwork } = depotServer(browser);

  /** Stops the processes of the pages, which are children of this one's browser, and lets them go on. */
  async function sleep(during: () => void): Promise<void> {
    const session = await browser.browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const pages = processInfo.filter(({ type }) => type === "renderer");
    expect(pages.length).toBeGreaterThan(0);
    for (const { id } of pages) process.kill(id, "SIGSTOP");
    try {
      during();
      await new Promise((resolve) => setTimeout(resolve, SLEEP_MS));
    } finally {
      for (const { id } of pages) process.kill(id, "SIGCONT");
    }
  }

  it("notices within seconds of waking that its connection is lost, and dials again", async () => {
    const { network, program } = await overNetwork({ reconnect: {} });
    await sleep(() => network.vanish());
    const start = performance.now();
    await vi.waitFor(async () => expect(await program.statesSoFar()).toHaveLength(2), {
      timeout: 40_000,
      interval: 50,
    });
    const seconds = (performance.now() - start) / 1_000;
    console.log(`open again ${seconds.toFixed(1)} s after waking`);
    expect(await program.statesSoFar()).toEqual([expect.stringMatching(/^connecting: .*does not answer/), "open"]);
    expect(seconds).toBeLessThan(20); // 5 on an idle machine; 50 without the clock
    expect(await program.add(1, 1)).toBe(2);
  });

  it("keeps a connection that lives", async () => {
    const { program } = await overNetwork({ reconnect: {} });
    await sleep(() => undefined);
    expect(await program.add(1, 1)).toBe(2);
    expect(await program.statesSoFar()).toEqual([]);
  });
});
