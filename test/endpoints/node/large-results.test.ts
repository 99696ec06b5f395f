/**
 * Results and pushes of the size of real services arrive with default limits at both ends, over a real socket.
 */
import { isDeepStrictEqual } from "node:util";
import { defineService, method, value } from "hbi";
import { connect, serve } from "hbi/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

class Money {
  readonly amount: number;
  readonly currency: string;
  constructor(amount: number, currency: string) {
    this.amount = amount;
    this.currency = currency;
  }
}
const money = value({
  params: { amount: z.number(), currency: z.string() },
  make: ({ amount, currency }) => new Money(amount, currency),
  is: (thing) => thing instanceof Money,
});

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
const date = (i: number) => new Date(1_700_000_000_000 + i * 60_000).toISOString();
const person = (i: number) => ({ id: i, name: `Person ${i}`, email: `person${i}@example.com`, since: date(i) });

/** What services return: name, and the value. */
const SHAPES: Readonly<Record<string, () => unknown>> = {
  "1,000 rows of a table with 12 columns": () =>
    times(1_000, (i) => Object.fromEntries(times(12, (c) => [`column_${c}`, c % 3 === 0 ? i : `value ${i} of ${c}`]))),
  "10,000 rows of 12 numbers": () => times(10_000, (i) => times(12, (c) => i / (c + 3))),
  "900 bookings": () =>
    times(900, (i) => ({
      id: `booking-${i}`,
      room: { id: i % 40, floor: i % 7, seats: 12, equipment: ["screen", "board"] },
      by: person(i),
      guests: times(4, person),
      from: date(i),
      until: date(i + 60),
    })),
  "1,000 diagnostics": () =>
    times(1_000, (i) => ({
      range: { start: { line: i, character: 4 }, end: { line: i, character: 20 } },
      severity: (i % 4) + 1,
      code: `TS${2_000 + i}`,
      message: `Type 'string' is not assignable to type 'number' in the declaration of member ${i}.`,
      relatedInformation: [{ location: { uri: `file:///src/module-${i}.ts` }, message: "declared here" }],
    })),
  "8 embeddings of 1,536 numbers": () => times(8, (i) => times(1_536, (n) => Math.sin(i * 1_536 + n))),
  "500 events": () =>
    times(500, (i) => ({
      id: i,
      type: "order.changed",
      at: date(i),
      actor: person(i),
      changes: times(6, (c) => ({ path: ["lines", c, "amount"], before: c, after: c + 1, note: null })),
    })),
  "a file tree of 6,000 entries": () =>
    times(60, (d) => ({
      name: `folder-${d}`,
      entries: times(100, (f) => ({ name: `file-${f}.ts`, size: f * 997, mode: 0o644 })),
    })),
  "a dictionary of 5,000 keys": () =>
    Object.fromEntries(times(5_000, (i) => [`setting.${i}`, { value: i, isDefault: false }])),
  "a dictionary of 2,000 numeric keys": () => Object.fromEntries(times(2_000, (i) => [`${i * 7}`, i])),
  "a text of 5 MB": () => "Grüße aus Zürich. ".repeat(250_000),
  "a log of 20,000 lines": () =>
    times(20_000, (i) => `${date(i)} INFO worker-${i % 8} request ${i} took ${i % 300} ms`),
  "a syntax tree 100 levels deep": () => times(98, (i) => i).reduce<unknown>((inner, i) => ({ kind: i, inner }), null),
  "a matrix of 300 x 300": () => times(300, (r) => times(300, (c) => r * c)),
  "250,000 integers": () => times(250_000, (i) => i),
  "2,000 messages of a chat": () =>
    times(2_000, (i) => ({ id: i, from: i % 50, text: `Message ${i} 🙂`, at: date(i) })),
  "keys and values of a store": () =>
    times(3_000, (i) => ({ key: `/registry/pods/${i}`, value: "v".repeat(200), revision: i })),
  "a schema of 400 tables": () =>
    times(400, (t) => ({
      name: `table_${t}`,
      columns: times(20, (c) => ({ name: `c${c}`, type: "text", isNull: true })),
    })),
  "prices of 2,000 articles": () => times(2_000, (i) => ({ article: i, price: new Money(i / 4, "CHF") })),
  "bytes in a result": () => times(40, (i) => new Uint8Array(1_000).fill(i)),
  "integers of 200 digits": () => times(300, (i) => 10n ** 200n + BigInt(i)),
};

const any = z.unknown();
const service = defineService({
  name: "shapes",
  version: "1.0.0",
  methods: {
    get: method({ params: { shape: z.string() }, result: any }),
    push: method({ params: { shape: z.string() } }),
  },
  reactions: { told: method({ params: { given: any } }) },
  values: { Money: money },
});

/** Of a megabyte: `toEqual` would take longer than the call. */
const expectSame = (given: unknown, wanted: unknown) => expect(isDeepStrictEqual(given, wanted)).toBe(true);

const shapeOf = (name: string): unknown => SHAPES[name]?.();
let told: unknown;
const start = async () => {
  const server = await serve(service, "127.0.0.1:0", (peer) => ({
    get: async ({ shape }) => shapeOf(shape),
    push: async ({ shape }) => (await peer.post.told({ given: shapeOf(shape) })).waitCompleted(),
  }));
  const link = await connect(service, server.address, {
    told: ({ given }) => {
      told = given;
    },
  });
  return { server, link };
};
let both: Awaited<ReturnType<typeof start>>;
beforeAll(async () => {
  both = await start();
});
afterAll(async () => {
  await both.link.close();
  await both.server.drain();
});

describe.each(Object.keys(SHAPES))("%s", (shape) => {
  it("arrives as a result", async () => expectSame(await both.link.call.get({ shape }), shapeOf(shape)));
  it("arrives as a push", async () => {
    told = undefined;
    await (await both.link.post.push({ shape })).waitCompleted();
    expectSame(told, shapeOf(shape));
  });
});

it("more at once than may wait to be sent is refused call by call, and costs no other call", async () => {
  const many = await Promise.allSettled(times(8, () => both.link.call.get({ shape: "a text of 5 MB" })));
  const refused = many.filter((one) => one.status === "rejected");
  expect(refused.length).toBeLessThan(8);
  for (const { reason } of refused) expect(reason).toMatchObject({ reason: "result_too_big" });
  expect(both.link.state).toBe("open");
});

it("twenty at once arrive on one connection, which no other call loses", async () => {
  const shape = "1,000 rows of a table with 12 columns";
  const all = await Promise.all(times(20, () => both.link.call.get({ shape })));
  expect(all.every((rows) => (rows as unknown[]).length === 1_000)).toBe(true);
});
