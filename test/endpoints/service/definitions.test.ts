/**
 * Several definitions on one server, and a link whose definition is not that of its service.
 */
import {
  combine,
  defineService,
  type HbiError,
  Link,
  type LogEntry,
  type Mismatch,
  memoryTransportPair,
  method,
  type Peer,
  type Service,
  ServiceHost,
} from "hbi";
import { hostileTransport, ManualClock, quiet } from "hbi/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const catalog = defineService({
  name: "catalog",
  version: "1.0.0",
  methods: { price: method({ params: { item: z.string() }, result: z.number() }) },
  reactions: { price_changed: method({ params: { item: z.string() } }) },
});
const orders = defineService({
  name: "orders",
  version: "2.0.0",
  methods: { order: method({ params: { item: z.string(), amount: z.int() }, result: z.string() }) },
  reactions: { shipped: method({ params: { item: z.string() }, result: z.boolean() }) },
});
const shop = combine({ name: "shop", version: "1.0.0" }, catalog, orders);

const handlers = () => ({
  price: ({ item }: { item: string }) => item.length,
  order: ({ item, amount }: { item: string; amount: number }) => `${amount} ${item}`,
});
const quietly = { log: () => undefined };

async function linked<S extends Service>(
  host: ServiceHost<never, never>,
  service: S,
  reactions: object,
  options: object = {},
) {
  const dial = async () => {
    const [near, far] = memoryTransportPair();
    void host.accept(far).catch(() => undefined);
    return near;
  };
  return new Link<Service>(service, dial, reactions as never, { ...quietly, ...options } as never).open();
}

describe("several definitions on one server", () => {
  async function both() {
    const host = new ServiceHost(shop, handlers, quietly);
    const seen: string[] = [];
    const one = await linked(host as never, catalog, {
      price_changed: ({ item }: { item: string }) => void seen.push(item),
    });
    const two = await linked(host as never, orders, { shipped: () => true });
    await Promise.all([one.ping(), two.ping()]);
    const [first, second] = [...host.peers] as [Peer<typeof shop, undefined>, Peer<typeof shop, undefined>];
    return { host, seen, one, two, first, second };
  }

  it("answers consumers of each, and has all of them as peers", async () => {
    const { host, one, two } = await both();
    expect(await one.call["price"]?.({ item: "lamp" })).toBe(4);
    expect(await two.call["order"]?.({ item: "lamp", amount: 2 })).toBe("2 lamp");
    expect(host.peers.size).toBe(2);
    expect([one.mismatch, two.mismatch]).toEqual([undefined, undefined]);
    await host.close();
  });

  it("a reaction is sent to consumers that declare it, and refused at once for others", async () => {
    const { host, seen, first, second } = await both();
    expect([first.declares(catalog), first.declares(orders), second.declares(orders)]).toEqual([true, false, true]);
    for (const peer of host.peers) void peer.post.price_changed({ item: "lamp" });
    expect(await second.call.shipped({ item: "lamp" })).toBe(true);
    const refused = await first.call.shipped({ item: "lamp" }).catch((error: HbiError) => error);
    expect(refused).toMatchObject({ reason: "unknown_name", mayHaveLanded: false });
    await quiet();
    expect(seen).toEqual(["lamp"]);
    await host.close();
  });

  it("a consumer of all of them gets everything; what one declares is unknown until it has said it", async () => {
    const host = new ServiceHost(shop, handlers, quietly);
    const link = await linked(host as never, shop, { price_changed: () => undefined, shipped: () => true });
    await link.ping();
    const [peer] = host.peers;
    expect([peer?.declares(catalog), peer?.declares(orders)]).toEqual([true, true]);
    expect(await peer?.call.shipped({ item: "x" })).toBe(true);
    expect(link.mismatch).toBe(undefined);
    const { transport, peer: silent } = hostileTransport();
    const stranger = await host.accept(transport);
    expect(stranger.declares(catalog)).toBe(undefined);
    silent.reset();
    await host.close();
  });

  const token = z.string();
  const named = (name: string, more: object = {}) => defineService({ name, version: "1.0.0", methods: {}, ...more });
  it.each<[string, Service[], string]>([
    ["a method", [catalog, named("other", { methods: catalog.methods })], "price is a method of catalog and of other"],
    [
      "a reaction",
      [orders, named("other", { reactions: orders.reactions })],
      "shipped is a reaction of orders and of other",
    ],
    ["their name", [catalog, named("catalog")], "two definitions have the name catalog"],
    [
      "other credentials",
      [named("a", { credentials: { token } }), named("b", { credentials: { token: z.int() } })],
      "the same credentials",
    ],
    ["no credentials", [named("a", { credentials: { token } }), named("b")], "the same credentials"],
    ["a combination", [shop, named("b")], "shop is combined already"],
    ["no definition", [catalog, {} as never], "combine takes definitions"],
  ])("are not combined if they share %s", (_, parts, text) => {
    const [first, ...rest] = parts as [Service, ...Service[]];
    expect(() => combine({ name: "all", version: "1.0.0" }, first, ...rest)).toThrow(text);
  });

  it("may have the same credentials, also if each writes them", () => {
    const parts = ["a", "b", "c"].map((name, i) =>
      named(name, { credentials: { token: i === 2 ? token : z.string() } }),
    ) as unknown as [Service, Service, Service];
    expect(Object.keys(combine({ name: "all", version: "1.0.0" }, ...parts).credentials ?? {})).toEqual(["token"]);
  });
});

describe("a definition that differs", () => {
  const version = (number: string, methods: object, more: object = {}) =>
    defineService({ name: "notes", version: number, methods: methods as never, ...more });
  const add = method({ params: { text: z.string() } });
  const old = version("1.0.0", { add });
  const more = version("1.1.0", { add, list: method({ params: {}, result: z.array(z.string()) }) });
  const strict = version("2.0.0", { add: method({ params: { text: z.string().max(5), by: z.string() } }) });
  const credentials = { token: z.string() };

  async function met(ours: Service, theirs: Service, options: object = {}, hostOptions: object = {}) {
    const log: LogEntry[] = [];
    const all = Object.fromEntries(Object.keys(theirs.methods).map((name) => [name, () => undefined]));
    const host = new ServiceHost<Service>(theirs, (() => all) as never, { ...quietly, ...hostOptions });
    const link = await linked(host as never, ours, {}, { log: (entry: LogEntry) => void log.push(entry), ...options });
    await quiet();
    return { link, host, log, dropped: () => [...host.peers].map((peer) => peer.disconnect()) };
  }

  /** What compares definitions is loaded on demand; a link that refuses a difference awaits it. */
  beforeAll(() => expect(met(old, strict, { onMismatch: "error" })).rejects.toThrow("notes 2.0.0"));

  it.each<[string, Service, Service, object | undefined, boolean]>([
    ["the same", old, version("1.0.1", { add }), undefined, false],
    ["a service with more", old, more, { version: "1.1.0", isBreaking: false }, false],
    [
      "a service with less",
      more,
      old,
      { isBreaking: true, changes: [{ path: "methods.list", kind: "removed" }] },
      true,
    ],
    ["a service that accepts less", old, strict, { isBreaking: true }, true],
    ["a link that declares no method", version("1.0.0", {}), strict, undefined, false],
  ])("%s", async (_, ours, theirs, mismatch, isWarned) => {
    const { link, log, host } = await met(ours, theirs);
    if (mismatch === undefined) expect(link.mismatch).toBe(undefined);
    else expect(link.mismatch).toMatchObject(mismatch);
    expect(log.map(({ error, where }) => [error.reason, where])).toEqual(
      isWarned ? [["other_definition", "definition"]] : [],
    );
    await host.close();
  });

  it("the warning names what differs, and is not repeated by each connection", async () => {
    const clock = new ManualClock();
    const { log, link, dropped, host } = await met(old, strict, { clock, reconnect: { initialDelayMs: 10 } });
    expect(log[0]?.error.message).toContain("notes 2.0.0: methods.add.params.by");
    await Promise.all(dropped());
    await quiet();
    await clock.advance(10);
    await link.ping();
    await quiet();
    expect(log.filter(({ where }) => where === "definition")).toHaveLength(1);
    expect(link.mismatch).toMatchObject({ isBreaking: true });
    await host.close();
  });

  it("is given to a function, also if it is compatible", async () => {
    const seen: Mismatch[] = [];
    const onMismatch = (mismatch: Mismatch) => void seen.push(mismatch);
    for (const theirs of [more, strict, old]) await (await met(old, theirs, { onMismatch })).host.close();
    expect(seen.map(({ isBreaking }) => isBreaking)).toEqual([false, true]);
  });

  it("is ignored if that is wanted", async () => {
    const { link, log, host } = await met(old, strict, { onMismatch: "ignore" });
    expect([link.mismatch, log]).toEqual([undefined, []]);
    await host.close();
  });

  it("refuses the connection if it is an error, unless it is compatible", async () => {
    const onMismatch = "error";
    await expect(met(old, strict, { onMismatch })).rejects.toMatchObject({
      code: "failed_precondition",
      reason: "other_definition",
      message: expect.stringContaining("methods.add.params"),
      details: { changes: expect.arrayContaining([expect.objectContaining({ isBreaking: true })]) },
    });
    for (const theirs of [old, more]) {
      const { link, host } = await met(old, theirs, { onMismatch });
      await link.call["add"]?.({ text: "x" });
      await host.close();
    }
  });

  it.each([["warn"], ["error"]])("is found behind credentials as well: %s", async (onMismatch) => {
    const [ours, theirs] = [old, strict].map(({ version: number, methods }) =>
      version(number, methods, { credentials }),
    );
    const options = { onMismatch, credentials: { token: "x" } };
    const outcome = await met(ours as Service, theirs as Service, options, { authenticate: () => ({}) }).then(
      ({ log }) => log.map(({ error }) => error.reason).join(),
      (error: HbiError) => error.reason,
    );
    expect(outcome).toBe("other_definition");
  });

  it("is not told by a service that does not describe itself, and not looked for in a peer of another library", async () => {
    const silent = await met(old, strict, { onMismatch: "error" }, { describe: false });
    expect(silent.link.mismatch).toBe(undefined);
    await silent.host.close();
    const plain = await met(old, strict, { onMismatch: "error" }, { extension: false });
    expect(plain.link.mismatch).toBe(undefined);
    await plain.host.close();
  });

  it("an option that is none is refused", async () => {
    await expect(met(old, old, { onMismatch: "strict" })).rejects.toThrow("onMismatch must be");
  });

  it("of a server of several definitions is found too", async () => {
    const other = defineService({ name: "catalog", version: "0.9.0", methods: { cost: method({ params: {} }) } });
    const { link, log, host } = await met(other, shop);
    expect(link.mismatch?.changes.filter(({ isBreaking }) => isBreaking).map(({ path }) => path)).toEqual([
      "methods.cost",
    ]);
    expect(log).toHaveLength(1);
    await host.close();
  });
});

describe("a large definition", () => {
  const methods = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`m${i}`, method({ params: { n: z.int() }, result: z.int() })]),
  );
  /** Each reading is a turn's time later. */
  class PassingClock extends ManualClock {
    turns = 0;
    #ms = 0;
    override now() {
      this.#ms += 5;
      return this.#ms;
    }
    override soon(run: () => void) {
      this.turns += 1;
      super.soon(run);
    }
  }

  it("is described in turns of the event loop, together with those that it combines", async () => {
    const one = defineService({ name: "one", version: "1.0.0", methods });
    const other = defineService({ name: "other", version: "1.0.0", methods: catalog.methods });
    const clock = new PassingClock();
    const host = new ServiceHost(combine({ name: "both", version: "1.0.0" }, one, other), () => ({}) as never, {
      clock,
    });
    await host.described();
    expect(clock.turns).toBeGreaterThan(2 * 50);
    const before = clock.turns;
    await host.described();
    expect(clock.turns).toBe(before);
  });

  it("is not described by a server that does not describe itself", async () => {
    const clock = new PassingClock();
    const service = defineService({ name: "one", version: "1.0.0", methods });
    await new ServiceHost(service, () => ({}) as never, { clock, describe: false }).described();
    expect(clock.turns).toBe(0);
  });

  const large = () => defineService({ name: "one", version: "1.0.0", methods });

  it("is waited for by connections that nobody made wait, all together and in turns", async () => {
    const clock = new PassingClock();
    const service = large();
    const host = new ServiceHost(service, () => mapped(methods) as never, { ...quietly, clock });
    const mismatches: Mismatch[] = [];
    const changed = defineService({
      name: "one",
      version: "1.0.0",
      methods: { m0: method({ params: { n: z.string() } }) },
    });
    const onMismatch = (mismatch: Mismatch) => void mismatches.push(mismatch);
    const opened = [
      ...Array.from({ length: 9 }, () => linked(host as never, service, {})),
      linked(host as never, changed, {}, { onMismatch }),
    ];
    expect([host.connectionCount, clock.turns]).toEqual([0, 1]); // the first turn has been used up
    const links = await Promise.all(opened);
    for (const link of links.slice(0, 9)) await link.call["m1"]?.({ n: 1 });
    expect(clock.turns).toBeGreaterThan(50);
    expect(clock.turns).toBeLessThan(3 * 50); // not 50 for each
    await quiet();
    expect(mismatches).toMatchObject([{ name: "one", isBreaking: true }]);
    for (const link of links) await link.close();
  });

  it("that is not described yet: a host that closes refuses who waits", async () => {
    const clock = new PassingClock();
    const host = new ServiceHost(large(), () => mapped(methods) as never, { ...quietly, clock });
    const [, transport] = memoryTransportPair();
    const accepted = host.accept(transport);
    await host.close();
    await expect(accepted).rejects.toMatchObject({ reason: "draining" });
    expect(host.connectionCount).toBe(0);
  });

  it("is described in one turn if it is small, so that a connection begins at once", () => {
    const host = new ServiceHost(large(), () => mapped(methods) as never, { ...quietly, clock: new ManualClock() });
    const [, transport] = memoryTransportPair();
    void host.accept(transport);
    expect(host.connectionCount).toBe(1);
  });
});

function mapped(methods: object) {
  return Object.fromEntries(Object.keys(methods).map((name) => [name, ({ n }: { n: number }) => n]));
}
