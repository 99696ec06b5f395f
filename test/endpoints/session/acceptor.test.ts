/**
 * An acceptor of the HBI layer: connections over any transport, under the limits of a server, listed, drained and closed together.
 */
import { Acceptor, Connection, type ContextFactory, HostingEnv, type LogEntry, memoryTransportPair, method } from "hbi";
import { ManualClock, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const quietly = { log: () => undefined };

/** An acceptor whose peers may `add`, and `hold` until they are let go. */
function accepting(options: ConstructorParameters<typeof Acceptor>[1] = {}) {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const context: ContextFactory = () =>
    new HostingEnv()
      .expose("add", method({ params: { a: z.number(), b: z.number() }, result: z.number() }), ({ a, b }) => a + b)
      .expose("hold", method({ params: {}, result: z.int() }), () => held.then(() => 7));
  return { acceptor: new Acceptor(context, { ...quietly, ...options }), release };
}

/** A peer, and its transport's other end. */
async function comes(acceptor: Acceptor, address?: string) {
  const [near, far] = memoryTransportPair();
  const peer = new Connection(near, () => new HostingEnv(), quietly);
  const accepted = acceptor.accept(far, { address });
  await peer.start();
  const call = (code: string): Promise<unknown> =>
    peer.posting.converse(async (co) => {
      await co.sendCode(code);
      return co.recvObj();
    });
  return { accepted, call, peer };
}

it("serves whatever transport it is given, each with an environment of its own, and lists what is open", async () => {
  const { acceptor } = accepting();
  const [one, two] = [await comes(acceptor), await comes(acceptor)];
  expect(await Promise.all([one.call("add(1, 2)"), two.call("add(3, 4)")])).toEqual([3, 7]);
  const [first, second] = [await one.accepted, await two.accepted];
  expect([...acceptor.connections]).toEqual([first, second]);
  expect(first.env).not.toBe(second.env);
  await one.peer.drain();
  await first.closed;
  expect([...acceptor.connections]).toEqual([second]);
  await acceptor.close();
});

it.each([
  ["maxConnections", { maxConnections: 2 }, [undefined, undefined, undefined]],
  ["maxConnectionsPerAddress", { maxConnectionsPerAddress: 2 }, ["203.0.113.7", "203.0.113.7", "203.0.113.7"]],
  ["acceptsPerSecond", { acceptsPerSecond: 2 }, [undefined, undefined, undefined]],
] as const)("%s: takes N and refuses one more, of which nothing is left", async (limit, limits, addresses) => {
  const log: LogEntry[] = [];
  const clock = new ManualClock();
  const { acceptor } = accepting({ limits, clock, name: "here", log: (entry) => log.push(entry) });
  const [first, second, third] = await Promise.all(addresses.map((address) => comes(acceptor, address)));
  expect((await first?.accepted)?.network).toBe(addresses[0]);
  await second?.accepted;
  await expect(third?.accepted).rejects.toMatchObject({
    reason: "too_many_connections",
    message: expect.stringContaining(limit),
  });
  expect((await third?.peer.closed)?.reason).toBe("disconnected");
  expect(acceptor.connections.size).toBe(2);
  await clock.advance(1_000);
  expect(log.map(({ netIdent, error }) => [netIdent, error.message])).toEqual([
    ["here", expect.stringContaining(`1 refused in a second, ${limit}`)],
  ]);
  await acceptor.close();
});

describe("ending", () => {
  it("drains: calls in flight are answered, no peer is accepted, and `closed` resolves", async () => {
    const { acceptor, release } = accepting();
    const { call, peer } = await comes(acceptor);
    const answer = call("hold()");
    await quiet();
    const drained = acceptor.drain();
    const late = await comes(acceptor);
    await expect(late.accepted).rejects.toMatchObject({ code: "unavailable", reason: "draining" });
    release();
    expect(await answer).toBe(7);
    await Promise.all([drained, acceptor.closed, peer.closed]);
    expect(acceptor.connections.size).toBe(0);
  });

  it("closes at once, and by `await using` drains", async () => {
    const { acceptor } = accepting();
    const { call, peer } = await comes(acceptor);
    const answer = call("hold()").catch(({ code }) => code);
    await quiet();
    await acceptor.close("over");
    expect([await answer, (await peer.closed)?.message]).toEqual(["aborted", "peer error: over"]);
    const other = accepting();
    const { peer: another } = await comes(other.acceptor);
    await other.acceptor[Symbol.asyncDispose]();
    expect(await another.closed).toBeUndefined();
  });

  it("drains a connection when what has let its peer in has expired, and not before", async () => {
    const clock = new ManualClock();
    const { acceptor } = accepting({ clock, limits: { keepaliveMs: Number.POSITIVE_INFINITY } });
    for (const [inMs, reason] of [
      [-1_000, "expired before"],
      [3_600_000, "expired"],
    ] as const) {
      const [near, far] = memoryTransportPair();
      let going: string | undefined;
      const peer = new Connection(near, () => new HostingEnv(), {
        ...quietly,
        onGoAway: (said) => {
          going = said;
        },
      });
      await peer.start();
      const at = new Date(Date.now() + inMs);
      await acceptor.serve({ transport: far, neighbours: undefined, expires: { at, reason } });
      peer.posting.sayHello(); // only a peer with the extension is informed
      await quiet();
      if (inMs > 0) {
        await clock.advance(inMs - 600_000);
        expect(peer.isOpen).toBe(true);
      }
      await clock.advance(600_000);
      expect(await peer.closed).toBeUndefined();
      expect(going).toBe(reason);
    }
    expect(acceptor.connections.size).toBe(0);
  });
});

it.each(["close", "drain"] as const)("a context that ends the acceptor gets no connection: %s", async (end) => {
  const acceptor: Acceptor = new Acceptor(() => {
    void acceptor[end]();
    return new HostingEnv();
  }, quietly);
  const { accepted, peer } = await comes(acceptor);
  await expect(accepted).rejects.toMatchObject({ reason: "draining" });
  await acceptor.closed;
  expect([(await peer.closed)?.reason, acceptor.connections.size]).toEqual(["peer_error", 0]);
});

it("a context that ends the acceptor and throws leaves nothing to wait for", async () => {
  const acceptor: Acceptor = new Acceptor(() => {
    void acceptor.close();
    throw new Error("no");
  }, quietly);
  const { accepted } = await comes(acceptor);
  await expect(accepted).rejects.toMatchObject({ code: "internal" });
  await acceptor.closed;
  expect(acceptor.connections.size).toBe(0);
});

it("serves nothing more when it has ended", async () => {
  const { acceptor } = accepting();
  await acceptor.close();
  const [near, far] = memoryTransportPair();
  const peer = new Connection(near, () => new HostingEnv(), quietly);
  await peer.start();
  await expect(acceptor.serve({ transport: far, neighbours: undefined })).rejects.toMatchObject({ reason: "draining" });
  expect((await peer.closed)?.reason).toBe("peer_error");
});

it("destroys a transport whose address cannot be read, and takes no slot", async () => {
  const { acceptor } = accepting({ limits: { maxConnections: 1 } });
  const [near, far] = memoryTransportPair();
  const peer = new Connection(near, () => new HostingEnv(), quietly);
  await peer.start();
  Object.defineProperty(far, "remoteAddress", {
    get: () => {
      throw new Error("gone");
    },
  });
  await expect(acceptor.accept(far)).rejects.toThrow("gone");
  await peer.closed;
  expect((await (await comes(acceptor)).accepted).isOpen).toBe(true);
  await acceptor.close();
});

it("a throwing context refuses only its peer", async () => {
  let isBroken = true;
  const acceptor = new Acceptor(() => {
    if (isBroken) throw new Error("the database is down");
    return new HostingEnv();
  }, quietly);
  const refused = await comes(acceptor);
  await expect(refused.accepted).rejects.toMatchObject({ code: "internal" });
  isBroken = false;
  const next = await comes(acceptor);
  expect((await next.accepted).isOpen).toBe(true);
  await acceptor.close();
});

it("refuses limits that are none", () => {
  expect(() => new Acceptor(() => new HostingEnv(), { limits: { maxConnections: -1 } })).toThrow("maxConnections");
});
