/**
 * Typed calls over a fabric: all that crosses it is text, as over a message broker. At its other end a worker hands the calls to a
 * service host.
 */
import {
  type CallCarrier,
  type CallsOverOptions,
  Connection,
  callsOver,
  defineService,
  HbiError,
  HostingEnv,
  memoryTransportPair,
  method,
  type OutgoingCall,
  repr,
  ServiceHost,
} from "hbi";
import { ManualClock, quiet } from "hbi/testing";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { errorText } from "../../../src/registry/error-text.ts";
import { handlersOf, type Kinds, kinds, Point, point, Work } from "./fixture.ts";

const unheard: unknown[] = [];
const hear = (reason: unknown) => void unheard.push(reason);
beforeAll(() => void process.on("unhandledRejection", hear));
afterAll(async () => {
  await quiet();
  process.off("unhandledRejection", hear);
  expect(unheard).toEqual([]);
});
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Requests and their answers, by subject; nothing but text. */
class Broker {
  readonly seen: string[] = [];
  readonly #workers = new Map<string, (request: string) => Promise<string>>();

  serve(subject: string, worker: (request: string) => Promise<string>): void {
    this.#workers.set(subject, worker);
  }

  async request(subject: string, request: string): Promise<string> {
    this.seen.push(request);
    const worker = this.#workers.get(subject);
    if (worker === undefined) throw new Error("no responders");
    return worker(request);
  }
}

/** A service behind a broker. */
async function served(work = new Work()): Promise<Broker> {
  const broker = new Broker();
  const host = new ServiceHost<Kinds>(kinds, handlersOf(work), { log: () => undefined });
  const [near, far] = memoryTransportPair();
  void host.accept(far);
  const env = new HostingEnv().construct("Point", point);
  const connection = new Connection(near, () => env, { log: () => undefined });
  await connection.start();
  closing.push(() => connection.disconnect());
  broker.serve("kinds", async (request) => {
    const { code, body, resultCount } = JSON.parse(request) as { code: string; body?: string; resultCount: number };
    const objects: string[] = [];
    try {
      await connection.posting.converse(async (co) => {
        await co.sendCode(code);
        if (body !== undefined) await co.sendData(Buffer.from(body, "base64"));
        for (let i = 0; i < resultCount; i++) objects.push(repr(await co.recvObj(), "json", 32, env.writer));
        await co.waitCompleted();
      });
    } catch (thrown) {
      return JSON.stringify([errorText(thrown as HbiError)]);
    }
    return JSON.stringify(objects);
  });
  return broker;
}

const over = (broker: Broker): CallCarrier => ({
  async carry({ service, code, body, resultCount, land }) {
    const chunks: Uint8Array[] = [];
    if (ArrayBuffer.isView(body)) chunks.push(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
    else
      for await (const { buffer, byteOffset, byteLength } of body ?? [])
        chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
    const raw = body === undefined ? {} : { body: Buffer.concat(chunks).toString("base64") };
    const answer = await broker.request(service, JSON.stringify({ code, resultCount, ...raw }));
    return (JSON.parse(answer) as string[]).map(land);
  },
});

const start = async (options: CallsOverOptions = {}, work = new Work()) => {
  const broker = await served(work);
  return { broker, work, ...callsOver(kinds, over(broker), options) };
};

describe("over a fabric", () => {
  it("calls, also with values of the service, raw data and none", async () => {
    const { call, work } = await start();
    expect(await call.add({ a: 1, b: 2 })).toBe(3);
    expect(await call.mirror({ at: new Point(1, 2) })).toEqual(new Point(2, 1));
    expect(await call.mirror({ at: new Point(1, 2) })).toBeInstanceOf(Point);
    expect(await call.upload({ size: 3 }, { body: Uint8Array.of(1, 2, 3) })).toMatchObject({ sum: 6 });
    expect(await call.upload({ size: 3 }, { body: [Uint8Array.of(1), Uint8Array.of(2, 3)] })).toMatchObject({ sum: 6 });
    expect(await call.upload({ size: 0 }, { body: new Uint8Array() })).toMatchObject({ sum: 0 });
    expect(await call.note({ text: "hello" })).toBe(undefined);
    expect(work.noted).toEqual(["hello"]);
  });

  it("posts", async () => {
    const { post, work } = await start();
    await (await post.note({ text: "posted" })).waitCompleted();
    await (await post.add({ a: 1, b: 2 })).waitCompleted();
    expect(work.noted).toEqual(["posted"]);
  });

  it("runs scripts", async () => {
    const { script, broker } = await start();
    expect(await script((s) => s.add({ a: s.add({ a: 1, b: 2 }), b: 3 }))).toBe(6);
    expect(await script((s) => [s.add({ a: 1, b: 2 }), s.note({ text: "x" }), s["svc.ping"]({ n: 1 })])).toEqual([
      3,
      undefined,
      1,
    ]);
    expect(broker.seen).toHaveLength(2);
  });

  it("gets the errors of the host, and of the definition before anything is carried", async () => {
    const { call, post, broker } = await start();
    await expect(call.fail({ how: "badly" })).rejects.toMatchObject({ code: "internal" });
    await expect((await post.fail({ how: "badly" })).waitCompleted()).rejects.toMatchObject({ code: "internal" });
    expect(broker.seen).toHaveLength(2);
    await expect(call.add({ a: "1", b: 2 } as never)).rejects.toMatchObject({ reason: "bad_argument" });
    await expect(post.add({ a: "1", b: 2 } as never)).rejects.toMatchObject({ reason: "bad_argument" });
    await expect(call.upload({ size: 2 }, {} as never)).rejects.toMatchObject({ reason: "bad_option" });
    await expect(call.upload({ size: 2 }, { body: new Uint8Array(3) })).rejects.toMatchObject({
      reason: "body_mismatch",
    });
    await expect(call.download({ size: 1, fill: 1 })).rejects.toMatchObject({ reason: "bad_option" });
    await expect(call.several({ count: 1 }, { send: async () => undefined })).rejects.toMatchObject({
      reason: "bad_option",
    });
    expect(broker.seen).toHaveLength(2);
  });

  it("goes through interceptors, which may add metadata", async () => {
    const seen: OutgoingCall[] = [];
    const carried: unknown[] = [];
    const carrier: CallCarrier = {
      async carry({ metadata, kind, name, service, params }) {
        carried.push({ metadata, kind, name, service, params });
        return kind === "post" ? [] : [1];
      },
    };
    const { call, post, script } = callsOver(kinds, carrier, {
      interceptors: [
        (outgoing, next) => {
          seen.push(outgoing);
          outgoing.metadata["tenant"] = "acme";
          return next();
        },
      ],
    });
    await call.add({ a: 1, b: 2 }, { metadata: { user: "Ali" } });
    await post.add({ a: 1, b: 2 });
    await script((s) => s.add({ a: 1, b: 2 }));
    const common = { service: "kinds", name: "add" };
    expect(carried).toEqual([
      { ...common, kind: "call", params: { a: 1, b: 2 }, metadata: { user: "Ali", tenant: "acme" } },
      { ...common, kind: "post", params: { a: 1, b: 2 }, metadata: { tenant: "acme" } },
      { ...common, kind: "script", params: "add(1,2)", metadata: { tenant: "acme" } },
    ]);
    expect(seen.map(({ kind }) => kind)).toEqual(["call", "post", "script"]);
  });
});

const answering = (carry: CallCarrier["carry"], options: CallsOverOptions = {}) =>
  callsOver(kinds, { carry }, options).call;

describe("an answer", () => {
  const failed = new HbiError("not_found", "nobody");
  it.each<[string, unknown, object]>([
    ["that is no list", 3, { reason: "bad_answer" }],
    ["with an object of another type", ["3"], { reason: "bad_answer" }],
    ["with one object too many", [3, 4], { reason: "bad_answer" }],
    ["without its object", [], { reason: "no_answer" }],
    ["that is the host's error", [failed], { code: "not_found", message: "nobody" }],
  ])("%s rejects the call", async (_, objects, expected) => {
    await expect(answering(async () => objects as never).add({ a: 1, b: 2 })).rejects.toMatchObject(expected);
  });

  it("whose list throws, or changes later, affects no other call", async () => {
    const throwing = new Proxy([3], {
      get: (list, key) => {
        if (key === "then") return undefined;
        throw new Error(`no ${String(key)} of ${list.length}`);
      },
    });
    await expect(answering(async () => throwing).add({ a: 1, b: 2 })).rejects.toMatchObject({ reason: "disconnected" });
    const changing = [3];
    const answer = answering(() => {
      const list = Promise.resolve(changing);
      void list.then(() => Promise.resolve()).then(() => changing.push(4));
      return list;
    }).add({ a: 1, b: 2 });
    expect(await answer).toBe(3);
  });

  it.each([undefined, null, 5])("lands nothing but text: %s", async (text) => {
    const call = answering(async ({ land }) => [land(text as never)]);
    await expect(call.echo({ value: 1 })).rejects.toMatchObject({ reason: "bad_answer" });
  });

  it("of a post is dropped, whatever is in it", async () => {
    const { post } = callsOver(kinds, { carry: async () => ["x", "y"] });
    expect(await (await post.add({ a: 1, b: 2 })).waitCompleted()).toBe(undefined);
  });

  it.each<[string, string, unknown]>([
    ["a number", "3", 3],
    ["a value of the service", "Point(1,2)", new Point(1, 2)],
  ])("lands as %s", async (_, text, expected) => {
    expect(await answering(async ({ land }) => [land(text)]).echo({ value: 1 })).toEqual(expected);
  });

  it.each(["add(1,2)", "(", "nothing_such()"])("of the text %s is refused: nothing of it runs", async (text) => {
    await expect(answering(async ({ land }) => [land(text)]).echo({ value: 1 })).rejects.toBeInstanceOf(HbiError);
  });
});

describe("a carrier that fails", () => {
  const lost = (mayHaveLanded: boolean) =>
    new HbiError("unavailable", "the broker is gone", undefined, { mayHaveLanded });
  it.each<[string, () => Promise<never>, object]>([
    [
      "by an error of its own",
      () => Promise.reject(lost(false)),
      { code: "unavailable", mayHaveLanded: false, message: "the broker is gone" },
    ],
    [
      "by another error",
      () => Promise.reject(new Error("boom")),
      { reason: "disconnected", mayHaveLanded: true, cause: new Error("boom") },
    ],
    [
      "at once",
      () => {
        throw new Error("boom");
      },
      { reason: "disconnected", mayHaveLanded: true },
    ],
  ])("%s rejects the call", async (_, carry, expected) => {
    await expect(answering(carry).echo({ value: 1 })).rejects.toMatchObject(expected);
  });

  it.each<[retries: number, fails: number, isAnswered: boolean]>([
    [0, 1, false],
    [1, 1, true],
    [2, 3, false],
  ])("is asked again %i times for an idempotent call: %i failures", async (retries, fails, isAnswered) => {
    let asked = 0;
    const call = answering(
      async () => {
        asked += 1;
        if (asked <= fails) throw lost(true);
        return [3];
      },
      { retries },
    );
    const answer = await call.add({ a: 1, b: 2 }).catch((error: HbiError) => error.code);
    expect([answer, asked]).toEqual([isAnswered ? 3 : "unavailable", Math.min(retries, fails) + 1]);
  });

  it("is not asked again for another call", async () => {
    let asked = 0;
    const carry = async () => {
      asked += 1;
      throw lost(true);
    };
    await expect(answering(carry, { retries: 3 }).echo({ value: 1 })).rejects.toMatchObject({ code: "unavailable" });
    expect(asked).toBe(1);
  });
});

describe("nobody waits for ever", () => {
  const never = () => new Promise<never>(() => undefined);

  it("a call has its own time, or `callTimeoutMs`, and the carrier is told of both and of the end", async () => {
    const clock = new ManualClock();
    const times: number[] = [];
    const signals: AbortSignal[] = [];
    const call = answering(
      ({ timeoutMs, signal }) => {
        times.push(timeoutMs);
        signals.push(signal);
        return never();
      },
      { clock, limits: { callTimeoutMs: 2_000 } },
    );
    const both = [call.echo({ value: 1 }, { timeoutMs: 1_000 }), call.echo({ value: 1 })].map((answer) =>
      answer.catch((error: HbiError) => error.reason),
    );
    await clock.advance(999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    await clock.advance(1);
    await both[0];
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    await clock.advance(1_000);
    expect(await Promise.all(both)).toEqual(["timeout", "timeout"]);
    expect(times).toEqual([1_000, 2_000]);
    expect(signals[1]?.reason).toMatchObject({ reason: "timeout" });
  });

  it("a cancelled call ends; one that was cancelled before is not carried", async () => {
    let asked = 0;
    const call = answering(() => {
      asked += 1;
      return never();
    });
    const controller = new AbortController();
    const { signal } = controller;
    const answer = call.echo({ value: 1 }, { signal });
    controller.abort("enough");
    await expect(answer).rejects.toMatchObject({ code: "cancelled", cause: "enough" });
    await expect(call.echo({ value: 1 }, { signal })).rejects.toMatchObject({ code: "cancelled" });
    expect(asked).toBe(1);
  });
});

it("what is left of a body is released when the carrier does not read it", async () => {
  const released: string[] = [];
  async function* chunks() {
    try {
      yield Uint8Array.of(1);
    } finally {
      released.push("released");
    }
  }
  const failing = answering(async ({ body }) => {
    for await (const _ of body as AsyncIterable<unknown>) throw new Error("boom");
    return [];
  });
  await expect(failing.upload({ size: 2 }, { body: chunks() })).rejects.toMatchObject({ reason: "disconnected" });
  expect(released).toEqual(["released"]);
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    cancel() {
      isCancelled = true;
    },
  });
  await expect(answering(() => Promise.reject(new Error("boom"))).upload({ size: 2 }, { body })).rejects.toThrow();
  await quiet();
  expect(isCancelled).toBe(true);
});

it("keeps the limits of bodies, metadata and scripts at N and N + 1", async () => {
  const { call, script } = callsOver(
    kinds,
    { carry: async ({ resultCount }) => new Array(resultCount).fill(1) },
    { limits: { maxBodyBytes: 2, maxMetadataBytes: 10, maxCallsPerScript: 2 } },
  );
  expect(await call.store({ size: 2 }, { body: new Uint8Array(2) })).toBe(undefined);
  await expect(call.store({ size: 3 }, { body: new Uint8Array(3) })).rejects.toMatchObject({ reason: "body_too_big" });
  expect(await call.add({ a: 1, b: 2 }, { metadata: { tenant: "abc" } })).toBe(1);
  await expect(call.add({ a: 1, b: 2 }, { metadata: { tenant: "abcd" } })).rejects.toMatchObject({
    reason: "metadata_too_big",
  });
  const adds = (n: number) => script((s) => Array.from({ length: n }, () => s.add({ a: 1, b: 2 })));
  expect(await adds(2)).toEqual([1, 1]);
  await expect(adds(3)).rejects.toMatchObject({ reason: "too_many_calls" });
});

it("writes the words of the dialect", async () => {
  const codes: string[] = [];
  const carrier: CallCarrier = {
    async carry({ code, onlyOurs }) {
      codes.push(code, String(onlyOurs));
      return [null];
    },
  };
  await callsOver(kinds, carrier, { dialect: "python" }).call.echo({ value: [null, true] });
  await callsOver(kinds, carrier).call.echo({ value: [null, Number.POSITIVE_INFINITY] });
  expect(codes).toEqual([
    "echo([None,True])",
    "undefined",
    "echo([null,inf])",
    "value[1] is infinite, for which the peer has no literal",
  ]);
});

it("is typed as a link is", async () => {
  const small = defineService({
    name: "small",
    version: "1.0.0",
    methods: { twice: method({ params: { n: z.int() }, result: z.int() }) },
  });
  const { call } = callsOver(small, { carry: async ({ params }) => [(params as { n: number }).n * 2] });
  const four: number = await call.twice({ n: 2 });
  expect(four).toBe(4);
  // @ts-expect-error: there is no such method
  expect(call.thrice).toBe(undefined);
});
