/**
 * A service of many methods, as an interface to a database has them.
 */
import { defineService, method } from "hbi";
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
