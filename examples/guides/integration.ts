/**
 * The code of docs/integration.md, in its order: a depot, called by a tool that has only its description, and over a broker.
 */
import {
  type CallCarrier,
  type CarriedCall,
  callsOver,
  defineService,
  describedService,
  describeService,
  HbiError,
  HostingEnv,
  method,
  type OutgoingCall,
  repr,
} from "hbi";
import { connect, HBIC, serve } from "hbi/node";
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

// --- calls over a message broker ----------------------------------------------------------------------------------------

/** A message broker: requests by subject, and their replies. All of it is text. */
const workers = new Map<string, (message: string) => Promise<string>>();

const carrier: CallCarrier = {
  async carry({ service, name, code, resultCount, metadata, land }) {
    const worker = workers.get(`${service}.${name}`);
    if (worker === undefined) {
      throw new HbiError("unavailable", "no responders", undefined, { mayHaveLanded: false });
    }
    const reply = await worker(JSON.stringify({ code, resultCount, metadata }));
    return (JSON.parse(reply) as string[]).map(land); // results, or the error of the host
  },
};

const stockroom = callsOver(depot, carrier, { retries: 2 });
console.log(await stockroom.call.stock({ item: "screws" }).catch((error: HbiError) => error.message));

// --- a worker that hands them to the service ---------------------------------------------------------------------------

const gateway = new HBIC(address, new HostingEnv());
const { po } = await gateway.connect();

type Request = Pick<CarriedCall, "code" | "resultCount" | "metadata">;

async function worker(message: string): Promise<string> {
  const { code, resultCount, metadata } = JSON.parse(message) as Request;
  try {
    return await po.converse(
      async (co) => {
        await co.sendCode(code);
        const results: string[] = [];
        for (let i = 0; i < resultCount; i++) results.push(repr(await co.recvObj()));
        await co.waitCompleted();
        return JSON.stringify(results);
      },
      { metadata },
    );
  } catch (error) {
    const { code, message } = error as HbiError;
    return JSON.stringify([`HbiError(${repr(code)},${repr(message)})`]);
  }
}
for (const name of ["stock", "store"]) workers.set(`depot.${name}`, worker);

console.log(await stockroom.call.store({ item: "nails", amount: 50 }));
console.log(await stockroom.call.stock({ item: "nails" }));
await gateway.drain();
await server.drain();

// --- metadata ----------------------------------------------------------------------------------------------------------

const tracedServer = await serve(depot, "127.0.0.1:0", () => ({
  stock: (_, call) => {
    const { traceparent, tenant } = call.metadata;
    console.log(`${traceparent} of ${tenant}`);
    return 0;
  },
  store: ({ amount }) => amount,
  label: () => "",
}));

function newTrace(): string {
  return "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
}

function trace(call: OutgoingCall, next: () => Promise<unknown>): Promise<unknown> {
  call.metadata["traceparent"] ??= newTrace();
  return next();
}

const traced = await connect(depot, tracedServer.address, {}, { interceptors: [trace] });
await traced.call.stock({ item: "screws" }, { metadata: { tenant: "acme" } });
await traced.close();
await tracedServer.drain();
