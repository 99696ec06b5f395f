/**
 * Which handlers a service accepts, when they are created, and the hooks around the life of a peer.
 */
import { type CallOn, defineService, HbiError, HostingEnv, Link, method, type Peer, ServiceHost } from "hbi";
import { conversation, type HostilePeer, hostileTransport, quiet, testLink } from "hbi/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { pair } from "../../support/pair.ts";

const unheard: unknown[] = [];
const hear = (reason: unknown) => void unheard.push(reason);
beforeAll(() => void process.on("unhandledRejection", hear));
afterAll(async () => {
  await quiet();
  process.off("unhandledRejection", hear);
  expect(unheard).toEqual([]);
});

const counter = defineService({
  name: "counter",
  version: "1.0.0",
  methods: {
    add: method({ params: { by: z.int() }, result: z.int() }),
    "svc.reset": method({ params: {}, result: z.int() }),
  },
  reactions: { counted: method({ params: { to: z.int() }, result: z.string() }) },
});
type Counter = typeof counter;
type CounterPeer = Peer<Counter, undefined>;

class Base {
  #count = 0;
  protected step = 1;
  add({ by }: { by: number }): number {
    this.#count += by * this.step;
    return this.#count;
  }
  "svc.reset"(): number {
    this.#count = 0;
    return this.#count;
  }
}

class Doubling extends Base {
  readonly peer: CounterPeer;
  protected override step = 2;
  constructor(peer: CounterPeer) {
    super();
    this.peer = peer;
  }
  private helper(): number {
    return 0;
  }
  override "svc.reset"(): number {
    return super["svc.reset"]() + this.helper();
  }
}

class Told {
  readonly #told: number[] = [];
  counted({ to }: { to: number }): string {
    this.#told.push(to);
    return this.#told.join();
  }
}

const plain = { add: () => 1, "svc.reset": () => 0 };

const hostOf = (factory: unknown, options: object = {}) =>
  new ServiceHost<Counter>(counter, factory as never, { log: () => undefined, ...options });

const accepted = (host: ServiceHost<Counter>) =>
  host.accept(hostileTransport().transport).then(
    () => "served",
    (error: HbiError) => error,
  );

describe("an instance of a class", () => {
  it("has its methods, private fields and inherited methods as handlers, one for each peer", async () => {
    await using one = await testLink(counter, (peer) => new Doubling(peer), { reactions: new Told() });
    expect(await one.link.call.add({ by: 2 })).toBe(4);
    expect(await one.link.call.add({ by: 1 })).toBe(6);
    expect(await one.link.call["svc.reset"]()).toBe(0);
    expect(await one.link.script((s) => [s.add(1), s.add(s.add(1))])).toEqual([2, 12]);
  });

  it("works behind interceptors as well", async () => {
    const host = { interceptors: [(_: unknown, next: () => unknown) => next()] };
    await using test = await testLink(counter, () => new Base(), { reactions: new Told(), host });
    expect(await test.link.call.add({ by: 3 })).toBe(3);
  });

  it("has reactions as well", async () => {
    await using test = await testLink(counter, () => plain, { reactions: new Told() });
    expect(await test.peer.call.counted({ to: 1 })).toBe("1");
    expect(await test.peer.call.counted({ to: 2 })).toBe("1,2");
  });

  it("is what exposeAll takes", async () => {
    const { client } = await pair(new HostingEnv().exposeAll(counter.methods, new Base()));
    expect(
      await client.posting.converse(async (co) => {
        await co.sendCode("add(5)");
        return co.recvObj(z.int());
      }),
    ).toBe(5);
  });
});

describe("names that every object has", () => {
  const odd = defineService({
    name: "odd",
    version: "1.0.0",
    methods: Object.fromEntries(
      ["constructor", "toString", "valueOf"].map((name) => [name, method({ params: {}, result: z.string() })]),
    ),
  });
  const all = { constructor: () => "c", toString: () => "s", valueOf: () => "v" };

  it("are handlers where the object has them itself", async () => {
    await using test = await testLink(odd, () => all as never);
    for (const [name, handler] of Object.entries(all)) expect(await test.link.call[name]?.()).toBe(handler());
  });

  it.each([
    ["constructor", { toString: all.toString, valueOf: all.valueOf }],
    ["toString", { constructor: all.constructor, valueOf: all.valueOf }],
    [
      "constructor",
      new (class {
        toString() {
          return "";
        }
        valueOf() {
          return "";
        }
      })(),
    ],
  ])("%s of Object or of a class is none", async (name, handlers) => {
    await expect(testLink(odd, () => handlers as never)).rejects.toThrow(`${name} has no handler`);
  });
});

describe("a host does not start with", () => {
  it.each<[string, unknown, string]>([
    ["an object", plain, "() => ({ ... }), not { ... }"],
    ["nothing", undefined, "must be a function"],
    ["an instance", new Base(), "must be a function"],
    ["a class", Base, "(peer) => new Handlers(peer)"],
  ])("%s instead of a factory", (_, factory, text) => {
    expect(() => hostOf(factory)).toThrow(
      expect.objectContaining({ reason: "bad_option", message: expect.stringContaining(text) }),
    );
  });
});

it.each<[string, unknown, string]>([
  ["a function", () => undefined, "not a function"],
  ["nothing", undefined, "not undefined"],
  ["null", null, "not null"],
  ["a promise", Promise.resolve(new Told()), "not a promise"],
  ["an object without it", {}, "counted has no handler"],
])("a link is not made with reactions that are %s", (_, reactions, text) => {
  const dial = () => Promise.reject(new Error("not dialed"));
  expect(() => new Link(counter, dial, reactions as never, {})).toThrow(text);
});

describe("the factory", () => {
  it("runs once for each connection, and never before one", async () => {
    const made: CounterPeer[] = [];
    const far: HostilePeer[] = [];
    const host = hostOf((peer: CounterPeer) => {
      made.push(peer);
      return plain;
    });
    await quiet();
    expect(made).toEqual([]);
    for (let connections = 1; connections <= 3; connections++) {
      const { transport, peer } = hostileTransport();
      far.push(peer);
      await host.accept(transport);
      expect(made.length).toBe(connections);
      await peer.play({ say: conversation("101;x;n", "add(1)") }, { hear: "co_ack_end" });
      expect(made.length).toBe(connections);
    }
    expect(made.every(({ isConnected }) => isConnected)).toBe(true);
    for (const peer of far) peer.reset();
    await host.close();
  });

  it.each<[string, () => unknown, string]>([
    ["a missing handler", () => ({ add: plain.add }), "the handlers of counter: bad option: svc.reset has no handler"],
    ["a surplus handler", () => ({ ...plain, sub: () => 1 }), "sub has a handler but is not declared"],
    ["a handler that is no function", () => ({ ...plain, add: 1 }), "add has no handler"],
    ["no object", () => undefined, "not undefined"],
    ["a promise", async () => plain, "not a promise"],
  ])("with %s refuses its peer, and the log names the cause", async (_, factory, text) => {
    const log: HbiError[] = [];
    const error = (await accepted(
      hostOf(factory, { log: ({ error }: { error: HbiError }) => log.push(error) }),
    )) as HbiError;
    expect(error).toMatchObject({ code: "internal", message: expect.stringMatching(/^internal error: reference/) });
    expect(String((error.cause as Error).message)).toContain(text);
    expect(log.map(({ cause }) => (cause as Error | undefined)?.message).join()).toContain(text);
  });

  it("gives what a test link rejects with", async () => {
    await expect(testLink(counter, (() => ({ add: plain.add })) as never, { reactions: new Told() })).rejects.toThrow(
      "svc.reset has no handler",
    );
  });

  it("may return an object with data besides its handlers", async () => {
    expect(await accepted(hostOf(() => ({ ...plain, since: 3 })))).toBe("served");
  });
});

describe("onPeer and onPeerLeft", () => {
  const { methods, reactions } = counter;
  const credentials = { token: z.string() };
  const guarded = defineService({ name: "guarded", version: "1.0.0", methods, reactions, credentials });
  type Guarded = typeof guarded;

  async function hooked(options: object = {}) {
    const seen: string[] = [];
    const log: string[] = [];
    const factory = (peer: Peer<Guarded, { user: string }>) => {
      seen.push(`made for ${peer.context.user}`);
      return {
        ...plain,
        add: (_: unknown, call: CallOn<Guarded, { user: string }>) => seen.push(`add of ${call.context.user}`),
      };
    };
    const test = await testLink(guarded, factory, {
      reactions: { counted: ({ to }) => `${to}` },
      link: { credentials: () => ({ token: token.now }), log: () => undefined },
      host: {
        authenticate: ({ token: user }) => (user === "" ? undefined : { user }),
        onPeer: (peer) => void seen.push(`${peer.context.user} is here`),
        onPeerLeft: (peer, reason) => void seen.push(`${peer.context.user} left: ${reason?.message}`),
        log: ({ where, error }) => void log.push(`${where}: ${error.code}`),
        ...options,
      },
    });
    return { test, seen, log };
  }
  const token = { now: "ali" };

  it("run once for each connection, around all calls, and not again for new credentials", async () => {
    token.now = "ali";
    const { test, seen } = await hooked();
    await test.link.call.add({ by: 1 });
    token.now = "kasim";
    await test.link.authenticate();
    await test.link.call.add({ by: 1 });
    await test.link.close();
    await quiet();
    expect(seen).toEqual(["made for ali", "ali is here", "add of ali", "add of kasim", "kasim left: undefined"]);
  });

  it("tell why a connection was lost", async () => {
    token.now = "ali";
    const { test, seen } = await hooked();
    await test.link.disconnect("enough");
    await quiet();
    expect(seen.at(-1)).toBe("ali left: peer error: enough");
  });

  it("do not run for a peer that is refused", async () => {
    token.now = "";
    const seen: string[] = [];
    const note = () => void seen.push("ran");
    await expect(hooked({ onPeer: note, onPeerLeft: note })).rejects.toMatchObject({ code: "unauthenticated" });
    await quiet();
    expect(seen).toEqual([]);
  });

  it.each<[string, object | undefined]>([
    ["without authentication", undefined],
    ["with authentication of what has connected", { authenticate: () => "known" }],
  ])("may push, before anything of the peer is landed, %s", async (_, options) => {
    const seen: string[] = [];
    const host = hostOf(() => ({ ...plain, add: () => seen.push("add") }), {
      onPeer: async (peer: CounterPeer) => {
        seen.push("here");
        await peer.post.counted({ to: 7 });
      },
      onPeerLeft: () => void seen.push("left"),
      ...options,
    });
    const { transport, peer } = hostileTransport();
    peer.say(conversation("101;x;n", "add(1)"));
    await host.accept(transport);
    await quiet();
    expect(peer.heard()).toContain("counted(7)");
    expect(seen).toEqual(["here", "add"]);
    await peer.play("reset");
    await quiet();
    expect(seen).toEqual(["here", "add", "left"]);
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("boom");
      },
    ],
    [
      "throws an HbiError",
      () => {
        throw new HbiError("permission_denied", "no");
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error("boom");
      },
    ],
    ["never ends", () => new Promise(() => undefined)],
  ])("one that %s harms nothing, and is logged", async (how, fail) => {
    token.now = "ali";
    const { test, seen, log } = await hooked({ onPeer: fail, onPeerLeft: fail });
    expect(await test.link.call.add({ by: 1 })).toBe(2);
    await test.link.close();
    await quiet();
    expect(seen).toEqual(["made for ali", "add of ali"]);
    const code = how.includes("HbiError") ? "permission_denied" : "internal";
    expect(log).toEqual(how === "never ends" ? [] : [`onPeer: ${code}`, `onPeerLeft: ${code}`]);
    expect(test.host.peers.size).toBe(0);
  });
});
