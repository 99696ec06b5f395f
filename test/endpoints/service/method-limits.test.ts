/**
 * Limits of a method: larger and smaller than those of the connection, for its calls and its results, at N and N + 1.
 */
import {
  defineService,
  type HbiError,
  type HostOptions,
  Link,
  type LinkOptions,
  type MethodLimits,
  memoryTransportPair,
  method,
  ServiceHost,
} from "hbi";
import { conversation, hostileTransport, packet, quiet, testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const KIB = 1024;

function storeWith(limits: MethodLimits) {
  return defineService({
    name: "store",
    version: "1.0.0",
    methods: {
      load: method({ params: { value: z.unknown() }, result: z.int(), limits: { call: limits.call } }),
      list: method({ params: { n: z.int() }, result: z.unknown(), limits: { result: limits.result } }),
      fetch: method({
        params: { n: z.int() },
        result: z.int(),
        resultBody: (n) => n,
        limits: { result: limits.result },
      }),
      keep: method({ params: { n: z.int() }, body: ({ n }) => n, result: z.int(), limits: { call: limits.call } }),
      usual: method({ params: { value: z.unknown() }, result: z.int() }),
    },
    reactions: { told: method({ params: { value: z.unknown() }, limits: { call: limits.call } }) },
  });
}

const list = (n: number) => Array.from({ length: n }, () => 1);
const count = (value: unknown) => (typeof value === "string" ? value.length : (value as unknown[]).length);

const handlers = () => ({
  load: ({ value }: { value: unknown }) => count(value),
  list: ({ n }: { n: number }) => list(n - 1),
  fetch: ({ n }: { n: number }) => ({ result: n, body: new Uint8Array(n) }),
  keep: ({ n }: { n: number }) => n,
  usual: ({ value }: { value: unknown }) => count(value),
});

async function linked(
  limits: MethodLimits,
  host: HostOptions<ReturnType<typeof storeWith>, undefined>["limits"] = {},
  link: LinkOptions<ReturnType<typeof storeWith>>["limits"] = {},
) {
  const test = await testLink(storeWith(limits), handlers, {
    reactions: { told: () => undefined },
    host: { limits: host, log: () => undefined },
    link: { limits: link, log: () => undefined },
  });
  await test.link.ping();
  return test;
}

const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe("a method with limits of its own", () => {
  it("accepts larger calls than the others", async () => {
    const { link, close } = await linked({ call: { maxNodes: 50_000, maxPacketBytes: 300 * KIB } });
    expect(await link.call.load({ value: list(49_998) })).toBe(49_998);
    const error = (await outcome(link.call.load({ value: list(49_999) }))) as HbiError;
    expect(error.details).toEqual({ limit: "maxNodes", actual: 50_001, allowed: 50_000 });
    expect(await link.call.load({ value: "x".repeat(300 * KIB - 8) })).toBe(300 * KIB - 8);
    expect(await outcome(link.call.load({ value: "x".repeat(300 * KIB - 7) }))).toMatchObject({
      details: { limit: "maxPacketBytes", actual: 300 * KIB + 1, allowed: 300 * KIB },
    });
    expect(await outcome(link.call.usual({ value: list(10_000) }))).toMatchObject({ reason: "too_many_nodes" });
    expect(await outcome(link.call.usual({ value: "x".repeat(256 * KIB) }))).toMatchObject({
      reason: "packet_too_big",
    });
    expect(await link.call.usual({ value: list(9_998) })).toBe(9_998);
    await close();
  });

  it("accepts smaller ones", async () => {
    const { link, peer, close } = await linked({ call: { maxNodes: 20, maxDepth: 3 } });
    expect(await link.call.load({ value: list(18) })).toBe(18);
    expect(await outcome(link.call.load({ value: list(19) }))).toMatchObject({
      details: { limit: "maxNodes", actual: 21, allowed: 20 },
    });
    expect(await link.call.load({ value: [[]] })).toBe(1);
    expect(await outcome(link.call.load({ value: [[[]]] }))).toMatchObject({
      details: { limit: "maxDepth", allowed: 3 },
    });
    await (await peer.post.told({ value: list(18) })).waitCompleted();
    expect(await outcome(peer.post.told({ value: list(19) }))).toMatchObject({ reason: "too_many_nodes" });
    await close();
  });

  it("bounds its results", async () => {
    const { link, close } = await linked({ result: { maxNodes: 50 } });
    expect(await link.call.list({ n: 50 })).toHaveLength(49);
    expect(await outcome(link.call.list({ n: 51 }))).toMatchObject({
      reason: "result_too_big",
      details: { limit: "maxNodes", actual: 51, allowed: 50 },
    });
    await close();
  });

  it("has larger results than its caller accepts of others", async () => {
    const { link, close } = await linked(
      { result: { maxNodes: 2_000, maxPacketBytes: 8_000 } },
      {},
      { maxNodes: 100, maxPacketBytes: 1_000 },
    );
    expect(await link.call.list({ n: 2_000 })).toHaveLength(1_999);
    expect(await outcome(link.call.list({ n: 2_001 }))).toMatchObject({ reason: "result_too_big" });
    await close();
  });

  it("bounds bodies, of calls and of results", async () => {
    const { link, close } = await linked(
      { call: { maxBodyBytes: 2_000 }, result: { maxBodyBytes: 3_000 } },
      { maxBodyBytes: 10 },
      { maxBodyBytes: 10 },
    );
    const keep = (n: number) => outcome(link.call.keep({ n }, { body: new Uint8Array(n) }));
    const fetch = (n: number) => outcome(link.call.fetch({ n }).then(async ({ body }) => (await body.bytes()).length));
    expect([await keep(2_000), await fetch(3_000)]).toEqual([2_000, 3_000]);
    expect(await keep(2_001)).toMatchObject({ reason: "body_too_big", details: { allowed: 2_000 } });
    expect(await fetch(3_001)).toMatchObject({ reason: "result_too_big", details: { allowed: 3_000 } });
    await close();
  });

  it("of which the host does not know is refused, and costs no connection", async () => {
    const host = new ServiceHost(storeWith({}), handlers, { log: () => undefined });
    const dial = async () => {
      const [near, far] = memoryTransportPair();
      void host.accept(far);
      return near;
    };
    const newer = storeWith({ call: { maxNodes: 50_000, maxPacketBytes: 300 * KIB } });
    const link = await new Link(newer, dial, { told: () => undefined }, {}).open();
    await link.ping();
    expect(await outcome(link.call.load({ value: "x".repeat(256 * KIB) }))).toMatchObject({
      details: { limit: "maxPacketBytes", allowed: 256 * KIB },
    });
    expect(await outcome(link.call.load({ value: list(20_000) }))).toMatchObject({ reason: "too_many_nodes" });
    expect(await link.call.load({ value: list(2) })).toBe(2);
    await link.close();
    await host.close();
  });

  it("is called alone", async () => {
    const { link, close } = await linked({ call: { maxNodes: 50_000 } });
    await expect(link.script((s) => [s.load({ value: [1] })])).rejects.toThrow("load has limits of its own");
    await close();
  });
});

describe("a peer cannot use the limits of one method for another", () => {
  const values = list(200).join(",");
  it.each([
    ["the method alone", `load([${values}])`, "200"],
    ["blanks before it", ` \n load([${values}])`, "200"],
    ["a comment before it", `/* usual( */load([${values}])`, "too many values"],
    ["another method", `usual([${values}])`, "too many values"],
    ["another method behind it", `load([1])\nusual([${values}])`, "too many values"],
    ["a little of another method behind it", `load([1])\nusual([1])`, "must be the only call"],
    ["another method before it", `usual([1])\nload([${values}])`, "too many values"],
    ["another method inside it", `load(usual([${values}]))`, "must stand alone"],
    ["it inside another", `usual(load([1]))`, "must stand alone"],
    ["a name that begins like it", `loads([${values}])`, "too many values"],
    ["the smaller one behind a blank", `small ([${values}])`, "too many values"],
    ["the smaller one behind a comment", `/**/small(${"1,".repeat(3)})`, "too many values"],
    ["the smaller one beside another", `usual(1)\nsmall([${values}])`, "too many values"],
  ])("%s", async (_, script, told) => {
    const service = defineService({
      name: "store",
      version: "1.0.0",
      methods: {
        load: method({ params: { value: z.unknown() }, result: z.int(), limits: { call: { maxNodes: 1_000 } } }),
        small: method({ params: { value: z.unknown() }, result: z.int(), limits: { call: { maxNodes: 3 } } }),
        usual: method({ params: { value: z.unknown() }, result: z.int() }),
      },
    });
    const host = new ServiceHost(
      service,
      () => ({ load: ({ value }) => count(value), small: () => 1, usual: () => 1 }),
      {
        limits: { maxNodes: 100 },
        log: () => undefined,
      },
    );
    const { transport, peer } = hostileTransport();
    await host.accept(transport);
    peer.say(conversation("101;x;n", script));
    await quiet();
    const heard = peer.heard();
    expect(heard).toContain(told);
    peer.say(conversation("102;x;n", "usual(1)"));
    await quiet();
    expect(peer.heard()).toContain(packet("co_recv", "1"));
    peer.reset();
    await host.close();
  });

  it("a packet that one method permits ends only its script, if it is for another", async () => {
    const service = defineService({
      name: "store",
      version: "1.0.0",
      methods: {
        load: method({ params: { value: z.string() }, result: z.int(), limits: { call: { maxPacketBytes: 5_000 } } }),
        usual: method({ params: { value: z.string() }, result: z.int() }),
      },
    });
    const host = new ServiceHost(service, () => ({ load: () => 1, usual: () => 2 }), {
      limits: { maxPacketBytes: 1_000 },
      log: () => undefined,
    });
    const said = async (name: string, bytes: number) => {
      const { transport, peer } = hostileTransport();
      await host.accept(transport);
      peer.say(conversation("101;x;n", `${name}("${"x".repeat(bytes - name.length - 4)}")`));
      await quiet();
      const heard = [peer.heard(), peer.hasEnded] as const;
      peer.reset();
      return heard;
    };
    expect(await said("load", 5_000)).toEqual([expect.stringContaining(packet("co_recv", "1")), false]);
    expect(await said("load", 5_001)).toEqual([expect.stringContaining("packet too big"), true]);
    expect(await said("usual", 1_000)).toEqual([expect.stringContaining(packet("co_recv", "2")), false]);
    expect(await said("usual", 1_001)).toEqual([expect.stringContaining("packet too big"), false]);
    await host.close();
  });
});

it.each([
  [{ call: { maxNode: 1 } }, "limits.call.maxNode: a method may set"],
  [{ call: { maxInFlight: 1 } }, "limits.call.maxInFlight: a method may set"],
  [{ params: { maxNodes: 1 } }, "limits.params of a method"],
  [{ call: { maxNodes: 0 } }, "limits.call.maxNodes must be a positive integer"],
  [{ call: { maxNodes: "9" } }, "limits.call.maxNodes must be a positive integer"],
  [{ call: { maxDepth: 513 } }, "limits.call.maxDepth is above 512"],
  [{ call: { maxBodyBytes: Number.POSITIVE_INFINITY } }, "limits.call.maxBodyBytes must be finite"],
  [{ call: null }, "limits.call of a method: no object"],
  [{ result: { maxNodes: 1 } }, "limits.result without a result"],
  [null, "limits of a method: no object"],
])("%j is refused when it is defined", (limits, message) => {
  expect(() => method({ params: {}, limits: limits as MethodLimits })).toThrow(message);
});
