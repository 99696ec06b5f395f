/**
 * How streams of values end that nobody leaves: lost connections, drains, timeouts, peers that do not know them.
 */
import { defineService, type HbiError, Link, memoryTransportPair, method, ServiceHost } from "hbi";
import { ManualClock, quiet, testLink } from "hbi/testing";
import { expect, it } from "vitest";
import { z } from "zod";

const service = defineService({
  name: "ends",
  version: "1.0.0",
  methods: {
    silent: method({ params: {}, yields: z.int(), result: z.int() }),
    text: method({ params: { size: z.int() }, yields: z.string() }),
    ping: method({ params: {}, result: z.int() }),
  },
});
const outcome = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => expect.fail("no error"),
    (error) => error,
  );

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !holds(); i++) await quiet(5);
  expect(holds()).toBe(true);
}

const ended: string[] = [];
const handlers = () => ({
  async *silent(_: object, call: import("hbi").ServiceCall) {
    try {
      yield 1;
      await new Promise((resolve) => {
        call.signal.addEventListener("abort", resolve, { once: true });
        call.draining.addEventListener("abort", resolve, { once: true });
      });
      return 7;
    } finally {
      ended.push("silent");
    }
  },
  async *text({ size }: { size: number }) {
    yield "x".repeat(size);
  },
  ping: () => 1,
});

async function begun(link: Link<typeof service>) {
  const stream = link.call.silent({});
  const items = stream[Symbol.asyncIterator]();
  expect((await items.next()).value).toBe(1);
  return { stream, items };
}

it("ends with a lost connection, on both sides", async () => {
  ended.length = 0;
  const test = await testLink(service, handlers, { host: { log: () => undefined }, link: { log: () => undefined } });
  const { stream, items } = await begun(test.link);
  const waiting = outcome(items.next());
  await test.link.disconnect();
  const error = await waiting;
  expect(["unavailable", "cancelled"]).toContain(error.code);
  expect(await outcome(stream.result)).toBe(error);
  await until(() => ended.length === 1);
  await quiet(20);
  expect(ended).toEqual(["silent"]);
});

it("is waited for by a drain, of which its handler learns", async () => {
  ended.length = 0;
  const test = await testLink(service, handlers);
  const { stream, items } = await begun(test.link);
  const drained = test.host.drain();
  expect(await items.next()).toEqual({ done: true, value: undefined });
  expect(await stream.result).toBe(7);
  await drained;
  expect(ended).toEqual(["silent"]);
});

it("is dropped if nobody begins to read it", async () => {
  ended.length = 0;
  const clock = new ManualClock();
  const test = await testLink(service, handlers, { host: { clock }, link: { clock } });
  const stream = test.link.call.silent({});
  await quiet(20);
  clock.advance(31_000);
  await until(() => ended.length === 1);
  const error = await outcome(stream[Symbol.asyncIterator]().next());
  expect(error.code).toBe("deadline_exceeded");
});

it("bounds the silence of a handler with a timeout of its own", async () => {
  ended.length = 0;
  const logged: string[] = [];
  const log = ({ error }: { error: Error }) => void logged.push(error.message);
  const test = await testLink(service, handlers, { host: { handlerTimeoutsMs: { silent: 50 }, log } });
  const { stream, items } = await begun(test.link);
  const error = await outcome(items.next());
  expect(error.code).toBe("unavailable");
  expect(await outcome(stream.result)).toBe(error);
  await until(() => ended.length === 1);
  expect(logged).toEqual([expect.stringContaining("handlerTimeoutMs")]);
  expect(await test.link.call.ping()).toBe(1);
});

it("refuses an item above its own limit, at a byte more", async () => {
  const own = defineService({
    name: "ends",
    version: "1.0.0",
    methods: {
      ...service.methods,
      text: method({ params: { size: z.int() }, yields: z.string(), limits: { result: { maxPacketBytes: 100 } } }),
    },
  });
  const open = new ServiceHost(service, handlers as never, { log: () => undefined });
  const [dialed, accepted] = memoryTransportPair();
  const link = new Link(own, async () => dialed, {}, { log: () => undefined });
  await Promise.all([open.accept(accepted), link.open()]);
  const read = async (size: number) => {
    for await (const text of link.call.text({ size })) expect(text.length).toBe(size);
  };
  await read(98);
  expect((await outcome(read(99))).reason).toBe("packet_too_big");
  expect(await link.call.ping()).toBe(1);
  await link.close();
});

it("is refused in clear words where one side knows it as another method", async () => {
  const plain = defineService({
    name: "ends",
    version: "1.0.0",
    methods: { silent: method({ params: {}, result: z.int() }), ping: method({ params: {}, result: z.int() }) },
  });
  const hostOf = (s: object, h: object, l: object) => async () => {
    const host = new ServiceHost(s as never, (() => h) as never, { log: () => undefined });
    const [dialed, accepted] = memoryTransportPair();
    const link = new Link(l as typeof service, async () => dialed, {}, { log: () => undefined });
    await Promise.all([host.accept(accepted), link.open()]);
    return link;
  };
  const older = await hostOf(service, handlers(), plain)();
  const one = await outcome((older.call as unknown as { silent(p: object): Promise<unknown> }).silent({}));
  expect([one.code, one.reason]).toEqual(["unimplemented", "no_lanes"]);
  const newer = await hostOf(plain, { silent: () => 1, ping: () => 1 }, service)();
  const two = await outcome(newer.call.silent({})[Symbol.asyncIterator]().next());
  expect([two.reason, two.message]).toEqual(["bad_answer", expect.stringContaining('expected "stream/1"')]);
  expect(await newer.call.ping()).toBe(1);
});
