/**
 * A service of many methods, as an interface to a database has them, at default limits.
 */
import { asyncApiDocument, compareServices, defineService, describedService, describeService, method } from "hbi";
import { connect, serve } from "hbi/node";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const id = z.uuid();

function crud(entity: string) {
  const fields = z.object({
    name: z.string().min(1).max(200).describe(`the name of the ${entity}`),
    state: z.enum(["draft", "open", "closed", "archived"]),
    email: z.email().optional(),
    tags: z.array(z.string().max(40)).max(20).default([]),
    price: z.object({ amount: z.int().min(0), currency: z.string().length(3) }).nullable(),
    created: z.iso.datetime(),
    note: z.string().max(2_000).optional(),
    count: z.int().min(0).max(1_000_000),
    owner: id.optional(),
    weight: z.number().positive().optional(),
    flags: z.record(z.string(), z.boolean()),
  });
  const stored = fields.extend({ id, version: z.int().min(1) });
  return {
    [`${entity}.create`]: method({ params: { fields }, result: stored }),
    [`${entity}.get`]: method({ params: { id }, result: stored.nullable(), idempotent: true }),
    [`${entity}.list`]: method({
      params: { filter: fields.partial().optional(), limit: z.int().min(1).max(100).default(20), after: id.optional() },
      result: z.array(stored).max(100),
      idempotent: true,
    }),
    [`${entity}.update`]: method({ input: fields.partial().extend({ id }), result: stored }),
    [`${entity}.delete`]: method({ params: { id, version: z.int().min(1) }, result: z.boolean() }),
  };
}

export function service(count: number) {
  const all = Array.from({ length: count / 5 }, (_, i) => crud(`entity_${i}`));
  return defineService({
    name: "big",
    version: "1.0.0",
    methods: Object.assign({}, ...all) as ReturnType<typeof crud>,
  });
}

export const handlersOf = (methods: object) =>
  Object.fromEntries(Object.keys(methods).map((name) => [name, ({ id }: { id?: string }) => id === undefined]));

export function worksWith(count: number): void {
  describe(`a service of ${count} methods`, () => {
    const big = service(count);
    const description = describeService(big);

    it("is described and compared, and a tool is made of its description", () => {
      expect(Object.keys(description.methods)).toHaveLength(count);
      expect(compareServices(big, JSON.parse(JSON.stringify(description)))).toEqual([]);
      expect(Object.keys(asyncApiDocument(big).channels)).toHaveLength(count);
      expect(Object.keys(describedService(description).methods)).toHaveLength(count);
    }, 120_000);

    it("is served, connected to, asked for its description, and called", async () => {
      const server = await serve(big, "127.0.0.1:0", () => handlersOf(big.methods) as never);
      const link = await connect(big, server.address);
      const told = await link.describe();
      expect(told.hash).toBe(description.hash);
      expect(Object.keys(told.methods)).toHaveLength(count);
      const given = { id: "0b4f5ba9-5d1c-4a3c-9f70-d1e2c6a6a9b0", version: 1 };
      const deletes = Object.keys(big.methods).filter((name) => name.endsWith(".delete"));
      const calls = link.call as Readonly<Record<string, (params: object) => Promise<unknown>>>; // the names are computed
      expect(await Promise.all(deletes.map((name) => calls[name]?.(given)))).toEqual(deletes.map(() => false));
      await link.close();
      await server.close();
    }, 120_000);
  });
}
