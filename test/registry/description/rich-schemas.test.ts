/**
 * Dates, Maps, Sets and URLs in descriptions: told apart from data of JSON, compared by what is inside, and without a trace in the author's schemas.
 */
import { compareServices, defineService, describeService, method, type Service } from "hbi";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import * as mini from "zod/mini";

const of = (schema: z.ZodType, side: "params" | "result" = "params") =>
  defineService({
    name: "s",
    version: "1.0.0",
    methods: {
      m: side === "params" ? method({ params: { a: schema } }) : method({ params: {}, result: schema }),
    },
  });
const schemaOf = (service: Service) => JSON.parse(JSON.stringify(describeService(service))) as { methods: unknown };
const text = (schema: z.ZodType, side?: "params" | "result") => JSON.stringify(schemaOf(of(schema, side)));

describe("are described", () => {
  it.each<[string, z.ZodType, unknown]>([
    ["a Date", z.date(), { "x-hbi-type": "date" }],
    ["an instance", z.instanceof(URL), { "x-hbi-type": "url" }],
    ["an instance of Map", z.instanceof(Map), { "x-hbi-type": "map" }],
    [
      "a Map",
      z.map(z.string(), z.int32()).min(2).max(3),
      {
        "x-hbi-type": "map",
        items: {
          prefixItems: [{ type: "string" }, { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }],
        },
        minItems: 2,
        maxItems: 3,
      },
    ],
    ["a Set", z.set(z.date()), { "x-hbi-type": "set", items: { "x-hbi-type": "date" } }],
    ["of zod/mini", mini.set(mini.date()) as never, { "x-hbi-type": "set", items: { "x-hbi-type": "date" } }],
    [
      "bounds of a Date",
      z.date().min(new Date(0)),
      { "x-hbi-type": "date", "x-hbi-unsaid": "greater_than or equal 1970-01-01T00:00:00.000Z" },
    ],
  ])("%s", (_, schema, expected) => {
    const described = JSON.stringify(expected).slice(1, -1);
    for (const side of ["params", "result"] as const) {
      for (const part of described.split(/,(?="(?:items|minItems|maxItems|x-hbi-unsaid))/)) {
        expect(text(schema, side)).toContain(part);
      }
    }
  });

  it("what contains itself", () => {
    const Tree: z.ZodType = z.lazy(() => z.map(z.string(), Tree));
    expect(text(Tree)).toContain('"$ref"');
  });

  it("strictly too, except for the bounds of a Date", () => {
    expect(describeService(of(z.map(z.string(), z.date())), { strict: true }).methods["m"]).toBeDefined();
    expect(() => describeService(of(z.date().max(new Date(0))), { strict: true })).toThrow("a Date with bounds has no");
  });

  it("and the schemas stay as they were", () => {
    const map = z.map(z.string(), z.int());
    const before = Object.getOwnPropertyDescriptor(map._zod, "processJSONSchema");
    describeService(of(map));
    expect(Object.getOwnPropertyDescriptor(map._zod, "processJSONSchema")).toEqual(before);
    expect(() => z.toJSONSchema(map)).toThrow();
  });
});

describe("are compared", () => {
  const breaks = (before: z.ZodType, after: z.ZodType) =>
    compareServices(describeService(of(before)), describeService(of(after))).some(({ isBreaking }) => isBreaking);

  it.each<[string, z.ZodType, z.ZodType, boolean]>([
    ["the same", z.map(z.string(), z.date()), z.map(z.string(), z.date()), false],
    ["a wider value", z.map(z.string(), z.int()), z.map(z.string(), z.number()), false],
    ["a narrower value", z.map(z.string(), z.number()), z.map(z.string(), z.int()), true],
    ["a wider key", z.map(z.string(), z.int()), z.map(z.union([z.string(), z.int()]), z.int()), false],
    ["a narrower key", z.map(z.union([z.string(), z.int()]), z.int()), z.map(z.string(), z.int()), true],
    ["more entries", z.set(z.int()).max(3), z.set(z.int()).max(4), false],
    ["fewer entries", z.set(z.int()).max(4), z.set(z.int()).max(3), true],
    ["a list for a Set", z.set(z.int()), z.array(z.int()), true],
    ["a Set for a list", z.array(z.int()), z.set(z.int()), true],
    ["a Map for a Set", z.set(z.int()), z.map(z.int(), z.int()), true],
    ["a text for a Date", z.date(), z.iso.datetime(), true],
    ["a Date for a text", z.iso.datetime(), z.date(), true],
    ["either for a text", z.iso.datetime(), z.union([z.iso.datetime(), z.date()]), false],
    ["anything for a Date", z.date(), z.unknown(), false],
    ["a Date for anything", z.unknown(), z.date(), true],
    ["a bound of a Date", z.date(), z.date().min(new Date(0)), true],
    ["a URL for a Date", z.date(), z.instanceof(URL), true],
  ])("%s", (_, before, after, isBreaking) => {
    expect(breaks(before, after)).toBe(isBreaking);
  });
});
