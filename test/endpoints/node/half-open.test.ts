/**
 * Connections whose network fails silently: either end detects it, and the consumer reconnects. docs/services.md,
 * "Detecting a dead connection".
 */
import { existsSync, readFileSync } from "node:fs";
import { HostingEnv, parseAddress } from "hbi";
import { connect, HBIC, HBIS, serve } from "hbi/node";
import { ManualClock } from "hbi/testing";
import { expect, it } from "vitest";
import { Authority, hasOpenssl } from "../../support/authority.ts";
import { ChaosProxy } from "../../support/chaos-proxy.ts";
import { busy } from "../../system/steady/busy-service.ts";

/** `keepaliveMs` and `keepaliveTimeoutMs`. */
const SILENCE_MS = 30_000;
const ANSWER_MS = 20_000;
/** What the question may need to get there, over the slowest line that is allowed. */
const TRANSIT_MS = 100;
const BACKOFF_MS = 1_000;

it("are given up by the consumer, which dials again, and by the server", async () => {
  const clocks = { server: new ManualClock(), link: new ManualClock() };
  const ended: (string | undefined)[] = [];
  const handlers = {
    twice: ({ n }: { readonly n: number }) => n * 2,
    take: () => 0,
    put: () => "",
    get: () => Promise.reject(new Error("not called")),
    ask: () => 0,
  };
  const server = await serve(
    busy,
    "127.0.0.1:0",
    (peer) => {
      if (peer.isConnected) void peer.closed.then((reason) => ended.push(reason?.reason));
      return handlers;
    },
    { clock: clocks.server, log: () => undefined },
  );
  const proxy = await ChaosProxy.listen(server.address, 1);
  const link = await connect(
    busy,
    proxy.address,
    { asked: () => 0 },
    {
      clock: clocks.link,
      log: () => undefined,
      reconnect: { initialDelayMs: BACKOFF_MS, jitter: 0 },
    },
  );
  const states: string[] = [];
  let isOpen: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    isOpen = resolve;
  });
  link.onState((state, reason) => {
    states.push(reason?.reason === undefined ? state : `${state}, ${reason.reason}`);
    if (state === "open") isOpen();
  });
  await link.call.twice({ n: 1 });
  const [line] = proxy.connections;
  line?.vanish();

  await clocks.link.advance(SILENCE_MS);
  expect(link.state).toBe("open");
  await clocks.link.advance(ANSWER_MS + TRANSIT_MS);
  expect(link.state).toBe("connecting");
  await clocks.link.advance(BACKOFF_MS);
  await opened;
  expect(await link.call.twice({ n: 21 })).toBe(42);
  expect(states).toEqual(["connecting, unresponsive", "open"]);

  expect([server.peers.size, server.connectionCount]).toEqual([2, 2]);
  await clocks.server.advance(SILENCE_MS);
  expect(await link.call.twice({ n: 1 })).toBe(2); // the other one is not silent
  await clocks.server.advance(ANSWER_MS + TRANSIT_MS);
  expect([server.peers.size, server.connectionCount, ended]).toEqual([1, 1, ["unresponsive"]]);
  expect(await link.call.twice({ n: 2 })).toBe(4);

  await link.disconnect();
  await proxy.close();
  await server.close();
});

const TABLE = "/proc/net/tcp";

/** The timer that the system has set for a socket: "keepalive in 60 s". */
function timerOf(port: number, peerPort: number): string | undefined {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, "0");
  for (const line of readFileSync(TABLE, "utf8").split("\n").slice(1)) {
    const [, local, remote, , , timer = ""] = line.trim().split(/\s+/);
    if (local?.endsWith(`:${hex(port)}`) !== true || remote?.endsWith(`:${hex(peerPort)}`) !== true) continue;
    const [kind, when = ""] = timer.split(":");
    return `${kind === "02" ? "keepalive" : kind} in ${Math.ceil(Number.parseInt(when, 16) / 1_000) * 10} s`;
  }
  return undefined;
}

const portOf = (address: string): number => {
  const parsed = parseAddress(address);
  return "port" in parsed ? parsed.port : 0;
};

const CARRIERS = [["TCP", false] as const, ...(hasOpenssl ? [["TLS", true] as const] : [])];

it.runIf(existsSync(TABLE)).each(CARRIERS)(
  "are looked after by the system as well, where the peer speaks the reference's protocol alone: %s",
  async (_, isTls) => {
    const authority = isTls ? new Authority("Test-CA") : undefined;
    const tls = authority === undefined ? {} : { tls: authority.server() };
    const server = new HBIS("127.0.0.1:0", () => new HostingEnv(), { extension: false, ...tls });
    await server.listen();
    const ca = authority === undefined ? {} : { tls: { ca: authority.cert } };
    const client = new HBIC(server.address, new HostingEnv(), { extension: false, ...ca });
    const { po } = await client.connect();
    const posted = await po.co();
    await posted.close();
    await posted.waitCompleted(); // all that was sent is acknowledged
    const near = portOf(po.localAddress);
    const far = portOf(server.address);
    for (const [port, peer] of [
      [near, far],
      [far, near],
    ] as const) {
      let timer = timerOf(port, peer);
      // The last segment is acknowledged a moment later.
      for (; timer !== undefined && !timer.startsWith("keepalive"); timer = timerOf(port, peer)) {
        await new Promise(setImmediate);
      }
      expect(timer).toBe("keepalive in 60 s");
    }
    await client.disconnect();
    await server.close();
    authority?.remove();
  },
);
