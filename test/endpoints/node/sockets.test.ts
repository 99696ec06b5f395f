/**
 * Real sockets: whatever ends a connection, none stays open, on either side, and its place is free.
 */
import { defineService, type HbiError, HostingEnv, method } from "hbi";
import { connect, HBIC, HBIS, serve } from "hbi/node";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { handlersOf, kinds, Reactions, Work } from "../service/fixture.ts";

const quietly = { log: () => undefined };
const QUICK = { initialDelayMs: 1, maxDelayMs: 1, jitter: 0 };

const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap" || kind === "TCPServerWrap").length;

/** Sockets close a moment later: the test is over when they are, and fails by its time if they never do. */
async function noneButThose(before: number): Promise<void> {
  while (openSockets() > before) await new Promise(setImmediate);
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "done",
    (error: HbiError) => error.code,
  );

async function held() {
  const before = openSockets();
  const work = new Work();
  const server = await serve(kinds, "127.0.0.1:0", handlersOf(work), quietly);
  const links = await Promise.all(
    [0, 1].map(() => connect(kinds, server.address, new Reactions().all, { ...quietly, reconnect: QUICK })),
  );
  const [one, two] = links;
  if (one === undefined || two === undefined) throw new Error("not connected");
  const calls = links.map((link, i) => codeOf(link.call.hold({ name: `${i}` })));
  await work.holding(2);
  return { before, work, server, one, two, calls };
}

describe("no socket stays open when", () => {
  it("a server closes at once, twice: calls in flight are lost, and links that dial again give up", async () => {
    const { before, server, one, two, calls } = await held();
    await Promise.all([server.close("enough"), server.close()]);
    expect(server.connectionCount).toBe(0);
    expect(await Promise.all(calls)).toEqual(["aborted", "aborted"]);
    await Promise.all([one.disconnect(), two.close()]);
    await noneButThose(before);
  });

  it("a server drains, twice: calls in flight are answered", async () => {
    const { before, work, server, one, two, calls } = await held();
    const drained = [server.drain(), server.drain("again")];
    work.releaseAll();
    await Promise.all(drained);
    expect(await Promise.all(calls)).toEqual(["done", "done"]);
    await Promise.all([one.close(), two.disconnect()]);
    await noneButThose(before);
  });

  it("a server that drains is closed", async () => {
    const { before, server, one, two, calls } = await held();
    const drained = server.drain();
    await server.close();
    await drained;
    expect(await Promise.all(calls)).toEqual(["unavailable", "unavailable"]);
    await Promise.all([one.close(), two.close()]);
    await noneButThose(before);
  });

  it("links close twice, and while they close are told to disconnect", async () => {
    const { before, work, server, one, two, calls } = await held();
    const closed = [one.close(), one.close(), two.close(), two.disconnect(), two.disconnect()];
    expect(await calls[1]).toBe("unavailable");
    work.releaseAll(); // a peer that says no more is answered all the same
    await Promise.all(closed);
    expect(await calls[0]).toBe("done");
    expect([one.state, two.state]).toEqual(["closed", "closed"]);
    while (server.connectionCount > 0) await new Promise(setImmediate);
    await server.drain();
    await noneButThose(before);
  });

  it("a client and a server of the HBI layer end, each in two ways at once", async () => {
    const before = openSockets();
    const server = new HBIS("127.0.0.1:0", () => new HostingEnv(), quietly);
    await Promise.all([server.listen(), server.listen()]);
    const client = new HBIC(server.address, () => new HostingEnv(), quietly);
    const [first, second] = await Promise.all([client.connect(), client.connect()]);
    expect(second.po).toBe(first.po);
    expect(server.connectionCount).toBe(1);
    await Promise.all([client.drain(), client.disconnect(), client.drain()]);
    await Promise.all([server.drain(), server.close(), server.closed]);
    await noneButThose(before);
  });
});

describe("a signal that aborts after the link is open", () => {
  it("leaves its connection as it is, and ends the dialing when that is lost", async () => {
    const before = openSockets();
    const server = await serve(kinds, "127.0.0.1:0", handlersOf(new Work()), quietly);
    const abort = new AbortController();
    const { signal } = abort;
    const link = await connect(kinds, server.address, new Reactions().all, { ...quietly, signal, reconnect: QUICK });
    abort.abort();
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
    const [peer] = server.peers;
    await peer?.disconnect();
    expect((await link.closed)?.code).toBe("cancelled");
    expect(await codeOf(link.call.nothing())).toBe("unavailable");
    await server.close();
    await noneButThose(before);
  });
});

const vault = defineService({
  name: "vault",
  version: "1.0.0",
  methods: { open: method({ params: {}, result: z.string() }) },
  credentials: { token: z.string() },
});

describe("who does not authenticate", () => {
  it("gets no link, no socket stays open, and the next one has the place", async () => {
    const before = openSockets();
    const server = await serve(vault, "127.0.0.1:0", () => ({ open: () => "gold" }), {
      ...quietly,
      authenticate: ({ token }) => (token === "sesame" ? { token } : undefined),
      limits: { maxConnections: 1 },
    });
    for (let i = 0; i < 3; i++) {
      const refused = connect(
        vault,
        server.address,
        {},
        { ...quietly, credentials: { token: "no" }, reconnect: QUICK },
      );
      expect(await codeOf(refused)).toBe("unauthenticated");
      while (server.connectionCount > 0) await new Promise(setImmediate);
      expect(server.peers.size).toBe(0);
      await noneButThose(before + 1); // the listening one
    }
    const link = await connect(vault, server.address, {}, { ...quietly, credentials: { token: "sesame" } });
    expect(await link.call.open()).toBe("gold");
    await link.close();
    await server.close();
    await noneButThose(before);
  });
});
