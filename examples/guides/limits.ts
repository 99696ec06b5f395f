/**
 * The code of docs/services.md, "Limits of a method": an importer of many rows, over loopback.
 */
import assert from "node:assert/strict";
import { defineService, HbiError, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const importer = defineService({
  name: "importer",
  version: "1.0.0",
  methods: {
    import_rows: method({
      params: { rows: z.array(z.array(z.union([z.string(), z.number()]))) },
      result: z.int(),
      limits: { call: { maxNodes: 100_000, maxPacketBytes: 4 * 1024 * 1024 } }, // more than others of this service
    }),
    search: method({
      params: { text: z.string().max(100) },
      result: z.array(z.string()),
      limits: { result: { maxNodes: 1_000 } }, // a larger result is an error of the handler
    }),
  },
});

const server = await serve(
  importer,
  "127.0.0.1:0",
  () => ({
    import_rows: ({ rows }) => rows.length,
    search: ({ text }) => Array.from({ length: text === "" ? 5_000 : 10 }, (_, i) => `${text}${i}`),
  }),
  { log: () => undefined },
);
const link = await connect(importer, server.address);

const rows = Array.from({ length: 5_000 }, (_, i) => [i, `row ${i}`, i / 7, "x"]);
assert.equal(await link.call.import_rows({ rows }), 5_000);

const refused = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.catch((thrown: unknown) => thrown);
  assert(error instanceof HbiError && error.code === "resource_exhausted");
  return error.message;
};
console.log(await refused(link.call.import_rows({ rows: [...rows, ...rows, ...rows, ...rows] })));
console.log(await refused(link.call.search({ text: "" })));
assert.equal((await link.call.search({ text: "a" })).length, 10);

await link.close();
await server.drain();
