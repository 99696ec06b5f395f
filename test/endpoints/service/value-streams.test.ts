/**
 * Streams of values: items in order, validated on both sides, with the result behind them; a consumer that leaves ends
 * its handler once. docs/streams-of-values.md.
 */
import fc from "fast-check";
import {
  asyncApiDocument,
  compareServices,
  defineService,
  describedService,
  describeService,
  type HandlersOf,
  HbiError,
  Link,
  memoryTransportPair,
  method,
  ServiceHost,
  type Transport,
  type ValueStream,
} from "hbi";
import { ManualClock, quiet, testLink } from "hbi/testing";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { CARRIERS, closeCarriers } from "../../support/carriers.ts";

afterAll(closeCarriers);

const service = defineService({
  name: "streams",
  version: "1.0.0",
  methods: {
    count: method({ params: { to: z.int() }, yields: z.int(), result: z.string() }),
    texts: method({
      params: { sizes: z.array(z.int()) },
      yields: z.string().max(1_000_000),
      limits: { result: { maxPacketBytes: 1_000 } },
    }),
    fails: method({
      params: { how: z.string() },
      yields: z.int().max(9),
      result: z.int(),
      errors: { worn_out: z.strictObject({ at: z.int() }) },
    }),
    silent: method({ params: {}, yields: z.int(), result: z.int() }),
    ping: method({ params: {}, result: z.string() }),
  },
});
type Handlers = HandlersOf<typeof service, undefined>;

class Work {
  given = 0;
  ended = 0;
  readonly handlers: Handlers = {
    count: ({ to }) => this.#count(to),
    texts: ({ sizes }) => this.#texts(sizes),
    fails: ({ how }, call) => {
      if (how === "at once") throw new HbiError("not_found", "no such stream");
      if (how === "none") return 5 as never;
      return this.#failing(how, call.error("worn_out", { at: 3 }));
    },
    silent: (_, call) => this.#silent(call.signal),
    ping: () => "pong",
  };

  async *#count(to: number): AsyncGenerator<number, string, undefined> {
    try {
      for (let n = 0; n < to; n++) {
        this.given += 1;
        yield n;
      }
      return `all ${to}`;
    } finally {
      this.ended += 1;
    }
  }

  async *#texts(sizes: readonly number[]): AsyncGenerator<string, void, undefined> {
    for (const size of sizes) yield "x".repeat(size);
  }

  async *#failing(how: string, declared: HbiError): AsyncGenerator<number, number, undefined> {
    yield 1;
    if (how === "item") yield 10;
    if (how === "own") throw new HbiError("aborted", "given up", { why: "test" });
    if (how === "bug") throw new Error("secret");
    if (how === "declared") throw declared;
    return (how === "result" ? "wrong" : 2) as number;
  }

  async *#silent(signal: AbortSignal): AsyncGenerator<number, number, undefined> {
    try {
      yield 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      return 0;
    } finally {
      this.ended += 1;
    }
  }
}

async function linked(pair?: () => Promise<{ dialed: Transport; accepted: Transport }>) {
  const work = new Work();
  const logged: string[] = [];
  const log = ({ error }: { error: Error }) => void logged.push(error.message);
  if (pair === undefined) {
    const test = await testLink(service, () => work.handlers, { host: { log }, link: { log } });
    return { work, link: test.link, logged, host: test.host };
  }
  const host = new ServiceHost(service, () => work.handlers, { log });
  const { dialed, accepted } = await pair();
  const link = new Link(service, async () => dialed, {}, { log });
  await Promise.all([host.accept(accepted), link.open()]);
  return { work, link, logged, host };
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}
const outcome = (promise: Promise<unknown>): Promise<HbiError> =>
  promise.then(
    () => expect.fail("no error"),
    (error) => error,
  );

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !holds(); i++) await quiet(5);
  expect(holds()).toBe(true);
}

const WAYS = [
  ["memory", undefined],
  ["tcp", CARRIERS["tcp"]],
] as const;

describe.each(WAYS)("over %s", (_, carrier) => {
  const open = () => linked(carrier === undefined ? undefined : () => carrier.pair());

  it("gives every item in order, and the result", async () => {
    const { link, work } = await open();
    const stream = link.call.count({ to: 20_000 });
    expect(await all(stream)).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
    expect(await stream.result).toBe("all 20000");
    expect(work.ended).toBe(1);
    expect(await all(link.call.count({ to: 0 }))).toEqual([]);
    await link.close();
  });

  it("cancels the handler when the loop is left, and goes on", async () => {
    const { link, work } = await open();
    const stream = link.call.count({ to: 1e9 });
    for await (const n of stream) if (n === 3) break;
    expect((await outcome(stream.result)).code).toBe("cancelled");
    await until(() => work.ended === 1);
    expect(await link.call.ping()).toBe("pong");
    await link.close();
  });

  it("stops a handler whose consumer does not read", async () => {
    const { link, work } = await open();
    const stream = link.call.count({ to: 1e9 });
    const items = stream[Symbol.asyncIterator]();
    expect(await items.next()).toEqual({ done: false, value: 0 });
    for (let before = -1; work.given > before; await quiet(50)) before = work.given;
    expect(work.given).toBeLessThan(1_000_000);
    await items.return();
    await until(() => work.ended === 1);
    await link.close();
  });
});

it("ends a loop that waits by cancel, a signal, a timeout and disposal", async () => {
  const { link, work } = await linked();
  const abort = new AbortController();
  const ways = [
    [{}, (stream: { cancel(): void }) => stream.cancel(), "cancelled"],
    [{ signal: abort.signal }, () => abort.abort(), "cancelled"],
    [{ timeoutMs: 50 }, () => undefined, "deadline_exceeded"],
    [{}, (stream: AsyncDisposable) => void stream[Symbol.asyncDispose](), "cancelled"],
  ] as const;
  for (const [i, [options, end, code]] of ways.entries()) {
    const stream = link.call.silent({}, options);
    const items = stream[Symbol.asyncIterator]();
    expect((await items.next()).value).toBe(1);
    const waiting = outcome(items.next());
    end(stream);
    expect((await waiting).code).toBe(code);
    expect((await outcome(stream.result)).code).toBe(code);
    await until(() => work.ended === i + 1);
  }
  expect(await link.call.ping()).toBe("pong");
});

it("is refused at once, or told in the last frame", async () => {
  const { link, logged } = await linked();
  const gone = async (how: string) => {
    const stream = link.call.fails({ how });
    const items: number[] = [];
    const error = await outcome(
      (async () => {
        for await (const n of stream) items.push(n);
      })(),
    );
    expect(await outcome(stream.result)).toBe(error);
    return [items.length, error.code, error.message, error] as const;
  };
  expect((await gone("at once")).slice(0, 2)).toEqual([0, "not_found"]);
  expect((await gone("none")).slice(0, 2)).toEqual([0, "internal"]);
  expect((await gone("own")).slice(0, 3)).toEqual([1, "aborted", "given up"]);
  const [, code, message] = await gone("bug");
  expect([code, message.includes("secret")]).toEqual(["internal", false]);
  expect((await gone("item")).slice(0, 2)).toEqual([1, "internal"]);
  expect((await gone("result")).slice(0, 2)).toEqual([1, "internal"]);
  const [, , , declared] = await gone("declared");
  expect([declared.declared, declared.details]).toEqual(["worn_out", { at: 3 }]);
  expect(logged.length).toBeGreaterThan(4);
  expect(await all(link.call.fails({ how: "" }))).toEqual([1]);
});

it("bounds an item, and not their number", async () => {
  const { link } = await linked();
  expect((await all(link.call.texts({ sizes: [998, 998, 998] }))).length).toBe(3);
  const error = await outcome(all(link.call.texts({ sizes: [998, 999] })));
  expect([error.code, error.reason]).toEqual(["resource_exhausted", "result_too_big"]);
  expect(await link.call.ping()).toBe("pong");
});

it("needs lanes, and a call", async () => {
  const work = new Work();
  const { link } = await testLink(service, () => work.handlers, { link: { lanes: false } });
  expect((await outcome(all(link.call.count({ to: 1 })))).reason).toBe("no_lanes");
  const posted = (link.post as never as Record<string, (p: object) => Promise<void>>)["count"]?.({ to: 1 });
  expect((await outcome(posted as Promise<void>)).message).toContain("it yields values");
  const twice = link.call.count({ to: 1 });
  await outcome(all(twice));
  expect((await outcome(all(twice))).message).toContain("read already");
});

it("sends what interceptors see as one call", async () => {
  const seen: string[] = [];
  const work = new Work();
  const { link } = await testLink(service, () => work.handlers, {
    host: {
      interceptors: [
        async (call, next) => {
          seen.push(`begin ${call.name}`);
          const result = await next();
          seen.push(`end ${String(result)}`);
          return result;
        },
      ],
    },
  });
  const stream = link.call.count({ to: 3 });
  expect(await all(stream)).toEqual([0, 1, 2]);
  expect(seen).toEqual(["begin count", "end all 3"]);
});

it("keeps the order and ends each handler once, wherever consumers leave", async () => {
  const { link, work } = await linked();
  const streams = fc.array(fc.record({ to: fc.nat(3_000), leave: fc.nat(4_000), early: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(streams, async (plans) => {
      const before = work.ended;
      await Promise.all(
        plans.map(async ({ to, leave }) => {
          const stream = link.call.count({ to });
          let expected = 0;
          for await (const n of stream) {
            expect(n).toBe(expected++);
            if (n === leave) break;
          }
          if (leave >= to) expect(await stream.result).toBe(`all ${to}`);
        }),
      );
      await until(() => work.ended === before + plans.length);
      await quiet(2);
      expect(work.ended).toBe(before + plans.length);
    }),
    { numRuns: 30 },
  );
  expect(await link.call.ping()).toBe("pong");
}, 60_000);

it("refuses what is no stream in a definition", () => {
  const declare = (spec: object) => () => method({ params: {}, ...spec } as never);
  expect(declare({ yields: 5 })).toThrow("yields is not a zod schema");
  expect(declare({ yields: z.int(), body: "unknown" })).toThrow("no raw data");
  expect(declare({ yields: z.int(), result: z.int(), resultBody: "unknown" })).toThrow("no raw data");
  const reactions = { told: method({ params: {}, yields: z.int() }) };
  expect(() => defineService({ name: "a", version: "1.0.0", methods: {}, reactions })).toThrow(
    "reaction told yields values",
  );
});

it("may be silent for ten minutes", async () => {
  const clock = new ManualClock();
  const work = new Work();
  const { link } = await testLink(service, () => work.handlers, { host: { clock }, link: { clock } });
  const items = link.call.silent({})[Symbol.asyncIterator]();
  expect((await items.next()).value).toBe(1);
  const waiting = outcome(items.next());
  let isSettled = false;
  waiting.then(() => (isSettled = true));
  for (let i = 0; i < 60; i++) {
    clock.advance(10_000);
    await quiet(2);
  }
  expect([isSettled, work.ended]).toEqual([false, 0]);
  await items.return();
  expect((await waiting).code).toBe("cancelled");
  await until(() => work.ended === 1);
});

it("is described, compared and written down", () => {
  const described = describeService(service);
  expect(described.methods["count"]).toMatchObject({
    resultBody: "none",
    yields: { type: "integer" },
    result: { type: "string" },
  });
  const other = (yields: z.ZodType | undefined) =>
    describeService(
      defineService({
        name: "a",
        version: "1.0.0",
        methods: { m: method({ params: {}, result: z.int(), ...(yields === undefined ? {} : { yields }) } as never) },
      }),
    );
  const [none, ints, texts] = [other(undefined), other(z.int()), other(z.string())];
  expect(new Set([none.hash, ints.hash, texts.hash]).size).toBe(3);
  const changes = (before: typeof none, after: typeof none) =>
    compareServices(before, after).map(({ path, isBreaking }) => [path, isBreaking]);
  expect(changes(none, ints)).toEqual([["methods.m.yields", true]]);
  expect(changes(ints, none)).toEqual([["methods.m.yields", true]]);
  expect(changes(ints, texts).length).toBe(1);
  expect(changes(ints, ints)).toEqual([]);
  expect(JSON.stringify(asyncApiDocument(service))).toContain('"x-hbi-stream":true');
});

it("is called by a described service", async () => {
  const work = new Work();
  const host = new ServiceHost(service, () => work.handlers, { log: () => undefined });
  const { service: read } = { service: describedService(describeService(service)) };
  const [dialed, accepted] = memoryTransportPair();
  const link = new Link(read, async () => dialed, {}, { log: () => undefined });
  await Promise.all([host.accept(accepted), link.open()]);
  const stream = link.call["count"]?.({ to: 2 }) as unknown as ValueStream<unknown, unknown>;
  expect(await all(stream)).toEqual([0, 1]);
  expect(await stream.result).toBe("all 2");
  await link.close();
});

/** The same method as an ordinary one, so that a host can send any bytes. */
const hostile = defineService({
  name: "streams",
  version: "1.0.0",
  methods: {
    count: method({ params: { to: z.int() }, result: z.string(), resultBody: "unknown" }),
    ping: method({ params: {}, result: z.string() }),
  },
});
const frame = (kind: number, text: string | Uint8Array): Uint8Array => {
  const payload = Buffer.from(text as string);
  const header = Buffer.alloc(5);
  header[0] = kind;
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
};
const BROKEN: readonly (readonly [string, string, readonly Uint8Array[], string])[] = [
  ["another head", "stream/2", [], "does not fit the declared result"],
  ["no result", "stream/1", [frame(1, "1")], "ends without its result"],
  ["an unknown frame", "stream/1", [frame(4, "1")], "no frame 4"],
  ["a cut frame", "stream/1", [frame(1, "12345").subarray(0, 7)], "inside an item"],
  ["a cut header", "stream/1", [frame(1, "12345").subarray(0, 3)], "inside an item"],
  ["a wrong item", "stream/1", [frame(1, '"a"')], "item 0"],
  ["a call", "stream/1", [frame(1, "1"), frame(1, "ping()")], "item 1"],
  ["no value", "stream/1", [frame(1, "(")], "item 0"],
  ["nothing", "stream/1", [frame(1, "")], "item 0"],
  ["two values", "stream/1", [frame(1, "1;2")], "item 0"],
  ["no UTF-8", "stream/1", [frame(1, new Uint8Array([0xff]))], "not UTF-8"],
  ["a wrong result", "stream/1", [frame(2, "5")], "does not fit"],
  ["an error that is none", "stream/1", [frame(3, "5")], "is none"],
  ["a result that is an error", "stream/1", [frame(2, 'HbiError("aborted","x")')], "is an error"],
  ["more behind the result", "stream/1", [frame(2, '"a"'), frame(1, "1")], "follows the result"],
  ["too long an item", "stream/1", [Uint8Array.of(1, 255, 255, 255, 255)], "maxPacketBytes"],
];

it.each(BROKEN)("refuses %s of a peer, and nothing else", async (_, head, frames, text) => {
  const host = new ServiceHost(hostile, () => ({ count: () => ({ result: head, body: frames }), ping: () => "pong" }), {
    log: () => undefined,
  });
  const [dialed, accepted] = memoryTransportPair();
  const link = new Link(service, async () => dialed, {}, { log: () => undefined, onMismatch: () => undefined });
  await Promise.all([host.accept(accepted), link.open()]);
  const stream = link.call.count({ to: 1 });
  const error = await outcome(all(stream));
  expect(error).toBeInstanceOf(HbiError);
  expect(error.message).toContain(text);
  expect(await outcome(stream.result)).toBe(error);
  expect(await link.call.ping()).toBe("pong");
  await link.close();
});
