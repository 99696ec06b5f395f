/**
 * What the other side accepts: N is sent, N + 1 is refused before it is sent, in both directions; the connection lives.
 */
import { defineService, type HbiError, type LimitOptions, method } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const any = z.unknown();
const store = defineService({
  name: "store",
  version: "1.0.0",
  methods: {
    save: method({ params: { value: any } }),
    get: method({ params: { n: z.int() }, result: any }),
    load: method({ params: { n: z.int() }, result: z.int(), resultBody: (n) => n }),
    keep: method({ params: { n: z.int() }, body: ({ n }) => n, result: z.int() }),
  },
  reactions: { told: method({ params: { value: any }, result: any }) },
});

const list = (n: number) => Array.from({ length: n }, () => 1);
const nested = (n: number): unknown => (n === 0 ? [] : [nested(n - 1)]);
const keyed = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i]));
const bytes = (n: number) => "é".repeat(n >> 1) + "x".repeat(n & 1);

/** The number at which a value that is `make(n)` reaches a limit of `limit`; in a call, one level or node more. */
const CASES: readonly (readonly [
  limit: keyof LimitOptions,
  most: number,
  make: (n: number) => unknown,
  reason: string,
])[] = [
  ["maxNodes", 101, (n) => list(n - 1), "too_many_nodes"],
  ["maxDepth", 40, (n) => nested(n - 1), "too_deep"],
  ["maxObjectKeys", 30, keyed, "too_many_keys"],
  ["maxNumberLength", 90, (n) => 10n ** BigInt(n - 1), "number_too_long"],
  ["maxPacketBytes", 5_000, bytes, "packet_too_big"],
];
/** What the call adds to its value: itself, its brackets, or `save("")`. */
const CALL: Readonly<Record<string, number>> = { maxNodes: 1, maxDepth: 1, maxPacketBytes: 8 };

async function linked(values: { value?: unknown }, host: LimitOptions, link: LimitOptions) {
  const logged: HbiError[] = [];
  const test = await testLink(
    store,
    () => ({
      save({ value }) {
        values.value = value;
      },
      get: () => values.value,
      load: ({ n }) => ({ result: n, body: new Uint8Array(n) }),
      keep: ({ n }) => n,
    }),
    {
      reactions: {
        told({ value }) {
          if (value !== "again") values.value = value;
          return value === "again" ? values.value : null;
        },
      },
      host: { limits: host, log: ({ error }) => void logged.push(error) },
      link: { limits: link, log: () => undefined },
    },
  );
  await test.link.ping(); // both sides have introduced themselves
  return { ...test, logged };
}

const outcome = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe.each(CASES)("%s of the other side", (limit, most, make, reason) => {
  it("is respected by a call", async () => {
    const values: { value?: unknown } = {};
    const { link, close } = await linked(values, { preset: "trusted", [limit]: most }, {});
    await link.call.save({ value: make(most - (CALL[limit] ?? 0)) });
    expect(values.value).toEqual(make(most - (CALL[limit] ?? 0)));
    const error = (await outcome(link.call.save({ value: make(most + 1 - (CALL[limit] ?? 0)) }))) as HbiError;
    expect(error).toMatchObject({ code: "resource_exhausted", reason, mayHaveLanded: false });
    expect(error.details).toEqual({ limit, actual: most + 1, allowed: most });
    expect(error.message).toMatch(new RegExp(`^save: .*the service accepts [0-9,]+ \\(${limit}\\)`));
    expect(await link.call.keep({ n: 0 }, { body: new Uint8Array(0) })).toBe(0);
    await close();
  });

  it("is respected by a push", async () => {
    const values: { value?: unknown } = {};
    const { peer, close } = await linked(values, {}, { [limit]: most });
    await (await peer.post.told({ value: make(most - (CALL[limit] ?? 0)) })).waitCompleted();
    expect(values.value).toEqual(make(most - (CALL[limit] ?? 0)));
    const error = (await outcome(peer.post.told({ value: make(most + 1 - (CALL[limit] ?? 0)) }))) as HbiError;
    expect(error).toMatchObject({ reason, details: { limit, actual: most + 1, allowed: most } });
    expect(error.message).toMatch(new RegExp(`^told: .*the client accepts [0-9,]+ \\(${limit}\\)`));
    await close();
  });

  it("is respected by a result, which fails at both ends in the same words", async () => {
    const quotes = limit === "maxPacketBytes" ? 2 : 0;
    const values: { value?: unknown } = { value: make(most - quotes) };
    const { link, logged, close } = await linked(values, {}, { [limit]: most });
    expect(await link.call.get({ n: 1 })).toEqual(values.value);
    values.value = make(most + 1 - quotes);
    const error = (await outcome(link.call.get({ n: 1 }))) as HbiError;
    expect(error).toMatchObject({ code: "resource_exhausted", reason: "result_too_big" });
    expect(error.details).toEqual({ limit, actual: most + 1, allowed: most });
    expect(error.message).toMatch(new RegExp(`^get: .*the client accepts [0-9,]+ \\(${limit}\\)`));
    expect(logged.map(({ message }) => message)).toContain(error.message);
    values.value = "small";
    expect(await link.call.get({ n: 1 })).toBe("small");
    await close();
  });

  it("is respected by the result of a reaction", async () => {
    const quotes = limit === "maxPacketBytes" ? 2 : 0;
    const values: { value?: unknown } = { value: make(most - quotes) };
    const { peer, close } = await linked(values, { preset: "trusted", [limit]: most }, {});
    expect(await peer.call.told({ value: "again" })).toEqual(values.value);
    values.value = make(most + 1 - quotes);
    expect(await outcome(peer.call.told({ value: "again" }))).toMatchObject({ reason: "result_too_big" });
    await close();
  });
});

it("maxBodyBytes of the other side is respected by bodies and their results", async () => {
  const { link, close } = await linked({}, { maxBodyBytes: 1_000 }, { maxBodyBytes: 500 });
  const save = (n: number) => outcome(link.call.keep({ n }, { body: new Uint8Array(n) }));
  expect(await save(1_000)).toBe(1_000);
  expect(await save(1_001)).toMatchObject({ reason: "body_too_big", mayHaveLanded: false });
  const load = (n: number) =>
    outcome(link.call.load({ n }).then(async ({ result, body }) => [result, (await body.bytes()).length]));
  expect(await load(500)).toEqual([500, 500]);
  expect(await load(501)).toMatchObject({ reason: "result_too_big", details: { limit: "maxBodyBytes", allowed: 500 } });
  expect(await load(5)).toEqual([5, 5]);
  await close();
});

it("a call made before the hello has arrived is refused when it has, and costs no other call", async () => {
  const test = await testLink(
    store,
    () => ({ save() {}, get: () => 1, load: () => ({ result: 0, body: [] }), keep: () => 1 }),
    {
      reactions: { told: () => null },
      link: { reconnect: {} },
    },
  );
  const calls = [
    test.link.call.get({ n: 1 }),
    test.link.call.save({ value: list(10_200) }),
    test.link.call.get({ n: 2 }),
  ];
  const [first, refused, second] = await Promise.all(calls.map(outcome));
  expect([first, second]).toEqual([1, 1]);
  expect((refused as HbiError).message).toBe(
    "save: too many values: 10,202 values, most of it in value (10,200 items); the service accepts 10,000 (maxNodes). " +
      "Instead, send less at a time, or a body, or raise maxNodes there",
  );
  await test.close();
});

it("credentials that the service would not read are refused before they are sent", async () => {
  const guarded = defineService({ name: "guarded", version: "1.0.0", methods: {}, credentials: { token: z.string() } });
  const open = (chars: number) =>
    testLink(guarded, () => ({}), {
      host: { authenticate: () => true, limits: { strangerPacketBytes: 3_000 }, log: () => undefined },
      link: { credentials: { token: "x".repeat(chars) }, log: () => undefined },
    });
  const frame = '$hbi.authenticate("")'.length;
  await (await open(3_000 - frame)).close();
  await expect(open(3_001 - frame)).rejects.toMatchObject({
    message: expect.stringMatching(/^credentials: .*3,001 bytes; the service accepts 3,000 \(strangerPacketBytes\)/),
    details: { limit: "strangerPacketBytes", actual: 3_001, allowed: 3_000 },
  });
});
