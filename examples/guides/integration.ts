/**
 * The code of docs/integration.md, in its order: a depot, called by a tool that has only its description.
 */
import { defineService, describedService, describeService, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const item = z.string().min(1).max(100);

const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    stock: method({ params: { item }, result: z.int(), idempotent: true }),
    store: method({ params: { item, amount: z.int().min(1) }, result: z.int() }),
    label: method({ params: { size: z.int().min(0).max(10_000) }, body: ({ size }) => size, result: z.string() }),
  },
});

const amounts = new Map<string, number>();
const server = await serve(depot, "127.0.0.1:0", () => ({
  stock: ({ item }) => amounts.get(item) ?? 0,
  store: ({ item, amount }) => {
    const stored = (amounts.get(item) ?? 0) + amount;
    amounts.set(item, stored);
    return stored;
  },
  label: async (_, call) => new TextDecoder().decode(await call.bytes()),
}));
const { address } = server;

// --- a link from a description -----------------------------------------------------------------------------------------

const anything = defineService({ name: "anything", version: "1.0.0", methods: {} });
const first = await connect(anything, address);
const description = await first.describe(); // or a stored one: describeService(depot) as JSON
await first.close();

const link = await connect(describedService(description), address);
for (const [name, { params }] of Object.entries(description.methods)) {
  console.log(`${name}(${params.map((param) => param.name).join(", ")})`);
}
const stored: unknown = await link.call["store"]?.({ item: "screws", amount: 200 });
console.log(stored);
await link.call["store"]?.({ item: "screws", amount: 0 }).catch((error) => console.log(error.message));

const label = new TextEncoder().encode("screws, 200");
console.log(await link.call["label"]?.({ size: label.length }, { send: (co) => co.sendData(label) }));
await link.close();

const lengths = { bodies: { label: (params: Readonly<Record<string, unknown>>) => Number(params["size"]) } };
const printer = await connect(describedService(describeService(depot), lengths), address);
console.log(await printer.call["label"]?.({ size: label.length }, { body: label }));
await printer.close();
await server.drain();
