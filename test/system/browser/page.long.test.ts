/**
 * A page in Chromium as the client of a Node server: calls, files, pushes, failures, readers that stop, and networks that vanish.
 */
import type { Page } from "playwright-core";
import { expect, it, vi } from "vitest";
import { describeInBrowser } from "../../support/browser.ts";
import { byteAt } from "./depot.ts";
import { depotServer, Work } from "./depot-server.ts";
import type { Form } from "./page-program.ts";

const MiB = 1024 * 1024;
const sumOf = (size: number): number => {
  let sum = 0;
  for (let at = 0; at < size; at++) sum += byteAt(at);
  return sum;
};

const WITHIN = { timeout: 20_000, interval: 20 };

describeInBrowser("a page", (browser) => {
  const { log, serving, started, overNetwork, page, url } = depotServer(browser);

  it("calls a service over the WebSocket of the browser, and is called and pushed to", async () => {
    const { program } = await started();
    expect(await program.add(3, 4)).toBe(7);
    expect(await program.push(100)).toBe("how many? 100");
    expect(await program.toldSoFar()).toBe(100);
    await program.close();
    expect(await program.stateOf()).toBe("closed");
  });

  it("is refused where its origin is not admitted, and learns no more than a browser tells", async () => {
    await serving(new Work(), ["http://elsewhere.example"]);
    const program = await page();
    expect(await program.refusal(url())).toMatch(/^unavailable: could not connect: .* does it admit this origin\?$/);
    await vi.waitFor(() => expect(log.map(({ error }) => error.reason)).toEqual(["origin_refused"]), WITHIN);
  });

  it.each<Form>([
    "buffer",
    "blob",
    "file",
    "a file of a form",
    "stream",
    "a stream that is transformed",
    "a slice of a blob",
  ])("sends %s, 3 MB of it", async (form) => {
    const { program } = await started();
    expect(await program.put(form, 3_000_000)).toEqual({ size: 3_000_000, sum: sumOf(3_000_000) });
  });

  it("sends the file that somebody has chosen", async () => {
    const { page, program } = await started();
    await program.showInput();
    const buffer = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, at) => byteAt(at)));
    await page.locator("input").setInputFiles({ name: "a.bin", mimeType: "application/octet-stream", buffer });
    expect(await program.putChosen()).toEqual({ size: 200_000, sum: sumOf(200_000) });
  });

  it("receives 3 MB as bytes, as a blob with progress, and as a web stream", async () => {
    const { program } = await started();
    for (const form of ["bytes", "blob", "stream"] as const) {
      const { reports, last, ...received } = await program.load(form, 3_000_000);
      expect(received).toEqual({ size: 3_000_000, isAsSent: true });
      if (form === "blob") expect([reports > 2, last]).toEqual([true, 3_000_000]);
    }
  });

  it("is told what fails, and nothing else", async () => {
    const { program } = await started();
    expect(await program.fail()).toMatch(/^internal: fail: internal error: reference \w+$/);
    expect(await program.add(1, 1)).toBe(2);
  });

  it("cancels an upload: nothing more is taken from its source, and the service learns of it", async () => {
    const { work, program } = await started();
    await program.beginUpload(1_000 * MiB);
    await vi.waitFor(() => expect(work.taken).toBeGreaterThan(2 * MiB), WITHIN);
    expect(await program.cancelUpload()).toBe("cancelled: put: cancelled");
    const given = await program.givenSoFar();
    expect(given).toBeLessThan(1_000 * MiB);
    await vi.waitFor(() => expect(work.aborted).toEqual(["put"]), WITHIN);
    expect(await program.add(1, 1)).toBe(2);
    expect(await program.givenSoFar()).toBe(given);
  });

  it("hears why a server closes, and goes to the next one", async () => {
    const { server, program } = await started({ reconnect: { initialDelayMs: 20 } });
    await server.close("maintenance");
    await serving(new Work());
    expect(await program.add(1, 1)).toBe(2);
    const states = await program.statesSoFar();
    expect(states[0]).toMatch(/^connecting: .*maintenance/);
    expect(states.at(-1)).toBe("open");
  });

  it("that does not read a result slows the server, whatever its size; other calls go on", async () => {
    const { work, page, program } = await started({ limits: { maxBodyBytes: 2e9 } });
    const before = await heapOf(page);
    const rss = process.memoryUsage().rss;
    expect(await program.loadUnread(1_000 * MiB)).toBe(1_000 * MiB);
    const { median, most } = await program.latency(200);
    const { given } = work;
    await program.latency(200);
    expect(work.given).toBe(given); // it stands still
    expect(given).toBeLessThan(4 * MiB);
    const grown = { page: (await heapOf(page)) - before, server: process.memoryUsage().rss - rss };
    console.log(
      `a result of 1000 MiB that a page does not read: the server has given ${(given / MiB).toFixed(2)} MiB of it; ` +
        `the heap of the page has grown by ${(grown.page / MiB).toFixed(1)} MiB, the server by ${(grown.server / MiB).toFixed(1)} MiB; ` +
        `a call meanwhile takes ${median.toFixed(2)} ms, ${most.toFixed(1)} ms at most`,
    );
    expect(grown.page).toBeLessThan(16 * MiB);
    await program.discardUnread();
  });

  it("waits with an upload while the server does not read; other calls go on", async () => {
    const { work, page, program } = await started();
    work.shut();
    const before = await heapOf(page);
    await program.beginUpload(40 * MiB);
    const { median, most } = await program.latency(200);
    const given = await program.givenSoFar();
    await program.latency(200);
    expect(await program.givenSoFar()).toBe(given);
    expect(given).toBeLessThan(4 * MiB);
    console.log(
      `an upload of 40 MiB that a server does not read: the page has given ${(given / MiB).toFixed(2)} MiB of it; ` +
        `its heap has grown by ${(((await heapOf(page)) - before) / MiB).toFixed(1)} MiB; ` +
        `a call meanwhile takes ${median.toFixed(2)} ms, ${most.toFixed(1)} ms at most`,
    );
    work.open();
    await program.uploaded();
    expect(work.taken).toBe(40 * MiB);
  });

  it.each(["resume", "visibilitychange"])("%s shows a connection that was lost without a word", async (type) => {
    const { network, page, program } = await overNetwork({ limits: { keepaliveTimeoutMs: 300 }, reconnect: {} });
    network.vanish();
    await page.evaluate((event) => document.dispatchEvent(new Event(event)), type);
    await vi.waitFor(async () => expect(await program.statesSoFar()).toHaveLength(2), WITHIN);
    expect(await program.statesSoFar()).toEqual([expect.stringMatching(/^connecting: .*does not answer/), "open"]);
    expect(await program.add(1, 1)).toBe(2);
  });

  it("offline ends nothing: calls go on when the network is back", async () => {
    const { page, program } = await started({ reconnect: {} });
    await page.context().setOffline(true);
    expect(await page.evaluate(() => navigator.onLine)).toBe(false);
    expect(await program.stateOf()).toBe("open");
    await page.context().setOffline(false);
    expect(await program.add(1, 1)).toBe(2);
    expect(await program.statesSoFar()).toEqual([]);
  });

  it("online ends the pause before the next attempt", async () => {
    const { server, page, program } = await started({
      reconnect: { initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
    });
    await server.close();
    await vi.waitFor(async () => expect(await program.stateOf()).toBe("connecting"), WITHIN);
    await page.context().setOffline(true);
    await serving(new Work());
    await page.context().setOffline(false);
    await vi.waitFor(async () => expect(await program.stateOf()).toBe("open"), WITHIN);
    expect(await program.add(1, 1)).toBe(2);
  });
});

/** after a garbage collection */
async function heapOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize = 0 } = (await session.send("Runtime.getHeapUsage")) as {
    usedSize: number;
    backingStorageSize?: number;
  };
  return usedSize + backingStorageSize;
}
