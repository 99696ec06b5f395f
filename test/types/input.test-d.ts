/**
 * `input`: a caller passes the schema's input; a handler and `body` receive its output.
 */
import { defineService, type HandlersOf, type Link, method } from "hbi";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";

const shapes = defineService({
  name: "shapes",
  version: "1.0.0",
  methods: {
    count: method({
      input: z.object({ from: z.int(), to: z.int().default(10), by: z.string().transform(Number) }).refine(() => true),
      result: z.int(),
    }),
    area: method({
      input: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("circle"), radius: z.number() }),
        z.object({ kind: z.literal("square"), side: z.number() }),
      ]),
      result: z.number(),
    }),
    words: method({ input: z.object({ text: z.string() }).transform(({ text }) => text.split(" ")) }),
    upload: method({
      input: z.object({ size: z.string().transform(Number) }),
      body: ({ size }) => {
        expectTypeOf(size).toEqualTypeOf<number>();
        return size;
      },
    }),
    any: method({ input: z.object({ a: z.int().optional() }), result: z.string() }),
    pair: method({ params: { a: z.int(), b: z.int() }, result: z.int() }),
  },
});
declare const link: Link<typeof shapes>;

test("a caller passes the input of the schema", () => {
  expectTypeOf(link.call.count({ from: 1, by: "2" })).resolves.toEqualTypeOf<number>();
  link.call.count({ from: 1, to: 2, by: "2" }, { timeoutMs: 5 });
  link.call.area({ kind: "circle", radius: 1 });
  link.call.any();
  link.call.any({ a: 1 });
  link.call.upload({ size: "3" }, { body: new Uint8Array(3) });
  link.post.words({ text: "a b" });
  // @ts-expect-error the output of a transform
  link.call.count({ from: 1, by: 2 });
  // @ts-expect-error from is missing
  link.call.count({ by: "2" });
  // @ts-expect-error a surplus name
  link.call.count({ from: 1, by: "2", too: 1 });
  // @ts-expect-error a member of another branch
  link.call.area({ kind: "circle", side: 1 });
  // @ts-expect-error all are missing
  link.call.count();
  // @ts-expect-error the body is missing
  link.call.upload({ size: "3" });
});

test("a handler receives the output", () => {
  const handlers: HandlersOf<typeof shapes, undefined> = {
    count: ({ from, to, by }) => {
      expectTypeOf({ from, to, by }).toEqualTypeOf<{ from: number; to: number; by: number }>();
      return from + to + by;
    },
    area: (given) => {
      if (given.kind === "circle") return given.radius;
      return given.side;
    },
    words: (words) => {
      expectTypeOf(words).toEqualTypeOf<string[]>();
    },
    upload: async ({ size }, call) => {
      expectTypeOf(size).toEqualTypeOf<number>();
      await call.bytes();
    },
    any: ({ a }) => String(a),
    pair: ({ a, b }) => a + b,
  };
  expectTypeOf(handlers).toHaveProperty("count");
});

test("in a script each member may be the result of a call", () => {
  link.script((s) => s.count({ from: s.count({ from: 1, by: "1" }), by: "2" }));
  link.script((s) => s.area({ kind: "circle", radius: s.pair({ a: 1, b: s.count({ from: 1, by: "1" }) }) }));
  link.script((s) => s.any());
  // @ts-expect-error a call of another type
  link.script((s) => s.count({ from: s.any(), by: "2" }));
  // @ts-expect-error from is missing
  link.script((s) => s.count({ by: "2" }));
  // @ts-expect-error methods with raw data are not available
  link.script((s) => s.upload({ size: "3" }));
});

test("a definition has params or input", () => {
  const both = method({ params: undefined, input: z.object({ a: z.int() }) });
  expectTypeOf(both).toEqualTypeOf(method({ input: z.object({ a: z.int() }) }));
  expectTypeOf(method({ params: { a: z.int() }, input: undefined })).toEqualTypeOf(method({ params: { a: z.int() } }));
  // @ts-expect-error neither
  method({ result: z.int() });
  // @ts-expect-error both
  method({ params: { a: z.int() }, input: z.object({ a: z.int() }) });
  // @ts-expect-error a schema as params
  method({ params: z.object({ a: z.int() }) });
  // @ts-expect-error params as input
  method({ input: { a: z.int() } });
  // @ts-expect-error an unknown key
  method({ input: z.object({ a: z.int() }), results: z.int() });
  // @ts-expect-error a length that is no number
  method({ input: z.object({ a: z.string() }), body: ({ a }) => a });
});
