/**
 * The code of docs/handlers.md, in its order: a shop with its consumers in one process, over loopback.
 */
import assert from "node:assert/strict";
import { type CallOn, combine, defineService, HbiError, type Mismatch, method, type Peer } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const shop = defineService({
  name: "shop",
  version: "1.0.0",
  methods: {
    sell: method({ params: { item: z.string().max(50), price: z.number().min(0) }, result: z.number() }),
  },
  reactions: {
    sold: method({ params: { item: z.string().max(50), by: z.string().max(50) } }),
  },
  credentials: { token: z.string().max(100) },
});

interface Clerk {
  readonly name: string;
  readonly mostPerSale: number;
}

const clerks = new Map<string, Clerk>([["secret of ali", { name: "ali", mostPerSale: 100 }]]);

// --- an object or a class ----------------------------------------------------------------------------------------------

class Till {
  readonly #peer: Peer<typeof shop, Clerk>;
  #total = 0; // of this connection

  constructor(peer: Peer<typeof shop, Clerk>) {
    this.#peer = peer;
  }

  async sell({ item, price }: { item: string; price: number }, call: CallOn<typeof shop, Clerk>): Promise<number> {
    if (price > call.context.mostPerSale) throw new HbiError("permission_denied", "ask the manager");
    this.#total += price;
    await this.#peer.post.sold({ item, by: call.context.name });
    return this.#total;
  }
}

type Line = Readonly<Record<string, unknown>>;
const lines: string[] = [];
/** Takes what a logger such as pino takes. */
const logger = {
  info: (line: Line, text: string) => void lines.push(`info ${text} ${line["method"]} ${line["code"]}`),
  warn: (line: Line, text: string) => void lines.push(`warn ${text} ${line["method"]}`),
};

const server = await serve(shop, "127.0.0.1:0", (peer: Peer<typeof shop, Clerk>) => new Till(peer), {
  authenticate: ({ token }: { token: string }) => clerks.get(token),
  onPeer: (peer) => void peer.post.sold({ item: "nothing yet", by: peer.context.name }), // connected and authenticated
  onPeerLeft: (peer, reason) => console.log(`${peer.context.name} left${reason ? `: ${reason.message}` : ""}`),
  logFields: ({ name }, peer) => ({ clerk: name, network: peer.network ?? null }), // once for each authentication
  onCall: ({ error, fields, ...call }) => logger.info({ ...fields, ...call, reason: error?.reason }, "call"),
  log: ({ error, fields, call, where }) => logger.warn({ ...fields, ...call, err: error }, where),
  authorize: (call) => call.name !== "sell" || call.params.price < 1_000, // number: the parameters of `sell`
});

class Screen {
  readonly lines: string[] = [];
  sold({ item, by }: { item: string; by: string }): void {
    this.lines.push(`${by} sold ${item}`);
  }
}

const screen = new Screen();
const link = await connect(shop, server.address, screen, { credentials: { token: "secret of ali" } });
assert.equal(await link.call.sell({ item: "a lamp", price: 40 }), 40);
assert.equal(await link.call.sell({ item: "a bulb", price: 2 }), 42);
await assert.rejects(link.call.sell({ item: "a horse", price: 1_000 }), { code: "permission_denied" });
console.log(screen.lines.join("; "));
await assert.rejects(link.call.sell({ item: "a castle", price: 1_000_000 }), { message: "not allowed" });
console.log(lines.filter((line) => line.includes("sell")).join("\n"));
await link.close();
await server.drain();

// --- several definitions -----------------------------------------------------------------------------------------------

const parcel = z.string().max(50);
const count = method({ params: { parcel }, result: z.int() });
const stock = defineService({ name: "stock", version: "1.0.0", methods: { count } });
const delivery = defineService({
  name: "delivery",
  version: "1.0.0",
  methods: { send: method({ params: { parcel } }) },
  reactions: { arrived: method({ params: { parcel } }) },
});

const stockHandlers = () => ({ count: () => 3 });
const deliveryHandlers = (peer: { post: { arrived(params: { parcel: string }): Promise<unknown> } }) => ({
  send: ({ parcel }: { parcel: string }) => void peer.post.arrived({ parcel }),
});

const all = combine({ name: "everything", version: "1.0.0" }, stock, delivery);
const market = await serve(all, "127.0.0.1:0", (peer) => ({ ...stockHandlers(), ...deliveryHandlers(peer) }));
const customer = await connect(delivery, market.address, { arrived: ({ parcel }) => console.log(`${parcel} is here`) });

await customer.call.send({ parcel: "a chair" });
for (const peer of market.peers) void peer.post.arrived({ parcel: "a lamp" }); // consumers of `stock` get nothing
await customer.ping();

// --- a definition that differs -----------------------------------------------------------------------------------------

const stockOfTomorrow = defineService({
  name: "stock",
  version: "2.0.0",
  methods: { count, reserve: method({ params: { parcel } }) },
});
const onMismatch = ({ version, changes }: Mismatch) => console.log(version, changes[0]?.path, changes[0]?.kind);
const newer = await connect(stockOfTomorrow, market.address, {}, { onMismatch });
assert.equal(await newer.call.count({ parcel: "a lamp" }), 3);
while (newer.mismatch === undefined) await newer.ping();
await Promise.all([customer.close(), newer.close()]);
await market.drain();
