/**
 * The transports of this library keep the contract, those over TLS in test/wire/transport/tls; dialing.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { memoryTransportPair, type Transport } from "hbi";
import { dialSocket, duplexTransport, nodeSocketTransport } from "hbi/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { duplexPair } from "../../support/duplex-pair.ts";
import { Collector, keepsTheContract } from "./transport-contract.ts";

let server: Server;
let port = 0;
beforeAll(async () => {
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterAll(async () => {
  server.close();
  await once(server, "close");
});

async function socketPair(): Promise<[Transport, Transport]> {
  const accepted = once(server, "connection");
  const left = await dialSocket({ host: "127.0.0.1", port }, { timeoutMs: 5_000 });
  const [socket] = await accepted;
  return [left, nodeSocketTransport(socket)];
}

const KINDS: Readonly<Record<string, () => Promise<[Transport, Transport]>>> = {
  "in memory, whole": async () => memoryTransportPair(),
  "in memory, cut": async () => memoryTransportPair({ cut: (available) => Math.min(available, 7_001) }),
  "TCP sockets": socketPair,
  "any Duplex": async () => {
    const [left, right] = duplexPair();
    return [duplexTransport(left), duplexTransport(right)];
  },
};

for (const [name, connect] of Object.entries(KINDS)) keepsTheContract(name, connect);
keepsTheContract("without half-close", async () => memoryTransportPair({ canHalfClose: false }), { halfClose: true });
keepsTheContract("without pause", async () => memoryTransportPair({ canPause: false }), { pause: true });

describe("a stream that never says that it is closed", () => {
  const pair = () => duplexPair({ emitClose: false, autoDestroy: false });
  it("is closed when both directions have ended", async () => {
    const [near, far] = pair();
    const heard = new Collector();
    const transport = duplexTransport(near);
    transport.start(heard);
    transport.end();
    far.resume().end();
    await heard.until(() => heard.closed.length > 0);
    expect([heard.hasEnded, heard.closed]).toEqual([true, [undefined]]);
  });

  it("is closed when it is destroyed", async () => {
    const heard = new Collector();
    const transport = duplexTransport(pair()[0]);
    transport.start(heard);
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed).toEqual([undefined]);
  });
});

describe("dialing", () => {
  it("fails with the cause if there is no listener", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const address = closed.address();
    closed.close();
    await once(closed, "close");
    const free = typeof address === "object" && address !== null ? address.port : 0;
    await expect(dialSocket({ host: "127.0.0.1", port: free }, { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: "unavailable",
      reason: "connect_failed",
      message: `could not connect: 127.0.0.1:${free}: nobody listens there: is the server running?`,
      cause: expect.objectContaining({ code: "ECONNREFUSED" }),
    });
  });

  it("names the place as it would be dialed again: an address of IPv6, a path", async () => {
    const dial = (address: Parameters<typeof dialSocket>[0]) => dialSocket(address, { timeoutMs: 5_000 });
    await expect(dial({ host: "::1", port: 1 })).rejects.toThrow("could not connect: [::1]:1");
    await expect(dial({ path: "/nowhere/hbi" })).rejects.toThrow("could not connect: /nowhere/hbi");
  });

  it("is given up by its signal", async () => {
    const abort = new AbortController();
    const dialed = dialSocket({ host: "127.0.0.1", port }, { timeoutMs: 5_000, signal: abort.signal });
    abort.abort();
    await expect(dialed).rejects.toMatchObject({ code: "cancelled" });
    await expect(
      dialSocket({ host: "127.0.0.1", port }, { timeoutMs: 5_000, signal: abort.signal }),
    ).rejects.toMatchObject({ code: "cancelled" });
  });
});

it("a memory pair breaks where configured", async () => {
  const [left, right] = memoryTransportPair({ breakAfterBytes: 100, cut: () => 30 });
  const [l, r] = [new Collector(), new Collector()];
  left.start(l);
  right.start(r);
  left.write(new Uint8Array(500));
  await r.until(() => r.closed.length > 0);
  expect(r.bytes).toBe(90);
  expect(r.closed[0]).toBeInstanceOf(Error);
});
