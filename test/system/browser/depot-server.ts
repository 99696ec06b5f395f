/**
 * The depot in Node, and pages that have a link to it.
 */
import type { AddressInfo } from "node:net";
import type { LogEntry, Peer } from "hbi";
import { type Server, serveWebSocket } from "hbi/ws";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { networkTo } from "../../support/black-hole.ts";
import { inPage, type Site, serveProgram, type TestBrowser } from "../../support/browser.ts";
import { byteAt, depot } from "./depot.ts";
import type { Given } from "./page-program.ts";

type Program = typeof import("./page-program.ts");
type Depot = Server<typeof depot, undefined>;

/** What the handlers have done, and what holds them. */
export class Work {
  given = 0;
  taken = 0;
  readonly aborted: string[] = [];
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  shut(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }
  open(): void {
    this.#open();
  }

  readonly handlers = (peer: Peer<typeof depot, undefined>) => ({
    add: ({ a, b }: { a: number; b: number }) => a + b,
    put: async ({ size }: { size: number }, call: { body: AsyncIterable<Uint8Array>; signal: AbortSignal }) => {
      call.signal.addEventListener("abort", () => this.aborted.push("put"));
      await this.#gate;
      let sum = 0;
      for await (const chunk of call.body) {
        this.taken += chunk.length;
        for (const byte of chunk) sum += byte;
      }
      return { size, sum };
    },
    load: ({ size }: { size: number }) => ({ result: { size }, body: this.#bytes(size) }),
    fail: (): string => {
      throw new Error("a secret of the server");
    },
    push: async ({ count }: { count: number }) => {
      for (let n = 0; n < count; n++) await peer.post.told({ n });
      return peer.call.asked({ question: "how many?" });
    },
  });

  *#bytes(size: number): Generator<Uint8Array> {
    const period = Uint8Array.from({ length: 251 * 256 }, (_, at) => byteAt(at));
    for (let left = size; left > 0; left -= period.length) {
      const chunk = period.subarray(0, Math.min(left, period.length));
      this.given += chunk.length;
      yield chunk;
    }
  }
}

const MOST = { maxBodyBytes: 2e9, handlerTimeoutMs: 600_000 };

/** For the tests of one `describeInBrowser`. */
export function depotServer(browser: TestBrowser) {
  let site: Site;
  beforeAll(async () => {
    site = await serveProgram(new URL("page-program.ts", import.meta.url));
  });
  afterAll(() => site.close());

  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  const log: LogEntry[] = [];
  async function serving(work: Work, origins: readonly string[] = [site.origin]): Promise<Depot> {
    log.length = 0;
    const server = await serveWebSocket(depot, site.server, work.handlers, {
      origins,
      limits: MOST,
      log: (entry) => void log.push(entry),
    });
    ends.push(() => server.close());
    return server;
  }

  const url = () => `${site.origin.replace("http", "ws")}/hbi`;

  async function opened(address: string, given?: Given) {
    const page = await browser.open(site.url);
    const program = inPage<Program>(page);
    expect(await program.open(address, given)).toBe("open");
    expect(await program.add(1, 2)).toBe(3);
    return { page, program };
  }

  return {
    log,
    serving,
    url,
    page: async () => inPage<Program>(await browser.open(site.url)),
    async started(given?: Given) {
      const work = new Work();
      const server = await serving(work);
      return { work, server, ...(await opened(url(), given)) };
    },
    /** Through a network that can vanish. */
    async overNetwork(given: Given) {
      const server = await serving(new Work());
      const network = await networkTo((site.server.address() as AddressInfo).port);
      ends.push(() => network.close());
      return { server, network, ...(await opened(`ws://127.0.0.1:${network.port}/hbi`, given)) };
    },
  };
}
