/**
 * A server's sockets and a host's transports are the same to their peers: who gets in, who is counted, how all of them end.
 */
import { HbiError, type Link, memoryTransportPair, type Peer, ServiceHost, type Transport } from "hbi";
import { connect, serve } from "hbi/node";
import { hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Link as KindsLink } from "../../../src/endpoints/service/link.ts";
import { handlersOf, type Kinds, kinds, Reactions, Work } from "./fixture.ts";

/** What both are. */
interface Ending {
  readonly peers: ReadonlySet<Peer<Kinds, undefined>>;
  readonly connectionCount: number;
  readonly closed: Promise<void>;
  drain(reason?: string): Promise<void>;
  close(reason?: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Hosted {
  readonly host: Ending;
  /** A link of another connection, all of one address. Fails when it is refused, now or as soon as it knows. */
  open(): Promise<Link<Kinds>>;
}

interface Options {
  readonly limits?: object;
  readonly clock?: ManualClock;
  readonly log?: (entry: { readonly error: HbiError }) => void;
}

type Factory = ReturnType<typeof handlersOf>;
const quietly = { log: () => undefined };

/** A peer that is not answered was refused. */
async function answered(link: Link<Kinds>): Promise<Link<Kinds>> {
  expect(await link.call.add({ a: 1, b: 1 })).toBe(2);
  return link;
}

const WAYS: Readonly<Record<string, (factory: Factory, options: Options) => Promise<Hosted>>> = {
  async serve(factory, options) {
    const host = await serve(kinds, "127.0.0.1:0", factory, { ...quietly, ...options });
    const { address } = host;
    return { host, open: async () => answered(await connect(kinds, address, new Reactions().all, quietly)) };
  },
  async accept(factory, options) {
    const host = new ServiceHost<Kinds>(kinds, factory, { ...quietly, ...options });
    const open = async () => {
      const [near, far] = memoryTransportPair();
      void host.accept(far, { address: "127.0.0.1" });
      return answered(await new KindsLink(kinds, async () => near, new Reactions().all, quietly).open());
    };
    return { host, open };
  },
};

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise(setImmediate);
};
const refusal = (link: Promise<unknown>) =>
  link.then(
    () => "served",
    (error: HbiError) => error.code,
  );

const unheard: unknown[] = [];
const hear = (reason: unknown) => void unheard.push(reason);
beforeAll(() => void process.on("unhandledRejection", hear));
afterAll(async () => {
  await quiet();
  process.off("unhandledRejection", hear);
  expect(unheard).toEqual([]);
});

describe.each(Object.entries(WAYS))("%s:", (way, start) => {
  const served = async (options: Options = {}) => {
    const work = new Work();
    return { ...(await start(handlersOf(work), options)), work };
  };

  it("counts who is connected, until they are gone", async () => {
    const { host, open } = await served();
    const links = [await open(), await open()];
    expect([host.connectionCount, host.peers.size]).toEqual([2, 2]);
    expect([...host.peers].map(({ network }) => network)).toEqual(["127.0.0.1", "127.0.0.1"]);
    await links[0]?.disconnect();
    await until(() => host.connectionCount === 1);
    expect(host.peers.size).toBe(1);
    await host.close();
    expect([host.connectionCount, host.peers.size]).toEqual([0, 0]);
  });

  it.each([
    ["maxConnections", { maxConnections: 2 }],
    ["maxConnectionsPerAddress", { maxConnectionsPerAddress: 2 }],
  ])("%s of 2 takes two and not a third, until one has left", async (name, limits) => {
    const clock = new ManualClock();
    const told: string[] = [];
    const { host, open } = await served({ limits, clock, log: ({ error }) => void told.push(error.message) });
    const [one, two] = [await open(), await open()];
    expect(await refusal(open())).toBe("unavailable");
    expect(host.connectionCount).toBe(2);
    await one.disconnect();
    await until(() => host.connectionCount === 1);
    let three: Link<Kinds> | undefined;
    while (three === undefined) three = await open().catch(() => undefined); // its socket may close a moment later
    expect(await refusal(open())).toBe("unavailable");
    await clock.advance(1_000);
    expect(told.filter((line) => line.includes("refused in a second")).join()).toContain(name);
    await Promise.all([answered(two), answered(three)]);
    await host.close();
  });

  it("acceptsPerSecond: one address gets half of it at once, and a quarter with the time", async () => {
    const clock = new ManualClock();
    const { host, open } = await served({ limits: { acceptsPerSecond: 4 }, clock });
    await Promise.all([open(), open()]);
    expect(await refusal(open())).toBe("unavailable");
    await clock.advance(999);
    expect(await refusal(open())).toBe("unavailable");
    await clock.advance(1);
    await open();
    expect(await refusal(open())).toBe("unavailable");
    expect(host.connectionCount).toBe(3);
    await host.close();
  });

  it.each(["drain", "dispose"] as const)("%s answers what is in flight, lets nobody in, and ends", async (how) => {
    const { host, open, work } = await served();
    const link = await open();
    const held = link.call.hold({ name: "a" });
    await work.holding(1);
    const ended = how === "drain" ? host.drain("deploy") : host[Symbol.asyncDispose]();
    await quiet();
    expect(await refusal(open())).toBe("unavailable");
    expect(host.connectionCount).toBe(1);
    work.releaseAll();
    expect(await held).toBe("a");
    await ended;
    await host.closed;
    expect(await link.closed).toBeUndefined(); // in peace
    expect([host.connectionCount, host.peers.size]).toEqual([0, 0]);
  });

  it("a link that closes answers the handlers that it waits for", async () => {
    const { host, open } = await served();
    const link = await open();
    const asked = link.call.ask_back({ question: "still there" });
    await link.close();
    expect(await asked).toBe("still there?!");
    await host.close();
  });

  it("a handler may wait for the drain that it asks for: for all but itself", async () => {
    let ending: Ending | undefined;
    const work = new Work();
    const factory = ((peer: Peer<Kinds, undefined>) => ({
      ...handlersOf(work)(peer),
      nothing: async () => {
        await ending?.drain("asked to");
        work.noted.push("drained");
      },
    })) as unknown as Factory; // a handler may as well give a promise
    const { host, open } = await start(factory, {});
    ending = host;
    const [one, two] = [await open(), await open()];
    const held = two.call.hold({ name: "a" });
    await work.holding(1);
    const asked = one.call.nothing();
    await quiet();
    expect(work.noted).toEqual([]);
    work.releaseAll();
    expect(await held).toBe("a");
    await asked;
    expect(work.noted).toEqual(["drained"]);
    await host.closed;
    expect(await one.closed).toBeUndefined();
  });

  it("a drain that can't end takes handlerTimeoutMs and no longer", async () => {
    const clock = new ManualClock();
    const { host, open, work } = await served({ clock, limits: { handlerTimeoutMs: 2_000 } });
    const link = await open();
    const held = link.call.hold({ name: "a" }).catch((error: HbiError) => error.code);
    await work.holding(1);
    let isOver = false;
    const ended = host[Symbol.asyncDispose]().then(() => {
      isOver = true;
    });
    await clock.advance(1_999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await clock.advance(5_000); // and the time to close
    await ended;
    expect(await held).toMatch(/deadline_exceeded|unavailable/);
    expect(host.connectionCount).toBe(0);
  });

  it.each([
    ["close", false],
    ["close during a drain", true],
  ])("%s ends at once, and says why", async (_, isDraining) => {
    const { host, open, work } = await served();
    const link = await open();
    const held = link.call.hold({ name: "a" }).catch((error: HbiError) => error);
    await work.holding(1);
    const drained = isDraining ? host.drain() : undefined;
    await host.close("closing for today");
    await drained;
    await host.closed;
    expect(await held).toMatchObject({ reason: "peer_error", message: "hold: peer error: closing for today" });
    expect(await refusal(open())).toBe("unavailable");
    expect(work.aborted).toEqual(["a"]);
  });

  it("ends without peers, also twice", async () => {
    const { host, open } = await served();
    await host.drain();
    await Promise.all([host.closed, host.close(), host.drain(), host[Symbol.asyncDispose]()]);
    expect(await refusal(open())).toBe("unavailable");
  });

  it("a throwing factory affects only its own peer, which is informed and returns its slot", async () => {
    let isBroken = false;
    const work = new Work();
    const log: HbiError[] = [];
    const factory: Factory = (peer) => {
      if (isBroken) {
        void peer.post.told({ text: "too early" }); // sent and counted before it throws
        throw new Error("secret of the factory");
      }
      return handlersOf(work)(peer);
    };
    const { host, open } = await start(factory, {
      limits: { maxConnections: 2 },
      log: ({ error }) => void log.push(error),
    });
    const before = await open();
    isBroken = true;
    for (let i = 0; i < 3; i++) {
      const error = await open().catch((thrown: HbiError) => thrown);
      expect(error).toMatchObject({
        reason: "peer_error",
        message: expect.stringMatching(/^add: peer error: internal error: reference [a-z0-9]{8}$/),
      });
      await until(() => host.connectionCount === 1);
    }
    expect(log.filter(({ reason }) => reason === "handler")).toHaveLength(3);
    isBroken = false;
    let after: Link<Kinds> | undefined;
    while (after === undefined) after = await open().catch(() => undefined); // its socket may close a moment later
    await Promise.all([answered(before), answered(after)]);
    expect(host.peers.size).toBe(2);
    await host.close();
  });

  it("ignored promises fail silently, whatever peers do", async () => {
    const { host, open, work } = await served();
    const links = [await open(), await open(), await open()];
    for (const link of links) void link.post.hold({ name: `${way} ${links.indexOf(link)}` });
    await work.holding(3);
    for (const peer of host.peers) void peer.drain();
    void host.drain();
    void links[0]?.disconnect("gone");
    void host.close("closing");
    await host.closed;
    for (const peer of host.peers) void peer.disconnect();
    void host.drain();
    await quiet();
    expect(unheard).toEqual([]);
  });
});

describe("what a host refuses", () => {
  const hostOf = (limits: object, more: object = {}) =>
    new ServiceHost(kinds, handlersOf(new Work()), { ...quietly, limits, clock: new ManualClock(), ...more });

  it.each([
    ["maxConnections", { maxConnections: 1 }, undefined],
    ["maxConnectionsPerAddress", { maxConnectionsPerAddress: 1 }, "203.0.113.7"],
    ["acceptsPerSecond", { acceptsPerSecond: 1 }, undefined],
  ])("beyond %s is destroyed, and whoever accepts it is told", async (name, limits, address) => {
    const host = hostOf(limits);
    const options = address === undefined ? {} : { address };
    await host.accept(hostileTransport().transport, options);
    const { transport, peer } = hostileTransport();
    const error = await host.accept(transport, options).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "resource_exhausted", reason: "too_many_connections" });
    expect(error.message).toContain(name);
    await peer.closed();
    expect(peer.heard()).toBe("");
  });

  it.each(["drain", "close"] as const)("after %s is destroyed as well", async (how) => {
    const host = hostOf({});
    await host[how]();
    const { transport, peer } = hostileTransport();
    await expect(host.accept(transport)).rejects.toMatchObject({ code: "unavailable", reason: "draining" });
    await peer.closed();
  });

  it("counts the given address, else that of the transport, else none", async () => {
    const host = hostOf({ maxConnectionsPerAddress: 1 });
    const ends: Transport[] = [];
    const from = (remoteAddress: string) => {
      const [near, far] = memoryTransportPair();
      ends.push(near);
      return Object.defineProperty(far, "remoteAddress", { value: remoteAddress });
    };
    const first = await host.accept(from("[2001:db8::1]:1"));
    expect(first.network).toBe("2001:db8:0:0::/64");
    expect(await refusal(host.accept(from("[2001:db8::2]:2")))).toBe("resource_exhausted");
    const told = await host.accept(from("[2001:db8::2]:2"), { address: "198.51.100.4" });
    expect(told.network).toBe("198.51.100.4");
    expect(await refusal(host.accept(from("memory:left"), { address: "::ffff:c633:6404" }))).toBe("resource_exhausted");
    for (const text of ["memory:left", "unix", "memory:left"]) {
      expect((await host.accept(from(text))).network).toBeUndefined();
    }
    for (const end of ends) end.destroy();
    await host.close();
  });

  it("a peer that goes before or while it is accepted leaves nothing behind", async () => {
    const host = hostOf({ maxConnections: 1 });
    for (const isBefore of [true, false, true, false]) {
      const { transport, peer } = hostileTransport();
      if (isBefore) peer.reset();
      await quiet();
      const accepted = host.accept(transport);
      if (!isBefore) peer.reset();
      await accepted;
      await quiet();
      expect([host.connectionCount, host.peers.size]).toEqual([0, 0]);
    }
    await host.close();
  });

  it("a refusal of authenticate without credentials is reported to the peer, whatever it throws", async () => {
    const authenticate = () => {
      throw new HbiError("permission_denied", "closed on mondays");
    };
    const host = new ServiceHost<Kinds, object>(kinds, handlersOf(new Work()) as never, { ...quietly, authenticate });
    const { transport, peer } = hostileTransport();
    await expect(host.accept(transport)).rejects.toMatchObject({ code: "unavailable" });
    await quiet();
    expect(peer.heard()).toBe(packet("err", "closed on mondays"));
    await peer.play("end");
    await host.close();
    expect(host.peers.size).toBe(0);
  });
});
