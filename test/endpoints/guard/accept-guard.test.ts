/**
 * Who gets a connection at all: how many in all, of one address, and a second.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress, ServiceHost } from "hbi";
import { connect, nodeSocketTransport, type Server, serve } from "hbi/node";
import { ManualClock } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { AcceptGuard, networkOf, Place, type Refusal } from "../../../src/endpoints/guard/accept-guard.ts";
import { resolveLimits } from "../../../src/limits.ts";
import { handlersOf, kinds, Reactions, Work } from "../service/fixture.ts";

const guardOf = (limits: object, clock = new ManualClock()) => new AcceptGuard(resolveLimits(limits), clock);

/** The limit that refuses it; undefined when it has got a place. */
const refusalOf = (entered: Place | Refusal) => (entered instanceof Place ? undefined : entered);
const placeIn = (guard: AcceptGuard, address?: string): Place => {
  const entered = guard.enter(address);
  if (!(entered instanceof Place)) throw new Error(`refused: ${entered}`);
  return entered;
};

it.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
  ["2001:0DB8:1:2::", "2001:db8:1:2::/64"],
  ["2001:db8::1:0:0:1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["::", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["64:ff9b::203.0.113.7", "64:ff9b:0:0::/64"],
  ["fe80::2%eth1", "fe80:0:0:0::/64"],
  ["::FFFF:cb00:7107", "203.0.113.7"],
  ["0:0:0:0:0:ffff:203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7%eth0", "203.0.113.7"],
  ["1:2:3:4:5:6:7::", "1:2:3:4::/64"],
  ["1::ffff:203.0.113.7", "1:0:0:0::/64"],
  ["0:0:0:0:1:ffff:203.0.113.7", "0:0:0:0::/64"],
  ["::fffe:203.0.113.7", "0:0:0:0::/64"],
  ["2001:db8:1:2:3:4:203.0.113.7", "2001:db8:1:2::/64"],
  // with the port, which each connection chooses: it must not make another address of it
  ["203.0.113.7:51034", "203.0.113.7"],
  ["[::ffff:203.0.113.7]:51034", "203.0.113.7"],
  ["[2001:db8:1:2::6]:51034", "2001:db8:1:2::/64"],
  // no address, such as a name that a proxy gives its client: itself
  ["client-7", "client-7"],
  ["1:2:3", "1:2:3"],
  ["1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:9"],
  ["1::2::3", "1::2::3"],
  ["1:2:3:4:5:6:7:8::", "1:2:3:4:5:6:7:8::"],
  ["2001:dbg::1", "2001:dbg::1"],
  ["", ""],
  [undefined, undefined],
])("%s counts as %s", (address, network) => expect(networkOf(address)).toBe(network));

describe("a guard", () => {
  it("takes maxConnections and not one more, until one has left", () => {
    const guard = guardOf({ maxConnections: 2 });
    const first = placeIn(guard, "10.0.0.1");
    placeIn(guard, "10.0.0.2");
    expect(guard.enter("10.0.0.3")).toBe("maxConnections");
    first.leave();
    placeIn(guard, "10.0.0.3");
    expect(guard.enter("10.0.0.1")).toBe("maxConnections");
  });

  it("takes maxConnectionsPerAddress of each address, and of each IPv6 network", () => {
    const guard = guardOf({ maxConnectionsPerAddress: 2 });
    const [first] = ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2"].map((one) => placeIn(guard, one));
    expect(guard.enter("10.0.0.1")).toBe("maxConnectionsPerAddress");
    expect(guard.enter("2001:db8::3")).toBe("maxConnectionsPerAddress");
    placeIn(guard, "2001:db8:0:1::3");
    for (let i = 0; i < 10; i++) placeIn(guard); // Unix sockets have no address
    first?.leave();
    placeIn(guard, "10.0.0.1");
  });

  it("takes a place back once, however often it is left", () => {
    const guard = guardOf({ maxConnections: 2, maxConnectionsPerAddress: 2 });
    const [first] = [placeIn(guard, "10.0.0.1"), placeIn(guard, "10.0.0.1")];
    for (let i = 0; i < 3; i++) first?.leave();
    placeIn(guard, "10.0.0.1");
    expect(guard.enter("10.0.0.1")).toBe("maxConnections");
    for (let i = 0; i < 3; i++) first?.leave();
    expect(guard.enter(undefined)).toBe("maxConnections");
  });

  it("keeps a slot that is not returned", async () => {
    const clock = new ManualClock();
    const guard = guardOf({ maxConnections: 1 }, clock);
    placeIn(guard, "10.0.0.1");
    await clock.advance(24 * 3_600_000);
    for (let i = 0; i < 10; i++) expect(guard.enter(`10.0.1.${i}`)).toBe("maxConnections");
  });

  const comers = (guard: AcceptGuard, count: number, address: (i: number) => string | undefined) =>
    Array.from({ length: count }, (_, i) => guard.enter(address(i))).filter((entered) => entered instanceof Place)
      .length;
  const others = (i: number) => `10.0.1.${i}`;

  it("takes acceptsPerSecond at once, and as many each second", async () => {
    const clock = new ManualClock();
    const guard = guardOf({ acceptsPerSecond: 4 }, clock);
    expect(comers(guard, 5, others)).toBe(4);
    await clock.advance(249);
    expect(guard.enter(undefined)).toBe("acceptsPerSecond");
    await clock.advance(1);
    placeIn(guard);
    expect(guard.enter(undefined)).toBe("acceptsPerSecond");
  });

  it("takes half of them from one address, and a quarter each second: the others get in", async () => {
    const clock = new ManualClock();
    const guard = guardOf({ acceptsPerSecond: 8 }, clock);
    const one = () => "10.0.0.1";
    expect(comers(guard, 100, one)).toBe(4);
    expect(comers(guard, 100, others)).toBe(4);
    await clock.advance(1_000);
    expect(comers(guard, 100, one)).toBe(2);
    expect(comers(guard, 100, others)).toBe(6);
    await clock.advance(499);
    expect(comers(guard, 100, one)).toBe(0);
    await clock.advance(1);
    expect(comers(guard, 100, one)).toBe(1);
  });

  it("and does not forget that when the address has left, until it would be allowed again", async () => {
    const clock = new ManualClock();
    const guard = guardOf({ acceptsPerSecond: 8 }, clock);
    const again = () => {
      const entered = guard.enter("10.0.0.1");
      if (entered instanceof Place) entered.leave();
      return refusalOf(entered);
    };
    expect([again(), again(), again(), again(), again()].filter((full) => full === undefined).length).toBe(4);
    for (let i = 0; i < 4; i++) guard.enter("10.0.0.2");
    await clock.advance(1_000);
    expect([again(), again(), again()]).toEqual([undefined, undefined, "acceptsPerSecond"]);
  });

  it("what others have taken costs an address nothing", async () => {
    const clock = new ManualClock();
    const guard = guardOf({ acceptsPerSecond: 4 }, clock);
    expect(comers(guard, 4, others)).toBe(4);
    expect(comers(guard, 10, () => "10.0.0.1")).toBe(0);
    await clock.advance(1_000);
    expect(comers(guard, 10, () => "10.0.0.1")).toBe(2);
  });

  it("but not where one address may have connections without bound: all of a proxy's are of one", () => {
    const guard = guardOf({ acceptsPerSecond: 8, maxConnectionsPerAddress: Number.POSITIVE_INFINITY });
    expect(comers(guard, 100, () => "10.0.0.1")).toBe(8);
  });
});

it("a server refuses connections beyond the limit, logs this once, serves the others, and accepts the next after one has left", async () => {
  const clock = new ManualClock();
  const told: string[] = [];
  const log = ({ error }: { error: Error }) => void told.push(error.message);
  const limits = { maxConnectionsPerAddress: 2 };
  const server = await serve(kinds, "127.0.0.1:0", handlersOf(new Work()), { clock, log, limits });
  const open = () => connect(kinds, server.address, new Reactions().all, { log: () => undefined });
  const refused = () =>
    open().then(
      (link) => link.closed,
      () => undefined, // the reset may come before it knows that it is connected
    );
  const [one, two] = [await open(), await open()];
  expect(await Promise.all([one.call.add({ a: 1, b: 1 }), two.call.add({ a: 1, b: 1 })])).toEqual([2, 2]);
  for (let i = 0; i < 3; i++) await refused();
  await clock.advance(1_000);
  expect(told).toEqual(["too many connections: 3 refused in a second, maxConnectionsPerAddress"]);
  const [peer] = server.peers;
  expect(peer?.network).toBe("127.0.0.1");
  const left = peer?.closed;
  await one.disconnect();
  await left;
  let three = await open().catch(() => undefined);
  const works = () => three?.call.add({ a: 1, b: 2 }).catch(() => 0);
  while ((await works()) !== 3) three = await open().catch(() => undefined); // the socket closes a moment later
  expect(await two.call.add({ a: 2, b: 2 })).toBe(4);
  await Promise.all([two.disconnect(), three?.disconnect(), server.close()]);
});

describe("over sockets", () => {
  const portOf = (server: Server<typeof kinds, undefined>): number => {
    const address = parseAddress(server.address);
    return "port" in address ? address.port : 0;
  };
  const serving = async (limits: object, address: string | { path: string } = "127.0.0.1:0") => {
    const clock = new ManualClock();
    const told: string[] = [];
    const log = ({ error }: { error: Error }) => void told.push(error.message);
    const server = await serve(kinds, address, handlersOf(new Work()), { clock, log, limits });
    const call = async () => {
      const link = await connect(kinds, server.address, new Reactions().all, { log: () => undefined });
      return link.call.add({ a: 1, b: 1 });
    };
    const calls = async (count: number) =>
      (await Promise.all(Array.from({ length: count }, () => call().catch(() => 0)))).filter((sum) => sum === 2).length;
    return { server, clock, told, call, calls };
  };

  /** A process of its own, as this one must not accept meanwhile: all are connected, and reset, before it looks. */
  const resetBeforeAccept = (port: number, count: number): void => {
    const program = `
      const { connect } = require("node:net");
      for (let i = 0; i < ${count}; i++) {
        const socket = connect(${port}, "127.0.0.1", () => socket.resetAndDestroy());
        socket.on("error", () => undefined);
      }`;
    execFileSync(process.execPath, ["-e", program]);
  };

  it("who has reset already takes nothing that others need, and is counted", async () => {
    const { server, clock, told, calls } = await serving({ acceptsPerSecond: 8 });
    resetBeforeAccept(portOf(server), 30);
    expect(await calls(6)).toBe(4); // the unused share of one address
    await clock.advance(1_000);
    expect(told).toEqual(["too many connections: 32 refused in a second, gone, acceptsPerSecond"]);
    await server.close();
  });

  it("who resets in the moment in which it is accepted leaves nothing behind", async () => {
    const { server, calls } = await serving({ maxConnections: 4 });
    for (let i = 0; i < 20; i++) {
      const socket = connectSocket(portOf(server), "127.0.0.1");
      socket.on("error", () => undefined);
      await once(socket, "connect");
      if (i % 2 === 0) socket.write("[4#co_beg");
      socket.resetAndDestroy();
      await once(socket, "close");
    }
    while (server.connectionCount > 0) await new Promise(setImmediate);
    expect(await calls(4)).toBe(4);
    await server.close();
  });

  it("Unix sockets have no address: all count together, and those beyond the limit are closed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hbi-accept-"));
    const { server, clock, told } = await serving(
      { maxConnections: 3, maxConnectionsPerAddress: 1 },
      { path: join(folder, "socket") },
    );
    const sockets: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = connectSocket(join(folder, "socket"));
      await once(socket, "connect");
      sockets.push(socket);
    }
    while (server.connectionCount < 3) await new Promise(setImmediate);
    expect([...server.peers].map(({ network }) => network)).toEqual([undefined, undefined, undefined]);
    for (let i = 0; i < 2; i++) {
      const beyond = connectSocket(join(folder, "socket"));
      beyond.on("error", () => undefined).resume();
      await new Promise((resolve) => beyond.once("close", resolve));
    }
    await clock.advance(1_000);
    expect(told).toEqual(["too many connections: 2 refused in a second, maxConnections"]);
    for (const socket of sockets) socket.destroy();
    while (server.connectionCount > 0) await new Promise(setImmediate);
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it.each(["destroyed", "closed"] as const)(
    "a socket that is %s when it is accepted leaves nothing behind",
    async (state) => {
      const host = new ServiceHost(kinds, handlersOf(new Work()), {
        limits: { maxConnections: 1 },
        log: () => undefined,
      });
      const listener = createServer();
      await once(listener.listen(0, "127.0.0.1"), "listening");
      const { port } = listener.address() as AddressInfo; // of TCP
      for (let i = 0; i < 3; i++) {
        const client = connectSocket(port, "127.0.0.1");
        const [socket] = (await once(listener, "connection")) as [Socket];
        socket.destroy();
        if (state === "closed") await once(socket, "close");
        await host.accept(nodeSocketTransport(socket));
        while (host.connectionCount > 0) await new Promise(setImmediate);
        client.destroy();
      }
      listener.close();
      await host.close();
    },
  );

  const hasIpv6 = Object.values(networkInterfaces()).some((some) => some?.some(({ family }) => family === "IPv6"));
  it.skipIf(!hasIpv6)("an address is the same one by both protocols", async () => {
    const { server, calls } = await serving({ maxConnectionsPerAddress: 2 }, "[::]:0");
    const port = portOf(server);
    for (let i = 0; i < 2; i++) {
      const link = await connect(kinds, `127.0.0.1:${port}`, new Reactions().all, { log: () => undefined });
      expect(await link.call.add({ a: 1, b: 1 })).toBe(2);
    }
    expect([...server.peers].map(({ network }) => network)).toEqual(["127.0.0.1", "127.0.0.1"]);
    const third = connectSocket(port, "127.0.0.1");
    third.on("error", () => undefined); // it may be reset
    await new Promise((resolve) => third.once("close", resolve));
    expect(server.connectionCount).toBe(2);
    expect(await calls(1)).toBe(1); // by ::1, which is another
    await server.close();
  });
});
