/**
 * The shop, as its consumers see it: what they may call, and what the shop calls back.
 */
import { defineService, method, value } from "hbi";
import { z } from "zod";

/** An amount in the smallest unit of its currency. */
export class Money {
  readonly currency: string;
  readonly cents: number;

  constructor(currency: string, cents: number) {
    this.currency = currency;
    this.cents = cents;
  }
}

/** On the wire: `Money("EUR", 1250)`. */
export const money = value({
  params: { currency: z.string().length(3), cents: z.int() },
  make: ({ currency, cents }) => new Money(currency, cents),
  is: (given) => given instanceof Money,
});

export const Item = z.strictObject({ sku: z.string().max(32), title: z.string().max(200), price: money.schema });
export type Item = z.infer<typeof Item>;

export const OrderLine = z.strictObject({ sku: z.string().max(32), quantity: z.int().min(1).max(1000) });
export type OrderLine = z.infer<typeof OrderLine>;

export const shop = defineService({
  name: "shop",
  version: "1.0.0",
  title: "A shop",
  methods: {
    list_items: method({
      description: "What can be ordered, cheapest first.",
      params: { search: z.string().max(100).default(""), limit: z.int().min(1).max(100).default(20) },
      result: z.array(Item).max(100),
      idempotent: true,
      examples: [{ search: "tea" }],
    }),
    place_order: method({
      description: "Orders at the present prices. `order_shipped` follows when it is on its way.",
      params: { lines: z.array(OrderLine).min(1).max(100), note: z.string().max(500).optional() },
      result: z.strictObject({ order_id: z.string(), total: money.schema }),
    }),
  },
  reactions: {
    order_shipped: method({
      description: "An order of this consumer has left.",
      params: { order_id: z.string(), carrier: z.string(), parcels: z.int().min(1) },
    }),
  },
  values: { Money: money },
});
