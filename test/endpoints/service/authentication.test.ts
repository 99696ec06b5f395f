/**
 * Who calls: authenticate, its context, interceptors of both sides.
 */
import { Readable } from "node:stream";
import {
  type CredentialsOf,
  defineService,
  HbiError,
  Link,
  type LinkOptions,
  memoryTransportPair,
  method,
  type OutgoingCall,
  ServiceHost,
} from "hbi";
import { conversation, hostileTransport, ManualClock, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { MethodGate } from "../../../src/endpoints/guard/method-gate.ts";
import { withoutHello } from "../../support/hello.ts";

const vault = defineService({
  name: "vault",
  version: "1.0.0",
  methods: {
    who_am_i: method({ params: {}, result: z.string() }),
    secret: method({ params: { name: z.string() }, result: z.string() }),
    put: method({ params: { n: z.int() }, body: ({ n }) => n }),
  },
  reactions: { hello: method({ params: { name: z.string() }, result: z.string() }) },
  credentials: { token: z.string().max(100), device: z.string().optional() },
});
type Vault = typeof vault;

const handlers = () => ({
  who_am_i: (_: unknown, call: { context: unknown }) => JSON.stringify(call.context),
  secret: ({ name }: { name: string }) => `secret of ${name}`,
  put: () => undefined,
});
const reactions = { hello: ({ name }: { name: string }) => `hello ${name}` };

const authenticate = async ({ token, device }: CredentialsOf<Vault>) => {
  if (token === "broken") throw new Error("the database is down");
  if (token === "barred") throw new HbiError("permission_denied", "barred until noon");
  await quiet(1);
  return token === "open sesame" ? { user: "Ali", device } : undefined;
};

const start = (credentials: LinkOptions<Vault>["credentials"], more: object = {}, link: object = {}) =>
  testLink(vault, handlers, {
    reactions,
    host: { authenticate, log: () => undefined, ...more },
    link: { credentials, log: () => undefined, ...link },
  });

describe("authenticate", () => {
  it("lets in who shows the right thing, and gives handlers what it made of it", async () => {
    await using test = await start({ token: "open sesame", device: "lamp" });
    expect(await test.link.call.who_am_i()).toBe('{"user":"Ali","device":"lamp"}');
    expect(test.peer.context).toEqual({ user: "Ali", device: "lamp" });
    expect([...test.host.peers]).toEqual([test.peer]);
    expect(await test.peer.call.hello({ name: "Ali" })).toBe("hello Ali");
  });

  it("takes credentials from a function, anew for each connection", async () => {
    let asked = 0;
    const clock = new ManualClock();
    const test = await testLink(vault, handlers, {
      reactions,
      host: { authenticate, log: () => undefined },
      link: {
        credentials: async () => ({ token: "open sesame", device: `${++asked}` }),
        reconnect: { initialDelayMs: 10, jitter: 0 },
        clock,
        log: () => undefined,
      },
    });
    expect(await test.link.call.who_am_i()).toContain('"1"');
    test.cut();
    await clock.advance(10);
    expect(await test.link.call.who_am_i()).toContain('"2"');
    expect(await test.peer.call.hello({ name: "again" })).toBe("hello again");
    await test.link.disconnect();
  });

  it.each([
    ["nothing", { token: "wrong" }, { code: "unauthenticated", reason: "unauthenticated" }],
    ["an error of its own", { token: "barred" }, { code: "permission_denied", message: "barred until noon" }],
    ["an accident", { token: "broken" }, { code: "internal", message: /reference [a-z0-9]{8}$/ }],
  ])("refuses by giving %s", async (_, credentials, { message, ...expected }: { code: string; message?: unknown }) => {
    const error = await start(credentials).catch((thrown) => thrown);
    expect(error).toMatchObject(expected);
    if (message !== undefined) expect(error.message).toMatch(message as string);
  });

  it.each([undefined, null, false] as const)("refuses by %s, whatever the type says", async (nothing) => {
    const error = await start({ token: "open sesame" }, { authenticate: () => nothing }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "unauthenticated" });
  });

  it("is not asked about credentials that are none", async () => {
    const error = await start({ token: "x".repeat(101) }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "invalid_argument" });
    const missing = await start(undefined as never).catch((thrown) => thrown);
    expect(missing).toMatchObject({ reason: "bad_option" });
  });

  it("ends a reconnecting link when it refuses", async () => {
    let token = "open sesame";
    const clock = new ManualClock();
    const test = await testLink(vault, handlers, {
      reactions,
      host: { authenticate, log: () => undefined },
      link: { credentials: () => ({ token }), reconnect: { initialDelayMs: 10 }, clock, log: () => undefined },
    });
    token = "revoked";
    test.cut();
    await quiet();
    await clock.advance(10);
    expect(await test.link.closed).toMatchObject({ code: "unauthenticated" });
    expect(test.connectionCount).toBe(2);
  });

  it("is wanted where credentials are declared", async () => {
    await expect(testLink(vault, handlers, { reactions } as never)).rejects.toThrow("authenticate is missing");
  });

  it("comes before the handlers are made", async () => {
    const made: unknown[] = [];
    const test = await testLink(
      vault,
      (peer) => {
        made.push(peer.context);
        return handlers();
      },
      { reactions, host: { authenticate }, link: { credentials: { token: "open sesame" } } },
    );
    expect(made).toEqual([{ user: "Ali", device: undefined }]);
    await test.close();
  });

  it("can go by what the transport knows", async () => {
    const open = defineService({ name: "vault", version: "1.0.0", methods: vault.methods });
    const test = await testLink(open, handlers, {
      host: { authenticate: (_: undefined, peer) => ({ from: peer.remoteAddress }) },
    });
    expect(await test.link.call.who_am_i()).toBe('{"from":"memory:left"}');
    await test.close();
  });
});

it("a peer that goes while it is looked at is not let in: no handlers are made for it", async () => {
  let decide: (user: object) => void = () => undefined;
  let made = 0;
  const looking = () => new Promise<object>((resolve) => (decide = resolve));
  const factory = () => {
    made += 1;
    return handlers();
  };
  const host = new ServiceHost<Vault, object>(vault, factory, { authenticate: looking, log: () => undefined });
  const before = made; // what it makes at the start for one that is gone
  const { transport, peer } = hostileTransport();
  await host.accept(transport);
  await peer.play({ say: conversation("101;x;n", '$hbi.authenticate("open sesame")') });
  await quiet();
  await peer.play("reset");
  await quiet();
  decide({ user: "Ali" });
  await quiet();
  expect([made, host.peers.size]).toEqual([before, 0]);
});

describe("before it has authenticated, a peer", () => {
  async function stranger() {
    const clock = new ManualClock();
    const test = await start({ token: "open sesame" }, { clock });
    const { transport, peer } = hostileTransport();
    void test.host.accept(transport).catch(() => undefined);
    await quiet();
    return { test, peer, clock };
  }

  it.each([
    ["a method", "who_am_i()"],
    ["a name that there is not", "no_such_thing()"],
    ["a method with raw data", "put(3)"],
    ["one inside its credentials", '$hbi.authenticate(secret("x"))'],
    ["the description", "$hbi.describe()"],
    ["a ping", "$hbi.ping()"],
    ["a slot", "x = 1"],
  ])("is refused %s, in the same words", async (_, code) => {
    const { test, peer } = await stranger();
    const said = await peer.play({ say: conversation("101;x;n", code) }, { hear: "co_ack_end" });
    expect(said).toContain('HbiError("unauthenticated","authenticate first",None,"unauthenticated")');
    await peer.play("reset");
    await test.close();
  });

  it("is cut when what follows is uncertain", async () => {
    const { test, peer } = await stranger();
    const said = await peer.play({ say: conversation("101;x", "put(3)") }, { hear: "err" });
    expect(withoutHello(said)).toBe(packet("err", "authenticate first"));
    await peer.play("end");
    await test.close();
  });

  it("has the time of connectTimeoutMs", async () => {
    const { test, peer, clock } = await stranger();
    await clock.advance(9_999);
    expect(peer.heard()).toBe("");
    await clock.advance(1);
    expect(peer.heard()).toBe(packet("err", "authenticate first"));
    await peer.play("end");
    await test.close();
  });

  it("may show credentials twice at once, and enters once", async () => {
    const { test, peer } = await stranger();
    const shown = '$hbi.authenticate("open sesame")';
    const said = await peer.play(
      { say: conversation("101;x;n", shown) + conversation("102;x;n", shown) },
      { hear: /co_ack_end\]102/ },
    );
    expect(said).toContain(packet("co_recv", "null"));
    expect(said.split(packet("co_recv", "null")).length).toBe(3); // the second shows them anew
    expect(test.host.peers.size).toBe(2);
    await peer.play("end");
    await test.close();
  });
});

describe("interceptors of a service", () => {
  it("stand around each other and the handler, see the call, and may refuse or replace", async () => {
    const seen: string[] = [];
    const test = await testLink(vault, handlers, {
      reactions,
      host: {
        authenticate,
        interceptors: [
          async (call, next) => {
            seen.push(`> ${call.name} ${JSON.stringify(call.params)} ${call.context.user} ${call.peer.remoteAddress}`);
            try {
              return await next();
            } finally {
              seen.push("<");
            }
          },
          (call, next) => {
            if (call.name === "secret" && call.context.user !== "Baba") {
              throw new HbiError("permission_denied", "not for you");
            }
            return next();
          },
          (call, next) => (call.name === "who_am_i" ? `${String(next())}!` : next()),
        ],
        log: () => undefined,
      },
      link: { credentials: { token: "open sesame" } },
    });
    expect(await test.link.call.who_am_i()).toBe('{"user":"Ali"}!');
    await expect(test.link.call.secret({ name: "cave" })).rejects.toMatchObject({ code: "permission_denied" });
    await test.link.call.put({ n: 3 }, { body: new Uint8Array(3) });
    expect(seen).toEqual([
      "> who_am_i {} Ali memory:left",
      "<",
      '> secret {"name":"cave"} Ali memory:left',
      "<",
      '> put {"n":3} Ali memory:left',
      "<",
    ]);
    await test.close();
  });

  it("cannot give a result that the definition refuses", async () => {
    const test = await start({ token: "open sesame" }, { interceptors: [() => 7] });
    await expect(test.link.call.who_am_i()).rejects.toMatchObject({ code: "internal" });
    await test.close();
  });
});

describe("interceptors of a consumer", () => {
  const sum = defineService({
    name: "sum",
    version: "1.0.0",
    methods: { add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }), note: method({ params: {} }) },
    reactions: { hello: vault.reactions.hello },
  });

  it("stand around calls, posts and scripts, and may send again", async () => {
    let attempts = 0;
    const seen: string[] = [];
    const look = async (call: OutgoingCall, next: () => Promise<unknown>) => {
      seen.push(
        `${call.kind} ${call.name} ${typeof call.params === "string" ? call.params : JSON.stringify(call.params)}`,
      );
      return next();
    };
    const again = (_: OutgoingCall, next: () => Promise<unknown>) => next().catch(() => next());
    const test = await testLink(
      sum,
      () => ({
        add({ a, b }) {
          attempts += 1;
          if (attempts === 1) throw new HbiError("aborted", "once more");
          return a + b;
        },
        note: () => undefined,
      }),
      { reactions, host: { log: () => undefined }, link: { interceptors: [look, again] } },
    );
    expect(await test.link.call.add({ a: 1, b: 2 })).toBe(3);
    expect(attempts).toBe(2);
    await test.link.post.note();
    expect(await test.link.script((s) => s.add({ a: s.add({ a: 1, b: 1 }), b: 1 }))).toBe(3);
    expect(seen).toEqual(['call add {"a":1,"b":2}', "post note undefined", "script add add(add(1,1),1)"]);
    await test.close();
  });

  it("that throw at once reject the call, and let go of its body", async () => {
    const body = Readable.from([new Uint8Array(3)]);
    const test = await start(
      { token: "open sesame" },
      {},
      {
        interceptors: [
          () => {
            throw new HbiError("resource_exhausted", "slow down");
          },
        ],
      },
    );
    await expect(test.link.call.put({ n: 3 }, { body })).rejects.toMatchObject({ code: "resource_exhausted" });
    await quiet();
    expect(body.destroyed).toBe(true);
    await test.close();
  });

  it("stand around its reactions, and those of a service around its pushes", async () => {
    const seen: string[] = [];
    const noting = <T>(text: string, next: () => T): T => {
      seen.push(text);
      return next();
    };
    const test = await testLink(sum, () => ({ add: ({ a, b }) => a + b, note: () => undefined }), {
      reactions,
      host: { outgoing: [(call, next) => noting(`out ${call.name}`, next)] },
      link: { incoming: [(call, next) => noting(`in ${call.name}`, next)] },
    });
    expect(await test.peer.call.hello({ name: "x" })).toBe("hello x");
    expect(seen).toEqual(["out hello", "in hello"]);
    await test.close();
  });
});

it("a test link has a handler for each method, and no other", async () => {
  const [near] = memoryTransportPair();
  expect(near.localAddress).toBe("memory:left");
  const sum = defineService({
    name: "sum",
    version: "1.0.0",
    methods: { add: method({ params: {} }), sub: method({ params: {} }) },
  });
  const nothing = () => undefined;
  await expect(testLink(sum, (() => ({ add: nothing })) as never)).rejects.toThrow("sub has no handler");
  await expect(testLink(sum, () => ({ add: nothing, sub: nothing, mul: nothing }))).rejects.toThrow(
    "mul has a handler",
  );
  await expect(testLink(sum, (() => undefined) as never)).rejects.toThrow("not undefined");
  await expect(
    testLink(sum, () => {
      throw new HbiError("unavailable", "no database");
    }),
  ).rejects.toThrow("no database");
  expect(() => new Link(vault, async () => near, {} as never, { credentials: { token: "" } })).toThrow(
    "hello has no handler",
  );
});

describe("authorize", () => {
  const allowing = (authorize: (call: { readonly name: string; readonly context: unknown }) => never) =>
    start({ token: "open sesame" }, { authorize });

  it.each([
    ["true", () => true, "secret of door"],
    ["a promise of true", async () => true, "secret of door"],
    ["false", () => false, "permission_denied"],
    ["a promise of false", async () => false, "permission_denied"],
    ["nothing, as of a forgotten return", () => undefined, "permission_denied"],
    ["something true that is not true", () => 1, "permission_denied"],
    [
      "an error of its own",
      () => {
        throw new HbiError("resource_exhausted", "come back tomorrow");
      },
      "resource_exhausted",
    ],
    [
      "an unexpected error",
      () => {
        throw new Error("the database is down");
      },
      "internal",
    ],
  ])("%s", async (_, authorize, outcome) => {
    await using test = await allowing(authorize as never);
    const answer = await test.link.call.secret({ name: "door" }).catch((error: HbiError) => error.code);
    expect(answer).toBe(outcome);
  });

  it("knows the method and the caller, comes before interceptors and handler, and leaves raw data in its place", async () => {
    const seen: string[] = [];
    await using test = await start(
      { token: "open sesame" },
      {
        authorize: (call: { name: string; context: { user: string } }) => {
          seen.push(`${call.context.user} ${call.name}`);
          return call.name !== "put";
        },
        interceptors: [
          (call: { name: string }, next: () => unknown) => {
            seen.push(`interceptor ${call.name}`);
            return next();
          },
        ],
      },
    );
    const refused = await test.link.call.put({ n: 100_000 }, { body: new Uint8Array(100_000) }).catch((error) => error);
    expect(refused).toMatchObject({ code: "permission_denied", message: "not allowed" });
    expect(await test.link.call.secret({ name: "door" })).toBe("secret of door");
    expect(seen).toEqual(["Ali put", "Ali secret", "interceptor secret"]);
  });
});

describe("authenticating again on a live connection", () => {
  const users: Readonly<Record<string, string>> = { "open sesame": "Ali", "open barley": "Kasim" };
  const again = async () => {
    let token = "open sesame";
    const made: unknown[] = [];
    const test = await testLink(
      vault,
      (peer) => {
        made.push(peer.context);
        return handlers();
      },
      {
        reactions,
        host: {
          authenticate: ({ token: shown }: CredentialsOf<Vault>) => (users[shown] ? { user: users[shown] } : undefined),
          log: () => undefined,
        },
        link: { credentials: () => ({ token }), log: () => undefined },
      },
    );
    const show = (next: string) => {
      token = next;
      return test.link.authenticate();
    };
    return { ...test, link: test.link, host: test.host, peer: () => test.peer, made, show };
  };

  it("makes what follows another's, on the same connection", async () => {
    const { link, host, peer, made, show } = await again();
    const first = peer();
    expect(await link.call.who_am_i()).toBe('{"user":"Ali"}');
    await show("open barley");
    expect(await link.call.who_am_i()).toBe('{"user":"Kasim"}');
    expect(peer()).toBe(first);
    expect([...host.peers]).toEqual([first]);
    expect(peer().context).toEqual({ user: "Kasim" });
    expect(made).toEqual([{ user: "Ali" }]); // once for a connection
    await link.disconnect();
    await first.closed;
    expect(host.peers.size).toBe(0);
  });

  it("leaves all as it was when it is refused", async () => {
    const { link, show } = await again();
    await expect(show("open wheat")).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await link.call.who_am_i()).toBe('{"user":"Ali"}');
    await link.disconnect();
  });
});

describe("concurrency", () => {
  const slow = defineService({
    name: "slow",
    version: "1.0.0",
    methods: {
      work: method({ params: { n: z.int() }, result: z.int() }),
      fail: method({ params: { isLate: z.boolean() }, result: z.int() }),
      free: method({ params: {}, result: z.int() }),
    },
  });

  async function held(concurrency: object, isLate = false) {
    const started: number[] = [];
    const ends = new Map<number, () => void>();
    let admit: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      admit = resolve;
    });
    const authorize = (call: { readonly params: unknown }) =>
      isLate && (call.params as { n?: number }).n === 2 ? late.then(() => true) : true;
    const test = await testLink(
      slow,
      () => ({
        work: ({ n }: { n: number }) => {
          started.push(n);
          return new Promise<number>((resolve) => ends.set(n, () => resolve(n)));
        },
        fail: ({ isLate }: { isLate: boolean }): number | Promise<number> => {
          const error = new HbiError("not_found", "no");
          if (isLate) return Promise.reject(error);
          throw error;
        },
        free: () => 7,
      }),
      { host: { concurrency, authorize, log: () => undefined } },
    );
    return { link: test.link, started, end: (n: number) => ends.get(n)?.(), admit };
  }

  it("limits the concurrent handlers of a method, runs the next in order, and other methods meanwhile", async () => {
    const { link, started, end } = await held({ work: 2 });
    const calls = [1, 2, 3, 4].map((n) => link.call.work({ n }));
    await quiet();
    expect(started).toEqual([1, 2]);
    expect(await link.call.free()).toBe(7);
    end(2);
    await quiet();
    expect(started).toEqual([1, 2, 3]);
    for (const n of [1, 3]) end(n);
    await quiet();
    end(4);
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4]);
    await link.disconnect();
  });

  it("a call that is given up while it waits is never begun", async () => {
    const { link, started, end } = await held({ work: 1 });
    await link.call.free();
    const first = link.call.work({ n: 1 });
    const stop = new AbortController();
    const second = link.call.work({ n: 2 }, { signal: stop.signal }).catch((error: HbiError) => error.code);
    const third = link.call.work({ n: 3 });
    await quiet();
    stop.abort();
    expect(await second).toBe("cancelled");
    await quiet();
    end(1);
    await quiet();
    expect(started).toEqual([1, 3]);
    end(3);
    expect(await Promise.all([first, third])).toEqual([1, 3]);
    await link.disconnect();
  });

  it("a call that is given up while it is authorized is never begun", async () => {
    const { link, started, end, admit } = await held({ work: 1 }, true);
    await link.call.free();
    const first = link.call.work({ n: 1 });
    const stop = new AbortController();
    const second = link.call.work({ n: 2 }, { signal: stop.signal }).catch((error: HbiError) => error.code);
    await quiet();
    stop.abort();
    expect(await second).toBe("cancelled");
    await quiet();
    admit();
    await quiet();
    end(1);
    expect(await first).toBe(1);
    await quiet();
    expect(started).toEqual([1]);
    await link.disconnect();
  });

  it("any number of calls that wait begin one after the other, also when their handlers fail at once", async () => {
    const gate = new MethodGate("work", 1);
    const { signal } = new AbortController();
    let end: () => void = () => undefined;
    const first = gate.run({ signal }, () => ({
      // biome-ignore lint/suspicious/noThenProperty: any thenable is a promise to a handler's caller
      then: (resolve: (value: string) => void) => {
        end = () => resolve("first");
      },
    }));
    const others = Array.from({ length: 20_000 }, () =>
      Promise.resolve(
        gate.run({ signal: new AbortController().signal }, () => {
          throw new Error("at once");
        }),
      ).catch((error: Error) => error.message),
    );
    await quiet();
    end();
    expect(await first).toBe("first");
    expect(new Set(await Promise.all(others))).toEqual(new Set(["at once"]));
  });

  it("a handler that fails gives its place back", async () => {
    const { link } = await held({ fail: 1 });
    for (const isLate of [false, true, false, true]) {
      expect(await link.call.fail({ isLate }).catch((error: HbiError) => error.code)).toBe("not_found");
    }
    await link.disconnect();
  });

  it.each([
    [{ work: 0 }, "concurrency.work must be a positive integer"],
    [{ work: 1.5 }, "concurrency.work must be a positive integer"],
    [{ wrok: 1 }, "concurrency: wrok is not declared"],
  ])("%j does not start", async (concurrency, message) => {
    await expect(held(concurrency)).rejects.toThrow(message);
  });
});
