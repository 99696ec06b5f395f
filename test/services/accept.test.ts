/**
 * Who gets a connection at all: how many in all, of one address, and a second.
 */
import { connect, serve } from "hbi/node";
import { ManualClock } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { AcceptGuard, networkOf } from "../../src/endpoints/accept-guard.ts";
import { resolveLimits } from "../../src/limits.ts";
import { handlersOf, kinds, Reactions, Work } from "./fixture.ts";

const guardOf = (limits: object, clock = new ManualClock()) => new AcceptGuard(resolveLimits(limits), clock);

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
  [undefined, undefined],
])("%s counts as %s", (address, network) => expect(networkOf(address)).toBe(network));

describe("a guard", () => {
  it("takes maxConnections and not one more, until one has left", () => {
    const guard = guardOf({ maxConnections: 2 });
    expect([guard.enter("10.0.0.1"), guard.enter("10.0.0.2"), guard.enter("10.0.0.3")]).toEqual([
      undefined,
      undefined,
      "maxConnections",
    ]);
    guard.leave("10.0.0.1");
    expect(guard.enter("10.0.0.3")).toBeUndefined();
  });

  it("takes maxConnectionsPerAddress of each address, and of each IPv6 network", () => {
    const guard = guardOf({ maxConnectionsPerAddress: 2 });
    for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2"]) {
      expect(guard.enter(address)).toBeUndefined();
    }
    expect(guard.enter("10.0.0.1")).toBe("maxConnectionsPerAddress");
    expect(guard.enter("2001:db8::3")).toBe("maxConnectionsPerAddress");
    expect(guard.enter("2001:db8:0:1::3")).toBeUndefined();
    for (let i = 0; i < 10; i++) expect(guard.enter(undefined)).toBeUndefined(); // Unix sockets have no address
    guard.leave("10.0.0.1");
    expect(guard.enter("10.0.0.1")).toBeUndefined();
  });

  const comers = (guard: AcceptGuard, count: number, address: (i: number) => string | undefined) =>
    Array.from({ length: count }, (_, i) => guard.enter(address(i))).filter((full) => full === undefined).length;
  const others = (i: number) => `10.0.1.${i}`;

  it("takes acceptsPerSecond at once, and as many each second", async () => {
    const clock = new ManualClock();
    const guard = guardOf({ acceptsPerSecond: 4 }, clock);
    expect(comers(guard, 5, others)).toBe(4);
    await clock.advance(249);
    expect(guard.enter(undefined)).toBe("acceptsPerSecond");
    await clock.advance(1);
    expect(guard.enter(undefined)).toBeUndefined();
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
      const full = guard.enter("10.0.0.1");
      if (full === undefined) guard.leave("10.0.0.1");
      return full;
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

it("a server refuses who is beyond, tells its log once, serves the others, and takes the next when one has left", async () => {
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
  expect(told).toEqual(["no more connections are taken: 3 refused in a second, maxConnectionsPerAddress"]);
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
