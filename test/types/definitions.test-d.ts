/**
 * Definitions, and HBI's own layer, which takes the same ones.
 */
import { defineService, type HoCo, HostingEnv, method, type PoCo, type Posted, value } from "hbi";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import { depot, Parcel, Spot, spot } from "./depot.ts";

declare const co: PoCo;
declare const hosting: HoCo;

test("what a method declares", () => {
  method({ params: {} });
  method({ params: { id: z.string() }, result: z.int(), title: "A", description: "B", idempotent: true });
  method({ params: { id: z.string() }, deprecated: "use other", examples: [{ id: "a" }] });
  // @ts-expect-error parameters are missing
  method({ result: z.int() });
  // @ts-expect-error a misspelt key
  method({ params: {}, results: z.int() });
  // @ts-expect-error a key of services
  method({ params: {}, methods: {} });
  // @ts-expect-error a type's name is no schema
  method({ params: { id: "string" } });
  // @ts-expect-error a plain class is no schema
  method({ params: { id: String } });
  // @ts-expect-error the result is no schema
  method({ params: {}, result: "string" });
  // @ts-expect-error an example with a wrong type
  method({ params: { id: z.string() }, examples: [{ id: 5 }] });
  // @ts-expect-error a flag is no text
  method({ params: {}, idempotent: "yes" });
});

test("how much raw data follows", () => {
  method({
    params: { size: z.int(), factor: z.int().default(1) },
    body: ({ size, factor }) => {
      expectTypeOf(size).toEqualTypeOf<number>();
      expectTypeOf(factor).toEqualTypeOf<number>();
      return size * factor;
    },
  });
  method({ params: {}, body: "manual" });
  method({ params: {}, result: z.strictObject({ size: z.int() }), resultBody: ({ size }) => size });
  // @ts-expect-error length is not declared
  method({ params: { size: z.int() }, body: ({ length }) => length });
  // @ts-expect-error a length is a number
  method({ params: { size: z.string() }, body: ({ size }) => size });
  // @ts-expect-error no such word
  method({ params: {}, body: "auto" });
  // @ts-expect-error a bare number
  method({ params: {}, body: 5 });
  // @ts-expect-error raw data of a result that is not declared
  method({ params: {}, resultBody: () => 5 });
  // @ts-expect-error length is not part of the result
  method({ params: {}, result: z.strictObject({ size: z.int() }), resultBody: ({ length }) => length });
  method({ params: {}, body: "unknown", result: z.int(), resultBody: "unknown" });
  // @ts-expect-error a misspelt word
  method({ params: {}, result: z.int(), resultBody: "unknow" });
  // @ts-expect-error only the body of a call is by hand
  method({ params: {}, result: z.int(), resultBody: "manual" });
});

test("what a service declares", () => {
  const hello = method({ params: {} });
  defineService({ name: "a", version: "1.0.0", methods: { hello } });
  // @ts-expect-error no version
  defineService({ name: "a", methods: { hello } });
  // @ts-expect-error no methods
  defineService({ name: "a", version: "1.0.0" });
  // @ts-expect-error a handler is no method
  defineService({ name: "a", version: "1.0.0", methods: { hello: () => 5 } });
  // @ts-expect-error a reaction that is a schema
  defineService({ name: "a", version: "1.0.0", methods: { hello }, reactions: { bye: z.string() } });
  // @ts-expect-error a value that is a method
  defineService({ name: "a", version: "1.0.0", methods: { hello }, values: { Spot: hello } });
  // @ts-expect-error a credential without a schema
  defineService({ name: "a", version: "1.0.0", methods: { hello }, credentials: { token: "string" } });
  // @ts-expect-error a misspelt key
  defineService({ name: "a", version: "1.0.0", methods: { hello }, reaction: {} });
});

test("values", () => {
  expectTypeOf(spot.schema).toEqualTypeOf<z.ZodType<Spot, Spot>>();
  const made = value({
    params: { row: z.int(), shelf: z.int().default(0) },
    make: (params) => {
      expectTypeOf(params).toEqualTypeOf<{ row: number; shelf: number }>();
      return new Spot(params.row, params.shelf);
    },
  });
  expectTypeOf(made.spec.make).returns.toEqualTypeOf<Spot>();
  method({ params: { at: spot.schema, all: z.array(spot.schema) }, result: z.strictObject({ at: spot.schema }) });
  // @ts-expect-error a value is no schema by itself
  method({ params: { at: spot } });
  // @ts-expect-error make is missing
  value({ params: {} });
  // @ts-expect-error there is no parameter column
  value({ params: { row: z.int() }, make: ({ column }) => column });
});

test("HBI's layer: a handler gets what its method declares", () => {
  const env = new HostingEnv();
  env.expose("find", depot.methods.find, ({ label }, conversation) => {
    expectTypeOf(label).toEqualTypeOf<string>();
    expectTypeOf(conversation).toEqualTypeOf<HoCo | PoCo>();
    return label;
  });
  env.exposeAll(depot.reactions, { moved: () => undefined, confirm: () => true });
  // @ts-expect-error a number is no text
  env.expose("find", depot.methods.find, () => 5);
  // @ts-expect-error confirm is missing
  env.exposeAll(depot.reactions, { moved: () => undefined });
  // @ts-expect-error there is no reaction extra
  env.exposeAll(depot.reactions, { moved: () => undefined, confirm: () => true, extra: () => 1 });
});

test("HBI's layer: what is received is unknown, or what its schema gives", () => {
  expectTypeOf(co.recvObj()).resolves.toEqualTypeOf<unknown>();
  expectTypeOf(co.recvObj(Parcel)).resolves.toEqualTypeOf<{ id: string; grams: number }>();
  expectTypeOf(co.recvObj(z.string().transform(Number))).resolves.toEqualTypeOf<number>();
  expectTypeOf(co.getObj("count()")).resolves.toEqualTypeOf<unknown>();
  expectTypeOf(co.getObj("count()", z.int())).resolves.toEqualTypeOf<number>();
  expectTypeOf(hosting.recvObj()).resolves.toEqualTypeOf<unknown>();
  expectTypeOf(hosting.recvObj(Parcel)).resolves.toEqualTypeOf<{ id: string; grams: number }>();
  // @ts-expect-error a type's name is no schema
  co.recvObj("string");
  // @ts-expect-error an object is sent as code
  co.sendObj({ id: "a" });
  // @ts-expect-error text is no raw data
  co.sendData("abc");
});

test("what is posted can be waited for", () => {
  expectTypeOf<Posted["waitCompleted"]>().returns.resolves.toEqualTypeOf<void>();
});
