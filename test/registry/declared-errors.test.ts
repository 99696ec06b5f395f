/**
 * Which errors a method may declare: their names, their number and their details.
 */
import { defineService, HbiError, method, value } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import * as mini from "zod/mini";

const details = z.object({ retryAfterMs: z.int() });
const declare = (errors: object) => method({ params: {}, errors: errors as never });
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`e${i}`, details]));

describe("a method", () => {
  it("has the schemas of its errors, by name", () => {
    expect(method({ params: {}, errors: { gone: details } }).errors).toEqual({ gone: details });
    expect(method({ params: {} }).errors).toEqual({});
    expect(method({ params: {}, errors: undefined }).errors).toEqual({});
    expect(method({ params: {}, errors: { gone: mini.object({ at: mini.string() }) } }).errors.gone).toBeDefined();
  });

  it("reads each of them once", () => {
    let reads = 0;
    const errors = {
      get gone() {
        reads += 1;
        return details;
      },
    };
    const { errors: read } = declare(errors);
    expect([read["gone"], read["gone"], reads]).toEqual([details, details, 1]);
  });

  it.each([
    ["a", true],
    ["a1_b", true],
    ["constructor", true],
    ["x".repeat(48), true],
    ["x".repeat(49), false],
    ["", false],
    ["1a", false],
    ["_a", false],
    ["A", false],
    ["a.b", false],
    ["a-b", false],
    ["ä", false],
    ["__proto__", false],
  ])("may call an error %j: %s", (name, isAllowed) => {
    const declaring = () => declare(Object.fromEntries([[name, details]]));
    if (isAllowed) expect(Object.keys(declaring().errors)).toEqual([name]);
    else expect(declaring).toThrow(HbiError);
  });

  it("declares at most 32 of them", () => {
    expect(Object.keys(declare(many(32)).errors)).toHaveLength(32);
    expect(() => declare(many(33))).toThrow("33 errors, at most 32 a method");
  });

  class Own {}
  const own = value({ params: {}, make: () => new Own(), is: (candidate) => candidate instanceof Own });
  it.each<[string, unknown, boolean]>([
    ["a strict object", z.strictObject({ a: z.string() }), true],
    ["a loose object", z.looseObject({}), true],
    ["an object with a rule", z.object({ a: z.int() }).refine(({ a }) => a > 0), true],
    ["bytes", z.object({ a: z.instanceof(Uint8Array) }), true],
    ["a union inside", z.object({ a: z.union([z.string(), z.null()]) }), true],
    ["no object", z.string(), false],
    ["a record", z.record(z.string(), z.string()), false],
    ["an optional object", z.object({}).optional(), false],
    ["a transform", z.object({ a: z.string() }).transform(({ a }) => ({ a })), false],
    ["a transform inside", z.object({ a: z.string().transform(Number) }), false],
    ["an asynchronous rule", z.object({ a: z.string().refine(async () => true) }), false],
    ["a date", z.object({ a: z.date() }), false],
    ["an instance", z.object({ a: z.instanceof(Own) }), false],
    ["a value of the service", z.object({ a: own.schema }), false],
    ["no schema", { a: z.string() }, false],
  ])("may have as details %s", (_, schema, isAllowed) => {
    const declaring = () =>
      defineService({
        name: "s",
        version: "1.0.0",
        methods: { m: declare({ gone: schema }) },
        values: { Own: own },
      });
    if (isAllowed) expect(declaring().methods.m.errors["gone"]).toBe(schema);
    else expect(declaring).toThrow(HbiError);
  });
});
