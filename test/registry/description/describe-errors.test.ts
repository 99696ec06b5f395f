/**
 * Declared errors in descriptions, and in definitions that are made of them.
 */
import { defineService, describedService, describeService, HbiError, Link, memoryTransportPair, method } from "hbi";
import { testLink } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { briefDescription } from "../../../src/registry/description/brief-description.ts";
import { readDescription } from "../../../src/registry/description/description.ts";

describe("declared errors", () => {
  const node = z.object({ name: z.string(), depth: z.int().default(0) }).meta({ id: "Node" });
  const service = defineService({
    name: "s",
    version: "1.0.0",
    methods: {
      m: method({
        params: { node },
        errors: { gone: z.object({ at: node, plan: z.string().default("free") }), dry: z.strictObject({}) },
      }),
      n: method({ params: {} }),
    },
  });
  const described = describeService(service);

  it("have the objects of their details, as callers read them", () => {
    expect(described.methods["m"]?.errors).toMatchObject({
      gone: { type: "object", required: ["at", "plan"], properties: { at: { $ref: "#/$defs/Node.output" } } },
      dry: { type: "object", additionalProperties: false },
    });
    expect(described.methods["n"]).not.toHaveProperty("errors");
    expect(described.$defs).toMatchObject({
      Node: { required: ["name"] },
      "Node.output": { required: ["name", "depth"] },
    });
  });

  it("are read again, and are in the brief description", () => {
    expect(readDescription(JSON.parse(JSON.stringify(described)))).toEqual(described);
    const brief = briefDescription(described);
    expect(brief.methods["m"]?.errors).toEqual(described.methods["m"]?.errors);
    expect(Object.keys(brief.$defs)).toEqual(["Node", "Node.output"]);
  });

  it.each([
    ["no name of an error", { "A.b": {} }],
    ["no schema", { gone: 5 }],
    ["no record", []],
    ["a reference to nothing", { gone: { $ref: "#/$defs/Nothing" } }],
  ])("are refused if they are %s", (_, errors) => {
    const m = { ...described.methods["m"], errors };
    expect(() => readDescription({ ...described, methods: { m } })).toThrow(HbiError);
  });

  it("may be replaced, with their place", () => {
    const places: string[] = [];
    describeService(service, {
      override: ({ member, part, path }) => {
        if (part === "errors") places.push(`${member}: ${path}`);
        return undefined;
      },
    });
    expect(places).toEqual(expect.arrayContaining(["m: gone", "m: gone.at", "m: gone.plan", "m: dry"]));
  });

  it("have names and details of any form in a definition made of the description", async () => {
    const published = describedService(JSON.parse(JSON.stringify(described)));
    const own = await testLink(
      service,
      () => ({
        m: (_, call) => {
          throw call.error("gone", { at: { name: "a" } });
        },
        n: () => undefined,
      }),
      { host: { log: () => undefined } },
    );
    const [near, far] = memoryTransportPair();
    void own.host.accept(far);
    await using link = await new Link(published, async () => near, {}, { onMismatch: "ignore" }).open();
    const { error } = (await link.try["m"]?.({ node: { name: "b" } })) ?? {};
    expect(error).toMatchObject({ declared: "gone", details: { at: { name: "a", depth: 0 }, plan: "free" } });
    await own.close();
  });
});
